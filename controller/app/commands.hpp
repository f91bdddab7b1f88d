// The rows of the command line that are the process itself: controller, agent, agent-credentials, quickstart, demo,
// backup, restore.
#pragma once

#include <vector>

#include "controller/cli/command.hpp"

namespace gantry::app {

std::vector<cli::Command> process_commands();

// gantry kubeconfig: a user's certificate, made beside the controller's authority.
cli::Command kubeconfig_command();

}  // namespace gantry::app
