// The rows of the command line that are the process itself: controller, agent, agent-credentials, quickstart, demo, backup, restore.
#pragma once

#include <vector>

#include "controller/cli/command.hpp"

namespace gantry::app {

std::vector<cli::Command> process_commands();

}  // namespace gantry::app
