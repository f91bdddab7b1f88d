// Client libraries of others against the real server. Each test says why when its client is not there.
//   GANTRY_JS_CLIENT=/folder           where `npm install @kubernetes/client-node` was run
//   GANTRY_GO_CLIENT=/folder[:/folder] GOPATH whose src/k8s.io holds client-go, with api and apimachinery beside it
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "tests/process/gantry_process.hpp"

namespace gantry::conformance {
namespace {

class Clients : public testing::Test {
 protected:
  // With the kinds of the fixture.
  void start() {
    controller.start();
    ASSERT_FALSE(HasFatalFailure());
    const auto kinds = controller.gantry({"apply", "-f", GANTRY_SOURCE_DIR "/tests/conformance/fixture/crds.yaml"});
    ASSERT_EQ(kinds.exit_code, 0) << kinds.out << kinds.err;
  }
  void plays(const std::vector<std::string>& command) {
    const auto outcome = process::run(command, {{"KUBECONFIG", controller.kubeconfig()}}, {}, std::chrono::minutes(5));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    EXPECT_TRUE(outcome.out.ends_with("done\n")) << outcome.out;
    std::printf("%s", outcome.out.c_str());
  }
  process::Controller controller;
};

TEST_F(Clients, TheJavaScriptClientsInformerApplyAndLeaseWork) {
  const char* folder = std::getenv("GANTRY_JS_CLIENT");
  if (!folder) GTEST_SKIP() << "GANTRY_JS_CLIENT names no folder with node_modules/@kubernetes/client-node";
  if (!process::have("node")) GTEST_SKIP() << "there is no node on this machine";
  start();
  plays({"node", GANTRY_SOURCE_DIR "/tests/conformance/clients/javascript.mjs", folder});
}

TEST_F(Clients, TheGoClientsInformersApplyElectionAndRecorderWork) {
  const char* folder = std::getenv("GANTRY_GO_CLIENT");
  if (!folder) GTEST_SKIP() << "GANTRY_GO_CLIENT names no GOPATH with k8s.io/client-go";
  if (!process::have("go")) GTEST_SKIP() << "there is no Go on this machine";
  process::TemporaryFolder built;
  const auto made =
      process::run({"go", "build", "-o", built / "client", GANTRY_SOURCE_DIR "/tests/conformance/clients/go/main.go"},
                   {{"GO111MODULE", "off"}, {"GOPATH", folder}}, {}, std::chrono::minutes(30));
  ASSERT_EQ(made.exit_code, 0) << made.out << made.err;
  start();
  plays({built / "client"});
}

}  // namespace
}  // namespace gantry::conformance
