// Real processes beside real supervisors.
#include "providers/local/process_host.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "controller/base/files.hpp"
#include "providers/local/process_launch.hpp"
#include "providers/local/processes.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::local {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;
using State = Instance::State;

bool alive(pid_t pid) { return pid > 0 && ::kill(pid, 0) == 0; }

class ProcessHostTest : public testing::Test {
 protected:
  ProcessHostTest() { host = fresh_host(); }
  ~ProcessHostTest() override {
    if (!host) host = fresh_host();
    std::vector<pid_t> killed;
    for (const auto& it : machine.await(host->list(""))) {
      const pid_t supervisor = lock_holder(dir / ("instances/" + it.id));
      if (supervisor > 0 && ::kill(supervisor, SIGKILL) == 0) killed.push_back(supervisor);
      machine.until([&] { return instance(it.id).state == State::Exited; });
      machine.await(host->remove(it.id, true));
    }
    close();
    // Tests that play a controller's death leave children that a real death would have given to init. Only those are
    // waited for: a sanitizer that has something to say starts a child of its own (llvm-symbolizer), which stays.
    for (const pid_t supervisor : killed) ::waitpid(supervisor, nullptr, 0);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }

  std::unique_ptr<ProcessHost> fresh_host() {
    ports = PortBook();
    auto made = std::make_unique<ProcessHost>(machine.reactor, machine.blocking, ports,
                                              ProcessHost::Options{.folder = dir.path()});
    made->on_change([this](const std::string& owner) { changes.push_back(owner); });
    machine.await(made->open());
    return made;
  }
  void close() {
    if (host) machine.await(host->close());
    host.reset();
  }
  // Nothing is carried over but what is on disk and in the kernel, so a clean end and kill -9 are the same to what
  // runs.
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
    spec.config_hash = "h1";
    spec.command = {"sh", "-c", std::move(script)};
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
  std::string log(const std::string& id = "web-1-0-0", LogQuery query = {}) {
    auto reader = machine.await(host->logs(id, query));
    std::string all;
    for (std::string piece = machine.await(reader->next()); !piece.empty(); piece = machine.await(reader->next()))
      all += piece;
    return all;
  }
  bool log_says(std::string_view text, const std::string& id = "web-1-0-0") {
    return machine.until([&] { return log(id).find(text) != std::string::npos; });
  }
  std::vector<pid_t> processes(const std::string& id = "web-1-0-0") {
    return processes_of_instance(dir / ("instances/" + id));
  }
  pid_t supervisor(const std::string& id = "web-1-0-0") { return lock_holder(dir / ("instances/" + id)); }

  Folder dir;
  Machine machine;
  PortBook ports;
  std::vector<std::string> changes;
  std::unique_ptr<ProcessHost> host;
};

TEST_F(ProcessHostTest, StartsAProcessAndTellsHowItEnded) {
  const auto started = start(shell("echo hello; echo oops >&2; exit 3"));
  EXPECT_EQ(started.owner_uid, "uid-web");
  const auto it = exited();
  EXPECT_EQ(it.exit_code, 3);
  EXPECT_EQ(it.exit_reason, "exited with code 3");
  EXPECT_EQ(it.pid, 0);
  EXPECT_LE(it.started, it.finished);
  EXPECT_THAT(log(), AllOf(HasSubstr("hello\n"), HasSubstr("oops\n")));
  EXPECT_THAT(changes, Contains("uid-web"));
}

TEST_F(ProcessHostTest, ARunningProcessIsListedWithItsPidAndEndsWhenAsked) {
  const auto it = start(shell("exec sleep 1000"));
  ASSERT_EQ(it.state, State::Running);
  EXPECT_TRUE(alive(static_cast<pid_t>(it.pid)));
  EXPECT_THAT(machine.await(host->list("somebody else")), IsEmpty());
  machine.await(host->stop(it.id));
  machine.await(host->stop(it.id));  // twice is once
  const auto ended = exited();
  EXPECT_EQ(ended.exit_code, 128 + SIGTERM);
  EXPECT_EQ(ended.exit_reason, "killed by signal 15 (SIGTERM)");
  EXPECT_FALSE(alive(static_cast<pid_t>(it.pid)));
}

