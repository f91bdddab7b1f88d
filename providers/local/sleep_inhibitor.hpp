// Keeps this machine from falling asleep for as long as it is held: an inhibitor of systemd-logind (or elogind), which
// their own program asks for over D-Bus and holds while it lives. It ends with the process that holds it, however that
// ends.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {

class SleepInhibitor {
 public:
  // programs: tried in turn, found on PATH or absolute.
  explicit SleepInhibitor(std::vector<std::string> programs = {"systemd-inhibit", "elogind-inhibit"},
                          Duration limit = std::chrono::seconds(5))
      : programs_(std::move(programs)), limit_(limit) {}
  ~SleepInhibitor() { release(); }
  SleepInhibitor(const SleepInhibitor&) = delete;
  SleepInhibitor& operator=(const SleepInhibitor&) = delete;

  // Held afterwards. Throws Error(Unavailable) saying why this machine cannot be kept awake. Held already is fine.
  // Blocks, for `limit` at most.
  void hold(const std::string& why);
  // Whether it is held: whoever ends the holder ends that too.
  bool held();
  // Blocks until the holder is gone.
  void release();

 private:
  std::vector<std::string> programs_;
  Duration limit_;
  pid_t holder_ = 0;
  Fd lifeline_;  // its standard input: the holder ends when this is closed
};

}  // namespace gantry::providers::local
