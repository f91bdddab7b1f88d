// Goal: code becomes something that runs, once; and a build that is broken, endless, or cut off says so, is tried
// again when that makes sense, and leaves nothing behind. A real dockerd, real containers, real build commands.
#include "providers/local/workshop.hpp"

#include <filesystem>

#include "controller/base/files.hpp"
#include "providers/local/code.hpp"
#include "providers/local/local_host.hpp"
#include "providers/local/probe.hpp"
#include "tests/providers/docker_daemon.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::local {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using Phase = BuildState::Phase;

class WorkshopTest : public testing::Test {
 protected:
  WorkshopTest() { open("/nonexistent/docker.sock"); }
  ~WorkshopTest() override { close(); }

  void open(const std::string& socket) {
    host = std::make_unique<LocalHost>(machine.reactor, machine.blocking,
                                       LocalHost::Options{.folder = dir.path(), .docker_socket = socket});
    machine.await(host->open());
    shop = std::make_unique<Workshop>(machine.reactor, machine.blocking, *host,
                                      Workshop::Options{.folder = dir.path(), .docker_socket = socket});
    shop->on_change([this](const std::string& owner) { told = owner; });
    machine.await(shop->open("test"));
  }
  void close() {
    if (shop) machine.await(shop->close());
    shop.reset();
    if (host) machine.await(host->close());
    host.reset();
  }
  BuildSpec folder_build(const std::string& command) {
    BuildSpec spec;
    spec.kind = BuildSpec::Kind::Folder;
    spec.owner_uid = "uid";
    spec.owner_namespace = "default";
    spec.owner_name = "web";
    spec.folder = code.path();
    spec.digest = source_digest(code.path());
    spec.command = command;
    return spec;
  }
  BuildState look(const BuildSpec& spec) { return machine.await(shop->look(spec)); }
  BuildState build(const BuildSpec& spec, Duration limit = std::chrono::seconds(60)) {
    machine.await(shop->begin(spec));
    machine.until([&] { return look(spec).phase != Phase::Running; }, limit);
    return look(spec);
  }
  std::string log() { return machine.read_all(*machine.await(shop->build_log("uid", false))); }

  Folder code, dir;
  Machine machine;
  std::unique_ptr<LocalHost> host;
  std::unique_ptr<Workshop> shop;
  std::string told;
};

// ---------------------------------------------------------------- folders

TEST_F(WorkshopTest, ABuildCommandMakesAFolderOnce) {
  code.write("in.txt", "hello");
  const BuildSpec spec = folder_build("tr a-z A-Z < in.txt > out.txt; echo compiled; echo run >> " + (dir / "runs"));
  EXPECT_EQ(look(spec).phase, Phase::Absent);
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  EXPECT_EQ(read_small(state.folder + "/out.txt"), "HELLO");
  EXPECT_EQ(state.folder, shop->built_folder(state.key));
  EXPECT_FALSE(files::exists(code / "out.txt")) << "the source stays as it was";
  EXPECT_THAT(log(), HasSubstr("compiled"));
  EXPECT_EQ(told, "uid");
  machine.await(shop->begin(spec));
  EXPECT_EQ(look(spec).phase, Phase::Done);
  EXPECT_THAT(machine.await(host->list("")), IsEmpty()) << "what built it is gone";
  close();
  open("/nonexistent/docker.sock");
  EXPECT_EQ(look(spec).phase, Phase::Done) << "known again after a restart";
  EXPECT_EQ(dir.read("runs"), "run\n");
}

TEST_F(WorkshopTest, AFailedBuildSaysWhyAndLeavesNothing) {
  code.write("in.txt", "hello");
  const BuildSpec spec = folder_build("echo 'cannot find module x' >&2; exit 3");
  const BuildState state = build(spec);
  EXPECT_EQ(state.phase, Phase::Failed);
  EXPECT_THAT(state.message, AllOf(HasSubstr("exited with code 3"), HasSubstr("cannot find module x")));
  ASSERT_TRUE(state.retry_in);
  EXPECT_GT(*state.retry_in, std::chrono::seconds(30)) << "it would only fail again";
  EXPECT_THAT(log(), HasSubstr("cannot find module x"));
  EXPECT_FALSE(files::exists(shop->built_folder(state.key)));
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
  BuildSpec asked = spec;
  asked.ask = "now";
  EXPECT_EQ(look(asked).phase, Phase::Absent) << "somebody asks for another try";
}

