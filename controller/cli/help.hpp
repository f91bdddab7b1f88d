// What --help prints: it teaches, with examples that can be copied.
#pragma once

#include <ostream>
#include <span>

#include "controller/cli/command.hpp"
#include "controller/cli/style.hpp"

namespace gantry::cli {

void print_overview(std::ostream& out, std::span<const Command> commands, const Style& style);
void print_help(std::ostream& out, const Command& command, const Style& style);

}  // namespace gantry::cli
