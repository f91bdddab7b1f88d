// Goal: an App on another host is the same App. Method: a real controller and a real agent with a folder and a key of
// its own; the agent is killed, stopped, replaced, and lied to, while the App goes on.
#include <gmock/gmock.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <thread>

#include "providers/host_directory.hpp"
#include "tests/process/agent_process.hpp"
#include "tests/process/steady_load.hpp"

namespace gantry::process {
namespace {

using testing::HasSubstr;

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!have("curl")) GTEST_SKIP() << "curl is not installed";
    agent.start();
    controller.start();
  }

  std::string secret(const std::string& key, const std::string& more = {}) const {
    return "apiVersion: v1\nkind: Secret\nmetadata: {name: web-1-agent}\nstringData: {key: \"" + key +
           "\", fingerprint: \"" + agent.fingerprint() + "\"" + more + "}\n---\n";
  }
  std::string server() const {
    return R"yaml(
apiVersion: gantry.dev/v1alpha1
kind: Server
metadata: {name: web-1}
spec:
  address: 127.0.0.1
  agent: {port: )yaml" +
           std::to_string(agent.port()) + R"yaml(, secretRef: {name: web-1-agent}}
---
)yaml";
  }
  static std::string app(int replicas = 2) {
    return R"yaml(
apiVersion: gantry.dev/v1alpha1
kind: App
metadata: {name: hello}
spec:
  runtime: process
  source: {code: {path: )yaml" GANTRY_SOURCE_DIR R"yaml(/manifests/quickstart/apps/hello}}
  command: ["$(GANTRY_BINARY)", demo]
  placement: {servers: [{name: web-1}]}
  replicas: )yaml" +
           std::to_string(replicas) + R"yaml(
  ports: [{name: http, port: 18090}]
  env: [{name: GREETING, value: good morning}]
  health: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
---
)yaml";
  }

  bool becomes(const std::string& what, const std::string& type, const std::string& value,
               std::chrono::seconds limit = std::chrono::seconds(30)) const {
    return eventually([&] { return controller.condition(what, type) == value; }, limit);
  }
  std::string message(const std::string& what, const std::string& type) const {
    const json::Value object = controller.get(what);
    const json::Value* conditions = object.at({"status", "conditions"});
    for (const auto& one : conditions ? conditions->as_array() : json::Array()) {
      if (one.string_or("type") == type) return one.string_or("message");
    }
    return {};
  }
  // Of what runs at the agent, by instance.
  std::map<std::string, int> pids() const {
    std::map<std::string, int> found;
    const json::Value data = agent.get("/containers").data;
    for (const auto& each : data.find("instances")->as_array()) {
      if (each.string_or("state") == "Running") found[each.string_or("id")] = static_cast<int>(each.int_or("pid", 0));
    }
    return found;
  }
  void run_hello() {
    controller.apply(secret(agent.key()) + server() + app());
    ASSERT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"))
        << controller.gantry({"describe", "app/hello"}).out << agent.log();
  }

  int https = free_port();
  Agent agent;
  Controller controller;
};

TEST_F(ServerTest, AnAppRunsThereAndIsReachedThere) {
  run_hello();
  EXPECT_EQ(controller.condition("server/web-1", "AgentReachable"), "True/AgentAnswers");
  EXPECT_EQ(controller.condition("server/web-1", "AgentCurrent"), "True/SameVersion");
  EXPECT_EQ(controller.condition("server/web-1", "Ready"), "True/AgentAnswers");
  const json::Value status = *controller.get("server/web-1").find("status");
  EXPECT_NE(status.at({"capacity", "memory"})->as_string(), "");

  EXPECT_EQ(pids().size(), 2U);
  EXPECT_FALSE(std::filesystem::exists(controller.folder("data/instances")) &&
               !std::filesystem::is_empty(controller.folder("data/instances")))
      << "nothing of it runs here";
  EXPECT_FALSE(std::filesystem::is_empty(agent.data() + "/releases")) << "its code was brought";
  const json::Value urls = *controller.get("app/hello").at({"status", "urls"});
  ASSERT_EQ(urls.as_array().size(), 2U);
  EXPECT_THAT(curl(urls.as_array()[0].as_string()), HasSubstr("good morning"));
  EXPECT_THAT(controller.gantry({"logs", "hello"}).out, HasSubstr("gantry demo: http://"));

  ASSERT_EQ(controller.gantry({"delete", "app/hello"}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return agent.get("/containers").data.find("instances")->as_array().empty(); }));
}

