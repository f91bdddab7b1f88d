// ADDRESS:PORT, as the --listen of a command says it.
#pragma once

#include <cstdint>
#include <string>

namespace gantry::api::http {

struct ListenAddress {
  std::string host;  // without brackets
  std::uint16_t port = 0;
};

// Of 127.0.0.1:6443 or [::1]:6443. Throws Error(Invalid).
ListenAddress parse_listen_address(const std::string& text);

// How clients on this machine write the host of a URL: 127.0.0.1 for 0.0.0.0, [::1] for ::.
std::string reachable_host(const std::string& host);

}  // namespace gantry::api::http
