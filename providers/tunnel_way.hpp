// How requests get to another host without anybody on the way reading them or changing them: where its tunnel ends, on
// the address of that host, and how that end is known to be the host's own. Data only.
#pragma once

#include <string>

namespace gantry::providers {

struct TunnelWay {
  int port = 0;
  std::string peer = {};  // the name or address that its certificate carries
  std::string ca = {};    // PEM: who signed it
  std::string pin = {};   // "sha256:...": which it is; instead of ca
  bool required = false;  // it has worked before: nothing goes in plain any more
  bool operator==(const TunnelWay&) const = default;
};

// Where an agent on that port has its tunnel end, unless it is told otherwise.
constexpr int tunnel_port_beside(int agent_port) { return agent_port < 65535 ? agent_port + 1 : agent_port - 1; }

}  // namespace gantry::providers
