// The head of one request, as far as a relay must understand it. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gantry::providers::relay {

// Set by Caddy on every request, whatever the client sent; taken off again before an App sees the request.
inline constexpr std::string_view kRouteHeader = "Gantry-Route";
inline constexpr std::string_view kClientHeader = "Gantry-Client";

struct RequestHead {
  std::string method;
  std::string target;
  std::string route;
  std::string client;
  std::size_t content_length = 0;
  bool repeatable = false;  // may be sent again to another instance when the first one died without a word
  std::string text;         // what the App is sent: the head without our two lines, with its blank line
};

// bytes ends with the blank line. Nothing when it is no HTTP/1 head.
std::optional<RequestHead> parse_head(std::string_view bytes);

}  // namespace gantry::providers::relay
