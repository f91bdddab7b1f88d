#include "providers/local/machine_usage.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <sstream>

#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

// "MemTotal:       16384 kB"
std::int64_t kilobytes(const std::string& text, const std::string& name) {
  const auto at = text.find(name + ":");
  return at == std::string::npos ? 0 : std::atoll(text.c_str() + at + name.size() + 1) * 1024;
}

}  // namespace

MachineUsage::Reading MachineUsage::read() {
  Reading reading;
  reading.cpu_millis = ::sysconf(_SC_NPROCESSORS_ONLN) * 1000;

  std::istringstream stat(read_small("/proc/stat").value_or(""));
  std::string word;
  std::int64_t all = 0;
  std::int64_t idle = 0;
  stat >> word;
  for (int field = 0; field < 8; ++field) {  // user nice system idle iowait irq softirq steal
    std::int64_t ticks = 0;
    stat >> ticks;
    all += ticks;
    if (field == 3 || field == 4) idle += ticks;
  }
  {
    const std::lock_guard lock(mutex_);
    const std::int64_t passed = all - all_;
    if (passed > 0) reading.cpu_millis_used = reading.cpu_millis * (all - idle - busy_) / passed;
    busy_ = all - idle;
    all_ = all;
  }

  const std::string memory = read_small("/proc/meminfo").value_or("");
  reading.memory_bytes = kilobytes(memory, "MemTotal");
  reading.memory_bytes_used = reading.memory_bytes - kilobytes(memory, "MemAvailable");

  struct statvfs disk{};
  if (::statvfs(folder_.c_str(), &disk) == 0) {
    const auto unit = static_cast<std::int64_t>(disk.f_frsize);
    reading.disk_bytes = static_cast<std::int64_t>(disk.f_blocks) * unit;
    reading.disk_bytes_used = reading.disk_bytes - static_cast<std::int64_t>(disk.f_bavail) * unit;
  }
  return reading;
}

}  // namespace gantry::providers::local
