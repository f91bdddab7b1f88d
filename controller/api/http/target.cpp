#include "controller/api/http/target.hpp"

namespace gantry::api::http {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// False for a broken escape.
bool decode(std::string_view text, bool plus_is_space, std::string& out) {
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    out += c;
  }
  return true;
}

std::string read_path(std::string_view path, HttpRequest& request) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view raw = path.substr(0, path.find('/'));
    path.remove_prefix(raw.size());
    if (raw.empty()) continue;
    std::string segment;
    if (!decode(raw, false, segment)) return "the path holds a broken percent escape";
    if (segment == "." || segment == "..") return "the path holds a \"" + segment + "\" segment";
    for (const char c : segment) {
      if (c == '/') return "the path holds an encoded slash";
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "the path holds an encoded control character";
    }
    request.path.append("/").append(segment);
    request.segments.push_back(std::move(segment));
  }
  if (request.path.empty()) request.path = "/";
  return {};
}

std::string read_query(std::string_view query, HttpRequest& request) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::string_view name = pair.substr(0, pair.find('='));
    const std::string_view value = pair.substr(std::min(pair.size(), name.size() + 1));
    auto& decoded = request.query.emplace_back();
    if (!decode(name, true, decoded.first) || !decode(value, true, decoded.second)) {
      return "the query holds a broken percent escape";
    }
  }
  return {};
}

}  // namespace

std::string read_target(std::string_view target, HttpRequest& request) {
  // The absolute form, as sent to a proxy.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const auto slash = target.find('/', scheme.size());
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  if (!target.starts_with('/')) return "the request target must be a path";
  const std::string_view path = target.substr(0, target.find('?'));
  const std::string_view query = target.substr(std::min(target.size(), path.size() + 1));
  std::string problem = read_path(path, request);
  return problem.empty() ? read_query(query, request) : problem;
}

}  // namespace gantry::api::http
