// Goal: whoever runs Apps need not care where: this machine, or another one through its agent. Method: one suite,
// played against the local host, and against the remote host that speaks to a real agent around the same local host.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <csignal>

#include "tests/agent/agent_in_process.hpp"

namespace gantry::agent {
namespace {

using providers::LogQuery;
using providers::WorkloadHost;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using State = Instance::State;

enum class Where { Here, ThroughAnAgent };

class WorkloadHostContract : public testing::TestWithParam<Where> {
 protected:
  WorkloadHostContract() { begin(); }
  ~WorkloadHostContract() override {
    end_everything(machine, *host);
    end();
  }

  void begin() {
    if (GetParam() == Where::Here) {
      local = std::make_unique<LocalHost>(
          machine.reactor, machine.blocking,
          LocalHost::Options{.folder = dir.path(), .docker_socket = dir / "no-docker.sock"});
      machine.await(local->open());
      host = local.get();
    } else {
      agent = std::make_unique<AgentInProcess>(machine, dir.path());
      agent->start();
      remote = std::make_shared<RemoteHost>(machine.reactor, machine.blocking, system_random(), "prod/web-1",
                                            agent->endpoint(), RemoteHost::Options{});
      remote->open();
      EXPECT_TRUE(machine.until([&] { return remote->contact().connected; })) << remote->contact().problem;
      host = remote.get();
    }
    host->on_change([this](const std::string& owner) { changes.push_back(owner); });
  }
  void end() {
    if (remote) machine.await(remote->close());
    remote.reset();
    agent.reset();
    if (local) machine.await(local->close());
    local.reset();
  }

  Instance start(const InstanceSpec& spec) { return machine.await(host->start(spec)); }
  Instance instance(const std::string& id = "web-1-0-0") {
    for (auto& it : machine.await(host->list(""))) {
      if (it.id == id) return it;
    }
    return {};
  }
  Instance exited(const std::string& id = "web-1-0-0") {
    EXPECT_TRUE(machine.until([&] { return instance(id).state == State::Exited; })) << id << " does not end";
    return instance(id);
  }
  std::string log(LogQuery query = {}) {
    auto reader = machine.await(host->logs("web-1-0-0", query));
    std::string all;
    for (std::string piece = machine.await(reader->next()); !piece.empty(); piece = machine.await(reader->next()))
      all += piece;
    return all;
  }

