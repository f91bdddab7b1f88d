// What is another machine's alone: it can be away, be somebody else, or not want to speak to us.
#include <csignal>

#include "controller/api/http/server.hpp"
#include "providers/agent/host_set.hpp"
#include "tests/agent/agent_in_process.hpp"

namespace gantry::agent {
namespace {

using providers::agent::HostSet;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using State = Instance::State;

class RemoteHostTest : public testing::Test {
 protected:
  RemoteHostTest() { agent.start(); }
  ~RemoteHostTest() override {
    if (host) machine.await(host->close());
    host.reset();
    if (!agent.host) agent.start();
    end_everything(machine, *agent.host);
  }

  static RemoteHost::Options quick() {
    return {.silence = std::chrono::milliseconds(400),
            .connect = std::chrono::milliseconds(500),
            .call = std::chrono::seconds(2),
            .retry_first = std::chrono::milliseconds(20),
            .retry_longest = std::chrono::milliseconds(100)};
  }
  void connect(AgentEndpoint endpoint) {
    if (host) machine.await(host->close());
    host = std::make_shared<RemoteHost>(machine.reactor, machine.blocking, system_random(), "prod/web-1",
                                        std::move(endpoint), quick());
    host->on_change([this](const std::string& owner) { changes.push_back(owner); });
    host->open();
  }
  bool reached() {
    return machine.until([&] { return host->contact().connected; });
  }
  bool lost() {
    return machine.until([&] { return !host->contact().connected; });
  }
  bool refused() {
    return machine.until([&] { return host->contact().refused; });
  }
  Instance instance(const std::string& id = "web-1-0-0") {
    for (auto& it : machine.await(host->list(""))) {
      if (it.id == id) return it;
    }
    return {};
  }
  static Task<> must_know(RemoteHost& remote) {
    remote.must_know("");
    co_return;
  }

  Folder dir;
  Machine machine;
  AgentInProcess agent{machine, dir.path()};
  std::vector<std::string> changes;
  std::shared_ptr<RemoteHost> host;
};

TEST_F(RemoteHostTest, IsReachedByItsAuthorityOrByItsPin) {
  connect(agent.endpoint());
  EXPECT_TRUE(reached());
  EXPECT_EQ(host->contact().version, "1.2.3");
  auto pinned = agent.endpoint();
  pinned.ca.clear();
  pinned.pin = agent.pin();
  connect(pinned);
  EXPECT_TRUE(reached());
}

TEST_F(RemoteHostTest, AWrongKeyIsRefusedAndSaysSo) {
  auto endpoint = agent.endpoint();
  endpoint.key = Secret("0123456789abcdef0123456789abcdef");
  connect(endpoint);
  EXPECT_TRUE(refused());
  EXPECT_FALSE(host->contact().ever);
  EXPECT_THAT(host->contact().problem, HasSubstr("X-API-Key"));
  EXPECT_THAT(host->contact().problem, Not(HasSubstr("0123456789abcdef")));
}

TEST_F(RemoteHostTest, AWrongCertificateIsRefusedBeforeTheKeyIsSaid) {
  auto endpoint = agent.endpoint();
  endpoint.pin = "sha256:" + std::string(64, '0');
  connect(endpoint);
  EXPECT_TRUE(refused());
  EXPECT_THAT(host->contact().problem, HasSubstr("certificate verify failed"));
  Folder other;
  endpoint.pin.clear();
  endpoint.ca = pki::Folder(other / "pki", system_clock()).authority_certificate();
  connect(endpoint);
  EXPECT_TRUE(refused());
}

TEST_F(RemoteHostTest, AnotherProgramOnThePortIsNoAgent) {
  struct Stranger final : api::Handler {
    Task<api::HttpResponse> handle(api::HttpRequest) override {
      api::HttpResponse response;
      response.body.emplace_back("<html>Welcome to my page</html>\n");
      co_return response;
    }
  } stranger;
  api::Authenticator open(api::Authenticator::Options{.open_paths = {"/events"}});
  api::http::ServerOptions options;
  options.port = 0;
  api::http::Server server(machine.reactor, stranger, open, options);
  server.listen();
  auto endpoint = agent.endpoint();
  endpoint.url = "http://127.0.0.1:" + std::to_string(server.port());
  connect(endpoint);
  EXPECT_TRUE(machine.until([&] { return host->contact().problem.find("not as an agent does") != std::string::npos; }));
  EXPECT_FALSE(host->contact().ever);
  machine.await(host->close());
  host.reset();
  machine.await(server.shutdown(std::chrono::milliseconds(10)));
}

TEST_F(RemoteHostTest, BeforeTheFirstContactNothingIsTakenForKnown) {
  const auto endpoint = agent.endpoint();
  agent.stop();
  connect(endpoint);
  ErrorCode code{};
  machine.error_of(must_know(*host), &code);
  EXPECT_EQ(code, ErrorCode::Unavailable);
  machine.error_of(host->start(shell("true")), &code);
  EXPECT_EQ(code, ErrorCode::Unavailable);
  agent.start();
  EXPECT_TRUE(reached());
  machine.await(must_know(*host));
}

TEST_F(RemoteHostTest, WhileItIsAwayNothingIsForgottenAndNothingBegun) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  const Instance it = machine.await(host->start(shell("exec sleep 1000")));
  agent.stop();
  ASSERT_TRUE(lost());
  EXPECT_EQ(instance().state, State::Running);
  EXPECT_THAT(instance().in_doubt, HasSubstr("prod/web-1 is not reached"));
  EXPECT_THAT(changes, Contains("uid-web")) << "whoever cares is told";
  ErrorCode code{};
  machine.error_of(host->start(shell("true", "web-1-0-1")), &code);
  EXPECT_EQ(code, ErrorCode::Unavailable);
  machine.error_of(host->stop(it.id), &code);
  EXPECT_EQ(code, ErrorCode::Unavailable);
  const auto probe = machine.await(host->probe({.port = 1}));
  EXPECT_FALSE(probe.asked);

