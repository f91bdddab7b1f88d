// What this machine has, and what of it is used: from /proc and the file system of the data folder.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace gantry::providers::local {

class MachineUsage {
 public:
  struct Reading {
    std::int64_t cpu_millis = 0;
    std::int64_t cpu_millis_used = 0;  // since the last reading; at the first, since the machine's start
    std::int64_t memory_bytes = 0;
    std::int64_t memory_bytes_used = 0;  // what could not be had by dropping caches
    std::int64_t disk_bytes = 0;
    std::int64_t disk_bytes_used = 0;
  };

  explicit MachineUsage(std::string folder) : folder_(std::move(folder)) {}
  // Any thread; may block. What cannot be read stays 0.
  Reading read();

 private:
  std::string folder_;
  std::mutex mutex_;
  std::int64_t busy_ = 0;
  std::int64_t all_ = 0;
};

}  // namespace gantry::providers::local