TEST_F(ServerTest, ABuildCommandRunsWhereTheAppDoes) {
  std::string text = app(1);
  text.insert(text.find("  placement:"), "  build: {command: 'echo compiled; echo here > built.txt'}\n");
  text.replace(text.find("[\"$(GANTRY_BINARY)\", demo]"), 26, "[sh, -c, 'cat built.txt; exec $(GANTRY_BINARY) demo']");
  controller.apply(secret(agent.key()) + server() + text);
  ASSERT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"))
      << controller.gantry({"describe", "app/hello"}).out << agent.log();
  EXPECT_EQ(controller.condition("app/hello", "Built"), "True/Built");
  EXPECT_THAT(controller.gantry({"logs", "hello"}).out, HasSubstr("here\n"));
  EXPECT_THAT(controller.gantry({"logs", "hello", "--build"}).out, HasSubstr("compiled"));
  const auto names_in = [](const std::string& folder) {
    std::error_code none;
    return std::distance(std::filesystem::directory_iterator(folder, none), std::filesystem::directory_iterator());
  };
  EXPECT_EQ(names_in(agent.data() + "/builds"), 1);
  EXPECT_EQ(names_in(controller.folder("data/builds")), 0) << "nothing was built here";
}

TEST(ServerByAuthority, NeedsNoSecretWhenTheAgentHasTheControllersCredentials) {
  Controller controller;
  controller.start();
  TemporaryFolder out;
  const auto issued = run({gantry_binary(), "agent-credentials", "--data-dir", controller.folder("data"), "--address",
                           "127.0.0.1,localhost", "--out", out / "web-1"});
  ASSERT_EQ(issued.exit_code, 0) << issued.err;
  Agent agent({"--key-file", out / "web-1/agent.key", "--tls-certificate", out / "web-1/tls.crt", "--tls-key",
               out / "web-1/tls.key"});
  agent.start();
  const auto server = [&](const std::string& name, const std::string& address) {
    controller.apply("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name +
                     "}\nspec: {address: " + address + ", agent: {port: " + std::to_string(agent.port()) + "}}\n");
  };
  server("web-1", "127.0.0.1");
  EXPECT_TRUE(eventually([&] { return controller.condition("server/web-1", "Ready") == "True/AgentAnswers"; }))
      << controller.log();
  // The same host by an address that its certificate does not carry.
  server("web-2", "127.0.0.2");
  EXPECT_TRUE(eventually([&] {
    const auto condition = controller.condition("server/web-2", "AgentReachable");
    return condition == "False/AgentRefuses" || condition == "Unknown/HeartbeatLost";
  }));
  EXPECT_NE(run({gantry_binary(), "agent-credentials", "--data-dir", out.path(), "--address", "a", "--out", out / "x"})
                .exit_code,
            0);
}

TEST_F(ServerTest, WhatDiesThereIsReplacedAtOnce) {
  run_hello();
  const auto before = pids();
  ::kill(before.begin()->second, SIGKILL);
  EXPECT_TRUE(eventually(
      [&] {
        const auto now = pids();
        return now.size() == 2 && !now.contains(before.begin()->first);
      },
      std::chrono::milliseconds(1500)));
  EXPECT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"));
}

TEST_F(ServerTest, TheAgentIsKilledAndTheAppDoesNotNotice) {
  run_hello();
  const auto before = pids();
  for (int round = 0; round < 2; ++round) {
    agent.kill();
    agent.start();
    EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "True/AgentAnswers"));
    EXPECT_EQ(pids(), before);
  }
  EXPECT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"));
  EXPECT_EQ(pids(), before);
}