  changes.clear();
  agent.start();
  ASSERT_TRUE(reached());
  EXPECT_EQ(instance().pid, it.pid);
  EXPECT_EQ(instance().in_doubt, "");
  EXPECT_THAT(changes, Contains("uid-web"));
}

TEST_F(RemoteHostTest, WhatHappenedInTheGapIsToldAfterIt) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  const Instance it = machine.await(host->start(shell("exec sleep 1000")));
  machine.await(host->start(shell("exec sleep 1000", "web-1-0-1")));
  agent.stop();
  ASSERT_TRUE(lost());
  ::kill(static_cast<pid_t>(it.pid), SIGKILL);
  agent.start();
  EXPECT_TRUE(machine.until([&] { return instance().state == State::Exited; }));
  EXPECT_EQ(instance("web-1-0-1").state, State::Running);
}

TEST_F(RemoteHostTest, ForgetsWhatAnotherRemoved) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  machine.await(host->start(shell("exit 0")));
  ASSERT_TRUE(machine.until([&] { return instance().state == State::Exited; }));
  machine.await(agent.host->remove("web-1-0-0", true));
  EXPECT_TRUE(machine.until([&] { return instance().id.empty(); }));
}

TEST_F(RemoteHostTest, SilenceIsAbsenceAndAHeartbeatIsPresence) {
  agent.stop();
  agent.heartbeat = std::chrono::seconds(100);
  agent.start();
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  ASSERT_TRUE(lost()) << "a channel without heartbeats is no contact";
  EXPECT_THAT(host->contact().problem, HasSubstr("nothing was heard of it"));
  agent.stop();
  agent.heartbeat = std::chrono::milliseconds(50);
  agent.start();
  ASSERT_TRUE(reached());
  machine.until([&] { return !host->contact().connected; }, std::chrono::seconds(1));
  EXPECT_TRUE(host->contact().connected);
}

TEST_F(RemoteHostTest, AfterASleepOfOursItIsReachedAnewAndNobodyWasRestarted) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  const Instance it = machine.await(host->start(shell("exec sleep 1000")));
  host->reconnect();
  EXPECT_TRUE(machine.until([&] { return !host->contact().connected; }));
  EXPECT_TRUE(reached());
  EXPECT_EQ(instance().pid, it.pid);
  EXPECT_TRUE(machine.until([&] { return agent.channels->size() == 1; })) << "the old channel is gone";
}

