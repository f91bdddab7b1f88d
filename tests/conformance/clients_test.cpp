// Client libraries of others against the real server. Each test says why when its client is not there.
//   GANTRY_JS_CLIENT=/folder           where `npm install @kubernetes/client-node` was run
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/process/gantry_process.hpp"

namespace gantry::conformance {
namespace {

TEST(Clients, TheJavaScriptClientsInformerApplyAndLeaseWork) {
  const char* folder = std::getenv("GANTRY_JS_CLIENT");
  if (!folder) GTEST_SKIP() << "GANTRY_JS_CLIENT names no folder with node_modules/@kubernetes/client-node";
  if (!process::have("node")) GTEST_SKIP() << "there is no node on this machine";
  process::Controller controller;
  controller.start();
  ASSERT_FALSE(HasFatalFailure());
  const auto kinds = controller.gantry({"apply", "-f", GANTRY_SOURCE_DIR "/tests/conformance/fixture/crds.yaml"});
  ASSERT_EQ(kinds.exit_code, 0) << kinds.out << kinds.err;
  const auto outcome = process::run({"node", GANTRY_SOURCE_DIR "/tests/conformance/clients/javascript.mjs", folder},
                                    {{"KUBECONFIG", controller.kubeconfig()}}, {}, std::chrono::seconds(120));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_TRUE(outcome.out.ends_with("done\n")) << outcome.out;
}

}  // namespace
}  // namespace gantry::conformance