TEST_F(WorkshopTest, ABuildThatNeverEndsIsCutOff) {
  code.write("in.txt", "hello");
  BuildSpec spec = folder_build("echo begun; sleep 1000 & sleep 1000");
  spec.timeout = std::chrono::seconds(1);
  const BuildState state = build(spec);
  EXPECT_EQ(state.phase, Phase::Failed);
  EXPECT_THAT(state.message, AllOf(HasSubstr("did not end within 1s"), HasSubstr("begun")));
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
}

TEST_F(WorkshopTest, ABuildThatIsNotWantedAnyMoreEnds) {
  code.write("in.txt", "hello");
  const BuildSpec spec = folder_build("sleep 1000");
  machine.await(shop->begin(spec));
  EXPECT_EQ(look(spec).phase, Phase::Running);
  machine.until([&] { return !machine.await(host->list("")).empty(); });
  shop->keep_only_build("uid", "another");
  machine.until([&] { return look(spec).phase != Phase::Running; });
  EXPECT_NE(look(spec).phase, Phase::Done);
  EXPECT_THAT(machine.await(host->list("")), IsEmpty());
}

TEST_F(WorkshopTest, DependenciesAreKeptWhileTheLockFileStaysTheSame) {
  code.write("package-lock.json", "one");
  code.write("app.js", "1");
  const std::string install =
      "if [ -z \"$GANTRY_CACHE_HIT\" ]; then mkdir node_modules && echo lib > node_modules/lib && echo run >> " +
      (dir / "installs") + "; fi; test -f node_modules/lib";
  ASSERT_EQ(build(folder_build(install)).phase, Phase::Done);
  code.write("app.js", "2");
  ASSERT_EQ(build(folder_build(install)).phase, Phase::Done);
  EXPECT_EQ(dir.read("installs"), "run\n") << "the second build installs nothing";
  code.write("package-lock.json", "two");
  ASSERT_EQ(build(folder_build(install)).phase, Phase::Done);
  EXPECT_EQ(dir.read("installs"), "run\nrun\n");
}

TEST_F(WorkshopTest, OneBuildAtATime) {
  code.write("in.txt", "hello");
  const std::string alone = "mkdir " + (dir / "alone") + " && sleep 0.3 && rmdir " + (dir / "alone");
  const BuildSpec first = folder_build(alone);
  const BuildSpec second = folder_build(alone + " && true");
  machine.await(shop->begin(first));
  machine.await(shop->begin(second));
  machine.until([&] { return look(first).phase != Phase::Running && look(second).phase != Phase::Running; });
  EXPECT_EQ(look(first).phase, Phase::Done) << look(first).message;
  EXPECT_EQ(look(second).phase, Phase::Done) << look(second).message;
}

TEST_F(WorkshopTest, WhatNobodyNamesGoes) {
  code.write("in.txt", "hello");
  const BuildSpec spec = folder_build("true");
  const std::string key = build(spec).key;
  machine.await(shop->sweep({.keys = {key}}, Duration::zero(), Duration::zero()));
  EXPECT_EQ(look(spec).phase, Phase::Done);
  machine.await(shop->sweep({}, Duration::zero(), Duration::zero()));
  EXPECT_EQ(look(spec).phase, Phase::Absent);
  EXPECT_FALSE(files::exists(shop->built_folder(key)));
}

TEST_F(WorkshopTest, WithoutDockerAnImageSaysSo) {
  code.write("Dockerfile", "FROM scratch\n");
  BuildSpec spec = folder_build("");
  spec.kind = BuildSpec::Kind::Image;
  const BuildState state = build(spec);
  EXPECT_EQ(state.phase, Phase::Failed);
  EXPECT_THAT(state.message, HasSubstr("is it installed and running?"));
}

// ---------------------------------------------------------------- images

class ImageBuildTest : public WorkshopTest {
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
    close();
    open(daemon->socket());
  }
  BuildSpec image_build(const std::string& dockerfile) {
    if (!dockerfile.empty()) code.write("Dockerfile", dockerfile);
    BuildSpec spec = folder_build("");
    spec.kind = BuildSpec::Kind::Image;
    return spec;
  }
  json::Value docker(const std::string& method, const std::string& path) {
    DockerEngine engine(machine.reactor, daemon->socket());
    return machine.await(engine.call("asking", method, path));
  }
  std::size_t containers() { return docker("GET", "/containers/json?all=1").as_array().size(); }

  static inline Daemon* daemon = nullptr;
  static inline std::string trouble;
};

constexpr const char* kSimple = "FROM gantry-test/busybox:1\nCOPY in.txt /in.txt\nRUN cat /in.txt\n";

