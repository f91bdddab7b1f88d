// The test program is its own supervisor, relay and git worker, as gantry is.
#include <gmock/gmock.h>

#include "controller/base/log.hpp"
#include "providers/own_programs.hpp"

int main(int argc, char** argv) {
  if (const auto code = gantry::providers::run_own_program(argc, argv)) return *code;
  gantry::log::configure(gantry::log::Level::Off, gantry::log::Format::Text);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