  Folder dir;
  Machine machine;
  std::vector<std::string> changes;
  std::unique_ptr<LocalHost> local;
  std::unique_ptr<AgentInProcess> agent;
  std::shared_ptr<RemoteHost> remote;
  WorkloadHost* host = nullptr;
};

TEST_P(WorkloadHostContract, TellsWhatARunningInstanceHasUsed) {
  start(shell("while :; do :; done"));
  std::vector<providers::InstanceUsage> used;
  EXPECT_TRUE(machine.until([&] {
    used = machine.await(host->usage("uid-web"));
    return used.size() == 1 && used[0].cpu > std::chrono::milliseconds(200);
  }));
  ASSERT_THAT(used, SizeIs(1));
  EXPECT_EQ(used[0].id, "web-1-0-0");
  EXPECT_GT(used[0].memory_bytes, 0);
}

INSTANTIATE_TEST_SUITE_P(Hosts, WorkloadHostContract, testing::Values(Where::Here, Where::ThroughAnAgent),
                         [](const auto& info) {
                           return std::string(info.param == Where::Here ? "Here" : "ThroughAnAgent");
                         });

TEST_P(WorkloadHostContract, StartsAProcessAndTellsHowItEnded) {
  auto spec = shell("echo hello; echo oops >&2; exit 3");
  spec.slot = 2;
  const Instance started = start(spec);
  EXPECT_EQ(started.id, "web-1-0-0");
  const Instance it = exited();
  EXPECT_EQ(it.owner_uid, "uid-web");
  EXPECT_EQ(it.owner_namespace, "prod");
  EXPECT_EQ(it.owner_name, "web");
  EXPECT_EQ(it.release, "web-1");
  EXPECT_EQ(it.slot, 2);
  EXPECT_EQ(it.config_hash, "h1");
  EXPECT_EQ(it.exit_code, 3);
  EXPECT_EQ(it.exit_reason, "exited with code 3");
  EXPECT_EQ(it.pid, 0);
  EXPECT_LE(it.started, it.finished);
  EXPECT_THAT(log(), AllOf(HasSubstr("hello\n"), HasSubstr("oops\n")));
  EXPECT_THAT(changes, Contains("uid-web"));
}

TEST_P(WorkloadHostContract, SaysWhereItRuns) {
  const Instance it = start(shell("exec sleep 1000"));
  const bool here = GetParam() == Where::Here;
  EXPECT_EQ(it.server, here ? "" : "prod/web-1");
  EXPECT_EQ(it.address, here ? "127.0.0.1" : "10.0.0.5");
  EXPECT_EQ(instance().server, it.server);
  EXPECT_EQ(instance().in_doubt, "");
}

TEST_P(WorkloadHostContract, ListsByOwner) {
  start(shell("exec sleep 1000"));
  EXPECT_THAT(machine.await(host->list("uid-web")), SizeIs(1));
  EXPECT_THAT(machine.await(host->list("somebody else")), IsEmpty());
}

TEST_P(WorkloadHostContract, WhatWasStartedIsListedAtOnce) {
  for (int i = 0; i < 10; ++i) {
    const std::string id = "web-1-0-" + std::to_string(i);
    start(shell("exec sleep 1000", id));
    EXPECT_EQ(instance(id).state, State::Running);
  }
}

TEST_P(WorkloadHostContract, StartingTheSameIdAgainMakesNoTwin) {
  const auto spec = shell("exec sleep 1000");
  const Instance first = start(spec);
  const Instance second = start(spec);
  EXPECT_EQ(first.pid, second.pid);
  EXPECT_THAT(machine.await(host->list("")), SizeIs(1));
}

TEST_P(WorkloadHostContract, SaysWhyACommandCannotWork) {
  auto spec = shell("");
  spec.command = {"no-such-program"};
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(host->start(spec), &code), HasSubstr("the command \"no-such-program\" was not found"));
  EXPECT_EQ(code, ErrorCode::Invalid);
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
}

TEST_P(WorkloadHostContract, AFixedPortThatIsTakenIsAConflict) {
  const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(taken, 1), 0);
  ::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &length);
  auto spec = shell("exec sleep 1000");
  spec.ports = {{.name = "http", .port = 80, .host_port = ntohs(address.sin_port), .fixed = true}};
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(host->start(spec), &code), HasSubstr("already in use"));
  EXPECT_EQ(code, ErrorCode::Conflict);
  ::close(taken);
}

TEST_P(WorkloadHostContract, GivesPortsAndTheEnvironment) {
  auto spec = shell("env; exit 0");
  spec.env = {{"KEY", Secret("s3cret \"quoted\"")}, {"EMPTY", Secret("")}};
  spec.ports = {{.name = "http", .port = 80}, {.name = "metrics", .port = 81}};
  const Instance it = start(spec);
  ASSERT_THAT(it.ports, SizeIs(2));
  EXPECT_NE(it.ports[0].host_port, 0);
  exited();
  EXPECT_THAT(log(),
              AllOf(HasSubstr("KEY=s3cret \"quoted\"\n"), HasSubstr("EMPTY=\n"),
                    HasSubstr("PORT=" + std::to_string(it.ports[0].host_port) + "\n"), HasSubstr("GANTRY_APP=web\n")));
}

TEST_P(WorkloadHostContract, StopsAndTwiceIsOnce) {
  const Instance it = start(shell("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"));
  ASSERT_TRUE(machine.until([&] { return log() == "up\n"; }));
  machine.await(host->stop(it.id));
  machine.await(host->stop(it.id));
  EXPECT_EQ(exited().exit_code, 9);
  machine.await(host->stop(it.id));
  machine.await(host->stop("web-1-0-99"));  // nobody
  EXPECT_NE(::kill(static_cast<pid_t>(it.pid), 0), 0);
}

