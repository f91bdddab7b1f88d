// One binary: the controller, the command line, the supervisor that stands beside each process, and the
// relay behind Caddy.
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <iostream>

#include "controller/app/commands.hpp"
#include "controller/cli/cli.hpp"
#include "providers/local/supervise.hpp"
#include "providers/relay/relay.hpp"

int main(int argc, char** argv) {
  // Before anything else is made: a supervisor must stay small, for there is one for each process.
  if (argc > 1 && std::strcmp(argv[1], "supervise") == 0)
    return gantry::providers::local::supervise_main(argc - 1, argv + 1);
  if (argc > 1 && std::strcmp(argv[1], "relay") == 0) return gantry::providers::relay::relay_main(argc - 1, argv + 1);
  std::signal(SIGPIPE, SIG_IGN);
  std::ios::sync_with_stdio(false);
  gantry::cli::Surroundings surroundings;
  surroundings.more = gantry::app::process_commands();
  const gantry::cli::Streams streams{std::cin, std::cout, std::cerr, ::isatty(0) == 1, ::isatty(1) == 1};
  const int code = gantry::cli::run({argv + 1, argv + argc}, streams, std::move(surroundings));
  std::cout.flush();
  return code;
}
