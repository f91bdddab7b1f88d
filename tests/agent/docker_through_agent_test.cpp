// Goal: containers, and the images they need, through an agent as through this machine's own Docker. Method: two real
// dockerds, one here and one at the agent.
#include <csignal>

#include "providers/agent/host_set.hpp"
#include "tests/agent/agent_in_process.hpp"
#include "tests/providers/docker_daemon.hpp"

namespace gantry::agent {
namespace {

using providers::agent::HostSet;
using providers::local::Daemon;
using providers::local::DockerEngine;
using testing::HasSubstr;
using testing::SizeIs;
using State = Instance::State;

class DockerThroughAgent : public testing::Test {
 protected:
  void SetUp() override {
    for (Daemon* daemon : {&here_daemon, &there_daemon}) {
      const std::string trouble = daemon->start();
      if (!trouble.empty()) GTEST_SKIP() << "NOT TESTED: " << trouble;
    }
    here = std::make_unique<LocalHost>(
        machine.reactor, machine.blocking,
        LocalHost::Options{.folder = here_folder.path(), .docker_socket = here_daemon.socket()});
    machine.await(here->open());
    workshop = std::make_unique<Workshop>(
        machine.reactor, machine.blocking, *here,
        Workshop::Options{.folder = here_folder.path(), .docker_socket = here_daemon.socket(), .host_id = {}});
    machine.await(workshop->open(here->id()));
    agent.docker_socket = there_daemon.socket();
    agent.start();
    set = std::make_unique<HostSet>(
        machine.reactor, machine.blocking, system_random(), *here,
        [](providers::ProbeSpec) -> Task<providers::ProbeResult> { co_return providers::ProbeResult{}; },
        RemoteHost::Options{});
    set->carry_images_from(*workshop);
    set->keep("prod/web-1", agent.endpoint());
    ASSERT_TRUE(machine.until([&] { return set->contact("prod/web-1")->connected; }));
  }
  void TearDown() override {
    if (!set) return;
    end_everything(machine, *set);
    machine.await(set->close());
    agent.stop();
    machine.await(workshop->close());
    machine.await(here->close());
  }

  InstanceSpec container(std::string script, std::string id = "web-1-0-0") {
    InstanceSpec spec = shell("", std::move(id));
    spec.runtime = InstanceSpec::Runtime::Docker;
    spec.server = "prod/web-1";
    spec.image = "gantry-test/busybox:1";
    spec.command = {"/bin/busybox", "sh", "-c", std::move(script)};
    return spec;
  }
  Instance instance(const std::string& id = "web-1-0-0") {
    for (auto& it : machine.await(set->list(""))) {
      if (it.id == id) return it;
    }
    return {};
  }
  void docker(Daemon& daemon, const std::string& method, const std::string& path) {
    DockerEngine engine(machine.reactor, daemon.socket());
    machine.await(engine.call("test", method, path));
  }

  Machine machine;
  Folder here_folder;
  Folder there_folder;
  Daemon here_daemon;
  Daemon there_daemon;
  std::unique_ptr<LocalHost> here;
  std::unique_ptr<Workshop> workshop;
  AgentInProcess agent{machine, there_folder.path()};
  std::unique_ptr<HostSet> set;
};

TEST_F(DockerThroughAgent, AContainerIsRunToldOfFoundAgainAndEnded) {
  const Instance it = machine.await(set->start(container("echo hello; exec /bin/busybox sleep 1000")));
  EXPECT_EQ(it.state, State::Running);
  EXPECT_NE(it.container_id, "");
  EXPECT_EQ(it.server, "prod/web-1");
  EXPECT_THAT(machine.await(here->list("")), SizeIs(0));
  EXPECT_TRUE(machine.until([&] { return machine.await(set->log_tail(it.id, 5)) == "hello\n"; }));

  agent.stop();
  ASSERT_TRUE(machine.until([&] { return !set->contact("prod/web-1")->connected; }));
  agent.start();
  ASSERT_TRUE(machine.until([&] { return set->contact("prod/web-1")->connected; }));
  EXPECT_EQ(instance().container_id, it.container_id);

  const auto told = std::make_shared<bool>(false);  // what ends the test is told too, when its locals are gone
  set->on_change([told](const std::string&) { *told = true; });
  const Instant killed = machine.reactor.now();
  ::kill(static_cast<pid_t>(it.pid), SIGKILL);
  EXPECT_TRUE(machine.until([&] { return *told && instance().state == State::Exited; }));
  EXPECT_LT(machine.reactor.now() - killed, std::chrono::milliseconds(500));
  EXPECT_EQ(instance().exit_code, 137);
}

TEST_F(DockerThroughAgent, AnImageThatWasBuiltHereIsBroughtThereWithoutARegistry) {
  docker(here_daemon, "POST", "/images/gantry-test/busybox:1/tag?repo=gantry.local/prod/web&tag=abc");
  auto spec = container("echo from here; exit 4");
  spec.image = "gantry.local/prod/web:abc";
  machine.await(set->start(spec));
  ASSERT_TRUE(machine.until([&] { return instance().state == State::Exited; }));
  EXPECT_EQ(instance().exit_code, 4);
  EXPECT_THAT(machine.await(set->log_tail(spec.id, 5)), "from here\n");

  spec.id = "web-1-0-1";
  spec.image = "gantry.local/prod/web:never-built";
  EXPECT_THAT(machine.error_of(set->start(spec)), HasSubstr("No such image"));
}

}  // namespace
}  // namespace gantry::agent