TEST_F(ImageBuildTest, ADockerfileIsBuiltOnceAndItsLogIsKept) {
  code.write("in.txt", "hello from the build");
  const BuildSpec spec = image_build(kSimple);
  EXPECT_EQ(look(spec).phase, Phase::Absent);
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  EXPECT_THAT(state.image, testing::StartsWith("sha256:"));
  EXPECT_THAT(log(), AllOf(HasSubstr("hello from the build"), HasSubstr("Step 1/")));
  EXPECT_EQ(containers(), 0U);
  close();
  open(daemon->socket());
  EXPECT_EQ(look(spec).image, state.image) << "known again after a restart";
  docker("DELETE", "/images/" + built_image("default", "web", state.key) + "?force=1");
  shop->forget(state.key);
  EXPECT_EQ(look(spec).phase, Phase::Absent) << "an image that somebody removed is built again";
}

TEST_F(ImageBuildTest, AGeneratedImageServesAsSomebodyWhoIsNotRoot) {
  docker("POST", "/images/gantry-test/busybox:1/tag?repo=busybox&tag=1.37");
  code.write("index.html", "a page\n");
  BuildSpec spec = image_build("");
  spec.port = 8000;
  // The test's busybox has no link for each of its commands.
  spec.start = {"/bin/busybox", "httpd", "-f", "-p", "8000", "-h", "/srv"};
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  EXPECT_THAT(log(), HasSubstr("preset static"));
  EXPECT_EQ(docker("GET", "/images/" + state.image + "/json").at({"Config", "User"})->as_string(), "10001:10001");
  InstanceSpec run;
  run.id = "web-1-0-0";
  run.owner_uid = "uid";
  run.owner_namespace = "default";
  run.owner_name = "web";
  run.runtime = InstanceSpec::Runtime::Docker;
  run.image = built_image("default", "web", state.key);
  // Away from where others on this machine begin to look.
  run.ports = {{.name = "http", .port = 8000, .host_port = 25000 + static_cast<int>(::getpid() % 5000)}};
  run.stop_grace = std::chrono::seconds(1);
  const Instance running = machine.await(host->start(run));
  ProbeSpec asking{.kind = ProbeSpec::Kind::Http, .port = running.ports[0].host_port};
  ProbeResult answer;
  machine.until([&] { return (answer = machine.await(probe(machine.reactor, asking))).healthy; });
  EXPECT_EQ(answer.status, 200) << answer.message;
  machine.await(host->stop(run.id));
  machine.until([&] { return machine.await(host->list("uid"))[0].state == Instance::State::Exited; });
  machine.await(host->remove(run.id, true));
}

TEST_F(ImageBuildTest, ABrokenDockerfileSaysWhereAndLeavesNoContainer) {
  const BuildState command = build(image_build("FROM gantry-test/busybox:1\nRUN echo about to fail && exit 7\n"));
  EXPECT_EQ(command.phase, Phase::Failed);
  EXPECT_THAT(command.message, AllOf(HasSubstr("non-zero code: 7"), HasSubstr("about to fail")));
  const BuildState word = build(image_build("FROM gantry-test/busybox:1\nNONSENSE\n"));
  EXPECT_THAT(word.message, HasSubstr("NONSENSE"));
  const BuildState base = build(image_build("FROM gantry-test/no-such-base:9\nRUN true\n"));
  EXPECT_EQ(base.phase, Phase::Failed);
  EXPECT_THAT(base.message, HasSubstr("gantry-test/no-such-base"));
  EXPECT_EQ(containers(), 0U);
}

TEST_F(ImageBuildTest, ABuildThatNeverEndsIsCutOffAndItsContainerIsGone) {
  BuildSpec spec = image_build("FROM gantry-test/busybox:1\nRUN echo begun && /bin/busybox sleep 1000\n");
  spec.timeout = std::chrono::seconds(4);
  const BuildState state = build(spec);
  EXPECT_EQ(state.phase, Phase::Failed);
  EXPECT_THAT(state.message, AllOf(HasSubstr("did not end within 4s"), HasSubstr("begun")));
  EXPECT_TRUE(machine.until([&] { return containers() == 0; }));
}

TEST_F(ImageBuildTest, DockerRestartedInTheMiddleIsTriedAgain) {
  const BuildSpec spec = image_build("FROM gantry-test/busybox:1\nRUN /bin/busybox sleep 3; echo 2\n");
  machine.await(shop->begin(spec));
  machine.until([&] { return containers() == 1; });
  daemon->stop();
  machine.until([&] { return look(spec).phase == Phase::Failed; });
  EXPECT_THAT(look(spec).message, HasSubstr("the Docker daemon stopped in the middle of the build"));
  ASSERT_TRUE(look(spec).retry_in);
  EXPECT_LE(*look(spec).retry_in, std::chrono::seconds(5)) << "that passes: " << look(spec).message;
  ASSERT_EQ(daemon->start(), "");
  BuildSpec again = spec;
  again.ask = "now";
  const BuildState state = build(again);
  EXPECT_EQ(state.phase, Phase::Done) << state.message;
}