TEST_F(ProcessHostTest, WhatIgnoresTheRequestIsKilledAfterItsGraceWithAllItStarted) {
  auto spec = shell("trap '' TERM; setsid sleep 1000 & echo child $!; while :; do sleep 1000; done");
  spec.stop_grace = std::chrono::milliseconds(600);
  start(spec);
  ASSERT_TRUE(log_says("child"));
  ASSERT_TRUE(machine.until([&] { return processes().size() == 3; }));
  const Instant asked = machine.reactor.now();
  machine.await(host->stop("web-1-0-0"));
  EXPECT_TRUE(instance().stopping);
  ASSERT_TRUE(machine.until(
      [&] { return dir.read("instances/web-1-0-0/state.json").find("\"stopping\":true") != std::string::npos; }));
  restart_controller();
  EXPECT_TRUE(instance().stopping) << "also after a restart of the controller";
  const auto it = exited();
  EXPECT_FALSE(it.stopping);
  EXPECT_GE(machine.reactor.now() - asked, std::chrono::milliseconds(600));
  EXPECT_EQ(it.exit_reason, "killed by signal 9 (SIGKILL) after its grace period");
  EXPECT_THAT(processes(), IsEmpty());
}

TEST_F(ProcessHostTest, AStopThatComesWhileItStartsIsNotLost) {
  auto start_task = host->start(shell("exec sleep 1000"));
  auto out = std::make_shared<std::optional<std::variant<std::exception_ptr, Instance>>>();
  machine.reactor.spawn(detail::keep(std::move(start_task), out));
  machine.until([&] { return host->knows("web-1-0-0"); });
  machine.await(host->stop("web-1-0-0"));
  EXPECT_EQ(exited().exit_code, 128 + SIGTERM);
}

TEST_F(ProcessHostTest, StartingTheSameIdAgainMakesNoTwin) {
  const auto spec = shell("echo once; exec sleep 1000");
  const auto first = start(spec);
  const auto second = start(spec);
  EXPECT_EQ(first.pid, second.pid);
  // While the shell becomes sleep, /proc tells nothing of it for a moment.
  EXPECT_TRUE(machine.until([&] { return processes().size() == 1; })) << processes().size();
}

TEST_F(ProcessHostTest, ACommandThatCannotBeExecutedIsAnErrorThatSaysWhyAndLeavesNothing) {
  ErrorCode code{};
  auto spec = shell("");
  spec.command = {"no-such-program", "x"};
  EXPECT_THAT(machine.error_of(host->start(spec), &code),
              StartsWith("the command \"no-such-program\" was not found in PATH ("));
  EXPECT_EQ(code, ErrorCode::Invalid);

  dir.write("not-executable", "#!/bin/sh\n", 0644);
  spec.command = {dir / "not-executable"};
  EXPECT_EQ(machine.error_of(host->start(spec)), "cannot execute " + (dir / "not-executable") + ": Permission denied");

  dir.write("no-interpreter", "#!/no/such/interpreter\n", 0755);
  spec.command = {dir / "no-interpreter"};
  EXPECT_EQ(machine.error_of(host->start(spec)),
            "cannot execute " + (dir / "no-interpreter") + ": No such file or directory");

  dir.write("no-format", "this is text", 0755);
  spec.command = {dir / "no-format"};
  EXPECT_THAT(machine.error_of(host->start(spec)), HasSubstr("Exec format error (a script needs a first line"));

  spec.command = {"true"};
  spec.working_directory = dir / "nowhere";
  EXPECT_EQ(machine.error_of(host->start(spec)),
            "cannot enter the working directory " + (dir / "nowhere") + ": No such file or directory");

  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
  EXPECT_THAT(names_in(dir / "instances"), IsEmpty());
}

TEST_F(ProcessHostTest, TheEnvironmentIsTheSpecsAndTheHostsAndNotTheControllers) {
  ::setenv("AWS_SECRET_ACCESS_KEY", "controllers-own", 1);
  auto spec = shell("env; exit 0");
  spec.env = {{"KEY", Secret("s3cret")}, {"GANTRY_INSTANCE", Secret("forged")}};
  spec.ports = {{.name = "http", .port = 0}, {.name = "grpc-web", .port = 0}};
  spec.slot = 4;
  const auto it = start(spec);
  exited();
  const std::string env = log();
  EXPECT_THAT(env,
              AllOf(HasSubstr("KEY=s3cret\n"), HasSubstr("GANTRY_INSTANCE=web-1-0-0\n"), HasSubstr("GANTRY_APP=web\n"),
                    HasSubstr("GANTRY_NAMESPACE=prod\n"), HasSubstr("GANTRY_SLOT=4\n"), HasSubstr("PATH="),
                    HasSubstr("PORT=" + std::to_string(it.ports[0].host_port) + "\n"),
                    HasSubstr("PORT_HTTP=" + std::to_string(it.ports[0].host_port) + "\n"),
                    HasSubstr("PORT_GRPC_WEB=" + std::to_string(it.ports[1].host_port) + "\n")));
  EXPECT_THAT(env, Not(HasSubstr("AWS_SECRET")));
}

