// Goal: what an App on Servers runs is made once and is on each of them, without a registry. Method: real agents, each
// with a folder (and where images are built a dockerd) of its own.
#include "providers/agent/build_set.hpp"

#include "providers/local/code.hpp"
#include "tests/agent/agent_in_process.hpp"
#include "tests/providers/docker_daemon.hpp"

namespace gantry::agent {
namespace {

using providers::BuildSpec;
using providers::BuildState;
using providers::agent::BuildSet;
using providers::agent::HostSet;
using providers::local::Daemon;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using Phase = BuildState::Phase;

class BuildSetTest : public testing::Test {
 protected:
  void SetUp() override { open("/nowhere/docker.sock", {"/nowhere/docker.sock", "/nowhere/docker.sock"}); }
  void open(const std::string& docker_here, const std::vector<std::string>& docker_there) {
    here = std::make_unique<LocalHost>(machine.reactor, machine.blocking,
                                       LocalHost::Options{.folder = here_folder.path(), .docker_socket = docker_here});
    machine.await(here->open());
    workshop = std::make_unique<Workshop>(
        machine.reactor, machine.blocking, *here,
        Workshop::Options{.folder = here_folder.path(), .docker_socket = docker_here, .host_id = {}});
    machine.await(workshop->open(here->id()));
    hosts = std::make_unique<HostSet>(
        machine.reactor, machine.blocking, system_random(), *here,
        [](providers::ProbeSpec) -> Task<providers::ProbeResult> { co_return providers::ProbeResult{}; },
        RemoteHost::Options{.retry_first = std::chrono::milliseconds(20),
                            .retry_longest = std::chrono::milliseconds(100)});
    hosts->carry_images_from(*workshop);
    builds = std::make_unique<BuildSet>(machine.reactor, *workshop, *workshop, *hosts);
    for (std::size_t i = 0; i < docker_there.size(); ++i) {
      agents[i]->docker_socket = docker_there[i];
      agents[i]->start();
      hosts->keep(name(i), agents[i]->endpoint());
    }
    ASSERT_TRUE(machine.until([&] { return hosts->connected().size() == docker_there.size(); }));
  }
  void TearDown() override {
    if (!hosts) return;
    for (auto& agent : agents) {
      if (!agent->host) agent->start();
    }
    end_everything(machine, *agents[0]->host);
    end_everything(machine, *agents[1]->host);
    EXPECT_TRUE(machine.await(builds->close()));
    machine.await(hosts->close());
    for (auto& agent : agents) agent->stop();
    machine.await(workshop->close());
    machine.await(here->close());
  }

  static std::string name(std::size_t i) { return "prod/web-" + std::to_string(i + 1); }
  BuildSpec folder_build(const std::string& command) {
    BuildSpec spec;
    spec.kind = BuildSpec::Kind::Folder;
    spec.owner_uid = "uid-web";
    spec.owner_namespace = "prod";
    spec.owner_name = "web";
    spec.folder = code.path();
    spec.digest = providers::local::source_digest(code.path());
    spec.command = command;
    spec.servers = {name(0), name(1)};
    return spec;
  }
  BuildState look(const BuildSpec& spec) { return machine.await(builds->look(spec)); }
  BuildState build(const BuildSpec& spec) {
    machine.await(builds->begin(spec));
    machine.until([&] { return look(spec).phase != Phase::Running; }, std::chrono::seconds(60));
    return look(spec);
  }
  std::string log() { return machine.read_all(*machine.await(builds->build_log("uid-web", false))); }
  // What a process prints that runs what was built.
  std::string run_there(const std::string& server, const BuildState& built, const std::string& script) {
    InstanceSpec spec = shell(script, "web-1-0-" + std::to_string(++tries));
    spec.server = server;
    spec.build_key = built.key;
    machine.await(hosts->start(spec));
    machine.until([&] {
      for (const auto& it : machine.await(hosts->list(""))) {
        if (it.id == spec.id) return it.state == Instance::State::Exited;
      }
      return false;
    });
    return machine.await(hosts->log_tail(spec.id, 5));
  }

