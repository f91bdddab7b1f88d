#include "providers/relay/request_head.hpp"

#include <strings.h>

#include <charconv>

namespace gantry::providers::relay {
namespace {

bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<RequestHead> parse_head(std::string_view bytes) {
  RequestHead head;
  const auto first = bytes.find("\r\n");
  if (first == std::string_view::npos) return std::nullopt;
  const std::string_view line = bytes.substr(0, first);
  const auto space = line.find(' ');
  const auto second = line.rfind(' ');
  if (space == std::string_view::npos || second == space || !line.substr(second + 1).starts_with("HTTP/1."))
    return std::nullopt;
  head.method = line.substr(0, space);
  head.target = line.substr(space + 1, second - space - 1);
  head.text.reserve(bytes.size());
  head.text.append(bytes.substr(0, first + 2));

  bool body = false;
  bool upgrade = false;
  for (auto at = first + 2; at < bytes.size();) {
    const auto end = bytes.find("\r\n", at);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view field = bytes.substr(at, end - at);
    const std::string_view whole = bytes.substr(at, end + 2 - at);
    at = end + 2;
    const auto colon = field.find(':');
    const std::string_view name = field.substr(0, colon);
    const std::string_view value = colon == std::string_view::npos ? "" : trimmed(field.substr(colon + 1));
    if (same(name, kRouteHeader)) {
      head.route = value;
      continue;
    }
    if (same(name, kClientHeader)) {
      head.client = value;
      continue;
    }
    if (same(name, "content-length")) std::from_chars(value.data(), value.data() + value.size(), head.content_length);
    body = body || same(name, "transfer-encoding") || head.content_length > 0;
    upgrade = upgrade || same(name, "upgrade");
    head.text.append(whole);
  }
  head.repeatable = !body && !upgrade && (head.method == "GET" || head.method == "HEAD" || head.method == "OPTIONS");
  return head;
}

}  // namespace gantry::providers::relay