// Docker's own builder leaves a container that it was stopped before starting. (One that it was removing at that moment
// it may list as being removed, or as dead, for ever.)
TEST_F(ImageBuildTest, NoContainerOfABuildThatWasCutOffStays) {
  const BuildSpec spec = image_build("FROM gantry-test/busybox:1\nRUN /bin/busybox sleep 1; echo 3\n");
  machine.await(shop->begin(spec));
  machine.until([&] { return containers() == 1; });
  daemon->stop();
  machine.until([&] { return look(spec).phase == Phase::Failed; });
  ASSERT_EQ(daemon->start(), "");
  machine.until([&] { return look(spec).phase == Phase::Absent; });
  EXPECT_EQ(build(spec).phase, Phase::Done) << look(spec).message;
  const auto left = [&] {
    std::string words;
    const json::Value all = docker("GET", "/containers/json?all=1");
    for (const auto& one : all.as_array()) {
      const std::string state = one.string_or("State");
      if (state != "removing" && state != "dead") words += json::dump(one);
    }
    return words;
  };
  EXPECT_TRUE(machine.until([&] {
    machine.await(shop->sweep({}, std::chrono::hours(1), std::chrono::hours(1)));
    return left().empty();
  })) << left();
}

TEST_F(ImageBuildTest, WhatAFailedBuildLeftGoesAfterAWhileAndWhatIsNotOursStays) {
  const auto images = [&] { return docker("GET", "/images/json?all=1").as_array().size(); };
  machine.await(shop->sweep({}, Duration::zero(), Duration::zero()));  // of earlier tests
  const std::size_t before = images();
  const BuildSpec spec =
      image_build("FROM gantry-test/busybox:1\nRUN echo one > /one\nRUN echo two > /two\nRUN exit 7\n");
  ASSERT_EQ(build(spec).phase, Phase::Failed);
  EXPECT_EQ(images(), before + 2) << "Docker keeps its steps, for the next try";
  machine.await(shop->sweep({}, Duration::zero(), std::chrono::hours(24)));
  EXPECT_EQ(images(), before + 2);
  close();
  open(daemon->socket());
  machine.await(shop->sweep({}, Duration::zero(), Duration::zero()));
  EXPECT_EQ(images(), before);
  EXPECT_NE(docker("GET", "/images/gantry-test/busybox:1/json").string_or("Id"), "");
}

TEST_F(ImageBuildTest, WhatWasPulledGoesOnceNothingHasNeededItForLong) {
  const std::string ours = "pulled.example/one:1";
  docker("POST", "/images/gantry-test/busybox:1/tag?repo=pulled.example/one&tag=1");
  docker("POST", "/images/gantry-test/busybox:1/tag?repo=pulled.example/other&tag=1");
  const std::string digest = docker("GET", "/images/" + ours + "/json").string_or("Id");
  DockerEngine engine(machine.reactor, daemon->socket());
  const auto is_there = [&](const std::string& name) { return !machine.await(find_image(engine, name)).empty(); };
  {
    ImageLedger ledger(machine.reactor, machine.blocking, dir / "images.json");
    machine.await(ledger.pulled(ours, digest));
  }
  ImageLedger ledger(machine.reactor, machine.blocking, dir / "images.json");
  machine.await(ledger.open());
  machine.await(ledger.sweep(engine, {.images = {digest}}, Duration::zero()));
  EXPECT_TRUE(is_there(ours)) << "a Release can still ask for it";
  machine.await(ledger.sweep(engine, {.images = {ours}}, Duration::zero()));
  EXPECT_TRUE(is_there(ours)) << "an App names it";
  machine.await(ledger.sweep(engine, {}, std::chrono::hours(1)));
  EXPECT_TRUE(is_there(ours)) << "it is too young";
  machine.await(ledger.sweep(engine, {}, Duration::zero()));
  EXPECT_FALSE(is_there(ours));
  EXPECT_TRUE(is_there("pulled.example/other:1")) << "that one was brought by somebody else";
  docker("DELETE", "/images/pulled.example/other:1");
}

