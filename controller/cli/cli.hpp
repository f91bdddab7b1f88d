// The command line. run() is the whole program behind main(): it finds the command, reads its flags, runs it, prints
// what went wrong, and returns the exit code (docs/cli.md).
#pragma once

#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/cli/command.hpp"
#include "controller/cli/server.hpp"

namespace gantry::cli {

// Exit codes that do not come from ErrorCode's table.
inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;
inline constexpr int kTimedOut = 3;
inline constexpr int kRefused = 4;
inline constexpr int kPartlyDone = 5;
inline constexpr int kUsage = 64;
inline constexpr int kInterrupted = 130;

struct Streams {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
};

// What the command line takes from its surroundings; the defaults are the real ones.
struct Surroundings {
  std::vector<Command> more;  // rows that other rooms bring: controller, quickstart, backup, restore
  std::function<std::optional<std::string>(const std::string&)> environment;  // getenv
  std::function<std::unique_ptr<Server>(const Flags&)> connect;               // by kubeconfig, over HTTPS
  Clock* clock = nullptr;                                                     // the system's
  std::string home;                                                           // $HOME
  bool configuration_files = true;                                            // gantry.yaml and its kin are read
};

// arguments: without the program's name.
int run(std::vector<std::string> arguments, Streams streams, Surroundings surroundings = {});

}  // namespace gantry::cli
