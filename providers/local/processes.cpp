#include "providers/local/processes.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <sstream>

extern "C" {  // glibc 2.36 forgets to say so itself
#include <sys/pidfd.h>
}

namespace gantry::providers::local {
namespace {

std::string proc(pid_t pid, std::string_view file) { return "/proc/" + std::to_string(pid) + "/" + std::string(file); }

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  for (const auto& name : names_in("/proc")) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

std::string variable_of(pid_t pid, std::string_view name) {
  const std::string environment = std::string(1, '\0') + read_small(proc(pid, "environ"), 8 << 20).value_or("");
  const std::string wanted = std::string(1, '\0') + std::string(name) + "=";
  const auto at = environment.find(wanted);
  if (at == std::string::npos) return "";
  const auto start = at + wanted.size();
  return environment.substr(start, environment.find('\0', start) - start);
}

// Inodes of the sockets bound to the port: those that listen for TCP, all for UDP.
std::vector<std::string> sockets_on(int port, bool udp) {
  std::vector<std::string> inodes;
  for (const auto* table : {udp ? "/proc/net/udp" : "/proc/net/tcp", udp ? "/proc/net/udp6" : "/proc/net/tcp6"}) {
    std::istringstream lines(read_small(table, 64 << 20).value_or(""));
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
      std::istringstream fields(line);
      std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
      if (!(fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode))
        continue;
      const auto colon = local.find(':');
      int bound = 0;
      std::from_chars(local.data() + colon + 1, local.data() + local.size(), bound, 16);
      if (bound == port && (udp || state == "0A") && inode != "0") inodes.push_back(inode);
    }
  }
  return inodes;
}

bool has_socket(pid_t pid, const std::vector<std::string>& inodes) {
  const std::string folder = proc(pid, "fd");
  for (const auto& name : names_in(folder)) {
    char target[64];
    const auto length = ::readlink((folder + "/" + name).c_str(), target, sizeof target);
    if (length <= 0) continue;
    const std::string_view link(target, static_cast<std::size_t>(length));
    for (const auto& inode : inodes) {
      if (link == "socket:[" + inode + "]") return true;
    }
  }
  return false;
}

}  // namespace

std::string boot_id() {
  std::string id = read_small("/proc/sys/kernel/random/boot_id").value_or("unknown");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::optional<std::uint64_t> start_ticks_of(pid_t pid) {
  const auto text = read_small(proc(pid, "stat"));
  if (!text) return std::nullopt;
  // The name in parentheses may hold anything; fields are counted from behind it. Start time is field 22.
  const auto name_end = text->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text->substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  std::uint64_t ticks = 0;
  std::from_chars(field.data(), field.data() + field.size(), ticks);
  return ticks;
}

ProcessId identify(pid_t pid) { return {pid, start_ticks_of(pid).value_or(0)}; }

Fd open_pidfd(pid_t pid) { return Fd(pid > 0 ? ::pidfd_open(pid, 0) : -1); }

int signal_through(const Fd& pidfd, int signal) {
  return ::pidfd_send_signal(pidfd.get(), signal, nullptr, 0) == 0 ? 0 : errno;
}

std::vector<pid_t> processes_of_instance(const std::string& folder) {
  std::vector<pid_t> found;
  for (const pid_t pid : all_processes()) {
    if (pid != ::getpid() && variable_of(pid, kFolderVariable) == folder) found.push_back(pid);
  }
  return found;
}

std::size_t end_orphans(const std::string& folder, const Cgroup& group) {
  constexpr int kRounds = 20;  // a fork bomb may win a round, but not against the group's own kill
  constexpr int kWaitMillis = 100;
  std::size_t left = 0;
  for (int round = 0; round < kRounds; ++round) {
    kill_all(group);
    std::vector<pid_t> pids = processes_of_instance(folder);
    for (const int pid : members(group)) pids.push_back(pid);
    std::vector<Fd> dying;
    for (const pid_t pid : pids) {
      Fd pidfd = open_pidfd(pid);
      // The pid may have passed to another process since it was found; behind the descriptor it cannot any more.
      const bool ours = variable_of(pid, kFolderVariable) == folder || std::ranges::count(members(group), pid) > 0;
      if (!pidfd || !ours || signal_through(pidfd, SIGKILL) != 0) continue;
      dying.push_back(std::move(pidfd));
    }
    for (const auto& pidfd : dying) {
      pollfd wait{pidfd.get(), POLLIN, 0};
      ::poll(&wait, 1, kWaitMillis);
    }
    left = dying.size();
    if (left == 0) break;
  }
  remove(group);
  return left;
}

std::optional<PortOwner> owner_of_port(int port, bool udp) {
  const auto inodes = sockets_on(port, udp);
  if (inodes.empty()) return std::nullopt;
  for (const pid_t pid : all_processes()) {
    if (!has_socket(pid, inodes)) continue;
    std::string name = read_small(proc(pid, "comm")).value_or("?");
    while (!name.empty() && name.back() == '\n') name.pop_back();
    return PortOwner{pid, name, variable_of(pid, "GANTRY_INSTANCE")};
  }
  return PortOwner{};
}

}  // namespace gantry::providers::local
