// A real dockerd of our own, and real containers from an image that is nothing but busybox.
#include "providers/local/docker_host.hpp"

#include "controller/base/files.hpp"
#include "providers/local/docker_format.hpp"
#include "providers/local/docker_image.hpp"
#include "providers/local/local_host.hpp"
#include "providers/local/probe.hpp"
#include "tests/providers/docker_daemon.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::local {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using State = Instance::State;

class DockerHostTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon = new Daemon;
    trouble = daemon->start();
  }
  static void TearDownTestSuite() {
    delete daemon;
    daemon = nullptr;
  }
  void SetUp() override {
    if (!trouble.empty()) GTEST_SKIP() << "NOT TESTED: " << trouble;
    if (!daemon->running()) trouble = daemon->start();
    ASSERT_EQ(trouble, "");
    host = fresh_host();
  }
  void TearDown() override {
    if (!host) return;
    for (const auto& it : machine.await(host->list(""))) {
      machine.await(host->stop(it.id));
      exited(it.id);
      machine.await(host->remove(it.id, true));
    }
    close();
  }

  std::unique_ptr<LocalHost> fresh_host(const std::string& socket = "") {
    auto made = std::make_unique<LocalHost>(
        machine.reactor, machine.blocking,
        LocalHost::Options{.folder = dir.path(), .docker_socket = socket.empty() ? daemon->socket() : socket});
    made->on_change([this](const std::string& owner) { changes.push_back(owner); });
    machine.await(made->open());
    return made;
  }
  void close() {
    if (host) machine.await(host->close());
    host.reset();
  }
  void restart_controller() {
    close();
    host = fresh_host();
  }
  InstanceSpec shell(std::string script, std::string id = "web-1-0-0") {
    InstanceSpec spec;
    spec.id = std::move(id);
    spec.owner_uid = "uid-web";
    spec.owner_namespace = "prod";
    spec.owner_name = "web";
    spec.release = "web-1";
    spec.slot = 2;
    spec.config_hash = "h1";
    spec.runtime = InstanceSpec::Runtime::Docker;
    spec.image = kImage;
    spec.command = {"/bin/busybox", "sh", "-c", std::move(script)};
    spec.stop_grace = std::chrono::seconds(1);
    return spec;
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
  json::Value docker(std::string method, std::string path, json::Value body = {}) {
    DockerEngine engine(machine.reactor, daemon->socket());
    return machine.await(engine.call("test", std::move(method), std::move(path), std::move(body)));
  }
  std::size_t containers() { return docker("GET", "/containers/json?all=1").as_array().size(); }
  std::string log(LogQuery query = {}) {
    auto reader = machine.await(host->logs("web-1-0-0", query));
    std::string all;
    for (std::string piece = machine.await(reader->next()); !piece.empty(); piece = machine.await(reader->next()))
      all += piece;
    return all;
  }

  static Daemon* daemon;
  static std::string trouble;
  Folder dir;
  Machine machine;
  std::vector<std::string> changes;
  std::unique_ptr<LocalHost> host;
};
Daemon* DockerHostTest::daemon = nullptr;
std::string DockerHostTest::trouble;

TEST_F(DockerHostTest, RunsAContainerAndTellsHowItEnded) {
  auto spec = shell("echo hello $GREETING; echo oops >&2; exit 3");
  spec.env = {{"GREETING", Secret("world")}};
  start(spec);
  const auto it = exited();
  EXPECT_EQ(it.exit_code, 3);
  EXPECT_EQ(it.exit_reason, "exited with code 3");
  EXPECT_EQ(it.owner_uid, "uid-web");
  EXPECT_EQ(it.slot, 2);
  EXPECT_EQ(it.config_hash, "h1");
  EXPECT_LE(it.started, it.finished);
  EXPECT_THAT(log(), AllOf(HasSubstr("hello world\n"), HasSubstr("oops\n")));
  EXPECT_EQ(machine.await(host->log_tail(it.id, 1)).find("hello") == std::string::npos, log().ends_with("oops\n"));
  EXPECT_FALSE(changes.empty());
  machine.await(host->remove(it.id, true));
  EXPECT_EQ(containers(), 0U);
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
}

