// `gantry quickstart`: a controller in a directory of its own with the Apps of manifests/quickstart, and a look at how
// they become ready.
#pragma once

#include <iosfwd>
#include <string>

#include "controller/app/controller_process.hpp"

namespace gantry::app {

struct QuickstartOptions {
  std::string manifests = "manifests/quickstart";  // every *.yaml of this folder is applied
  std::string data_dir;                            // empty: a temporary one, removed at the end
  std::string listen = "127.0.0.1:0";
  bool exit_when_ready = false;
  Duration patience = std::chrono::minutes(2);
  bool terminal = false;  // progress may be drawn over
};

// Blocks until everything is ready (exit_when_ready) or a signal comes; then the Apps are stopped. The exit code.
int run_quickstart(const QuickstartOptions& options, std::ostream& out);

}  // namespace gantry::app