TEST_P(WorkloadHostContract, RemovesWhatHasExitedOnly) {
  start(shell("exec sleep 1000"));
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(host->remove("web-1-0-0", true), &code), HasSubstr("still runs"));
  EXPECT_EQ(code, ErrorCode::Conflict);
  machine.await(host->stop("web-1-0-0"));
  exited();
  machine.await(host->remove("web-1-0-0", true));
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
  machine.await(host->remove("web-1-0-0", true));
  machine.error_of(host->logs("web-1-0-0", {}), &code);
  EXPECT_EQ(code, ErrorCode::NotFound);
}

TEST_P(WorkloadHostContract, LogsCanBeChosenAndFollowed) {
  start(shell("for i in 1 2 3 4 5; do echo line $i; done; sleep 0.3; echo late; exit 0"));
  ASSERT_TRUE(machine.until([&] { return log().find("line 5") != std::string::npos; }));
  auto reader = machine.await(host->logs("web-1-0-0", {.follow = true}));
  std::string all;
  for (std::string piece = machine.await(reader->next()); !piece.empty(); piece = machine.await(reader->next()))
    all += piece;
  EXPECT_EQ(all, "line 1\nline 2\nline 3\nline 4\nline 5\nlate\n");
  EXPECT_EQ(log({.tail_lines = 2}), "line 5\nlate\n");
  EXPECT_EQ(log({.since = system_clock().wall() + std::chrono::hours(1)}), "");
  EXPECT_THAT(log({.tail_lines = 1, .timestamps = true}), testing::MatchesRegex("20[-0-9T:.Z]+ late\n"));
  EXPECT_EQ(machine.await(host->log_tail("web-1-0-0", 1)), "late\n");
}

TEST_P(WorkloadHostContract, AFollowerCanBeClosed) {
  start(shell("echo up; exec sleep 1000"));
  auto reader = machine.await(host->logs("web-1-0-0", {.follow = true}));
  EXPECT_EQ(machine.await(reader->next()), "up\n");
  machine.reactor.post([&] { reader->close(); });
  EXPECT_EQ(machine.await(reader->next()), "");
}

TEST_P(WorkloadHostContract, AnEndIsToldWithin500Milliseconds) {
  for (int round = 0; round < 5; ++round) {
    const std::string id = "web-1-0-" + std::to_string(round);
    const Instance it = start(shell("exec sleep 1000", id));
    machine.until([] { return false; }, std::chrono::milliseconds(50));
    changes.clear();
    const Instant killed = machine.reactor.now();
    ::kill(static_cast<pid_t>(it.pid), SIGKILL);
    EXPECT_TRUE(machine.until([&] { return !changes.empty() && instance(id).state == State::Exited; }));
    EXPECT_LT(machine.reactor.now() - killed, std::chrono::milliseconds(500));
  }
}

TEST_P(WorkloadHostContract, WithoutDockerAnImageIsUnavailable) {
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(host->ensure_image("nginx:1"), &code), HasSubstr("Docker does not answer"));
  EXPECT_EQ(code, ErrorCode::Unavailable);
  auto spec = shell("");
  spec.runtime = InstanceSpec::Runtime::Docker;
  spec.image = "nginx:1";
  machine.error_of(host->start(spec), &code);
  EXPECT_EQ(code, ErrorCode::Unavailable);
}

TEST_P(WorkloadHostContract, WhatRunsOutlivesItsHostAndIsFoundAgain) {
  const Instance before = start(shell("exec sleep 1000"));
  end();
  EXPECT_EQ(::kill(static_cast<pid_t>(before.pid), 0), 0);
  begin();
  EXPECT_EQ(instance().pid, before.pid);
  EXPECT_EQ(instance().started, before.started);
  ::kill(static_cast<pid_t>(before.pid), SIGKILL);
  EXPECT_EQ(exited().exit_code, 137);
}

TEST_P(WorkloadHostContract, BadIdsAreRefused) {
  for (const auto* id : {"../x", "", "A", "a b"})
    EXPECT_NE(machine.error_of(host->start(shell("true", id))), "(no error)") << id;
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
}

}  // namespace
}  // namespace gantry::agent
