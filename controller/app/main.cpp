// One binary: the controller, the command line, and the small programs beside them.
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "controller/app/commands.hpp"
#include "controller/base/resident_memory.hpp"
#include "controller/cli/cli.hpp"
#include "providers/own_programs.hpp"

int main(int argc, char** argv) {
  if (const auto code = gantry::providers::run_own_program(argc, argv)) return *code;
  gantry::release_freed_pages_at_once(true);
  std::signal(SIGPIPE, SIG_IGN);
  std::ios::sync_with_stdio(false);
  gantry::cli::Surroundings surroundings;
  surroundings.more = gantry::app::process_commands();
  const gantry::cli::Streams streams{std::cin, std::cout, std::cerr, ::isatty(0) == 1, ::isatty(1) == 1};
  const int code = gantry::cli::run({argv + 1, argv + argc}, streams, std::move(surroundings));
  std::cout.flush();
  return code;
}
