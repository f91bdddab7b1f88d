// Goal: manifests/infra402, the two back ends on a machine at home, as rows A-08 to A-18 of its acceptance list say.
#include <gmock/gmock.h>

#include "tests/process/seed.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kCanary = "0xcafe0402canary";
constexpr const char* kHost = "api.mydomain.com";

class Infra402 : public testing::Test {
 protected:
  Infra402() : seed("infra402") {}
  void SetUp() override {
    if (!have("caddy")) GTEST_SKIP() << "caddy is not installed (Debian: caddy)";
    seed.lay_out("backend-llm", "backend-llm", false);
    seed.lay_out("backend-proxmox", "backend-proxmox", false);
    seed.secret("llm", {"openai-api-key=sk-test"});
    seed.secret("wallet", {std::string("private-key=") + kCanary});
    const Outcome applied = seed.apply();
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
    seed.wait_until_ready("backend-proxmox");
    seed.wait_until_ready("backend-llm");
  }

  Seed seed;
};

TEST_F(Infra402, AnswersByItsNameOverHttpsAndKeepsTheOtherBackEndInside) {
  EXPECT_TRUE(eventually([&] { return seed.https(kHost, "/info").ends_with("ok\n"); })) << seed.https(kHost, "/info");
  EXPECT_EQ(seed.https(kHost, "/chat", {"-X", "POST"}), "done\n");
  EXPECT_THAT(seed.https("backend-proxmox.mydomain.com", "/"), HasSubstr("curl:"));
}

TEST_F(Infra402, EachBackEndHasItsOwnPortAndEnvironment) {
  ASSERT_TRUE(eventually([&] { return seed.https(kHost, "/info").ends_with("ok\n"); }));
  EXPECT_EQ(seed.variable(kHost, "", "PORT"), "8000");
  EXPECT_EQ(seed.variable(kHost, "", "LLM_PROVIDER"), "openai");
  EXPECT_EQ(seed.variable(kHost, "", "OPENAI_API_KEY"), "sk-test");
  EXPECT_EQ(seed.variable(kHost, "", "FLOCKIO_API_KEY"), "not set");
  EXPECT_EQ(seed.variable(kHost, "", "BACKEND_BASE_URL"), "http://localhost:4021");
  EXPECT_EQ(curl("http://127.0.0.1:4021/env/PORT"), "4021");
}

TEST_F(Infra402, LetsTheFrontEndInAndNobodyElse) {
  const auto preflight = [&](const std::string& origin) {
    return seed.https(kHost, "/chat",
                      {"-i", "-X", "OPTIONS", "-H", "Origin: " + origin, "-H", "Access-Control-Request-Method: POST"});
  };
  ASSERT_TRUE(eventually([&] { return seed.https(kHost, "/info").ends_with("ok\n"); }));
  EXPECT_THAT(preflight("https://infra402.vercel.app"), HasSubstr("https://infra402.vercel.app"));
  EXPECT_THAT(preflight("https://evil.example"), Not(HasSubstr("evil.example")));
}

TEST_F(Infra402, TheWalletsKeyIsNowhereToBeSeen) {
  ASSERT_TRUE(eventually([&] { return seed.https(kHost, "/info").ends_with("ok\n"); }));
  EXPECT_EQ(seed.variable(kHost, "", "PRIVATE_KEY"), kCanary);
  std::string seen;
  for (const char* kind : {"apps", "releases", "events", "sources"}) {
    seen += seed.controller.kubectl({"-n", "infra402", "get", kind, "-o", "yaml"}).out;
    seen += seed.controller.kubectl({"-n", "infra402", "describe", kind}).out;
  }
  seen += run({"ps", "-eo", "args"}).out + seed.controller.log();
  EXPECT_THAT(seen, AllOf(HasSubstr("backend-llm"), Not(HasSubstr(kCanary))));
}

TEST_F(Infra402, AnotherPortOfOneIsANewAddressForTheOther) {
  const int port = free_port();
  const Outcome changed = seed.controller.kubectl(
      {"-n", "infra402", "patch", "app", "backend-proxmox", "--type=json", "-p",
       R"([{"op":"replace","path":"/spec/ports/0/hostPort","value":)" + std::to_string(port) + "}]"});
  ASSERT_EQ(changed.exit_code, 0) << changed.err;
  EXPECT_TRUE(eventually(
      [&] { return seed.variable(kHost, "", "BACKEND_BASE_URL") == "http://localhost:" + std::to_string(port); },
      std::chrono::seconds(60)))
      << seed.variable(kHost, "", "BACKEND_BASE_URL");
}

}  // namespace
}  // namespace gantry::process