TEST_F(DockerHostTest, ServesOnAPortOfThisMachine) {
  auto spec = shell("mkdir /www; echo it works >/www/index.html; exec /bin/busybox httpd -f -p $(PORT_HTTP) -h /www");
  spec.ports = {{.name = "http", .port = 8080}};
  const auto it = start(spec);
  ASSERT_EQ(it.state, State::Running);
  const int port = it.ports.at(0).host_port;
  EXPECT_GT(port, 0);
  ProbeResult answer;
  EXPECT_TRUE(machine.until([&] {
    answer = machine.await(probe(machine.reactor, {.kind = ProbeSpec::Kind::Http, .port = port}));
    return answer.healthy;
  })) << answer.message;
  const json::Value container = docker("GET", "/containers/" + it.container_id + "/json");
  const json::Value* binding = container.at({"HostConfig", "PortBindings", "8080/tcp"});
  ASSERT_NE(binding, nullptr);
  EXPECT_EQ(binding->as_array()[0].string_or("HostIp"), "127.0.0.1");
}

TEST_F(DockerHostTest, StopsWithinItsGrace) {
  start(shell("trap 'echo bye; exit 0' TERM; while :; do /bin/busybox sleep 0.1; done"));
  machine.await(host->stop("web-1-0-0"));
  EXPECT_TRUE(instance().stopping);
  machine.await(host->stop("web-1-0-0"));
  EXPECT_EQ(exited().exit_code, 0);
  start(shell("trap '' TERM; while :; do /bin/busybox sleep 0.1; done", "web-1-0-1"));
  machine.await(host->stop("web-1-0-1"));
  EXPECT_EQ(exited("web-1-0-1").exit_reason, "killed by signal 9 (SIGKILL)");
}

TEST_F(DockerHostTest, AKilledContainerIsToldOfAtOnce) {
  std::vector<double> millis;
  for (int round = 0; round < 5; ++round) {
    const std::string id = "web-1-0-" + std::to_string(round);
    const auto it = start(shell("while :; do /bin/busybox sleep 1; done", id));
    const Instant killed = machine.reactor.now();
    ::kill(static_cast<pid_t>(it.pid), SIGKILL);
    EXPECT_EQ(exited(id).exit_reason, "killed by signal 9 (SIGKILL)");
    millis.push_back(std::chrono::duration<double, std::milli>(machine.reactor.now() - killed).count());
  }
  std::ranges::sort(millis);
  std::printf("kill -9 of a container to its exit seen: median %.1f ms, worst %.1f ms\n", millis[2], millis[4]);
  EXPECT_LT(millis[0], 1000);
}

TEST_F(DockerHostTest, StartingTheSameIdAgainMakesNoTwinEvenByAnotherController) {
  const auto spec = shell("while :; do /bin/busybox sleep 1; done");
  const auto first = start(spec);
  EXPECT_EQ(start(spec).container_id, first.container_id);
  restart_controller();
  const auto again = instance();
  EXPECT_EQ(again.container_id, first.container_id);
  EXPECT_EQ(again.pid, first.pid);
  EXPECT_EQ(again.started, first.started);
  EXPECT_EQ(start(spec).pid, first.pid);
  EXPECT_EQ(containers(), 1U);
  // What an earlier life made but did not get to note: only the label tells.
  close();
  ASSERT_TRUE(files::remove_file(dir / "containers/web-1-0-0.json"));
  host = fresh_host();
  EXPECT_EQ(start(spec).container_id, first.container_id);
  EXPECT_EQ(containers(), 1U);
}

// The controller died between making the container and starting it.
TEST_F(DockerHostTest, AContainerThatWasOnlyMadeIsStarted) {
  const auto spec = shell("while :; do /bin/busybox sleep 1; done");
  start(spec);  // so that Docker is known to be used here
  machine.await(host->stop(spec.id));
  exited();
  close();
  const std::string host_id = dir.read("host-id").substr(0, 16);
  auto second = shell("while :; do /bin/busybox sleep 1; done", "web-1-0-1");
  docker("POST", "/containers/create?name=" + container_name(second), create_body(second, {}, host_id));
  host = fresh_host();
  EXPECT_TRUE(machine.until([&] { return instance("web-1-0-1").state == State::Running; }));
}

