#include "providers/local/ports.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>

#include "controller/base/error.hpp"
#include "providers/local/posix.hpp"
#include "providers/local/processes.hpp"

namespace gantry::providers::local {

bool is_udp(const InstancePort& port) { return port.protocol == "UDP"; }

std::string variable_name(std::string_view name) {
  std::string made;
  for (const char c : name) {
    made += std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::toupper(static_cast<unsigned char>(c)))
                                                        : '_';
  }
  return made;
}

bool can_bind(PortKey port) {
  const Fd socket(::socket(AF_INET, (port.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  // As servers do: connections of the last owner that are still winding down do not count. For UDP it would let two
  // share.
  const int yes = 1;
  if (!port.udp) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(static_cast<std::uint16_t>(port.port));
  any.sin_addr.s_addr = htonl(INADDR_ANY);  // in conflict with a listener on any single address too
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0;
}

PortChoice choose_ports(const std::vector<InstancePort>& wanted, const std::set<PortKey>& given,
                        const std::function<bool(PortKey)>& is_free) {
  PortChoice choice;
  std::set<PortKey> mine;
  const auto take = [&](int port, bool udp) {
    const PortKey key{port, udp};
    if (port <= 0 || port > 65535 || given.contains(key) || mine.contains(key) || !is_free(key)) return false;
    mine.insert(key);
    return true;
  };
  // Fixed ports first: none of them may go to a port that could have had another.
  choice.ports = wanted;
  for (auto& port : choice.ports) {
    if (!port.fixed) continue;
    if (port.host_port == 0) port.host_port = port.port;
    if (take(port.host_port, is_udp(port))) continue;
    choice.taken = port;
    return choice;
  }
  for (auto& port : choice.ports) {
    if (port.fixed) continue;
    const bool udp = is_udp(port);
    if (take(port.host_port, udp)) continue;
    port.host_port = take(port.port, udp) ? port.port : 0;
    for (int next = kFirstPort; port.host_port == 0 && next <= kLastPort; ++next) {
      if (take(next, udp)) port.host_port = next;
    }
    if (port.host_port == 0) {
      throw Error(ErrorCode::Unavailable,
                  "no port is free between " + std::to_string(kFirstPort) + " and " + std::to_string(kLastPort));
    }
  }
  return choice;
}

PortChoice PortBook::claim(const std::string& instance, const std::vector<InstancePort>& wanted,
                           const std::set<PortKey>& leaving) {
  std::set<PortKey> others;
  for (const auto& [port, holder] : given_) {
    if (holder != instance) others.insert(port);
  }
  PortChoice choice =
      choose_ports(wanted, others, [&](PortKey port) { return leaving.contains(port) || can_bind(port); });
  if (!choice.taken) note(instance, choice.ports);
  return choice;
}

void PortBook::note(const std::string& instance, const std::vector<InstancePort>& ports) {
  for (const auto& port : ports) given_[{port.host_port, is_udp(port)}] = instance;
}

void PortBook::release(const std::string& instance) {
  std::erase_if(given_, [&](const auto& entry) { return entry.second == instance; });
}

std::string PortBook::holder(PortKey port) const {
  const auto found = given_.find(port);
  return found == given_.end() ? "" : found->second;
}

std::string describe_taken(const InstancePort& port, const std::string& holder) {
  const std::string subject = "port " + std::to_string(port.host_port) + " is already in use by ";
  const auto owner = owner_of_port(port.host_port, is_udp(port));
  std::string who;
  if (owner && owner->pid != 0) who = "pid " + std::to_string(owner->pid) + " (" + owner->name + ")";
  if (owner && owner->pid == 0) who = "a process that this user may not see";
  const std::string& instance = owner && !owner->instance.empty() ? owner->instance : holder;
  if (!instance.empty()) who += (who.empty() ? "" : ", ") + std::string("instance ") + instance;
  if (who.empty()) who = "a socket that does not listen";
  return subject + who + "; stop it, or choose another hostPort";
}

}  // namespace gantry::providers::local