// Killed at a dozen moments of a rollout, from before its first call to after its last: starts, probes, stops and
// removals are each cut off somewhere. The load goes through the routes all the while.
TEST_F(ServerTest, TheAgentIsKilledAtEveryStepOfARolloutAndNoRequestFails) {
  if (!have("caddy")) GTEST_SKIP() << "Caddy is not installed";
  Controller routed{{"--http-port", std::to_string(free_port()), "--https-port", std::to_string(https)}};
  routed.start();
  const auto release = [](const std::string& greeting) {
    std::string text = app();
    text.replace(text.find("good morning"), 12, greeting);
    text.insert(text.rfind("---"), "  routes: [{host: web.test, port: http, tls: {mode: internal}}]\n");
    return text;
  };
  const auto done = [&] { return routed.gantry({"rollout", "status", "hello", "--timeout=60s"}); };
  routed.apply(secret(agent.key()) + server() + release("deploy 0"));
  ASSERT_EQ(done().exit_code, 0) << routed.gantry({"describe", "app/hello"}).out << agent.log();
  SteadyLoad load({.port = https,
                   .host = "web.test",
                   .authority = read(routed.folder("data/routing/certificates/pki/authorities/local/root.crt")),
                   .connections = 4,
                   .per_second = 40,
                   .slow_connections = 1,
                   .slow_path = "/slow?seconds=1"});
  constexpr int kMoments = 12;
  for (int moment = 0; moment < kMoments; ++moment) {
    routed.apply(release("deploy " + std::to_string(moment + 1)));
    std::this_thread::sleep_for(std::chrono::milliseconds(250 * moment));
    agent.kill();
    agent.start();
    const Outcome end = done();
    ASSERT_EQ(end.exit_code, 0) << "killed after " << 250 * moment << " ms\n"
                                << end.err << routed.gantry({"describe", "app/hello"}).out << agent.log();
    EXPECT_EQ(pids().size(), 2U) << "no twin, and nothing of the release before";
  }
  const auto result = load.stop();
  EXPECT_EQ(result.failed, 0U) << testing::PrintToString(result.failures);
  EXPECT_GT(result.answered, 100U);
  routed.gantry({"delete", "apps", "--all", "--timeout=60s"});
  EXPECT_TRUE(eventually([&] { return pids().empty(); }));
  EXPECT_TRUE(eventually(
      [&] { return run({"pgrep", "-f", "caddy run --config " + routed.folder("data/routing")}).exit_code != 0; }));
}

TEST_F(ServerTest, TheControllerIsKilledAndFindsTheAppThere) {
  run_hello();
  const auto before = pids();
  controller.kill();
  controller.start();
  EXPECT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"));
  EXPECT_EQ(pids(), before);
}

// Started while the agent is away: nothing is known, so nothing may be begun, here or there.
TEST_F(ServerTest, AControllerThatComesBackBeforeItsAgentWaits) {
  run_hello();
  const auto before = pids();
  controller.kill();
  agent.kill();
  controller.start();
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "Unknown/HeartbeatLost"));
  eventually([] { return false; }, std::chrono::seconds(3));
  agent.start();
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "True/AgentAnswers"));
  EXPECT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"));
  EXPECT_EQ(pids(), before);
}

TEST_F(ServerTest, AnAgentThatStandsStillForAMinuteIsNotDeclaredDead) {
  run_hello();
  const auto before = pids();
  const std::string release = controller.get("app/hello").find("status")->string_or("release");
  agent.signal(SIGSTOP);
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "Unknown/HeartbeatLost", std::chrono::seconds(25)));
  EXPECT_THAT(message("server/web-1", "AgentReachable"), HasSubstr("nothing is decided before"));
  EXPECT_TRUE(becomes("app/hello", "Ready", "Unknown/HostUnreachable"));
  EXPECT_THAT(message("app/hello", "Ready"), HasSubstr("last known: 2 of 2 replicas ready"));
  EXPECT_EQ(controller.condition("app/hello", "Available"), "True/EnoughReplicas");
  eventually([] { return false; }, std::chrono::seconds(40));
  for (const auto& [id, pid] : before) EXPECT_EQ(::kill(pid, 0), 0) << id << " was ended";
  EXPECT_TRUE(!std::filesystem::exists(controller.folder("data/instances")) ||
              std::filesystem::is_empty(controller.folder("data/instances")))
      << "it was started elsewhere";
  agent.signal(SIGCONT);
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "True/AgentAnswers"));
  EXPECT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"));
  EXPECT_EQ(pids(), before) << "nobody was restarted";
  EXPECT_EQ(controller.get("app/hello").find("status")->string_or("release"), release);
}

TEST_F(ServerTest, AWrongKeyAndAWrongCertificateAreSaidSo) {
  controller.apply(secret("0123456789abcdef0123456789abcdef") + server());
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "False/AgentRefuses"));
  EXPECT_THAT(message("server/web-1", "AgentReachable"), HasSubstr("X-API-Key"));
  controller.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: web-1-agent}\nstringData: {key: \"" + agent.key() +
                   "\", fingerprint: \"sha256:" + std::string(64, '0') + "\"}\n");
  EXPECT_TRUE(eventually([&] {
    return message("server/web-1", "AgentReachable").find("certificate verify failed") != std::string::npos;
  })) << message("server/web-1", "AgentReachable");
  controller.apply(secret(agent.key()));
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "True/AgentAnswers"));
}

