#include "providers/local/usage.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>

#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

// "usage_usec 123" in a file of such lines.
std::optional<std::int64_t> entry_of(const std::string& path, std::string_view name) {
  std::istringstream lines(read_small(path).value_or(""));
  std::string key;
  std::int64_t value = 0;
  while (lines >> key >> value) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<std::int64_t> number_in(const std::string& path) {
  const auto text = read_small(path);
  std::int64_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

struct Process {
  pid_t group = 0;
  std::int64_t ticks = 0;  // with those of children that have ended
  std::int64_t resident_pages = 0;
};

std::optional<Process> read_process(const std::string& pid) {
  const auto stat = read_small("/proc/" + pid + "/stat");
  if (!stat) return std::nullopt;
  // The name may hold anything, spaces and brackets too; it ends at the last bracket.
  const auto name_end = stat->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(stat->substr(name_end + 2));
  std::string skipped;
  Process process;
  fields >> skipped >> skipped >> process.group;  // state, parent, group
  for (int i = 0; i < 8; ++i) fields >> skipped;
  for (int i = 0; i < 4; ++i) {
    std::int64_t ticks = 0;
    fields >> ticks;
    process.ticks += ticks;
  }
  std::istringstream memory(read_small("/proc/" + pid + "/statm").value_or(""));
  memory >> skipped >> process.resident_pages;
  return process;
}

}  // namespace

InstanceUsage usage_of(const Cgroup& group, pid_t leader) {
  InstanceUsage used;
  std::optional<std::int64_t> micros, bytes;
  for (const auto& folder : group.folders) {
    if (!micros) micros = entry_of(folder + "/cpu.stat", "usage_usec");
    if (bytes) continue;
    bytes = number_in(folder + "/memory.current");
    if (!bytes) bytes = number_in(folder + "/memory.usage_in_bytes");
    if (!bytes) continue;
    // What the kernel would drop when asked is no need of the instance's.
    auto cache = entry_of(folder + "/memory.stat", "inactive_file");
    if (const auto total = entry_of(folder + "/memory.stat", "total_inactive_file")) cache = total;
    bytes = std::max<std::int64_t>(0, *bytes - cache.value_or(0));
  }
  if (!micros || !bytes) {
    const auto inside = members(group);
    const std::set<int> ours(inside.begin(), inside.end());
    const std::int64_t tick = ::sysconf(_SC_CLK_TCK), page = ::sysconf(_SC_PAGESIZE);
    std::int64_t ticks = 0, pages = 0;
    for (const auto& name : names_in("/proc")) {
      if (name.empty() || name[0] < '0' || name[0] > '9') continue;
      const auto process = read_process(name);
      if (!process || (process->group != leader && !ours.contains(std::atoi(name.c_str())))) continue;
      ticks += process->ticks;
      pages += process->resident_pages;
    }
    if (!micros) micros = ticks * 1'000'000 / std::max<std::int64_t>(tick, 1);
    if (!bytes) bytes = pages * page;
  }
  used.cpu = std::chrono::microseconds(*micros);
  used.memory_bytes = *bytes;
  return used;
}

}  // namespace gantry::providers::local
