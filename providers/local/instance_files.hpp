// What lies in the folder of one process instance, DIR/instances/<id> (0700):
//
//   spec.json   what it is: owner, release, slot, ports, cgroup; no secrets. Written first: the intent
//   launch      how to start it: argv and env, so secrets too. 0600, and removed by the supervisor once the command
//   runs lock        locked by the supervisor for as long as it lives; the kernel tells by whom state.json  what became
//   of it, written by the supervisor alone while it lives log, log.1  what it printed (log_writer.hpp)
//
// The folder appears whole, by a rename, before anything is started. Nothing is fsynced: what these files guard, a
// process, does not survive the kernel either, and the page cache survives everything else.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "providers/local/cgroup.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

// Ids name files: Error(Invalid) for one that is not of a-z, 0-9 and -, or too long.
void check_instance_id(const std::string& id);

struct Launch {
  std::string program;  // resolved: a path
  std::vector<std::string> argv;
  std::vector<std::string> env;  // NAME=value
  std::string working_directory;
  Duration stop_grace{};
  std::int64_t log_bytes_max = 0;
  Cgroup cgroup;
};

std::string encode(const Launch& launch);
// Throws Error(Invalid).
Launch decode_launch(std::string_view text);

// A process, told apart from every other that ever had its pid.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // since boot; field 22 of /proc/<pid>/stat
  bool operator==(const ProcessId&) const = default;
};

struct State {
  enum class Phase { Starting, Running, Exited };
  Phase phase = Phase::Starting;
  std::string boot_id{};
  ProcessId supervisor{};
  ProcessId process{};
  WallTime started{};
  WallTime finished{};
  int exit_code = 0;
  bool stopping = false;   // asked to end
  bool never_ran = false;  // the command could not be executed
  std::string reason{};
};

std::string encode(const State& state);
// Throws Error.
State decode_state(std::string_view text);

// The durable part of an InstanceSpec, and what the host added to it.
struct Intent {
  Instance instance;
  std::string boot_id;
  std::string folder;  // where this was written; elsewhere it is a copy, and speaks of others' processes
  Cgroup cgroup;
};
std::string encode(const Intent& intent);
// Throws Error.
Intent decode_intent(std::string_view text);

// Who holds the lock, as the kernel knows it; 0 when nobody does. The caller must not be the holder.
pid_t lock_holder(const std::string& folder);
// Takes the lock for the life of this process. False when another one has it.
bool take_lock(const std::string& folder);

}  // namespace gantry::providers::local