TEST_F(ServerTest, WhatIsMissingIsWaitedFor) {
  controller.apply(app(1));
  EXPECT_TRUE(eventually([&] { return controller.condition("app/hello", "Synced").starts_with("False"); }));
  controller.apply(server());
  EXPECT_TRUE(becomes("server/web-1", "Ready", "False/ReferenceNotFound"));
  EXPECT_THAT(message("server/web-1", "Ready"), HasSubstr("web-1-agent"));
  controller.apply(secret(agent.key()));
  EXPECT_TRUE(becomes("server/web-1", "Ready", "True/AgentAnswers"));
  EXPECT_TRUE(becomes("app/hello", "Ready", "True/AllReplicasReady"));
}

TEST_F(ServerTest, AKeyIsRotatedThroughItsSecretWithoutLosingTheHost) {
  run_hello();
  const auto before = pids();
  const std::string old = agent.key();
  const std::string fresh = "ea53868742b45ae19ed001c8334939ff";
  controller.apply(secret(fresh, ", previousKey: \"" + old + "\""));
  ASSERT_TRUE(eventually([&] { return agent.key() == fresh; })) << agent.log() << controller.log();
  EXPECT_EQ(agent.call("GET", "/ping", "", old).status, 200) << "for a while both open";
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "True/AgentAnswers"));
  controller.apply(secret(fresh));
  eventually([] { return false; }, std::chrono::seconds(1));
  EXPECT_TRUE(becomes("server/web-1", "AgentReachable", "True/AgentAnswers"));
  EXPECT_EQ(pids(), before);
}

// E-56 where it bites: keys that are derived from the cloud's token change with it, all at once.
TEST(RotatedToken, OfWhichKeysAreDerivedLosesNoneOfThreeAgents) {
  if (!have("curl")) GTEST_SKIP() << "curl is not installed";
  std::array<Agent, 3> agents;
  Controller controller;
  controller.start();
  const auto declare = [&](std::size_t i, const std::string& tokens) {
    const std::string name = "web-" + std::to_string(i + 1);
    controller.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "}\nstringData: {" + tokens +
                     ", userId: \"42\", fingerprint: \"" + agents[i].fingerprint() +
                     "\"}\n---\napiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name +
                     "}\nspec: {address: 127.0.0.1, agent: {port: " + std::to_string(agents[i].port()) +
                     ", secretRef: {name: " + name + "}}}\n");
  };
  const auto all_answer = [&] {
    return std::ranges::all_of(std::array{1, 2, 3}, [&](int i) {
      return controller.condition("server/web-" + std::to_string(i), "AgentReachable") == "True/AgentAnswers";
    });
  };
  const std::string of_old = providers::derived_agent_key("dop_v1_test", "42");
  const std::string of_new = providers::derived_agent_key("dop_v1_next", "42");
  for (std::size_t i = 0; i < agents.size(); ++i) {
    write(agents[i].data() + "/agent.key", of_old + "\n");
    ::chmod((agents[i].data() + "/agent.key").c_str(), 0600);
    agents[i].start();
    declare(i, "token: dop_v1_test");
  }
  ASSERT_TRUE(eventually(all_answer, std::chrono::seconds(60))) << controller.gantry({"get", "servers"}).out;

  for (std::size_t i = 0; i < agents.size(); ++i) declare(i, "token: dop_v1_next, previousToken: dop_v1_test");
  for (const auto& agent : agents)
    EXPECT_TRUE(eventually([&] { return agent.key() == of_new; }, std::chrono::seconds(60))) << agent.log();
  EXPECT_TRUE(eventually(all_answer, std::chrono::seconds(60))) << controller.gantry({"get", "servers"}).out;
  // The one of before is needed no more: not by a controller that has just started either.
  for (std::size_t i = 0; i < agents.size(); ++i) declare(i, "token: dop_v1_next");
  controller.kill();
  controller.start();
  for (const auto& agent : agents) EXPECT_EQ(agent.call("GET", "/ping", "", of_new).status, 200);
  EXPECT_TRUE(eventually(all_answer, std::chrono::seconds(60))) << controller.gantry({"get", "servers"}).out;
}

}  // namespace
}  // namespace gantry::process