TEST_F(ProcessHostTest, SecretsDoNotStayOnDiskNorStandInTheCommandLine) {
  auto spec = shell("exec sleep 1000");
  spec.env = {{"KEY", Secret("very-s3cret-value")}};
  const auto it = start(spec);
  for (const auto& name : names_in(dir / "instances/web-1-0-0")) {
    if (name == "launch") continue;
    EXPECT_THAT(dir.read("instances/web-1-0-0/" + name), Not(HasSubstr("very-s3cret-value"))) << name;
  }
  EXPECT_TRUE(machine.until([&] { return !files::exists(dir / "instances/web-1-0-0/launch"); }));
  for (const pid_t pid : {static_cast<pid_t>(it.pid), supervisor()}) {
    EXPECT_THAT(read_small("/proc/" + std::to_string(pid) + "/cmdline").value_or(""),
                Not(HasSubstr("very-s3cret-value")));
  }
  struct stat folder{};
  ASSERT_EQ(::stat((dir / "instances/web-1-0-0").c_str(), &folder), 0);
  EXPECT_EQ(folder.st_mode & 0777, 0700U);
}

// ---------------------------------------------------------------- the controller comes and goes

TEST_F(ProcessHostTest, AfterARestartOfTheControllerTheSameProcessIsThereAndItsEndIsNoticed) {
  const auto before = start(shell("trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done"));
  ASSERT_TRUE(log_says("ready"));
  const pid_t watched_by = supervisor();
  restart_controller();
  const auto after = instance();
  EXPECT_EQ(after.state, State::Running);
  EXPECT_EQ(after.pid, before.pid);
  EXPECT_EQ(after.started, before.started);
  EXPECT_EQ(after.owner_name, "web");
  EXPECT_EQ(after.config_hash, "h1");
  EXPECT_EQ(supervisor(), watched_by);
  ::kill(static_cast<pid_t>(before.pid), SIGUSR1);
  EXPECT_EQ(exited().exit_code, 7);
}

TEST_F(ProcessHostTest, WhatEndedWhileTheControllerWasAwayIsKnownAfterwards) {
  const auto it = start(shell("exec sleep 1000"));
  close();
  ::kill(static_cast<pid_t>(it.pid), SIGKILL);
  ASSERT_TRUE(machine.until([&] { return supervisor() == 0; }));
  host = fresh_host();
  EXPECT_EQ(instance().state, State::Exited);
  EXPECT_EQ(instance().exit_reason, "killed by signal 9 (SIGKILL)");
}

// The controller died between writing the intent and starting the supervisor.
TEST_F(ProcessHostTest, AnIntentThatWasNotCarriedOutIsCarriedOutOnce) {
  close();
  auto spec = shell("echo ran; exec sleep 1000");
  Instance it;
  it.id = spec.id;
  it.owner_uid = spec.owner_uid;
  write_intent(dir / "instances", spec, it, CgroupRoots());
  host = fresh_host();
  ASSERT_TRUE(machine.until([&] { return instance().state == State::Running; }));
  restart_controller();
  restart_controller();
  EXPECT_THAT(processes(), SizeIs(1));
  EXPECT_EQ(start(spec).pid, instance().pid);
}

// The controller died before the intent was whole.
TEST_F(ProcessHostTest, HalfAnIntentIsNothing) {
  close();
  dir.write("instances/.new-web-1-0-0/launch", "program=/bin/sh");
  host = fresh_host();
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
  EXPECT_THAT(names_in(dir / "instances"), IsEmpty());
}

// The controller died after starting the supervisor, which had not come to its lock yet.
TEST_F(ProcessHostTest, ASupervisorThatComesSecondLeavesAtOnce) {
  start(shell("exec sleep 1000"));
  const pid_t twin = start_supervisor("/proc/self/exe", dir / "instances/web-1-0-0");
  int status = 0;
  ASSERT_EQ(::waitpid(twin, &status, 0), twin);
  EXPECT_EQ(WEXITSTATUS(status), 75);
  EXPECT_EQ(instance().state, State::Running);
  EXPECT_THAT(processes(), SizeIs(1));
}

