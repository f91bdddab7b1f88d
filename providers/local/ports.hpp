// Which host port an instance gets: pure but for one question, whether a port can be bound now.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "providers/workload_host.hpp"

namespace gantry::providers::local {

// Where ports are taken from when the declared one is not free: below the range the kernel hands out for connections.
inline constexpr int kFirstPort = 20000;
inline constexpr int kLastPort = 32767;

struct PortKey {
  int port = 0;
  bool udp = false;
  auto operator<=>(const PortKey&) const = default;
};
bool is_udp(const InstancePort& port);
// Part of a variable's name: "grpc-web" is GRPC_WEB.
std::string variable_name(std::string_view name);

// True when nobody on this machine listens on it, on any address.
bool can_bind(PortKey port);

struct PortChoice {
  std::vector<InstancePort> ports;    // with host_port filled in
  std::optional<InstancePort> taken;  // a fixed port that somebody else has: nothing was chosen
};

// `given`: ports of other instances, whether they listen already or not. A fixed port is that one or none; otherwise
// the wish (host_port), the declared port, or the next free one of the range, in this order.
PortChoice choose_ports(const std::vector<InstancePort>& wanted, const std::set<PortKey>& given,
                        const std::function<bool(PortKey)>& is_free);

// Who was given which port on this machine, processes and containers alike. On the loop's thread.
class PortBook {
 public:
  // Error(Unavailable) when the range is used up. When a fixed port is taken nothing is given and choice.taken says
  // which. `leaving`: ports that are still held, and will be free by the time they are needed.
  PortChoice claim(const std::string& instance, const std::vector<InstancePort>& wanted,
                   const std::set<PortKey>& leaving = {});
  // What an instance that was found again has already.
  void note(const std::string& instance, const std::vector<InstancePort>& ports);
  void release(const std::string& instance);
  // Empty: nobody.
  std::string holder(PortKey port) const;

 private:
  std::map<PortKey, std::string> given_;
};

// "port 8000 is already in use by pid 123 (nginx)". May block.
std::string describe_taken(const InstancePort& port, const std::string& holder);

}  // namespace gantry::providers::local
