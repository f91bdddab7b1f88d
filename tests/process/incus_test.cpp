// Goal: the whole life of Servers and Snapshots with nothing emulated: a hypervisor, containers with addresses of their
// own, the real agent in them, brought by user data from the controller. Method: the real binary against an LXD that
// the test starts; skipped, with the reason, where there is none to start.
#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/process/lxd_daemon.hpp"

namespace gantry::process {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// No more than a net. Each test packs the agent anew, five seconds of work for one core that has nothing else to do, and
// several minutes where eight programs want two cores.
constexpr auto kLong = 900s;

class IncusTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = LxdDaemon::missing(); !why.empty()) GTEST_SKIP() << "NOT TESTED: " << why;
    lxd = std::make_unique<LxdDaemon>();
    if (!lxd->trouble().empty()) GTEST_SKIP() << "NOT TESTED: " << lxd->trouble();
    const std::string port = std::to_string(20000 + ::getpid() % 10000);
    controller = std::make_unique<Controller>(
        std::vector<std::string>{"--listen", "0.0.0.0:" + port, "--advertise", lxd->host_address() + ":" + port});
    controller->start();
    controller->apply(R"(
apiVersion: gantry.dev/v1alpha1
kind: Provider
metadata: {name: home}
spec: {type: incus, endpoint: ")" +
                      lxd->endpoint() + R"(", limits: {servers: 3}}
)");
  }
  void TearDown() override {
    if (HasFailure() && controller) {
      std::cout << controller->gantry({"get", "providers,servers,snapshots", "-o", "yaml"}).out;
      std::cout << controller->log();
      for (const auto& name : lxd ? lxd->instances() : std::vector<std::string>())
        std::cout << name << ":\n"
                  << lxd->read_file(name, "/var/log/user-data.log")
                  << lxd->read_file(name, "/var/log/gantry-agent.log");
    }
    controller.reset();
    lxd.reset();
  }
  static std::string server(const std::string& name, const std::string& from) {
    return "---\napiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name +
           "}\nspec: {providerRef: {name: home}, size: c1-m0.5, " + from + "}\n";
  }
  std::string address(const std::string& name) const {
    const json::Value object = controller->get("server/" + name);
    const json::Value* list = object.at({"status", "addresses"});
    return list && !list->as_array().empty() ? list->as_array().front().string_or("address") : "";
  }

  std::unique_ptr<LxdDaemon> lxd;
  std::unique_ptr<Controller> controller;
};

TEST_F(IncusTest, AServerEndsWithARealAgentAndRunsAnApp) {
  controller->apply(server("web-1", "image: busybox"));
  ASSERT_TRUE(eventually([&] { return controller->ready("server/web-1"); }, kLong));
  EXPECT_THAT(controller->condition("server/web-1", "AgentCurrent"), StartsWith("True"));
  EXPECT_THAT(lxd->instances(), ElementsAre("web-1"));
  EXPECT_TRUE(eventually([&] { return controller->ready("provider/home"); }));

  controller->apply(R"(
apiVersion: gantry.dev/v1alpha1
kind: App
metadata: {name: hello}
spec:
  runtime: process
  placement: {servers: [{name: web-1}]}
  source: {code: {path: /usr/share/common-licenses}}
  command: [/bin/busybox, httpd, -f, -p, "8000"]
  ports: [{name: http, port: 8000}]
  health: {tcpSocket: {port: http}, periodSeconds: 1}
)");
  ASSERT_TRUE(eventually([&] { return controller->ready("app/hello"); }, kLong));
  const json::Value app = controller->get("app/hello");
  EXPECT_THAT(curl("http://" + address("web-1") + ":8000/GPL-3"), HasSubstr("GNU GENERAL PUBLIC LICENSE"));

  controller->gantry({"delete", "app/hello"});
  controller->gantry({"delete", "server/web-1"});
  EXPECT_TRUE(eventually([&] { return lxd->instances().empty(); }, kLong));
  EXPECT_TRUE(eventually([&] { return controller->get("server/web-1").is_null(); }, kLong));
}

TEST_F(IncusTest, ServersStartFromASnapshotThatHasTheAgentAndNoBuilderStays) {
  controller->apply(R"(
apiVersion: gantry.dev/v1alpha1
kind: Snapshot
metadata: {name: golden}
spec:
  providerRef: {name: home}
  from: {image: busybox}
  builder: {size: c1-m0.5}
  cloudInit: |
    #!/bin/sh
    echo baked > /root/marker
)");
  ASSERT_TRUE(eventually([&] { return controller->ready("snapshot/golden"); }, kLong));
  ASSERT_TRUE(eventually([&] { return lxd->instances().empty(); }, kLong)) << "the builder goes";
  EXPECT_EQ(lxd->images_of_ours(), 1U);
  controller->apply(server("web-1", "snapshotRef: {name: golden}") + server("web-2", "snapshotRef: {name: golden}"));
  ASSERT_TRUE(
      eventually([&] { return controller->ready("server/web-1") && controller->ready("server/web-2"); }, kLong));
  EXPECT_EQ(lxd->read_file("web-2", "/root/marker"), "baked\n");
  EXPECT_THAT(controller->condition("server/web-1", "SnapshotCurrent"), StartsWith("True"));
  EXPECT_NE(address("web-1"), address("web-2"));

  controller->gantry({"delete", "server/web-1", "server/web-2", "snapshot/golden"});
  EXPECT_TRUE(eventually([&] { return lxd->instances().empty() && lxd->images_of_ours() == 0; }, kLong));
}