TEST_F(ProcessHostTest, AnInstanceThatRanIsNeverRunAgain) {
  start(shell("exit 0"));
  exited();
  ASSERT_TRUE(machine.until([&] { return supervisor() == 0; }));
  const pid_t again = start_supervisor("/proc/self/exe", dir / "instances/web-1-0-0");
  int status = 0;
  ASSERT_EQ(::waitpid(again, &status, 0), again);
  EXPECT_EQ(WEXITSTATUS(status), 76);
}

TEST_F(ProcessHostTest, WhenTheSupervisorIsKilledWhatItLeftIsEnded) {
  start(shell("sleep 1000 & setsid sleep 1000 & echo up; wait"));
  ASSERT_TRUE(log_says("up"));
  ASSERT_TRUE(machine.until([&] { return processes().size() == 3; }));
  ::kill(supervisor(), SIGKILL);
  const auto it = exited();
  EXPECT_EQ(it.exit_reason, "supervisor was killed");
  EXPECT_EQ(it.exit_code, 137);
  EXPECT_TRUE(machine.until([&] { return processes().empty(); }));
}

TEST_F(ProcessHostTest, TheSameWhenNobodyWasThereToSeeIt) {
  start(shell("setsid sleep 1000 & echo up; wait"));
  ASSERT_TRUE(log_says("up"));
  close();
  ::kill(supervisor(), SIGKILL);
  host = fresh_host();
  EXPECT_EQ(exited().exit_reason, "supervisor was killed");
  EXPECT_THAT(processes(), IsEmpty());
}

TEST_F(ProcessHostTest, AfterARestartOfTheMachineNothingOfBeforeRuns) {
  start(shell("exec sleep 1000"));
  close();
  ::kill(supervisor(), SIGKILL);
  std::string spec = dir.read("instances/web-1-0-0/spec.json");
  const auto at = spec.find(boot_id());
  ASSERT_NE(at, std::string::npos);
  dir.write("instances/web-1-0-0/spec.json", spec.replace(at, 8, "00000000"));
  host = fresh_host();
  EXPECT_EQ(exited().exit_reason, "the machine was restarted");
}

TEST_F(ProcessHostTest, ACopyOfTheDataDoesNotTouchWhatTheOriginalRuns) {
  const auto it = start(shell("exec sleep 1000"));
  Folder copy;
  std::filesystem::copy(dir.path(), copy.path(), std::filesystem::copy_options::recursive);
  PortBook other_ports;
  ProcessHost other(machine.reactor, machine.blocking, other_ports, ProcessHost::Options{.folder = copy.path()});
  machine.await(other.open());
  const auto copied = machine.await(other.list(""));
  ASSERT_THAT(copied, SizeIs(1));
  EXPECT_EQ(copied[0].exit_reason, "its data folder was copied or moved");
  machine.await(other.remove(it.id, true));
  machine.await(other.close());
  EXPECT_EQ(instance().state, State::Running);
  EXPECT_TRUE(alive(static_cast<pid_t>(it.pid)));
}

TEST_F(ProcessHostTest, AFolderThatMakesNoSenseIsLeftAloneAndHarmsNobody) {
  close();
  dir.write("instances/odd/spec.json", "{ not json");
  host = fresh_host();
  start(shell("exec sleep 1000"));
  EXPECT_THAT(machine.await(host->list("")), SizeIs(1));
  EXPECT_EQ(dir.read("instances/odd/spec.json"), "{ not json");
}

TEST_F(ProcessHostTest, AKilledProcessIsToldOfWithin50Milliseconds) {
  std::vector<double> millis;
  for (int round = 0; round < 9; ++round) {
    const std::string id = "web-1-0-" + std::to_string(round);
    const auto it = start(shell("exec sleep 1000", id));
    changes.clear();
    const Instant killed = machine.reactor.now();
    ::kill(static_cast<pid_t>(it.pid), SIGKILL);
    ASSERT_TRUE(machine.until([&] { return !changes.empty(); }));
    millis.push_back(std::chrono::duration<double, std::milli>(machine.reactor.now() - killed).count());
    EXPECT_EQ(instance(id).state, State::Exited);
  }
  std::ranges::sort(millis);
  RecordProperty("median_ms", std::to_string(millis[4]));
  std::printf("kill -9 to callback: median %.2f ms, worst %.2f ms\n", millis[4], millis[8]);
  EXPECT_LT(millis[0], 50) << "the best of nine, since the machine may be busy";
}

