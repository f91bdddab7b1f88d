#include "providers/own_programs.hpp"

#include <string_view>

#include "providers/local/supervise.hpp"
#include "providers/relay/relay.hpp"
#include "providers/relay/tunnel_end.hpp"
#include "providers/source/git_work.hpp"

namespace gantry::providers {

std::optional<int> run_own_program(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "supervise") return local::supervise_main(argc - 1, argv + 1);
  if (name == "relay") return relay::relay_main(argc - 1, argv + 1);
  if (name == "tunnel") return relay::tunnel_main(argc - 1, argv + 1);
  if (name == "git-work") return source::git_work_main();
  return std::nullopt;
}

}  // namespace gantry::providers