TEST_F(RemoteHostTest, AnAgentThatTalksNonsenseIsNotBelieved) {
  struct Liar final : api::Handler {
    Task<api::HttpResponse> handle(api::HttpRequest request) override {
      api::HttpResponse response;
      const std::string snapshot =
          R"({"success":true,"error":null,"data":{"type":"snapshot","channel":"c","epoch":"e","version":"1","instances":[)";
      if (request.path == "/events") {
        response.body.emplace_back(snapshot + (nonsense ? R"({"id":5}]}})" : "]}}") + "\n");
        response.stream = std::make_unique<Silence>();
      } else {
        response.body.emplace_back(R"({"success":true,"error":null,"data":{"instance":{"id":"another"}}})");
      }
      co_return response;
    }
    struct Silence final : api::BodyStream {
      Task<std::vector<api::Piece>> next() override {
        while (!closed) co_await asio::post(use_task);
        co_return std::vector<api::Piece>();
      }
      void close() override { closed = true; }
      bool closed = false;
    };
    bool nonsense = true;
  } liar;
  api::Authenticator open(api::Authenticator::Options{.open_paths = {"/events", "/containers"}});
  api::http::ServerOptions options;
  options.port = 0;
  api::http::Server server(machine.reactor, liar, open, options);
  server.listen();
  auto endpoint = agent.endpoint();
  endpoint.url = "http://127.0.0.1:" + std::to_string(server.port());
  connect(endpoint);
  EXPECT_TRUE(machine.until([&] { return host->contact().problem.find("id: a string is expected") == 0; }))
      << host->contact().problem;
  EXPECT_FALSE(host->contact().ever);
  liar.nonsense = false;
  ASSERT_TRUE(reached());
  EXPECT_THAT(machine.error_of(host->start(shell("true"))), HasSubstr("does not say what it started"));
  machine.await(host->close());
  host.reset();
  machine.await(server.shutdown(std::chrono::milliseconds(10)));
}

TEST_F(RemoteHostTest, WithTheOldKeyItIsToldTheNewOne) {
  auto endpoint = agent.endpoint();
  endpoint.previous_key = endpoint.key;
  endpoint.key = Secret("new-key-new-key-new-key-new-key!");
  connect(endpoint);
  ASSERT_TRUE(reached());
  ASSERT_TRUE(machine.until([&] { return agent.key() == "new-key-new-key-new-key-new-key!"; }));
  EXPECT_EQ(agent.keys->accepted(), 2U);
  machine.await(host->start(shell("exit 0")));  // goes on, with the new one
  endpoint.previous_key = {};
  connect(endpoint);
  EXPECT_TRUE(reached());
}

TEST_F(RemoteHostTest, ACallOfAChannelThatIsOverIsNotCarriedOut) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  http::Request late{.method = "POST", .url = "/containers/run"};
  late.headers = {{"X-API-Key", agent.key()}, {"X-Gantry-Channel", "0123456789abcdef"}};
  late.body = R"({"id":"late-1","command":["sleep","1000"]})";
  tls::Context trust(tls::Context::Client{.pin = agent.pin()});
  http::Pool pool(machine.reactor, http::Endpoint::of_url(agent.endpoint().url), &trust);
  const auto response = machine.await(pool.send(late));
  EXPECT_EQ(response.status, 410);
  EXPECT_THAT(machine.await(agent.host->list("")), IsEmpty());
}

TEST_F(RemoteHostTest, AStartWhoseAnswerIsLostIsAskedForAgainAndMakesNoTwin) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  agent.lossy->lose = 2;
  const Instance it = machine.await(host->start(shell("exec sleep 1000")));
  EXPECT_EQ(agent.lossy->asked, 3);
  EXPECT_EQ(it.state, State::Running);
  EXPECT_THAT(machine.await(agent.host->list("")), SizeIs(1));
  agent.lossy->lose = 3;
  ErrorCode code{};
  machine.error_of(host->start(shell("exec sleep 1000", "web-1-0-1")), &code);
  EXPECT_EQ(code, ErrorCode::Unavailable) << "and is given up some time";
  EXPECT_TRUE(machine.until([&] { return instance("web-1-0-1").state == State::Running; })) << "but never lost";
}

TEST_F(RemoteHostTest, BringsTheCodeOnceAndOnlyWhatItsDigestSays) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  Folder code;
  code.write("bin/run", "#!/bin/sh\necho from $(pwd)\n", 0755);
  code.write("big", std::string(3 << 20, 'x'));
  auto spec = shell("");
  spec.command = {"./run"};
  spec.code_folder = code.path();
  spec.code_digest = providers::local::source_digest(code.path());
  spec.working_directory = code / "bin";
  agent.lossy->path = "/code/" + spec.code_digest;
  machine.await(host->start(spec));
  ASSERT_TRUE(machine.until([&] { return instance().state == State::Exited; }));
  EXPECT_EQ(instance().exit_code, 0);
  EXPECT_THAT(machine.await(host->log_tail("web-1-0-0", 1)),
              "from " + dir.path() + "/releases/" + spec.code_digest.substr(7) + "/bin\n");
  EXPECT_EQ(agent.lossy->asked, 2) << "whether it is there, and then it came";
  spec.id = "web-1-0-1";
  machine.await(host->start(spec));
  EXPECT_EQ(agent.lossy->asked, 3) << "the second time it is there";

  code.write("big", "changed meanwhile");
  spec.id = "web-1-0-2";
  spec.code_digest = "sha256:" + std::string(64, '0');
  EXPECT_THAT(machine.error_of(host->start(spec)), HasSubstr("nothing was kept"));
}