TEST_F(ProcessHostTest, FiftyLivesLeaveNoZombieDescriptorOrControlGroup) {
  const std::string prefix = "fifty-" + std::to_string(::getpid()) + "-";
  const auto life = [&](int n) {
    const std::string id = prefix + std::to_string(n);
    start(shell("exit 0", id));
    exited(id);
    machine.await(host->remove(id, true));
  };
  const auto zombies = [] {
    int count = 0;
    for (const auto& name : names_in("/proc")) {
      const auto stat = read_small("/proc/" + name + "/stat").value_or("");
      const auto end = stat.rfind(") Z " + std::to_string(::getpid()) + " ");
      count += end != std::string::npos;
    }
    return count;
  };
  life(0);
  ASSERT_TRUE(machine.until([&] { return zombies() == 0; }));
  ASSERT_TRUE(machine.until([&] { return supervisor(prefix + "0") == 0; }));
  machine.reactor.poll();
  const auto descriptors = names_in("/proc/self/fd").size();
  for (int n = 1; n <= 50; ++n) life(n);
  EXPECT_TRUE(machine.until([&] { return zombies() == 0; }));
  EXPECT_TRUE(machine.until([&] { return names_in("/proc/self/fd").size() <= descriptors; }));
  EXPECT_THAT(names_in(dir / "instances"), IsEmpty());
  for (const char* root : {"/sys/fs/cgroup/gantry", "/sys/fs/cgroup/unified/gantry"}) {
    EXPECT_THAT(names_in(root), Not(Contains(StartsWith(prefix)))) << root;
  }
}

TEST_F(ProcessHostTest, RemovingForgetsTheInstanceAndKeepsItsLogsWhenAsked) {
  ErrorCode code{};
  const auto it = start(shell("echo evidence; exec sleep 1000"));
  EXPECT_THAT(machine.error_of(host->remove(it.id, true), &code), HasSubstr("still runs"));
  EXPECT_EQ(code, ErrorCode::Conflict);
  ASSERT_TRUE(log_says("evidence"));
  machine.await(host->stop(it.id));
  exited();
  machine.await(host->remove(it.id, false));
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
  EXPECT_EQ(log(), "evidence\n");
  restart_controller();
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
  EXPECT_EQ(log(), "evidence\n");
  machine.await(host->remove(it.id, true));
  EXPECT_THAT(machine.error_of(host->logs(it.id, {})), HasSubstr("no logs"));
  machine.await(host->remove(it.id, true));
}

TEST_F(ProcessHostTest, AProgramThatIsOutOfMemorySaysSo) {
  std::string shortfall;
  const auto probe = CgroupRoots::discover().make("probe", std::nullopt, 64 << 20, shortfall);
  remove(probe);
  auto spec = shell("x=0123456789abcdef; while :; do x=$x$x; done");
  spec.memory_bytes = 64 << 20;
  if (!shortfall.empty()) GTEST_SKIP() << shortfall;
  const auto started = start(spec);
  EXPECT_EQ(started.note, "");
  const auto it = exited();
  EXPECT_EQ(it.exit_reason, "out of memory");
  EXPECT_EQ(it.exit_code, 137);
}

// ---------------------------------------------------------------- logs

TEST_F(ProcessHostTest, AFollowerSeesEveryLineAcrossRotationAndTheEnd) {
  auto spec = shell("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done; echo err >&2");
  spec.log_bytes_max = 256 << 10;
  start(spec);
  std::string expected;
  for (int i = 1; i <= 2000; ++i) expected += "line " + std::to_string(i) + "\n";
  EXPECT_EQ(log("web-1-0-0", {.follow = true}), expected + "err\n");
  EXPECT_EQ(instance().state, State::Exited) << "the end of a followed log is the instance's";
  EXPECT_EQ(machine.await(host->log_tail("web-1-0-0", 2)), "line 2000\nerr\n");
}

TEST_F(ProcessHostTest, AFollowerWaitsForMoreAndCanBeClosed) {
  start(shell("echo ready; trap 'echo more' USR1; while :; do sleep 0.02; done"));
  auto reader = machine.await(host->logs("web-1-0-0", {.follow = true}));
  EXPECT_EQ(machine.await(reader->next()), "ready\n");
  ::kill(static_cast<pid_t>(instance().pid), SIGUSR1);
  EXPECT_EQ(machine.await(reader->next()), "more\n");
  auto out = std::make_shared<std::optional<std::variant<std::exception_ptr, std::string>>>();
  machine.reactor.spawn(detail::keep(reader->next(), out));
  machine.reactor.poll();
  reader->close();
  ASSERT_TRUE(machine.until([&] { return out->has_value(); }));
  EXPECT_EQ(std::get<1>(**out), "");
}

