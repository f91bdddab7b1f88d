// The programs that stand beside the controller or an agent, each a process of the same binary. Whatever starts them
// (gantry, and the tests that do) asks here first thing in its main.
#pragma once

#include <optional>

namespace gantry::providers {

// The exit code when the command line asked for one of them; nothing otherwise. Makes nothing before: there is one
// supervisor for each App process, and it must stay small.
std::optional<int> run_own_program(int argc, char** argv);

}  // namespace gantry::providers