TEST_F(DockerHostTest, WhatEndedWhileTheControllerWasAwayIsKnownAfterwards) {
  const auto it = start(shell("while :; do /bin/busybox sleep 1; done"));
  close();
  docker("POST", "/containers/" + it.container_id + "/kill");
  host = fresh_host();
  EXPECT_EQ(exited().exit_code, 137);
}

TEST_F(DockerHostTest, AContainerThatSomebodyRemovedHasExited) {
  const auto it = start(shell("while :; do /bin/busybox sleep 1; done"));
  docker("DELETE", "/containers/" + it.container_id + "?force=1");
  EXPECT_EQ(exited().state, State::Exited);
  machine.await(host->remove(it.id, true));
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
}

TEST_F(DockerHostTest, OtherPeoplesContainersAreNotOurs) {
  auto foreign = shell("while :; do /bin/busybox sleep 1; done", "web-9-0-0");
  const json::Value made = docker("POST", "/containers/create?name=foreign", create_body(foreign, {}, "another-host"));
  start(shell("while :; do /bin/busybox sleep 1; done"));
  restart_controller();
  EXPECT_THAT(machine.await(host->list("")), SizeIs(1));
  docker("DELETE", "/containers/" + made.string_or("Id"));
}

TEST_F(DockerHostTest, ErrorsSayWhatIsWrongAndLeaveNothing) {
  ErrorCode code{};
  auto spec = shell("");
  spec.command = {"/no/such/program"};
  EXPECT_THAT(machine.error_of(host->start(spec), &code),
              AllOf(HasSubstr("starting the container"), HasSubstr("/no/such/program")));
  EXPECT_EQ(code, ErrorCode::Invalid);
  spec = shell("exit 0");
  spec.image = "gantry-test/no-such-image:1";
  EXPECT_THAT(machine.error_of(host->start(spec), &code), HasSubstr("No such image: gantry-test/no-such-image:1"));
  EXPECT_EQ(code, ErrorCode::NotFound);
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
  EXPECT_EQ(containers(), 0U);
  EXPECT_THAT(names_in(dir / "containers"), IsEmpty());
}

TEST_F(DockerHostTest, AnImageIsKnownByItsDigest) {
  EXPECT_THAT(machine.await(host->ensure_image(kImage)), testing::StartsWith("sha256:"));
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(host->ensure_image("localhost:1/no/such:1"), &code), HasSubstr("localhost:1/no/such:1"));
  EXPECT_THAT(machine.error_of(host->ensure_image("two words"), &code), HasSubstr("no image reference"));
}

TEST_F(DockerHostTest, OutOfMemorySaysSoAndVolumesStay) {
  auto spec = shell("echo kept >/data/file; x=0123456789abcdef; while :; do x=$x$x; done");
  spec.memory_bytes = 16 << 20;
  spec.cpu_millis = 500;
  spec.volumes = {{.name = "data", .mount_path = "/data"}};
  start(spec);
  exited();
  // Docker may say so a moment after the end itself.
  EXPECT_TRUE(machine.until([&] { return exited().exit_reason == "out of memory"; })) << exited().exit_reason;
  EXPECT_EQ(dir.read("volumes/prod/web/data/file"), "kept\n");
}

TEST_F(DockerHostTest, LogsAreFollowedAndTheirEndIsTheContainers) {
  start(shell("i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo line $i; /bin/busybox sleep 0.02; done"));
  const std::string all = log({.follow = true});
  EXPECT_TRUE(all.starts_with("line 1\n"));
  EXPECT_TRUE(all.ends_with("line 20\n"));
  exited();
  EXPECT_EQ(log({.tail_lines = 2}), "line 19\nline 20\n");
  EXPECT_THAT(log({.tail_lines = 1, .timestamps = true}), testing::MatchesRegex("2...-..-..T.*Z line 20\n"));
  machine.await(host->remove("web-1-0-0", false));
  EXPECT_EQ(machine.await(host->log_tail("web-1-0-0", 1)), "line 20\n");
}

