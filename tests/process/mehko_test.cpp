// Goal: manifests/mehko, three services behind one name, as rows C-04 to C-22 of its acceptance list say.
#include <gmock/gmock.h>

#include <thread>

#include "tests/process/seed.hpp"
#include "tests/providers/docker_daemon.hpp"

namespace gantry::process {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kHost = "api.mehko.ai";
const std::string kPem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\\nkqhkiG9w0\n-----END PRIVATE KEY-----\n";

class Mehko : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon = std::make_unique<providers::local::Daemon>();
    trouble = have("caddy") ? daemon->start() : "caddy is not installed (Debian: caddy)";
  }
  static void TearDownTestSuite() { daemon.reset(); }

  void SetUp() override {
    if (!trouble.empty()) GTEST_SKIP() << trouble;
    seed = std::make_unique<Seed>("mehko", std::vector<std::string>{"--docker-socket", daemon->socket()});
    seed->lay_out("api-gateway", "service", true);
    seed->lay_out("ai-server", "service", true);
    seed->lay_out("fastapi-worker", "service", true);
    seed->secret("openai", {"api-key=sk-mehko-canary"});
    seed->secret("firebase", {"project-id=mehko", "client-email=svc@mehko", "private-key=" + kPem});
    seed->secret("redis", {"url=rediss://upstash"});
    const Outcome applied = seed->apply();
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
    for (const char* app : {"api-gateway", "ai-server", "fastapi-worker"}) seed->wait_until_ready(app);
    ASSERT_TRUE(eventually([&] { return seed->https(kHost, "/health").ends_with("ok\n"); }))
        << seed->https(kHost, "/health");
  }
  void TearDown() override {
    if (!seed) return;
    seed->controller.kubectl({"-n", "mehko", "delete", "apps", "--all", "--timeout=60s"});
  }

  // How many of them are answered so.
  int answered(int times, const std::string& path, const std::string& status) {
    int count = 0;
    for (int i = 0; i < times; ++i)
      count += seed->https(kHost, path, {"-o", "/dev/null", "-w", "%{http_code}"}) == status;
    return count;
  }

  static std::unique_ptr<providers::local::Daemon> daemon;
  static std::string trouble;
  std::unique_ptr<Seed> seed;
};
std::unique_ptr<providers::local::Daemon> Mehko::daemon;
std::string Mehko::trouble;

TEST_F(Mehko, EachPathLeadsToItsServiceWithThatServicesPortAndEnvironment) {
  EXPECT_EQ(seed->variable(kHost, "", "PORT"), "3001");
  EXPECT_EQ(seed->variable(kHost, "", "DOMAIN"), kHost);
  EXPECT_EQ(seed->variable(kHost, "", "PYTHONPATH"), "not set");
  // Byte for byte, real newlines and escaped ones.
  EXPECT_EQ(seed->variable(kHost, "", "FIREBASE_PRIVATE_KEY"), kPem);
  EXPECT_THAT(seed->https(kHost, "/ai/health"), HasSubstr("ok"));
  EXPECT_THAT(seed->https(kHost, "/pdf/health"), HasSubstr("ok"));

  std::set<std::string> claimed;
  for (const char* app : {"api-gateway", "ai-server", "fastapi-worker"}) {
    const json::Value object = seed->get(std::string("app/") + app);
    for (const auto& port : object.at({"spec", "ports"})->as_array())
      EXPECT_TRUE(claimed.insert(json::dump(port)).second);
  }
}

TEST_F(Mehko, TwoAppsCannotClaimTheSamePath) {
  const Outcome refused = seed->controller.kubectl({"-n", "mehko", "patch", "app", "ai-server", "--type=json", "-p",
                                                    R"([{"op":"replace","path":"/spec/routes/0/path","value":"/"}])"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("api-gateway"));
}

TEST_F(Mehko, SecretsAreInTheEnvironmentAndNotInTheImage) {
  const Outcome images = run({"docker", "-H", "unix://" + daemon->socket(), "images", "-q"});
  ASSERT_EQ(images.exit_code, 0) << images.err;
  std::string configured;
  std::istringstream ids(images.out);
  for (std::string id; ids >> id;)
    configured += run({"docker", "-H", "unix://" + daemon->socket(), "inspect", id}).out +
                  run({"docker", "-H", "unix://" + daemon->socket(), "history", "--no-trunc", id}).out;
  EXPECT_THAT(configured, HasSubstr("/bin/node"));
  EXPECT_THAT(configured, Not(HasSubstr("canary")));
}

TEST_F(Mehko, TheEleventhPdfJobWaitsAndAllAreDone) {
  std::vector<std::thread> jobs;
  std::atomic<int> done{0};
  for (int i = 0; i < 11; ++i) {
    jobs.emplace_back([&] {
      if (seed->https(kHost, "/pdf/jobs?millis=1500", {"-X", "POST"}) == "done\n") ++done;
    });
  }
  EXPECT_TRUE(eventually([&] { return seed->https(kHost, "/pdf/jobs").find("\"waiting\":1") != std::string::npos; }))
      << seed->https(kHost, "/pdf/jobs");
  for (auto& job : jobs) job.join();
  EXPECT_EQ(done, 11);
  EXPECT_THAT(seed->https(kHost, "/pdf/jobs"), HasSubstr("\"most\":10"));
}

TEST_F(Mehko, WhoAsksTooOftenIsTold) {
  const int refused = answered(60, "/ai/health", "429");
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 60);
}

}  // namespace
}  // namespace gantry::process
