#include "controller/api/http/listen_address.hpp"

#include <charconv>

#include "controller/base/error.hpp"

namespace gantry::api::http {

ListenAddress parse_listen_address(const std::string& text) {
  const auto colon = text.rfind(':');
  ListenAddress address;
  unsigned port = 70000;
  if (colon != std::string::npos) {
    const auto end = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port).ptr;
    if (end != text.data() + text.size()) port = 70000;
    address.host = text.substr(0, colon);
  }
  if (address.host.empty() || port > 65535) {
    throw Error(ErrorCode::Invalid,
                "--listen \"" + text + "\" is not ADDRESS:PORT, such as 127.0.0.1:6443 or [::1]:6443");
  }
  if (address.host.front() == '[' && address.host.back() == ']')
    address.host = address.host.substr(1, address.host.size() - 2);
  address.port = static_cast<std::uint16_t>(port);
  return address;
}

std::string reachable_host(const std::string& host) {
  if (host == "0.0.0.0") return "127.0.0.1";
  if (host == "::") return "[::1]";
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace gantry::api::http
