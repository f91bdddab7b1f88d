#include "controller/app/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "controller/base/clock.hpp"
#include "controller/base/metrics.hpp"

namespace gantry::app {
namespace {

double resident_bytes() {
  std::ifstream in("/proc/self/statm");
  double total = 0;
  double resident = 0;
  in >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double open_files() {
  double count = 0;
  std::error_code error;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) ++count;
  return count;
}

}  // namespace

void register_process_metrics() {
  metrics::gauge("gantry_build_info", "1, with the version as a label", {{"version", kVersion}}).set(1);
  const double started = std::chrono::duration<double>(system_clock().wall().time_since_epoch()).count();
  metrics::gauge("process_start_time_seconds", "When the process started, in seconds since the epoch").set(started);
  metrics::on_collect([resident = metrics::gauge("process_resident_memory_bytes", "Resident memory"),
                       files = metrics::gauge("process_open_fds", "Open file descriptors"),
                       spent = metrics::counter("process_cpu_seconds_total", "Processor time spent, user and system")] {
    resident.set(resident_bytes());
    files.set(open_files());
    spent.add(processor_seconds() - spent.value());
  });
}

}  // namespace gantry::app