  Machine machine;
  Folder code, here_folder, there_one, there_two;
  std::unique_ptr<LocalHost> here;
  std::unique_ptr<Workshop> workshop;
  std::array<std::unique_ptr<AgentInProcess>, 2> agents{std::make_unique<AgentInProcess>(machine, there_one.path()),
                                                        std::make_unique<AgentInProcess>(machine, there_two.path())};
  std::unique_ptr<HostSet> hosts;
  std::unique_ptr<BuildSet> builds;
  int tries = 0;
};

TEST_F(BuildSetTest, AFolderIsBuiltOnEachServerAndRunsFromThere) {
  code.write("in.txt", "built\n");
  code.write("requirements.txt", "one");
  BuildSpec spec =
      folder_build("cp in.txt out.txt; echo \"$TOKEN\" > token.txt; echo compiled; echo x >> $GANTRY_CACHE/runs");
  spec.env.emplace_back("TOKEN", Secret("swordfish"));
  spec.env_digest = "keyed";
  EXPECT_EQ(look(spec).phase, Phase::Absent);
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  EXPECT_EQ(state.key, providers::key_of(spec));
  EXPECT_THAT(log(), HasSubstr("compiled"));
  EXPECT_FALSE(files::exists(here_folder / ("builds/" + state.key))) << "nothing was built here";
  for (const auto& server : spec.servers) {
    EXPECT_EQ(
        run_there(server, state, "cat out.txt token.txt; pwd"),
        "built\nswordfish\n" + (server == name(0) ? there_one : there_two).path() + "/builds/" + state.key + "/tree\n");
  }
  // The next build there finds what the last one has kept for the same lock file.
  code.write("in.txt", "changed\n");
  BuildSpec next = spec;
  next.digest = providers::local::source_digest(code.path());
  ASSERT_EQ(build(next).phase, Phase::Done);
  EXPECT_EQ(run_there(name(1), look(next), "cat .venv/../runs"), "x\nx\n");
}

TEST_F(BuildSetTest, ABuildThatFailsThereSaysWhereAndWhyAndIsTriedAgain) {
  code.write("in.txt", "x");
  BuildSpec spec = folder_build("echo 'cannot find module x' >&2; exit 3");
  const BuildState state = build(spec);
  EXPECT_EQ(state.phase, Phase::Failed);
  EXPECT_THAT(state.message,
              AllOf(HasSubstr("Server prod/web-"), HasSubstr("exited with code 3"), HasSubstr("cannot find module x")));
  ASSERT_TRUE(state.retry_in);
  EXPECT_GT(*state.retry_in, std::chrono::seconds(30)) << "it would only fail again";
  spec.ask = "now";
  EXPECT_EQ(look(spec).phase, Phase::Absent) << "somebody asks for another try";
}

TEST_F(BuildSetTest, AServerThatIsAwayHoldsUpNobodyAndGetsItWhenItIsBack) {
  code.write("in.txt", "built\n");
  const BuildSpec spec = folder_build("cp in.txt out.txt");
  agents[1]->stop();
  ASSERT_TRUE(machine.until([&] { return hosts->connected().size() == 1; }));
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  EXPECT_EQ(run_there(name(0), state, "cat out.txt"), "built\n");
  ASSERT_THAT(state.without, ElementsAre(Pair(name(1), HasSubstr("prod/web-2 is not reached"))));
  const auto told = std::make_shared<std::string>();
  builds->on_change([told](const std::string& owner) { *told = owner; });
  agents[1]->start();
  EXPECT_TRUE(machine.until([&] { return *told == "uid-web"; })) << "who waits is told at once";
  EXPECT_EQ(look(spec).phase, Phase::Absent) << "it may be begun again";
  const BuildState again = build(spec);
  EXPECT_EQ(again.phase, Phase::Done);
  EXPECT_THAT(again.without, IsEmpty());
  EXPECT_EQ(run_there(name(1), again, "cat out.txt"), "built\n");
}

TEST_F(BuildSetTest, WhenNobodyIsThereItFailsUntilSomebodyIs) {
  code.write("in.txt", "built\n");
  const BuildSpec spec = folder_build("cp in.txt out.txt");
  for (auto& agent : agents) agent->stop();
  ASSERT_TRUE(machine.until([&] { return hosts->connected().empty(); }));
  EXPECT_EQ(build(spec).phase, Phase::Failed);
  EXPECT_THAT(look(spec).message, HasSubstr("is not reached"));
  agents[1]->start();
  ASSERT_TRUE(machine.until([&] { return look(spec).phase == Phase::Absent; })) << "it is tried again at once";
  EXPECT_EQ(build(spec).phase, Phase::Done);
}

TEST_F(BuildSetTest, ABuildThatIsNotWantedAnyMoreEndsThereToo) {
  code.write("in.txt", "x");
  const BuildSpec spec = folder_build("sleep 1000");
  machine.await(builds->begin(spec));
  ASSERT_TRUE(machine.until([&] { return !machine.await(agents[0]->host->list("build:uid-web")).empty(); }));
  builds->keep_only_build("uid-web", "");
  EXPECT_TRUE(machine.until([&] { return look(spec).phase != Phase::Running; }));
  EXPECT_TRUE(machine.until([&] {
    return machine.await(agents[0]->host->list("")).empty() && machine.await(agents[1]->host->list("")).empty();
  })) << "what built it is gone";
}

TEST_F(BuildSetTest, WhatWasBuiltThereAndIsGoneIsSaidSoAndMadeAgain) {
  code.write("in.txt", "built\n");
  const BuildSpec spec = folder_build("cp in.txt out.txt");
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  std::filesystem::remove_all(there_one / ("builds/" + state.key));
  InstanceSpec run = shell("cat out.txt");
  run.server = name(0);
  run.build_key = state.key;
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(hosts->start(run), &code), HasSubstr("what was built under " + state.key));
  EXPECT_EQ(code, ErrorCode::NotFound);
  ASSERT_TRUE(machine.until([&] {
    builds->forget(state.key);
    return look(spec).phase == Phase::Absent;
  }));
  ASSERT_EQ(build(spec).phase, Phase::Done);
  EXPECT_EQ(run_there(name(0), state, "cat out.txt"), "built\n");
}

TEST_F(BuildSetTest, AnotherProcessFindsWhatWasBuiltAndItsLog) {
  code.write("in.txt", "built\n");
  const BuildSpec spec = folder_build("cp in.txt out.txt; echo once; echo x >> " + (here_folder / "runs"));
  ASSERT_EQ(build(spec).phase, Phase::Done);
  EXPECT_TRUE(machine.await(builds->close()));
  builds = std::make_unique<BuildSet>(machine.reactor, *workshop, *workshop, *hosts);
  EXPECT_THAT(log(), HasSubstr("once"));
  EXPECT_EQ(build(spec).phase, Phase::Done);
  EXPECT_EQ(here_folder.read("runs"), "x\nx\n") << "once on each Server, and not again";
}

TEST_F(BuildSetTest, WhatNothingNeedsGoesFromTheServersAndWhatRunsKeepsWhatItRunsFrom) {
  code.write("in.txt", "built\n");
  const BuildState runs = build(folder_build("cp in.txt out.txt"));
  const BuildState idle = build(folder_build("cp in.txt idle.txt"));
  ASSERT_EQ(runs.phase, Phase::Done) << runs.message;
  ASSERT_EQ(idle.phase, Phase::Done) << idle.message;
  InstanceSpec spec = shell("exec sleep 1000");
  spec.server = name(0);
  spec.build_key = runs.key;
  machine.await(hosts->start(spec));
  const auto is_there = [&](const BuildState& built) { return files::exists(there_one / ("builds/" + built.key)); };
  const auto prune = [&](std::set<std::string> keys) {
    machine.await(hosts->agent_of(name(0))->prune({}, {.keys = std::move(keys)}, Duration::zero(), Duration::zero()));
  };
  prune({idle.key});
  EXPECT_TRUE(is_there(idle)) << "a Release names it";
  prune({});
  EXPECT_FALSE(is_there(idle));
  EXPECT_TRUE(is_there(runs)) << "somebody runs from it";
}

// ---------------------------------------------------------------- images

class ImagesForServers : public BuildSetTest {
 protected:
  void SetUp() override {
    for (auto& daemon : daemons) {
      if (const std::string trouble = daemon.start(); !trouble.empty()) GTEST_SKIP() << "NOT TESTED: " << trouble;
    }
    code.write("in.txt", "hello from the build");
    code.write("Dockerfile", "FROM gantry-test/busybox:1\nCOPY in.txt /in.txt\nRUN cat /in.txt\n");
  }
  BuildSpec image_build(std::vector<std::string> servers) {
    BuildSpec spec = folder_build("");
    spec.kind = BuildSpec::Kind::Image;
    spec.servers = std::move(servers);
    return spec;
  }
  std::string run_image(const std::string& server, const BuildState& built) {
    InstanceSpec spec = shell("", "web-1-0-" + std::to_string(++tries));
    spec.runtime = InstanceSpec::Runtime::Docker;
    spec.server = server;
    spec.image = providers::built_image("prod", "web", built.key);
    spec.command = {"/bin/busybox", "cat", "/in.txt"};
    machine.await(hosts->start(spec));
    machine.until([&] { return machine.await(hosts->log_tail(spec.id, 5)) != ""; });
    return machine.await(hosts->log_tail(spec.id, 5));
  }
  json::Value images_of(const Daemon& daemon) {
    providers::local::DockerEngine engine(machine.reactor, daemon.socket());
    return machine.await(engine.call("asking", "GET", "/images/json"));
  }
  bool has(const Daemon& daemon, const BuildState& built) {
    return json::dump(images_of(daemon)).find(providers::built_image("prod", "web", built.key)) != std::string::npos;
  }

