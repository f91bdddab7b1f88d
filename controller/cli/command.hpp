// A row of the table of commands. The names are also the completion's, the help's and docs/cli.md's.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "controller/cli/flags.hpp"

namespace gantry::cli {

class Context;

struct Command {
  std::string_view name;     // "get", "rollout status"
  std::string_view group;    // the heading it stands under in `gantry help`
  std::string_view usage;    // behind the name: "TYPE[,TYPE] [NAME...]"
  std::string_view summary;  // one line, no full stop
  std::string_view help;     // paragraphs, then "Examples:" with lines that can be copied
  std::vector<Flag> flags;
  std::function<int(Context&)> run;  // returns the exit code; throws UsageError and Error
  bool hidden = false;
};

}  // namespace gantry::cli