TEST_F(ProcessHostTest, AFloodOfOutputDoesNotHoldUpAStop) {
  auto spec = shell("exec yes 0123456789012345678901234567890123456789");
  spec.log_bytes_max = 1 << 20;
  start(spec);
  ASSERT_TRUE(machine.until([&] { return files::exists(dir / "instances/web-1-0-0/log.1"); }));
  machine.await(host->stop("web-1-0-0"));
  EXPECT_EQ(exited().exit_code, 128 + SIGTERM);
  for (const auto* name : {"log", "log.1"}) {
    EXPECT_LE(std::filesystem::file_size(dir / (std::string("instances/web-1-0-0/") + name)), std::uintmax_t{1 << 20});
  }
}

TEST_F(ProcessHostTest, TheSupervisorIsSmall) {
  start(shell("exec sleep 1000"));
  const std::string status = read_small("/proc/" + std::to_string(supervisor()) + "/status").value_or("");
  const auto at = status.find("RssAnon:");
  ASSERT_NE(at, std::string::npos);
  const int kilobytes = std::atoi(status.c_str() + at + 8);
  std::printf("a supervisor's own memory: %d kB\n", kilobytes);
#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
  EXPECT_LT(kilobytes, 4096);
  EXPECT_THAT(status, HasSubstr("Threads:\t1\n"));  // a sanitizer has one of its own
#endif
}

// ---------------------------------------------------------------- ports

TEST_F(ProcessHostTest, AFixedPortThatIsTakenIsAConflictThatNamesItsOwner) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(socket.get(), 1), 0);
  socklen_t length = sizeof address;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
  const int port = ntohs(address.sin_port);

  auto spec = shell("exec sleep 1000");
  spec.ports = {{.name = "http", .port = 80, .host_port = port, .fixed = true}};
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(host->start(spec), &code),
              StartsWith("port " + std::to_string(port) + " is already in use by pid " + std::to_string(::getpid()) +
                         " (test"));
  EXPECT_EQ(code, ErrorCode::Conflict);

  spec.ports = {{.name = "http", .port = port}};
  EXPECT_NE(start(spec).ports.at(0).host_port, port) << "the declared port is taken, so it must get another";
}

TEST_F(ProcessHostTest, APortIsGivenOnceAndComesBackToTheSameReplica) {
  auto spec = shell("exec sleep 1000", "web-1-0-0");
  spec.ports = {{.name = "http", .port = 0}};
  const int first = start(spec).ports.at(0).host_port;
  EXPECT_GE(first, kFirstPort);
  EXPECT_LE(first, kLastPort);
  auto other = shell("exec sleep 1000", "web-1-1-0");
  other.slot = 1;
  other.ports = spec.ports;
  EXPECT_NE(start(other).ports.at(0).host_port, first) << "given, although nobody listens yet";
  restart_controller();
  EXPECT_EQ(instance("web-1-0-0").ports.at(0).host_port, first);

  machine.await(host->stop("web-1-0-0"));
  exited("web-1-0-0");
  auto again = spec;
  again.id = "web-1-0-1";
  EXPECT_EQ(start(again).ports.at(0).host_port, first);
}

TEST_F(ProcessHostTest, TellsWhatARunningProcessHasUsed) {
  // The work is done by a child, whose share counts.
  start(shell("sh -c 'while :; do :; done' & wait"));
  start(shell("exec sleep 1000", "web-1-1-0"));
  std::map<std::string, InstanceUsage> used;
  EXPECT_TRUE(machine.until([&] {
    for (const auto& one : machine.await(host->usage("uid-web"))) used[one.id] = one;
    return used["web-1-0-0"].cpu > std::chrono::milliseconds(300);
  }));
  EXPECT_GT(used["web-1-0-0"].memory_bytes, 100'000);
  EXPECT_LT(used["web-1-1-0"].cpu, std::chrono::milliseconds(200));
  EXPECT_GT(used["web-1-1-0"].memory_bytes, 0);
  EXPECT_THAT(machine.await(host->usage("uid-other")), IsEmpty());
  machine.await(host->stop("web-1-1-0"));
  exited("web-1-1-0");
  EXPECT_THAT(machine.await(host->usage("uid-web")), SizeIs(1)) << "what has ended uses nothing";
}

}  // namespace
}  // namespace gantry::providers::local
