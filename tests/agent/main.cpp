// The test program is its own supervisor and relay, as gantry is.
#include <gmock/gmock.h>

#include <string_view>

#include "controller/base/log.hpp"
#include "providers/local/supervise.hpp"
#include "providers/relay/relay.hpp"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "supervise") return gantry::providers::local::supervise_main(argc, argv);
  if (argc > 1 && std::string_view(argv[1]) == "relay") return gantry::providers::relay::relay_main(argc - 1, argv + 1);
  gantry::log::configure(gantry::log::Level::Off, gantry::log::Format::Text);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
