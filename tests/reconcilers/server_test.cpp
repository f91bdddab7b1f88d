// Goal: how it is with a host is said as it is, and never too early. Method: the real plane in a manual clock; the
// directory of agents is a stand-in that the test speaks for.
#include <gmock/gmock.h>

#include "reconcilers/server/server_reconciler.hpp"
#include "tests/reconcilers/agent_directory.hpp"

namespace gantry::reconcilers::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using world::World;

class ServerWorld : public testing::Test {
 protected:
  world::WorldOptions options() {
    world::WorldOptions made;
    made.setup = [this](World& house, world::Process& process) {
      auto reconciler = std::make_shared<ServerReconciler>(
          ServerReconciler::Parts{.reactor = house.reactor,
                                  .client = process.client,
                                  .hosts = hosts,
                                  .agent_key = Secret("fleet-key"),
                                  .authority = "our authority",
                                  .version = "1.2.3",
                                  .wake = [plane = process.plane.get()](const object::Key& key) { plane->poke(key); }});
      process.plane->serve(object::Resource::of("gantry.dev", "servers"), *reconciler);
      process.reconcilers.push_back(reconciler);
    };
    return made;
  }
  void apply(const std::string& spec) {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: web-1, namespace: default}\nspec: " +
                spec + "\n");
    world.settle();
  }
  std::string state(const std::string& type) {
    return world.condition("Server/web-1", type) + "/" + world.reason("Server/web-1", type);
  }

  AgentDirectory hosts;
  World world{options()};
};

TEST_F(ServerWorld, KeepsTheContactWithTheControllersOwnKeyUnlessASecretSaysOtherwise) {
  apply("{address: 10.0.0.5}");
  EXPECT_EQ(hosts.endpoints["default/web-1"].url, "https://10.0.0.5:9999");
  EXPECT_EQ(hosts.endpoints["default/web-1"].key.reveal(), "fleet-key");
  EXPECT_EQ(hosts.endpoints["default/web-1"].ca, "our authority");

  apply("{address: \"fd00::5\", agent: {port: 1234, http: true, secretRef: {name: opens}}}");
  EXPECT_EQ(state("Ready"), "False/ReferenceNotFound");
  world.apply(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: opens, namespace: default}\n"
      "stringData: {token: dop_v1_test, userId: \"42\", fingerprint: \"sha256:ab\", previousKey: old}\n");
  world.advance(1s);
  EXPECT_EQ(hosts.endpoints["default/web-1"].url, "http://[fd00::5]:1234");
  EXPECT_EQ(hosts.endpoints["default/web-1"].key.reveal(), "e21f20fbce845189dee86d1c586f200e");
  EXPECT_EQ(hosts.endpoints["default/web-1"].previous_key.reveal(), "old");
  EXPECT_EQ(hosts.endpoints["default/web-1"].pin, "sha256:ab");
  EXPECT_EQ(hosts.endpoints["default/web-1"].ca, "");
}

TEST_F(ServerWorld, AHostThatMustNotSleepIsKeptAwakeAndSaysWhenItCannotBe) {
  apply("{address: 10.0.0.5, keepAwake: true}");
  hosts.reach(world);
  EXPECT_EQ(state("SleepPrevented"), "False/HostMaySleep") << "its agent is too old for that";

  hosts.awake = json::Object{{"wanted", false}, {"held", false}, {"problem", ""}};
  world.advance(2min);
  EXPECT_EQ(state("SleepPrevented"), "True/Inhibited");
  // The agent was restarted, and has forgotten it.
  hosts.awake->set("wanted", false);
  world.advance(2min);
  EXPECT_TRUE(hosts.awake->find("wanted")->as_bool());

  hosts.awake = json::Object{{"wanted", false}, {"held", false}, {"problem", "Access denied"}};
  world.advance(2min);
  EXPECT_EQ(state("SleepPrevented"), "False/HostMaySleep");
  EXPECT_THAT(world.message("Server/web-1", "SleepPrevented"), HasSubstr("Access denied"));
  EXPECT_EQ(state("Ready"), "True/AgentAnswers") << "it serves all the same";

  apply("{address: 10.0.0.5, keepAwake: false}");
  world.advance(2min);
  EXPECT_FALSE(hosts.awake->find("wanted")->as_bool());
  EXPECT_EQ(state("SleepPrevented"), "/");
}

