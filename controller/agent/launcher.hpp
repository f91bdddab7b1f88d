// The small process that stands over an agent's worker, so that a new binary can be tried and the old one taken back.
// It is what a service manager sees: one pid, for as long as the agent is wanted.
//
//   DIR/bin/<sha256>      binaries that were sent
//   DIR/bin/current       which of them runs; absent: the one that was installed
//   DIR/bin/next          written by a worker that ends with kUpgradeExit: to be tried
//   DIR/bin/outcome.json  how the last try ended
//
// A try is over when its worker serves and still lives a moment later. Otherwise it is killed, and the one before runs
// again. Whatever a try does, DIR/bin/current names a binary that has served: so a crash of all of this in the middle
// costs nothing but the try.
#pragma once

#include <string>
#include <vector>

#include "controller/base/clock.hpp"

namespace gantry::agent {

inline constexpr int kUpgradeExit = 85;

struct LauncherOptions {
  std::string data_dir;
  std::vector<std::string> arguments;  // of the worker, "agent" first
  Duration ready_limit = std::chrono::seconds(30);
  Duration probation = std::chrono::seconds(3);
};

// Blocks. The exit code of the worker that was the last.
int launch(const LauncherOptions& options);

// In a worker: it ends with its launcher, however that ends. False in a process that nobody launched.
bool is_worker();
// In a worker, once it serves.
void tell_launcher_ready();

}  // namespace gantry::agent
