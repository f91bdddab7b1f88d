// gantry_deploys: keeps asking while somebody deploys, until a file appears; prints what became of every request.
// Usage: gantry_deploys PORT HOST CA_FILE STOP_FILE [REQUESTS_A_SECOND]
#include <cstdio>
#include <cstdlib>

#include "controller/base/files.hpp"
#include "controller/base/reactor.hpp"
#include "tests/process/steady_load.hpp"

namespace {

gantry::Task<> until_there(gantry::Reactor& reactor, std::string file) {
  while (!gantry::files::exists(file)) co_await gantry::sleep_for(reactor, std::chrono::milliseconds(100));
  reactor.stop();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: gantry_deploys PORT HOST CA_FILE STOP_FILE [REQUESTS_A_SECOND]\n");
    return 64;
  }
  gantry::process::SteadyLoad load({.port = std::atoi(argv[1]),
                                    .host = argv[2],
                                    .authority = gantry::files::read_file(argv[3]),
                                    .per_second = argc > 5 ? std::atoi(argv[5]) : 500});
  gantry::Reactor reactor("main", gantry::system_clock());
  reactor.spawn(until_there(reactor, argv[4]));
  reactor.run();
  const auto result = load.stop();
  std::fprintf(stdout,
               "{\"answered\": %llu, \"slow_answered\": %llu, \"failed\": %llu, \"reopened\": %llu, "
               "\"p99_ms\": %.1f, \"slowest_ms\": %.1f}\n",
               static_cast<unsigned long long>(result.answered), static_cast<unsigned long long>(result.slow_answered),
               static_cast<unsigned long long>(result.failed), static_cast<unsigned long long>(result.reopened),
               result.p99_ms, result.slowest_ms);
  for (const auto& failure : result.failures) std::fprintf(stderr, "failed: %s\n", failure.c_str());
  return result.failed == 0 ? 0 : 1;
}
