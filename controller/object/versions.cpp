#include "controller/object/versions.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <tuple>

namespace gantry::object {
namespace {

enum class Stability { Alpha, Beta, General };

struct Parsed {
  Stability stability;
  unsigned major, minor;  // v2beta1: 2, 1
};

// A number without leading zero in front of `text`, taken off it; absent when there is none, or one too large to count.
std::optional<unsigned> take_number(std::string_view& text) {
  unsigned value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || text.front() == '0') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

// Absent when it is no version as Kubernetes counts them.
std::optional<Parsed> parse(std::string_view version) {
  if (!version.starts_with('v')) return std::nullopt;
  version.remove_prefix(1);
  const auto major = take_number(version);
  if (!major) return std::nullopt;
  if (version.empty()) return Parsed{Stability::General, *major, 0};
  for (const auto& [word, stability] :
       {std::pair{std::string_view("alpha"), Stability::Alpha}, std::pair{std::string_view("beta"), Stability::Beta}}) {
    if (!version.starts_with(word)) continue;
    version.remove_prefix(word.size());
    const auto minor = take_number(version);
    if (minor && version.empty()) return Parsed{stability, *major, *minor};
  }
  return std::nullopt;
}

}  // namespace

std::vector<KindPtr> further_versions(const json::Value& crd) {
  std::vector<KindPtr> kinds;
  const json::Array& versions = crd.at({"spec", "versions"})->as_array();
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (versions[i].bool_or("served", true) && !versions[i].bool_or("storage", false))
      kinds.push_back(kind_of_version(crd, i));
  }
  return kinds;
}

bool has_version(const Kind& kind, std::string_view version) {
  const json::Value* versions = kind.definition.at({"spec", "versions"});
  if (!versions || !versions->is_array()) return kind.version == version;
  return std::ranges::any_of(versions->as_array(),
                             [&](const json::Value& each) { return each.string_or("name") == version; });
}

bool is_preferred(std::string_view version, std::string_view over) {
  const auto a = parse(version), b = parse(over);
  if (a && b) return std::tie(a->stability, a->major, a->minor) > std::tie(b->stability, b->major, b->minor);
  if (a || b) return a.has_value();
  return version < over;
}

}  // namespace gantry::object
