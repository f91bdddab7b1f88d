// Goal: whatever is wrong with a deploy, the user is told what and what to do, the release before serves, and nothing
// is left behind. Method: the real binary and a dockerd of the test's own; each fault as a person would meet it. What
// they read is recorded with the test's result ("seen").
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "tests/process/gantry_process.hpp"
#include "tests/providers/docker_daemon.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// One App, "web", with release web-1 that serves; its code can be changed and sent again.
class Faults : public testing::Test {
 protected:
  explicit Faults(std::vector<std::string> arguments = {}) : controller(std::move(arguments)) {}

  std::string code(const std::string& file = {}) const {
    return controller.folder("site") + (file.empty() ? "" : "/" + file);
  }
  Outcome deploy(const std::string& what) { return controller.gantry({"deploy", "web", what, "--timeout", "100s"}); }
  void patch(const std::string& spec) {
    const Outcome patched =
        controller.kubectl({"patch", "app", "web", "--type=merge", "-p", "{\"spec\":" + spec + "}"});
    ASSERT_EQ(patched.exit_code, 0) << patched.err;
  }
  bool becomes(const std::string& type, const std::string& value) const {
    return eventually([&] { return controller.condition("app/web", type) == value; }, std::chrono::seconds(60));
  }
  std::string url() const {
    const json::Value app = controller.get("app/web");
    const json::Value* urls = app.at({"status", "urls"});
    return urls && !urls->as_array().empty() ? urls->as_array()[0].as_string() : std::string();
  }
  std::string why() const { return controller.gantry({"why", "web"}).out; }
  // What the person at the terminal reads, kept for whoever wants to see it.
  const std::string& seen(const std::string& text) {
    RecordProperty("seen", text);
    return text;
  }
  // Names below a folder of the controller's data.
  std::vector<std::string> left_in(const std::string& folder) const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(controller.folder("data/" + folder), none))
      names.push_back(entry.path().filename());
    return names;
  }

  Controller controller;
};

// ---------------------------------------------------------------- code that cannot be taken

class CodeFaults : public Faults {
 protected:
  void SetUp() override {
    controller.start();
    write(code("page.html"), "first page");
    const Outcome first = controller.gantry(
        {"deploy", "web", code(), "--runtime", "process", "--port", "8000", "--", "$(GANTRY_BINARY)", "demo"});
    ASSERT_EQ(first.exit_code, 0) << first.out << first.err;
  }
  void refused(const std::string& archive, const testing::Matcher<std::string>& told) {
    const auto uploads = left_in("uploads");
    const auto copies = left_in("releases");
    const Outcome outcome = deploy(archive);
    EXPECT_NE(outcome.exit_code, 0);
    EXPECT_THAT(seen(outcome.err), told);
    EXPECT_THAT(curl(url()), HasSubstr("first page"));
    EXPECT_EQ(controller.get("app/web").at({"status", "release"})->as_string(), "web-1");
    EXPECT_EQ(left_in("uploads"), uploads) << "nothing is left of the upload";
    EXPECT_EQ(left_in("releases"), copies) << "nor of what was unpacked";
  }
  void shell(const std::string& script) {
    const Outcome done = run({"sh", "-ec", "cd " + controller.folder("") + " && " + script});
    ASSERT_EQ(done.exit_code, 0) << done.err;
  }
};

TEST_F(CodeFaults, AnArchiveThatLeadsOutIsRefused) {
  shell(
      "mkdir a && cd a && echo x > ../evil && tar -Pcf ../out.tar ../evil && ln -s /etc/passwd link && tar -cf "
      "../link.tar link");
  refused(controller.folder("out.tar"), AllOf(HasSubstr("../evil"), HasSubstr("leads out")));
  refused(controller.folder("link.tar"), HasSubstr("\"link\" is a link to the absolute path /etc/passwd"));
  EXPECT_EQ(read(controller.folder("evil")), "x\n");
}

