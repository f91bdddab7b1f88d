// What /proc says about processes and sockets. May block for a few milliseconds where it has to look at all of them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/local/instance_files.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {

// Changes with every start of the machine.
std::string boot_id();
// Nothing when there is no such process (a zombie counts as one).
std::optional<std::uint64_t> start_ticks_of(pid_t pid);
ProcessId identify(pid_t pid);

// A descriptor that becomes readable when the process ends. Empty when there is none.
Fd open_pidfd(pid_t pid);
// The errno, or 0.
int signal_through(const Fd& pidfd, int signal);

// The variable by which an instance's processes are found again: its folder, which unlike its id no other controller on
// this machine can have, be it one that began with a copy of our data.
inline constexpr std::string_view kFolderVariable = "GANTRY_INSTANCE_DIR";

// Those that were started with the variable set to this folder, and inherited it. Never this process itself.
std::vector<pid_t> processes_of_instance(const std::string& folder);
// Kills every process of an instance whose supervisor is gone: by its group, and by its environment. Returns when none
// is left, or after a bounded number of rounds; the count of those still there (0, or stuck in the kernel).
std::size_t end_orphans(const std::string& folder, const Cgroup& group);

struct PortOwner {
  pid_t pid = 0;  // 0: not visible to this user
  std::string name;
  std::string instance;  // the value of its GANTRY_INSTANCE, if it has one
};
// Who listens on a port. Nothing when nobody does.
std::optional<PortOwner> owner_of_port(int port, bool udp);

}  // namespace gantry::providers::local
