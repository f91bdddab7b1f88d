// gantry deploy: sends code and follows its rollout until it serves, or says why it does not.
#pragma once

#include "controller/cli/command.hpp"

namespace gantry::app {

cli::Command deploy_command();

}  // namespace gantry::app
