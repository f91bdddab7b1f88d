// Control groups: what keeps an instance's processes together, and its memory and CPU within limits. Version 2 where it
// is mounted and writable; limits by version 1 on machines that still have their controllers there; nothing otherwise,
// and then the process group has to do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gantry::providers::local {

// The groups of one instance.
struct Cgroup {
  std::vector<std::string> folders;  // each has a cgroup.procs to enter; removed in the end
  std::string kill_file;             // version 2: write 1 and all in it are killed
  std::string oom_file;              // holds a line "oom_kill <count>"
  bool operator==(const Cgroup&) const = default;
};

class CgroupRoots {
 public:
  // Looks at what this machine mounts. Reads and makes folders; may block.
  static CgroupRoots discover();

  // Makes the groups of instance `id` with these limits. What could not be had is said in `shortfall`, for people.
  Cgroup make(const std::string& id, std::optional<std::int64_t> cpu_millis, std::optional<std::int64_t> memory_bytes,
              std::string& shortfall) const;

  // Where supervisors go, so that stopping the controller's own group (systemd's KillMode) leaves them alone.
  const std::string& supervisors() const { return supervisors_; }
  // "version 2 (memory, cpu)": for the log.
  std::string description() const;

 private:
  std::string unified_;  // folder "gantry" in the version 2 tree; empty: none
  std::string memory_;   // folder "gantry" in the tree that has the controller; empty: none
  std::string cpu_;
  bool memory_is_v2_ = false;
  bool cpu_is_v2_ = false;
  std::string supervisors_;
};

// Enters every group; async-signal-safe but for the opened paths. The errno, or 0.
int enter(const Cgroup& group);
// Kills all that is inside. False when there is no way to (no version 2 group).
bool kill_all(const Cgroup& group);
// Whether the kernel killed something in there for want of memory.
bool out_of_memory(const Cgroup& group);
void remove(const Cgroup& group);
// The processes in there.
std::vector<int> members(const Cgroup& group);

}  // namespace gantry::providers::local
