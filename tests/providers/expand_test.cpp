#include "providers/local/expand.hpp"

#include <gtest/gtest.h>

namespace gantry::providers::local {
namespace {

TEST(Expand, FillsInWhatTheEnvironmentNamesAndLeavesTheRest) {
  const std::vector<std::string> environment{"PORT=8080", "A=", "NAME=x y"};
  EXPECT_EQ(expand("--port=$(PORT)", environment), "--port=8080");
  EXPECT_EQ(expand("$(PORT)$(NAME)", environment), "8080x y");
  EXPECT_EQ(expand("[$(A)]", environment), "[]");
  EXPECT_EQ(expand("$(NOBODY) $PORT $", environment), "$(NOBODY) $PORT $");
  EXPECT_EQ(expand("$$(PORT) costs $$5", environment), "$(PORT) costs $5");
  EXPECT_EQ(expand("$(PORT", environment), "$(PORT");
}

}  // namespace
}  // namespace gantry::providers::local