TEST_F(DockerHostTest, ClosingDoesNotWaitForAContainersGrace) {
  auto spec = shell("trap '' TERM; while :; do /bin/busybox sleep 0.1; done");
  spec.stop_grace = std::chrono::hours(1);
  const auto it = start(spec);
  machine.await(host->stop(spec.id));
  close();  // await() gives up after a minute
  host = fresh_host();
  EXPECT_EQ(instance().pid, it.pid);
  EXPECT_TRUE(instance().stopping) << "that it was asked to stop is known over a restart";
  ::kill(static_cast<pid_t>(it.pid), SIGKILL);
  exited();
}

TEST_F(DockerHostTest, WithoutDockerAnErrorSaysSoAndProcessesRunOn) {
  close();
  host = fresh_host(dir / "no-docker.sock");
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(host->start(shell("exit 0")), &code),
              AllOf(HasSubstr("Docker does not answer at unix://"), HasSubstr("is it installed and running?")));
  EXPECT_EQ(code, ErrorCode::Unavailable);
  auto process = shell("exit 5");
  process.runtime = InstanceSpec::Runtime::Process;
  process.command = {"sh", "-c", "exit 5"};
  start(process);
  EXPECT_EQ(exited().exit_code, 5);
}

TEST_F(DockerHostTest, TellsWhatARunningContainerHasUsed) {
  start(shell("while :; do :; done"));
  InstanceUsage used;
  EXPECT_TRUE(machine.until([&] {
    const auto all = machine.await(host->usage("uid-web"));
    if (!all.empty()) used = all.front();
    return used.cpu > std::chrono::milliseconds(300);
  })) << used.cpu.count();
  EXPECT_EQ(used.id, "web-1-0-0");
  EXPECT_GT(used.memory_bytes, 0);
}

// Last, since it restarts the daemon (and with it, kills what runs).
TEST_F(DockerHostTest, ZzzTheDaemonsRestartIsSurvived) {
  start(shell("while :; do /bin/busybox sleep 1; done"));
  daemon->stop();
  EXPECT_EQ(instance().owner_name, "web") << "not forgotten while nobody answers";
  trouble = daemon->start();
  ASSERT_EQ(trouble, "");
  exited();
  start(shell("while :; do /bin/busybox sleep 1; done", "web-1-0-1"));
  EXPECT_EQ(instance("web-1-0-1").state, State::Running);
}

TEST_F(DockerHostTest, EachAppHasANetworkOfItsOwnAndItGoesWithTheApp) {
  InstanceSpec web = shell("echo web > /tmp/page; exec /bin/busybox httpd -f -p 8000 -h /tmp", "web-1-0-0");
  web.owner_uid = "uid-of-web";
  web.ports = {{.name = "http", .port = 8000}};
  InstanceSpec twin = web;
  twin.id = "web-1-1-0";
  InstanceSpec other = shell("exec /bin/busybox sleep 1000", "api-1-0-0");
  other.owner_uid = "uid-of-api";
  const Instance first = machine.await(host->start(web));
  machine.await(host->start(twin));
  const Instance second = machine.await(host->start(other));
  DockerEngine engine(machine.reactor, daemon->socket());
  const auto network = [&](const std::string& container) {
    const json::Value seen = machine.await(engine.call("asking", "GET", "/containers/" + container + "/json"));
    return seen.at({"NetworkSettings", "Networks"})->as_object().begin()->key;
  };
  EXPECT_EQ(network(first.container_id), "gantry-uid-of-web");
  EXPECT_EQ(network(second.container_id), "gantry-uid-of-api");
  for (const char* id : {"web-1-0-0", "web-1-1-0"}) {
    machine.await(host->stop(id));
    exited(id);
    machine.await(host->remove(id, true));
  }
  const auto exists = [&](const std::string& name) {
    return machine.error_of(engine.call("asking", "GET", "/networks/" + name)) == "(no error)";
  };
  EXPECT_FALSE(exists("gantry-uid-of-web")) << "it goes with the last of its App";
  EXPECT_TRUE(exists("gantry-uid-of-api"));
}

}  // namespace
}  // namespace gantry::providers::local
