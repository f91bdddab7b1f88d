#include "controller/api/media.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "controller/api/status.hpp"

namespace gantry::api {
namespace {

constexpr std::size_t kClausesMax = 64;  // a longer Accept header is not read to its end

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool takes_json(const MediaType& clause) {
  return clause.type == "application/json" || clause.type == "*/*" || clause.type == "application/*";
}

}  // namespace

std::string_view MediaType::parameter(std::string_view name) const {
  const auto at = std::ranges::find(parameters, name, [](const auto& pair) { return std::string_view(pair.first); });
  return at == parameters.end() ? std::string_view() : std::string_view(at->second);
}

MediaType parse_media_type(std::string_view clause) {
  MediaType made;
  std::size_t end = clause.find(';');
  made.type = lower(trimmed(clause.substr(0, end)));
  while (end != std::string_view::npos) {
    clause.remove_prefix(end + 1);
    end = clause.find(';');
    const auto pair = trimmed(clause.substr(0, end));
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    auto value = trimmed(pair.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    auto name = lower(trimmed(pair.substr(0, equals)));
    if (name == "q") {
      double q = 1;
      if (std::from_chars(value.data(), value.data() + value.size(), q).ec == std::errc()) made.q = q;
      continue;
    }
    made.parameters.emplace_back(std::move(name), std::string(value));
  }
  return made;
}

std::vector<MediaType> parse_accept(std::string_view header) {
  std::vector<MediaType> clauses;
  for (std::size_t start = 0; start <= header.size() && clauses.size() < kClausesMax;) {
    const auto comma = std::min(header.find(',', start), header.size());
    if (const auto clause = trimmed(header.substr(start, comma - start)); !clause.empty())
      clauses.push_back(parse_media_type(clause));
    start = comma + 1;
  }
  std::ranges::stable_sort(clauses, std::ranges::greater(), &MediaType::q);
  return clauses;
}

Form negotiate_form(const std::string* accept, bool many, bool table_possible) {
  if (!accept || accept->empty() || *accept == "application/json") return Form::Plain;
  for (const auto& clause : parse_accept(*accept)) {
    if (clause.q <= 0 || !takes_json(clause)) continue;
    const auto as = clause.parameter("as");
    if (as.empty()) return Form::Plain;
    const auto group = clause.parameter("g");
    const auto version = clause.parameter("v");
    if (group != "meta.k8s.io" || (version != "v1" && version != "v1beta1")) continue;
    if (as == "Table" && table_possible) return Form::Table;
    if (as == (many ? "PartialObjectMetadataList" : "PartialObjectMetadata")) return Form::Metadata;
  }
  throw not_acceptable({"application/json", "application/json;as=Table;g=meta.k8s.io;v=v1"});
}

void require_json(const std::string* accept) {
  if (!accept || accept->empty()) return;
  for (const auto& clause : parse_accept(*accept)) {
    if (clause.q > 0 && takes_json(clause)) return;
  }
  throw not_acceptable({"application/json"});
}

}  // namespace gantry::api
