// Values of flags that stand in files: gantry.yaml of the project (in the working directory or above), of the user
// (XDG), of the system. Strict: a key that is no flag is an error, unless it begins with "x-".
#pragma once

#include <span>
#include <string>
#include <vector>

#include "controller/cli/cli.hpp"

namespace gantry::cli {

// The environment first, then the files that exist. Throws UsageError for a file that cannot be read or understood.
std::vector<Layer> configuration_layers(const Surroundings& surroundings, std::span<const Command> commands);

}  // namespace gantry::cli
