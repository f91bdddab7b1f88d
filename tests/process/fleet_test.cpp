// Goal: an App goes from one Server to another, because somebody wants it or because its Server must go, and no request
// fails. Method: a real controller with its proxy, two real agents, and a steady load.
#include <gmock/gmock.h>

#include "tests/process/agent_process.hpp"
#include "tests/process/steady_load.hpp"

namespace gantry::process {
namespace {

using testing::PrintToString;

class Fleet : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tool : {"caddy", "curl"}) {
      if (!have(tool)) GTEST_SKIP() << tool << " is not installed";
    }
    for (Agent* agent : {&one, &two}) agent->start();
    controller.start();
    controller.apply(server("web-1", one) + server("web-2", two));
  }

  static std::string server(const std::string& name, const Agent& agent) {
    return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "-opens}\nstringData: {key: \"" + agent.key() +
           "\", fingerprint: \"" + agent.fingerprint() +
           "\"}\n---\napiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name +
           ", labels: {tier: web}}\nspec: {address: 127.0.0.1, agent: {port: " + std::to_string(agent.port()) +
           ", secretRef: {name: " + name + "-opens}}}\n---\n";
  }
  static std::string app(const std::string& placement) {
    return R"yaml(
apiVersion: gantry.dev/v1alpha1
kind: App
metadata: {name: web}
spec:
  runtime: process
  source: {code: {path: )yaml" GANTRY_SOURCE_DIR R"yaml(/manifests/quickstart/apps/hello}}
  command: ["$(GANTRY_BINARY)", demo]
  replicas: 2
  ports: [{name: http, port: 18090}]
  health: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
  routes: [{host: web.test, port: http, tls: {mode: internal}}]
  placement: )yaml" +
           placement + "\n";
  }
  static std::size_t running(const Agent& agent) {
    std::size_t count = 0;
    const json::Value data = agent.get("/containers").data;
    for (const auto& each : data.find("instances")->as_array()) count += each.string_or("state") == "Running";
    return count;
  }
  bool runs_on(std::size_t first, std::size_t second) const {
    return eventually(
        [&] {
          return running(one) == first && running(two) == second &&
                 controller.condition("app/web", "Ready") == "True/AllReplicasReady";
        },
        std::chrono::seconds(90));
  }
  std::string situation() const { return controller.gantry({"describe", "app/web"}).out + controller.log(); }

  int https = free_port();
  Agent one, two;
  Controller controller{{"--http-port", std::to_string(free_port()), "--https-port", std::to_string(https)}};
};

TEST_F(Fleet, AnAppMovesBetweenServersAndNoRequestFails) {
  controller.apply(app("{servers: [{name: web-1}]}"));
  ASSERT_TRUE(runs_on(2, 0)) << situation();
  SteadyLoad load({.port = https,
                   .host = "web.test",
                   .authority = read(controller.folder("data/routing/certificates/pki/authorities/local/root.crt")),
                   .per_second = 100,
                   .slow_path = "/slow?seconds=2"});
  controller.apply(app("{servers: [{name: web-2}]}"));
  ASSERT_TRUE(runs_on(0, 2)) << situation();
  controller.apply(app("{selector: {matchLabels: {tier: web}}}"));
  ASSERT_TRUE(runs_on(1, 1)) << situation();
  ASSERT_EQ(controller.gantry({"annotate", "server/web-2", "gantry.dev/drain=true"}).exit_code, 0);
  ASSERT_TRUE(runs_on(2, 0)) << situation();
  ASSERT_EQ(controller.gantry({"annotate", "server/web-2", "gantry.dev/drain-"}).exit_code, 0);
  ASSERT_TRUE(runs_on(1, 1)) << situation();
  ASSERT_EQ(controller.gantry({"delete", "server/web-1", "--timeout=90s"}).exit_code, 0) << situation();
  ASSERT_TRUE(runs_on(0, 2)) << situation();
  const auto result = load.stop();
  EXPECT_EQ(result.failed, 0U) << PrintToString(result.failures);
  EXPECT_GT(result.answered, 100U);
  EXPECT_GT(result.slow_answered, 2U);
  controller.gantry({"delete", "app/web", "--timeout=60s"});
}

}  // namespace
}  // namespace gantry::process
