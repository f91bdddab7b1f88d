// Goal: the Deploy API as a deploy page uses it, with curl and the real binary: code and an image on this machine, the
// stream read byte by byte, and taken up again where it was left.
#include <gmock/gmock.h>

#include "controller/base/base64.hpp"
#include "tests/process/gantry_process.hpp"
#include "tests/providers/docker_daemon.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class DeployApi : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon = std::make_unique<providers::local::Daemon>();
    trouble = daemon->start();
  }
  static void TearDownTestSuite() { daemon.reset(); }

  void SetUp() override {
    if (!trouble.empty()) GTEST_SKIP() << trouble;
    controller = std::make_unique<Controller>(std::vector<std::string>{"--docker-socket", daemon->socket()});
    ::mkdir(controller->folder("data").c_str(), 0700);
    write(controller->folder("data/tokens.csv"), "token-of-the-page,page,1,\"system:masters\"\n");
    ::chmod(controller->folder("data/tokens.csv").c_str(), 0600);
    controller->start();
  }
  void TearDown() override {
    if (controller) controller->kubectl({"delete", "apps", "--all", "--timeout=60s"});
  }

  std::string ask(const std::string& path, const std::string& body = {}, std::vector<std::string> more = {}) {
    std::vector<std::string> command{"curl", "-sSNk", "--max-time",
                                     "120",  "-H",    "Authorization: Bearer token-of-the-page"};
    if (!body.empty()) {
      write(controller->folder("body.json"), body);
      command.insert(command.end(), {"--data-binary", "@" + controller->folder("body.json")});
    }
    command.insert(command.end(), more.begin(), more.end());
    command.push_back(controller->address() + path);
    const Outcome asked = run(command, {}, {}, std::chrono::seconds(130));
    return asked.out + asked.err;
  }
  // Code that holds the stand-in alone, and says of itself how it becomes an image.
  std::string code() {
    const std::string folder = controller->folder("code");
    std::filesystem::create_directories(folder);
    std::filesystem::copy_file(GANTRY_BINARY_DIR "/tests/stand_in", folder + "/service",
                               std::filesystem::copy_options::overwrite_existing);
    const Outcome packed = run({"tar", "-C", folder, "-czf", controller->folder("code.tar.gz"), "."});
    EXPECT_EQ(packed.exit_code, 0) << packed.err;
    return base64_encode(read(controller->folder("code.tar.gz")));
  }
  std::string deploy(const std::string& version) {
    return json::dump(
        json::Object{{"name", "myapp"},
                     {"port", 8000},
                     {"environment", "prod"},
                     {"env_vars", json::Object{{"PORT", "8000"}, {"VERSION", version}}},
                     {"source_type", "code"},
                     {"code_tar_b64", code()},
                     {"dockerfile", "FROM scratch\nCOPY service /service\nUSER 1000\nCMD [\"/service\"]\n"}});
  }

  static inline std::unique_ptr<providers::local::Daemon> daemon;
  static inline std::string trouble;
  std::unique_ptr<Controller> controller;
};

TEST_F(DeployApi, CodeIsBuiltRunAndReplacedAndTheStreamTellsOfIt) {
  const std::string stream = ask("/api/v1/infra/deploy", deploy("first-version"));
  EXPECT_THAT(stream, StartsWith("data: {"));
  EXPECT_THAT(stream, AllOf(HasSubstr("🚀 Deploying myapp-prod from code"), HasSubstr("\n\nid: "),
                            HasSubstr(R"("success":true)"), Not(HasSubstr("first-version"))))
      << controller->log();
  const json::Value app = controller->get("app/myapp-prod");
  const json::Value* urls = app.at({"status", "urls"});
  ASSERT_TRUE(urls && !urls->as_array().empty()) << json::dump(app);
  EXPECT_EQ(curl(urls->as_array()[0].as_string() + "/env/VERSION"), "first-version");

  const std::string second = ask("/infra/deploy/unified", deploy("second-version"));
  EXPECT_THAT(second, HasSubstr(R"("success":true)"));
  const json::Value after = controller->get("app/myapp-prod");
  EXPECT_EQ(curl(after.at({"status", "urls"})->as_array()[0].as_string() + "/env/VERSION"), "second-version");

  // Whoever was cut off goes on behind the last event that they saw.
  const auto begin = second.find("\n\nid: ") + 6;
  const std::string id = second.substr(begin, second.find('\n', begin) - begin);
  const std::string rest = ask("/infra/deploy", "{}", {"-H", "Last-Event-ID: " + id});
  EXPECT_EQ(second.find(rest), second.size() - rest.size()) << rest;
}

TEST_F(DeployApi, WhatCannotWorkIsSaidAndEndsTheStream) {
  EXPECT_THAT(ask("/infra/deploy", R"({"name":"x","port":1,"source_type":"image"})"),
              HasSubstr("image: Required value"));
  const std::string stream = ask(
      "/infra/deploy", R"({"name":"x","port":80,"source_type":"image","image":"nginx","server_ips":["192.0.2.1"]})");
  EXPECT_THAT(stream, AllOf(HasSubstr("192.0.2.1"), HasSubstr(R"("success":false)"), HasSubstr(R"("type":"done")")));
  EXPECT_THAT(ask("/infra/servers"), HasSubstr("[]"));
  EXPECT_THAT(ask("/infra/setup/status"), HasSubstr(R"("exists":false)"));
  EXPECT_THAT(ask("/infra/agent/health?server_ip=192.0.2.1"), HasSubstr("NotFound"));
}

}  // namespace
}  // namespace gantry::process