TEST_F(ImageBuildTest, WhatWasCarriedHereGoesWithTheBuildThatItIsOf) {
  const std::string key(64, 'a');
  const std::string name = built_image("prod", "web", key);
  docker("POST", "/images/gantry-test/busybox:1/tag?repo=gantry.local/prod/web&tag=" + key.substr(0, 32));
  auto pieces = std::make_shared<std::deque<std::string>>();
  const auto reader = machine.await(shop->save_image(name));
  for (std::string piece = machine.await(reader->next()); !piece.empty(); piece = machine.await(reader->next()))
    pieces->push_back(piece);
  machine.await(shop->load_image([pieces]() -> Task<std::string> {
    std::string piece = pieces->empty() ? std::string() : pieces->front();
    if (!pieces->empty()) pieces->pop_front();
    co_return piece;
  }));
  machine.await(shop->sweep({.keys = {key}}, Duration::zero(), Duration::zero()));
  EXPECT_TRUE(machine.await(shop->has_image(name)));
  machine.await(shop->sweep({}, Duration::zero(), Duration::zero()));
  EXPECT_FALSE(machine.await(shop->has_image(name)));
}

TEST_F(ImageBuildTest, AnImageThatDoesNotExistSaysSo) {
  BuildSpec spec;
  spec.kind = BuildSpec::Kind::Pull;
  spec.owner_uid = "uid";
  spec.reference = "127.0.0.1:1/nothing/here:1";
  const BuildState state = build(spec);
  EXPECT_EQ(state.phase, Phase::Failed);
  EXPECT_THAT(state.message, HasSubstr("127.0.0.1:1/nothing/here"));
  spec.reference = "gantry-test/busybox:1";
  EXPECT_EQ(look(spec).phase, Phase::Done) << "what is here needs no pull";
  machine.await(shop->pull_image(spec.reference));
  machine.await(shop->sweep({}, Duration::zero(), Duration::zero()));
  EXPECT_TRUE(machine.await(shop->has_image(spec.reference))) << "what was here before we asked is not ours to remove";
}

TEST_F(ImageBuildTest, AnImageIsCarriedToAnotherHost) {
  code.write("in.txt", "to be carried");
  const BuildSpec spec = image_build(kSimple);
  const BuildState state = build(spec);
  ASSERT_EQ(state.phase, Phase::Done) << state.message;
  const std::string name = built_image("default", "web", state.key);
  auto pieces = std::make_shared<std::deque<std::string>>();
  const auto reader = machine.await(shop->save_image(name));
  for (std::string piece = machine.await(reader->next()); !piece.empty(); piece = machine.await(reader->next()))
    pieces->push_back(piece);
  docker("DELETE", "/images/" + name + "?force=1");
  machine.await(shop->load_image([pieces]() -> Task<std::string> {
    std::string piece = pieces->empty() ? std::string() : pieces->front();
    if (!pieces->empty()) pieces->pop_front();
    co_return piece;
  }));
  EXPECT_EQ(docker("GET", "/images/" + name + "/json").string_or("Id"), state.image);
  EXPECT_THAT(machine.error_of(shop->save_image("gantry-test/nothing:1")), HasSubstr("not on this host"));
}

TEST(ImageBuildDisk, AFullDiskFailsTheBuildAndNothingElse) {
  Daemon daemon("96m");
  if (const std::string trouble = daemon.start(); !trouble.empty()) GTEST_SKIP() << "NOT TESTED: " << trouble;
  Folder code, dir;
  Machine machine;
  LocalHost host(machine.reactor, machine.blocking,
                 LocalHost::Options{.folder = dir.path(), .docker_socket = daemon.socket()});
  machine.await(host.open());
  Workshop shop(machine.reactor, machine.blocking, host,
                Workshop::Options{.folder = dir.path(), .docker_socket = daemon.socket()});
  machine.await(shop.open("test"));
  code.write("Dockerfile", "FROM gantry-test/busybox:1\nRUN /bin/busybox dd if=/dev/zero of=/big bs=1M count=300\n");
  BuildSpec spec;
  spec.owner_uid = "uid";
  spec.owner_namespace = "default";
  spec.owner_name = "web";
  spec.folder = code.path();
  spec.digest = source_digest(code.path());
  machine.await(shop.begin(spec));
  machine.until([&] { return machine.await(shop.look(spec)).phase != Phase::Running; }, std::chrono::seconds(60));
  const BuildState state = machine.await(shop.look(spec));
  EXPECT_EQ(state.phase, Phase::Failed);
  EXPECT_THAT(state.message, HasSubstr("No space left on device"));
  DockerEngine engine(machine.reactor, daemon.socket());
  EXPECT_TRUE(machine.await(engine.call("asking", "GET", "/containers/json?all=1")).as_array().empty());
  machine.await(shop.close());
  machine.await(host.close());
}

}  // namespace
}  // namespace gantry::providers::local
