#include "providers/local/cgroup.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>

#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

constexpr std::int64_t kCpuPeriodMicros = 100'000;

struct Mount {
  std::string point;
  bool v2 = false;
  std::string options;  // version 1: its controllers
};

std::vector<Mount> cgroup_mounts() {
  std::vector<Mount> found;
  std::istringstream lines(read_small("/proc/self/mounts").value_or(""));
  std::string device, point, type, options, rest;
  while (lines >> device >> point >> type >> options && std::getline(lines, rest)) {
    if (type == "cgroup2") found.push_back({point, true, ""});
    if (type == "cgroup") found.push_back({point, false, "," + options + ","});
  }
  return found;
}

bool has_word(const std::string& text, std::string_view word) {
  std::istringstream words(text);
  for (std::string each; words >> each;) {
    if (each == word) return true;
  }
  return false;
}

// The path of this process in the version 1 tree of a controller; our groups go below it, within its limits.
std::string own_path_v1(std::string_view controller) {
  std::istringstream lines(read_small("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names.find("," + std::string(controller) + ",") == std::string::npos) continue;
    const std::string path = line.substr(second + 1);
    return path == "/" ? "" : path;
  }
  return "";
}

bool make_group(const std::string& path) {
  return (::mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) && ::access(path.c_str(), W_OK) == 0;
}

std::string v1_root(const std::vector<Mount>& mounts, std::string_view controller) {
  for (const auto& mount : mounts) {
    if (mount.v2 || mount.options.find("," + std::string(controller) + ",") == std::string::npos) continue;
    // A container may see its own group as the root of the mount, under another path.
    for (const std::string& base : {mount.point + own_path_v1(controller), mount.point}) {
      if (files::exists(base) && make_group(base + "/gantry")) return base + "/gantry";
    }
  }
  return "";
}

}  // namespace

CgroupRoots CgroupRoots::discover() {
  CgroupRoots roots;
  const auto mounts = cgroup_mounts();
  for (const auto& mount : mounts) {
    if (!mount.v2 || !make_group(mount.point + "/gantry")) continue;
    roots.unified_ = mount.point + "/gantry";
    for (const auto* controller : {"memory", "cpu"}) {
      const std::string enable = std::string("+") + controller;
      write_value(mount.point + "/cgroup.subtree_control", enable);
      write_value(roots.unified_ + "/cgroup.subtree_control", enable);
    }
    const std::string enabled = read_small(roots.unified_ + "/cgroup.subtree_control").value_or("");
    roots.memory_is_v2_ = has_word(enabled, "memory");
    roots.cpu_is_v2_ = has_word(enabled, "cpu");
    if (make_group(roots.unified_ + "/supervisors")) roots.supervisors_ = roots.unified_ + "/supervisors";
    break;
  }
  roots.memory_ = roots.memory_is_v2_ ? roots.unified_ : v1_root(mounts, "memory");
  roots.cpu_ = roots.cpu_is_v2_ ? roots.unified_ : v1_root(mounts, "cpu");
  return roots;
}

std::string CgroupRoots::description() const {
  if (unified_.empty() && memory_.empty() && cpu_.empty()) return "none";
  const auto version = [](const std::string& root, bool v2) { return root.empty() ? "none" : v2 ? "v2" : "v1"; };
  return std::string("group ") + (unified_.empty() ? "none" : "v2") + ", memory " + version(memory_, memory_is_v2_) +
         ", cpu " + version(cpu_, cpu_is_v2_);
}

Cgroup CgroupRoots::make(const std::string& id, std::optional<std::int64_t> cpu_millis,
                         std::optional<std::int64_t> memory_bytes, std::string& shortfall) const {
  Cgroup group;
  const auto folder = [&](const std::string& root) -> std::string {
    if (root.empty()) return "";
    const std::string path = root + "/" + id;
    if (std::find(group.folders.begin(), group.folders.end(), path) != group.folders.end()) return path;
    if (!make_group(path)) return "";
    group.folders.push_back(path);
    return path;
  };
  const auto lacking = [&](std::string_view limit) {
    shortfall += (shortfall.empty() ? "" : "; ") + std::string(limit) + " limit is not enforced: no writable cgroup";
  };
  if (const auto path = folder(unified_); !path.empty() && files::exists(path + "/cgroup.kill")) {
    group.kill_file = path + "/cgroup.kill";
  }
  if (memory_bytes) {
    const auto path = folder(memory_);
    const auto* file = memory_is_v2_ ? "/memory.max" : "/memory.limit_in_bytes";
    if (path.empty() || write_value(path + file, std::to_string(*memory_bytes)) != 0) {
      lacking("memory");
    } else {
      group.oom_file = path + (memory_is_v2_ ? "/memory.events" : "/memory.oom_control");
      // Swapping would only put the end off. Absent where there is no swap accounting, which is fine.
      if (memory_is_v2_) write_value(path + "/memory.swap.max", "0");
      if (!memory_is_v2_) write_value(path + "/memory.memsw.limit_in_bytes", std::to_string(*memory_bytes));
      // The kernel kills the whole instance, not one process of it that the others then wait for.
      if (memory_is_v2_) write_value(path + "/memory.oom.group", "1");
    }
  }
  if (cpu_millis) {
    const auto path = folder(cpu_);
    const std::string quota = std::to_string(*cpu_millis * kCpuPeriodMicros / 1000);
    const int error = path.empty() ? ENOENT
                      : cpu_is_v2_ ? write_value(path + "/cpu.max", quota + " " + std::to_string(kCpuPeriodMicros))
                                   : write_value(path + "/cpu.cfs_quota_us", quota);
    if (error != 0) lacking("cpu");
  }
  return group;
}

int enter(const Cgroup& group) {
  for (const auto& folder : group.folders) {
    if (const int error = write_value(folder + "/cgroup.procs", "0")) return error;
  }
  return 0;
}

bool kill_all(const Cgroup& group) { return !group.kill_file.empty() && write_value(group.kill_file, "1") == 0; }

bool out_of_memory(const Cgroup& group) {
  if (group.oom_file.empty()) return false;
  std::istringstream lines(read_small(group.oom_file).value_or(""));
  std::string key, count;
  while (lines >> key >> count) {
    if (key == "oom_kill") return count != "0";
  }
  return false;
}

void remove(const Cgroup& group) {
  for (const auto& folder : group.folders) ::rmdir(folder.c_str());
}

std::vector<int> members(const Cgroup& group) {
  std::vector<int> pids;
  for (const auto& folder : group.folders) {
    std::istringstream lines(read_small(folder + "/cgroup.procs").value_or(""));
    for (int pid = 0; lines >> pid;) pids.push_back(pid);
  }
  return pids;
}

}  // namespace gantry::providers::local