TEST_F(CodeFaults, AnArchiveThatUnpacksWithoutEndIsRefused) {
  shell("head -c 200000000 /dev/zero > zeros && tar -czf bomb.tgz zeros && rm zeros");
  ASSERT_LT(std::filesystem::file_size(controller.folder("bomb.tgz")), 500'000U);
  refused(controller.folder("bomb.tgz"), HasSubstr("200 times its size"));
}

// ---------------------------------------------------------------- images and containers

class DockerFaults : public Faults {
 protected:
  DockerFaults() : Faults({"--docker-socket", daemon ? daemon->socket() : "/nonexistent"}) {}
  static void SetUpTestSuite() {
    daemon = std::make_unique<providers::local::Daemon>();
    trouble = daemon->start();
  }
  static void TearDownTestSuite() { daemon.reset(); }

  void SetUp() override {
    if (!trouble.empty()) GTEST_SKIP() << "NOT TESTED: " << trouble;
    if (!daemon->running()) ASSERT_EQ(daemon->start(), "");
    controller.start();
    std::filesystem::create_directories(code());
    std::filesystem::copy_file(GANTRY_BINARY_DIR "/tests/stand_in", code("service"));
    dockerfile("");
    controller.apply(
        "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  source: {code: {path: " + code() +
        "}}\n  command: [/service]\n  ports: [{name: http, port: 8000}]\n"
        "  env: [{name: VERSION, value: first}, {name: PORT, value: \"8000\"}]\n  stopGraceSeconds: 1\n"
        "  health: {httpGet: {path: /health, port: http}, periodSeconds: 1, timeoutSeconds: 1}\n"
        "  strategy: {progressDeadlineSeconds: 6}\n");
    ASSERT_TRUE(becomes("Ready", "True/AllReplicasReady"))
        << controller.gantry({"describe", "app/web"}).out << controller.log();
    ASSERT_EQ(version(), "first");
  }
  void TearDown() override {
    if (!trouble.empty()) return;
    controller.gantry({"delete", "apps", "--all", "--timeout=60s"});
    EXPECT_EQ(containers(), "") << "containers are left";
  }

  // All of them, a line each; but for those that a Docker that was ended lists as being removed, or dead, for ever
  // after.
  std::string containers() const {
    std::istringstream lines(docker("ps -a --format '{{.ID}} {{.State}} {{.Command}}'"));
    std::string left;
    for (std::string line; std::getline(lines, line);) {
      if (line.find(" removing ") == line.npos && line.find(" dead ") == line.npos) left += line + "\n";
    }
    return left;
  }
  void dockerfile(const std::string& more) {
    write(code("Dockerfile"), std::string("FROM ") + providers::local::kImage + "\nCOPY service /service\n" + more);
  }
  std::string version() const { return curl(url() + "/env/VERSION"); }
  std::string docker(const std::string& words) const {
    return run({"sh", "-c", "docker -H unix://" + daemon->socket() + " " + words}).out;
  }
  // One line each.
  std::size_t count(const std::string& words) const {
    const std::string lines = docker(words);
    return static_cast<std::size_t>(std::ranges::count(lines, '\n'));
  }
  void first_serves_and_nothing_is_left() {
    EXPECT_EQ(version(), "first");
    EXPECT_TRUE(eventually([&] { return count("ps -aq") == 1; })) << docker("ps -a");
    EXPECT_EQ(count("images -q gantry.local/default/web"), 1U) << docker("images");
  }

  static inline std::unique_ptr<providers::local::Daemon> daemon;
  static inline std::string trouble;
};

TEST_F(DockerFaults, ABrokenDockerfile) {
  dockerfile("RUN echo compiling && cat no-such-file\n");
  const Outcome broken = deploy(code());
  EXPECT_EQ(broken.exit_code, 1) << broken.out;
  EXPECT_THAT(seen(broken.err), AllOf(HasSubstr("BuildFailed"), HasSubstr("non-zero code"), HasSubstr("no-such-file"),
                                      HasSubstr("goes on serving"), HasSubstr("gantry logs web --build")));
  EXPECT_THAT(controller.gantry({"logs", "web", "--build"}).out, HasSubstr("compiling"));
  first_serves_and_nothing_is_left();
}

TEST_F(DockerFaults, ABuildThatNeverEnds) {
  patch(R"({"build":{"timeoutSeconds":3}})");
  ASSERT_TRUE(becomes("Ready", "True/AllReplicasReady"));
  dockerfile("RUN echo begun && /bin/busybox sleep 1000\n");
  const Outcome endless = deploy(code());
  EXPECT_EQ(endless.exit_code, 1) << endless.out;
  EXPECT_THAT(seen(endless.err),
              AllOf(HasSubstr("did not end within 3s"), HasSubstr("begun"), HasSubstr("goes on serving")));
  EXPECT_EQ(version(), "first");
  EXPECT_TRUE(eventually([&] { return count("ps -aq") == 1; })) << "the build's container is gone:\n"
                                                                << docker("ps -a");
}

TEST_F(DockerFaults, AnImageThatDoesNotExist) {
  patch(R"({"source":{"code":null,"image":{"ref":"127.0.0.1:1/nothing/here:9"}}})");
  ASSERT_TRUE(becomes("Built", "False/PullFailed")) << why();
  EXPECT_THAT(seen(why()), AllOf(HasSubstr("PullFailed"), HasSubstr("127.0.0.1:1/nothing/here:9")));
  first_serves_and_nothing_is_left();
}

TEST_F(DockerFaults, AHealthEndpointThatHangs) {
  patch(R"({"command":["/bin/busybox","nc","-ll","-p","8000","-e","/bin/busybox","sleep","100"]})");
  ASSERT_TRUE(becomes("Ready", "False/RolloutFailed")) << why();
  EXPECT_THAT(seen(why()), AllOf(HasSubstr("RolloutFailed"), HasSubstr("no answer within 1s")));
  const json::Value release = controller.get("release/web-2");
  EXPECT_EQ(release.at({"status", "phase"})->as_string(), "Failed");
  const json::Value* probe = release.at({"status", "evidence", "probe"});
  ASSERT_TRUE(probe) << json::dump_pretty(release, 1);
  EXPECT_THAT(probe->as_string(), HasSubstr("no answer within 1s"));
  EXPECT_EQ(version(), "first");
  EXPECT_TRUE(eventually([&] { return count("ps -q") == 1; })) << docker("ps -a");
}

// The only strategy for a fixed port is Recreate, which stops what serves: so what cannot start must not be waited for.
TEST_F(DockerFaults, APortThatAStrangerHas) {
  const int stranger = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ASSERT_EQ(::bind(stranger, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(stranger, 1), 0);
  socklen_t length = sizeof address;
  ::getsockname(stranger, reinterpret_cast<sockaddr*>(&address), &length);
  const std::string port = std::to_string(ntohs(address.sin_port));
  patch(
      R"({"strategy":{"type":"Recreate","progressDeadlineSeconds":600},"ports":[{"name":"http","port":8000,"hostPort":)" +
      port + "}]}");
  ASSERT_TRUE(becomes("Ready", "False/RolloutFailed")) << why();
  EXPECT_THAT(seen(why()), AllOf(HasSubstr("port " + port), HasSubstr("already in use"),
                                 HasSubstr(std::to_string(::getpid())), HasSubstr("web-1 runs instead")));
  EXPECT_TRUE(eventually([&] { return version() == "first"; })) << why();
  EXPECT_TRUE(eventually([&] { return count("ps -q") == 1; })) << docker("ps -a");
  EXPECT_TRUE(eventually([&] { return count("ps -aq") <= 2; }))
      << "beside it the try that made room, for gantry logs --previous, and nothing else\n"
      << docker("ps -a");
  ::close(stranger);
}

TEST_F(DockerFaults, AContainerThatSomebodyKills) {
  const std::string before = docker("ps -q");
  docker("kill " + before);
  EXPECT_TRUE(eventually([&] { return version() == "first"; }));
  EXPECT_TRUE(becomes("Ready", "True/AllReplicasReady"));
  EXPECT_NE(docker("ps -q"), before);
  EXPECT_THAT(seen(controller.gantry({"get", "events"}).out),
              AllOf(HasSubstr("replica 0 killed by signal 9"), HasSubstr("started again")));
}

TEST_F(DockerFaults, DockerIsRestartedInTheMiddleOfABuild) {
  write(code("notes"), "changed");
  dockerfile("RUN echo begun && /bin/busybox sleep 5\n");
  patch(R"({"env":[{"name":"VERSION","value":"second"},{"name":"PORT","value":"8000"}]})");
  ASSERT_TRUE(eventually([&] { return count("ps -q") >= 2; })) << why();
  daemon->stop();
  ASSERT_TRUE(becomes("Built", "False/BuildFailed")) << why();
  EXPECT_THAT(seen(why()),
              AllOf(HasSubstr("BuildFailed"),
                    HasSubstr("building default/web: the Docker daemon stopped in the middle of the build"),
                    HasSubstr("tried again in")));
  ASSERT_EQ(daemon->start(), "");
  EXPECT_TRUE(eventually([&] { return version() == "second"; }, std::chrono::seconds(60))) << why() << controller.log();
  EXPECT_TRUE(becomes("Ready", "True/AllReplicasReady")) << why();
  EXPECT_TRUE(eventually([&] { return std::ranges::count(containers(), '\n') == 1; })) << docker("ps -a");
}

// ---------------------------------------------------------------- a disk without room

class FullDisk : public DockerFaults {
 protected:
  static void SetUpTestSuite() {
    daemon = std::make_unique<providers::local::Daemon>("128m");
    trouble = daemon->start();
  }
};

TEST_F(FullDisk, FailsTheBuildAndNothingElse) {
  dockerfile("RUN /bin/busybox dd if=/dev/zero of=/big bs=1M count=400\n");
  const Outcome full = deploy(code());
  EXPECT_EQ(full.exit_code, 1) << full.out;
  EXPECT_THAT(seen(full.err), AllOf(HasSubstr("No space left on device"), HasSubstr("make room for Docker"),
                                    HasSubstr("goes on serving")));
  first_serves_and_nothing_is_left();
}

// Said before it is too late.
TEST(FillingDisk, IsSaidOfEveryAppThatRunsOnIt) {
  Controller controller;
  const std::string data = controller.folder("data");
  std::filesystem::create_directories(data);
  if (::mount("tmpfs", data.c_str(), "tmpfs", 0, "size=200m") != 0)
    GTEST_SKIP() << "NOT TESTED: tmpfs cannot be mounted";
  run({"sh", "-c", "head -c 170000000 /dev/zero > " + data + "/ballast"});
  controller.start();
  controller.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  runtime: process\n"
      "  source: {code: {path: /usr/share/common-licenses}}\n  command: [sleep, \"1000\"]\n");
  EXPECT_TRUE(eventually([&] { return controller.condition("app/web", "Degraded") == "True/DiskAlmostFull"; }))
      << controller.gantry({"describe", "app/web"}).out;
  EXPECT_TRUE(eventually([&] { return controller.ready("app/web"); })) << "it runs";
  const std::string why = controller.gantry({"describe", "app/web"}).out;
  RecordProperty("seen", why);
  EXPECT_THAT(why, AllOf(HasSubstr("more than 80 % full"), HasSubstr("docker system prune")));
  std::filesystem::remove(data + "/ballast");
  controller.stop();
  controller.start();
  EXPECT_TRUE(eventually([&] { return controller.condition("app/web", "Degraded").starts_with("False"); }));
  controller.gantry({"delete", "apps", "--all", "--timeout=30s"});
  controller.stop();
  ::umount2(data.c_str(), MNT_DETACH);
}

}  // namespace
}  // namespace gantry::process