  std::array<Daemon, 2> daemons;
};

TEST_F(ImagesForServers, AnImageIsBuiltHereAndCarriedToTheServer) {
  open(daemons[0].socket(), {daemons[1].socket()});
  const BuildSpec spec = image_build({name(0)});
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  EXPECT_TRUE(has(daemons[0], state));
  EXPECT_TRUE(has(daemons[1], state));
  EXPECT_THAT(log(), HasSubstr("hello from the build"));
  EXPECT_EQ(run_image(name(0), state), "hello from the build");
  agents[1]->start();  // for the end
}

TEST_F(ImagesForServers, WithoutDockerHereItIsBuiltOnOneServerAndCarriedToTheOther) {
  open("/nowhere/docker.sock", {daemons[0].socket(), daemons[1].socket()});
  const BuildSpec spec = image_build({name(0), name(1)});
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  EXPECT_THAT(log(), HasSubstr("hello from the build"));
  EXPECT_EQ(run_image(name(1), state), "hello from the build");
  const auto built = [&](const Daemon& daemon) {
    providers::local::DockerEngine engine(machine.reactor, daemon.socket());
    return machine
        .await(engine.call("asking", "GET", "/images/" + providers::built_image("prod", "web", state.key) + "/json"))
        .string_or("Id");
  };
  EXPECT_EQ(built(daemons[0]), built(daemons[1])) << "built once, and carried";
}

// A tag that has moved between two pulls, as a host sees it: two Servers, two images, one name.
TEST_F(ImagesForServers, ATagThatIsAnotherImageElsewhereIsOneImageForAllOrToldApart) {
  open("/nowhere/docker.sock", {daemons[0].socket(), daemons[1].socket()});
  const BuildState other = build(image_build({name(1)}));
  ASSERT_EQ(other.phase, Phase::Done) << other.message;
  const auto tag = [&](const Daemon& daemon, const std::string& image) {
    providers::local::DockerEngine engine(machine.reactor, daemon.socket());
    machine.await(engine.text("naming", "POST", "/images/" + image + "/tag?repo=gantry-test/moved&tag=1",
                              std::chrono::seconds(30)));
  };
  tag(daemons[0], "gantry-test/busybox:1");
  tag(daemons[1], providers::built_image("prod", "web", other.key));
  BuildSpec spec;
  spec.kind = BuildSpec::Kind::Pull;
  spec.owner_uid = "uid-web";
  spec.reference = "gantry-test/moved:1";
  spec.servers = {name(1), name(0)};
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  for (const auto& server : spec.servers) {
    EXPECT_NE(machine.await(hosts->agent_of(server)->has_image(state.image)), state.without.contains(server))
        << server << " and " << state.image;
  }
}

}  // namespace
}  // namespace gantry::agent