TEST_F(RemoteHostTest, ItsHostIsKeptAwakeWhileSomethingRunsThere) {
  agent.stop();
  dir.write("inhibit", "#!/bin/sh\nwhile [ \"${1#--}\" != \"$1\" ]; do shift; done\nexec \"$@\"\n", 0755);
  agent.inhibitors = {dir / "inhibit"};
  agent.start();
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  const auto held = [&] { return machine.await(host->health()).find("awake")->bool_or("held", false); };
  EXPECT_FALSE(machine.await(host->keep_awake(true)).bool_or("held", true)) << "nothing runs there";
  machine.await(host->start(shell("exec sleep 1000")));
  EXPECT_TRUE(machine.until(held));
  machine.await(host->stop("web-1-0-0"));
  EXPECT_TRUE(machine.until([&] { return !held(); }));
  machine.await(host->start(shell("exec sleep 1000", "web-1-0-1")));
  EXPECT_TRUE(machine.until(held));
  EXPECT_FALSE(machine.await(host->keep_awake(false)).bool_or("held", true));
}

TEST_F(RemoteHostTest, ItsHostThatCannotBeKeptAwakeSaysWhy) {
  connect(agent.endpoint());
  ASSERT_TRUE(reached());
  machine.await(host->start(shell("exec sleep 1000")));
  EXPECT_THAT(machine.await(host->keep_awake(true)).string_or("problem"),
              HasSubstr("there is no /nowhere/systemd-inhibit"));
}

TEST_F(RemoteHostTest, ASetOfHostsIsOneHost) {
  Folder here_folder;
  LocalHost here(machine.reactor, machine.blocking,
                 LocalHost::Options{.folder = here_folder.path(), .docker_socket = here_folder / "none"});
  machine.await(here.open());
  std::vector<std::string> told;
  HostSet set(
      machine.reactor, machine.blocking, system_random(), here,
      [](providers::ProbeSpec) -> Task<providers::ProbeResult> { co_return providers::ProbeResult{.healthy = true}; },
      quick());
  set.on_change([&](const std::string& owner) { told.push_back(owner); });
  ErrorCode code{};
  auto there_spec = shell("exec sleep 1000", "there-1");
  there_spec.server = "prod/web-1";
  machine.error_of(set.start(there_spec), &code);
  EXPECT_EQ(code, ErrorCode::Unavailable) << "nobody knows that Server yet";

  set.keep("prod/web-1", agent.endpoint());
  ASSERT_TRUE(machine.until([&] { return set.contact("prod/web-1")->connected; }));
  machine.await(set.start(shell("exec sleep 1000", "here-1")));
  machine.await(set.start(there_spec));
  EXPECT_THAT(machine.await(set.list("uid-web")), SizeIs(2));
  EXPECT_THAT(machine.await(here.list("")), SizeIs(1));
  EXPECT_THAT(machine.await(agent.host->list("")), SizeIs(1));
  EXPECT_TRUE(machine.await(set.probe({.port = 1})).healthy);
  EXPECT_FALSE(machine.await(set.probe({.server = "prod/web-1", .port = 1})).healthy);
  EXPECT_GT(machine.await(set.health("prod/web-1")).find("capacity")->int_or("memoryBytes", 0), 0);

  told.clear();
  machine.await(set.stop("there-1"));
  EXPECT_TRUE(machine.until([&] { return !told.empty(); }));
  end_everything(machine, set);

  set.forget("prod/web-1");
  EXPECT_FALSE(set.contact("prod/web-1").has_value());
  EXPECT_THAT(machine.await(set.list("")), IsEmpty());
  machine.until([] { return false; }, std::chrono::milliseconds(50));
  machine.await(set.close());
  machine.await(here.close());
}

}  // namespace
}  // namespace gantry::agent