// manifests/home-lab in the least that can be had: the containers have neither packages nor Docker, so Snapshots differ
// by what their cloudInit leaves, Apps are processes, and none comes as an image.
TEST_F(IncusTest, AnAppFromEachSourceRunsOnServersFromASnapshotOfASnapshot) {
  if (!have("git")) GTEST_SKIP() << "NOT TESTED: git is not installed";
  const std::string repository = controller->folder("repository");
  const Outcome made = run({"sh", "-ec",
                            "mkdir -p " + repository + "\ncd " + repository +
                                "\necho from git > page\ngit init -q -b main .\ngit add -A\n"
                                "git -c user.name=t -c user.email=t@example.org commit -qm first"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto snapshot = [](const std::string& name, const std::string& from) {
    return "---\napiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: " + name +
           "}\nspec:\n  providerRef: {name: home}\n  from: {" + from +
           "}\n  builder: {size: c1-m0.5}\n  cloudInit: |\n" + "    #!/bin/sh\n    echo " + name +
           " >> /root/made-of\n";
  };
  const auto app = [](const std::string& name, int port, const std::string& source) {
    return "---\napiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: " + name +
           "}\nspec:\n  runtime: process\n  replicas: 2\n  placement: {servers: [{name: web-1}, {name: web-2}]}\n  "
           "source: {" +
           source + "}\n  command: [/bin/busybox, httpd, -f, -p, \"" + std::to_string(port) +
           "\"]\n  ports: [{name: http, port: " + std::to_string(port) + "}]\n  health: {tcpSocket: {port: http}}\n";
  };
  write(controller->folder("code/page"), "from code\n");
  controller->apply(snapshot("base", "image: busybox") + snapshot("custom", "snapshotRef: {name: base}") +
                    server("web-1", "snapshotRef: {name: custom}") + server("web-2", "snapshotRef: {name: custom}") +
                    app("from-code", 8000, "code: {path: " + controller->folder("code") + "}") +
                    app("from-git", 8001, "git: {url: \"file://" + repository + "\", ref: main}"));
  for (const char* what :
       {"snapshot/base", "snapshot/custom", "server/web-1", "server/web-2", "app/from-code", "app/from-git"})
    ASSERT_TRUE(eventually([&] { return controller->ready(what); }, kLong)) << what;
  EXPECT_TRUE(eventually([&] { return lxd->instances() == std::vector<std::string>{"web-1", "web-2"}; }, kLong))
      << "no builder stays";
  for (const char* name : {"web-1", "web-2"}) {
    EXPECT_EQ(lxd->read_file(name, "/root/made-of"), "base\ncustom\n");
    EXPECT_EQ(curl("http://" + address(name) + ":8000/page"), "from code\n") << name;
    EXPECT_EQ(curl("http://" + address(name) + ":8001/page"), "from git\n") << name;
  }
  controller->gantry({"delete", "apps,servers,snapshots", "--all", "--wait=false"});
  EXPECT_TRUE(eventually([&] { return lxd->instances().empty() && lxd->images_of_ours() == 0; }, kLong));
}

TEST_F(IncusTest, AControllerThatIsKilledWhileItMakesThemLeavesNoTwins) {
  controller->apply(server("web-1", "image: busybox") + server("web-2", "image: busybox"));
  for (int i = 0; i < 4; ++i) {
    eventually([&] { return lxd->instances().size() > static_cast<std::size_t>(i) / 2; }, 2s);
    controller->kill();
    controller->start();
  }
  ASSERT_TRUE(
      eventually([&] { return controller->ready("server/web-1") && controller->ready("server/web-2"); }, kLong));
  EXPECT_THAT(lxd->instances(), ElementsAre("web-1", "web-2"));
  controller->apply(server("web-3", "image: busybox"));
  // Three is the limit, and what would pass it is not even stored.
  const Outcome refused = controller->gantry({"apply", "-f", "-"}, server("web-4", "image: busybox"));
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.out + refused.err, HasSubstr("(spec.limits.servers), and with this it would be"));
  controller->gantry({"delete", "servers", "--all"});
  EXPECT_TRUE(eventually([&] { return lxd->instances().empty(); }, kLong));
}

}  // namespace
}  // namespace gantry::process