TEST_F(ServerWorld, SilenceIsUnknownForTenMinutesAndThenAbsence) {
  apply("{address: 10.0.0.5}");
  hosts.reach(world);
  EXPECT_EQ(state("AgentReachable"), "True/AgentAnswers");
  EXPECT_EQ(world.get("Server/web-1").at({"status", "capacity", "memory"})->as_string(), "4096Mi");
  hosts.lose(world, "nothing was heard of it for 15s");
  EXPECT_EQ(state("AgentReachable"), "Unknown/HeartbeatLost");
  EXPECT_EQ(state("Ready"), "Unknown/HeartbeatLost");
  world.advance(9min + 50s);
  EXPECT_EQ(state("AgentReachable"), "Unknown/HeartbeatLost");
  world.advance(20s);
  EXPECT_EQ(state("AgentReachable"), "False/Unreachable");
  hosts.reach(world);
  EXPECT_EQ(state("Ready"), "True/AgentAnswers");
}

TEST_F(ServerWorld, ARefusalIsSaidAtOnce) {
  apply("{address: 10.0.0.5}");
  hosts.lose(world, "the agent: the header X-API-Key must carry this agent's key", true);
  EXPECT_EQ(state("AgentReachable"), "False/AgentRefuses");
  EXPECT_THAT(world.message("Server/web-1", "Ready"), HasSubstr("X-API-Key"));
}

TEST_F(ServerWorld, ARefusalSaysWhereToLook) {
  const auto told = [&](const std::string& problem) {
    hosts.lose(world, problem, true);
    return world.message("Server/web-1", "Ready");
  };
  apply("{address: 10.0.0.5}");
  EXPECT_THAT(told("the agent: the header X-API-Key must carry this agent's key"),
              HasSubstr("agent.key on that machine"));
  EXPECT_THAT(told("certificate verify failed (unable to get local issuer certificate)"),
              HasSubstr("put the fingerprint that agent.json"));
  EXPECT_THAT(told("certificate verify failed (certificate is not yet valid)"), HasSubstr("clocks of both machines"));
  world.apply(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: opens, namespace: default}\n"
      "stringData: {key: k, fingerprint: \"sha256:ab\"}\n");
  apply("{address: 10.0.0.5, agent: {secretRef: {name: opens}}}");
  EXPECT_THAT(told("certificate verify failed (certificate rejected)"), HasSubstr("(sha256:ab)"));
}

TEST_F(ServerWorld, AnAddressIsAnAddressAlone) {
  for (const char* good : {"10.0.0.5", "fd00::5", "::1", "fe80::1%eth0", "web-1", "web_1.home.example.org"})
    EXPECT_NO_THROW(apply("{address: \"" + std::string(good) + "\"}")) << good;
  for (const char* bad : {"http://10.0.0.5", "10.0.0.5:9999", "10.0.0.5/24", "10.0.0.5 ", "-web"})
    EXPECT_THROW(apply("{address: \"" + std::string(bad) + "\"}"), Error) << bad;
}

TEST_F(ServerWorld, AnAgentOfAnotherVersionIsNotCurrent) {
  apply("{address: 10.0.0.5}");
  hosts.reach(world, "1.0.0");
  EXPECT_EQ(state("AgentCurrent"), "False/VersionDiffers");
  EXPECT_EQ(state("Ready"), "True/AgentAnswers") << "it works all the same";
  hosts.reach(world);
  EXPECT_EQ(state("AgentCurrent"), "True/SameVersion");
}

TEST_F(ServerWorld, OthersServersAreLeftToOthers) {
  apply("{providerRef: {name: hetzner}, size: cx22, image: debian-12}");
  EXPECT_EQ(state("Ready"), "Unknown/NoReconciler");
  EXPECT_TRUE(hosts.endpoints.empty());
}

TEST_F(ServerWorld, DeletingItEndsTheContact) {
  apply("{address: 10.0.0.5}");
  hosts.reach(world);
  world.remove("Server/web-1");
  world.advance(1s);
  EXPECT_EQ(world.find("Server/web-1"), nullptr);
  EXPECT_TRUE(hosts.endpoints.empty());
}

TEST_F(ServerWorld, HeartbeatsAloneWriteNothing) {
  apply("{address: 10.0.0.5}");
  hosts.reach(world);
  world.advance(2min);
  const auto before = world.find("Server/web-1")->revision();
  world.advance(10min);
  EXPECT_EQ(world.find("Server/web-1")->revision(), before);
}

}  // namespace
}  // namespace gantry::reconcilers::server
