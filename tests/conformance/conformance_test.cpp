// Plays the rows with every kubectl that is found, against a controller of its own, and prints each.
//   GANTRY_CONFORMANCE_ROWS="24 105"   only these rows
//   GANTRY_KUBECTLS="/path/kubectl"    only these programs
//   GANTRY_CONFORMANCE_ALL=1           every version, not only the oldest and the newest
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/conformance/suite.hpp"

namespace gantry::conformance {
namespace {

std::string wanted_rows() {
  const char* rows = std::getenv("GANTRY_CONFORMANCE_ROWS");
  return rows ? " " + std::string(rows) + " " : std::string();
}

TEST(Conformance, EveryRowOfTheSuiteWithEveryKubectl) {
  const auto kubectls = find_kubectls();
  if (kubectls.empty()) GTEST_SKIP() << "there is no kubectl of 1.27 or newer on this machine";
  const auto rows = read_rows(GANTRY_SOURCE_DIR "/tests/conformance/rows.yaml");
  ASSERT_GT(rows.size(), 150u);
  process::Controller controller;
  controller.start();
  ASSERT_FALSE(HasFatalFailure());
  process::Controller forgetful({"--watch-history", "1s"});
  forgetful.start();
  ASSERT_FALSE(HasFatalFailure());
  process::TemporaryFolder folder;
  Player player(controller, folder / "fixture", kubectls.back().path);
  Player forgetful_player(forgetful, folder / "forgetful", kubectls.back().path);

  const std::string only = wanted_rows();
  std::size_t passed = 0, not_played = 0, all = 0;
  for (const auto& kubectl : kubectls) {
    for (const auto& row : rows) {
      if (!is_for(row, kubectl) || (!only.empty() && only.find(" " + row.number + " ") == only.npos)) continue;
      ++all;
      if (!row.cannot.empty()) {
        ++not_played;
        if (&kubectl == &kubectls.back())
          std::printf("row %-4s not played: %s\n", row.number.c_str(), row.cannot.c_str());
        continue;
      }
      const std::string wrong = (row.forgets ? forgetful_player : player).play(row, kubectl);
      const std::string what = row.instead.empty() ? row.kubectl : row.kubectl + " (" + row.instead + ")";
      std::printf("row %-4s kubectl %s %s  %s\n", row.number.c_str(), kubectl.version.c_str(),
                  wrong.empty() ? "ok    " : "FAILED", what.c_str());
      std::fflush(stdout);
      if (wrong.empty()) {
        ++passed;
      } else {
        ADD_FAILURE() << "row " << row.number << " with kubectl " << kubectl.version << ": " << row.kubectl << "\n"
                      << wrong;
      }
    }
  }
  std::printf("%zu rows: %zu passed, %zu failed, %zu not played\n", all, passed, all - passed - not_played, not_played);
}

}  // namespace
}  // namespace gantry::conformance
