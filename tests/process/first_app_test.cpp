// Goal: what the README promises, with the real binary, the real kubectl, curl and promtool.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

// The demo server that comes with the binary, beside an environment from a ConfigMap and a Secret.
std::string hello(const std::string& greeting = "good morning", int replicas = 2, const std::string& more = {}) {
  return R"yaml(
apiVersion: v1
kind: ConfigMap
metadata: {name: hello}
data: {greeting: ")yaml" +
         greeting + R"yaml("}
---
apiVersion: v1
kind: Secret
metadata: {name: hello}
stringData: {key: canary-4711-never-shown}
---
apiVersion: gantry.dev/v1alpha1
kind: App
metadata: {name: hello}
spec:
  runtime: process
  source: {code: {path: /usr/share/common-licenses}}
  command: ["$(GANTRY_BINARY)", demo]
  replicas: )yaml" +
         std::to_string(replicas) + R"yaml(
  ports: [{name: http, port: 18080}]
  env:
    - {name: GREETING, valueFrom: {configMapKeyRef: {name: hello, key: greeting}}}
    - {name: API_KEY, valueFrom: {secretKeyRef: {name: hello, key: key}}}
  health: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
)yaml" + more;
}

std::vector<std::string> urls(const Controller& controller) {
  std::vector<std::string> out;
  const json::Value app = controller.get("app/hello");
  if (const json::Value* list = app.at({"status", "urls"})) {
    for (const auto& url : list->as_array()) out.push_back(url.as_string());
  }
  return out;
}

// The processes of the App, as they say themselves.
std::vector<std::string> pids(const Controller& controller) {
  std::vector<std::string> out;
  for (const auto& url : urls(controller)) {
    const std::string page = curl(url);
    const auto at = page.find("process ");
    if (at != std::string::npos)
      out.push_back(page.substr(at + 8, page.find_first_not_of("0123456789", at + 8) - at - 8));
  }
  return out;
}

class FirstApp : public testing::Test {
 protected:
  void SetUp() override {
    controller.start();
    if (HasFatalFailure()) return;
    controller.apply(hello());
    ASSERT_TRUE(eventually([&] { return controller.ready("app/hello"); }))
        << controller.gantry({"describe", "app/hello"}).out << controller.log();
  }
  Controller controller;
};

TEST_F(FirstApp, ServesItsReplicasWithTheirEnvironment) {
  const auto addresses = urls(controller);
  ASSERT_EQ(addresses.size(), 2U);
  EXPECT_NE(addresses[0], addresses[1]);
  for (const auto& url : addresses)
    EXPECT_THAT(curl(url), AllOf(HasSubstr("good morning"), HasSubstr("23 characters have arrived")));
}

TEST_F(FirstApp, IsReadChangedWaitedForAndDeletedWithKubectl) {
  EXPECT_THAT(controller.kubectl({"get", "apps", "-o", "wide"}).out, AllOf(HasSubstr("NAME"), HasSubstr("hello")));
  EXPECT_THAT(controller.kubectl({"describe", "app", "hello"}).out,
              AllOf(HasSubstr("AllReplicasReady"), HasSubstr("Started")))
      << controller.kubectl({"describe", "app", "hello"}).out;

  Background watch({"kubectl", "--kubeconfig", controller.kubeconfig(), "get", "apps", "-w"},
                   controller.folder("watch"));
  ASSERT_TRUE(eventually([&] { return read(controller.folder("watch")).find("hello") != std::string::npos; }));
  const auto lines = [&] {
    const auto text = read(controller.folder("watch"));
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto before = lines();

  const auto applied = controller.kubectl({"apply", "-f", "-"}, hello("good evening", 3));
  EXPECT_EQ(applied.exit_code, 0) << applied.err;
  const auto waited = controller.kubectl({"wait", "app/hello", "--for=condition=Ready", "--timeout=30s"});
  EXPECT_EQ(waited.exit_code, 0) << waited.err;
  EXPECT_TRUE(eventually([&] { return urls(controller).size() == 3; }));
  EXPECT_TRUE(eventually([&] { return lines() > before; })) << "the watch saw nothing";
  // An old kubectl's wait (Debian has 1.20) does not ask whether the condition is about this generation.
  EXPECT_TRUE(eventually([&] {
    return std::ranges::all_of(urls(controller),
                               [](const auto& url) { return curl(url).find("good evening") != std::string::npos; });
  }));

  const auto gone = controller.kubectl({"delete", "app", "hello", "--timeout=30s"});
  EXPECT_EQ(gone.exit_code, 0) << gone.err;
  EXPECT_THAT(controller.kubectl({"get", "app", "hello"}).err, HasSubstr("NotFound"));
}

TEST_F(FirstApp, AKilledReplicaIsBackAtItsOldAddress) {
  const auto addresses = urls(controller);
  const auto before = pids(controller);
  ASSERT_EQ(before.size(), 2U);
  ASSERT_EQ(::kill(std::stoi(before[0]), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] {
    const auto now = pids(controller);
    return now.size() == 2 && now[0] != before[0] && controller.ready("app/hello");
  })) << controller.gantry({"describe", "app/hello"}).out;
  EXPECT_EQ(urls(controller), addresses);
  EXPECT_EQ(pids(controller)[1], before[1]) << "the other replica must not be touched";
  EXPECT_TRUE(eventually([&] {
    return controller.gantry({"events", "--for", "app/hello"}).out.find("killed by signal 9") != std::string::npos;
  })) << controller.gantry({"events", "--for", "app/hello"}).out;
}

TEST_F(FirstApp, SurvivesItsControllerWithoutARestart) {
  const auto before = pids(controller);
  ASSERT_EQ(before.size(), 2U);
  controller.kill();
  EXPECT_THAT(curl("http://127.0.0.1:18080"), HasSubstr("good morning"));
  controller.start();
  ASSERT_TRUE(eventually([&] { return controller.ready("app/hello"); }));
  EXPECT_EQ(pids(controller), before);
  // And is watched again: a death is noticed although it is nobody's child.
  ASSERT_EQ(::kill(std::stoi(before[1]), SIGKILL), 0);
  EXPECT_TRUE(eventually([&] {
    const auto now = pids(controller);
    return now.size() == 2 && now[1] != before[1] && now[0] == before[0];
  }));
}

TEST_F(FirstApp, ControllerEndsCleanlyAndAppsGoOn) {
  const auto before = pids(controller);
  EXPECT_EQ(controller.stop(), 0) << controller.log();
  EXPECT_THAT(curl("http://127.0.0.1:18080"), HasSubstr("good morning"));
  controller.start();
  ASSERT_TRUE(eventually([&] { return pids(controller) == before; }));
}

TEST_F(FirstApp, PlanAndDiffShowAChangeAndMakeNone) {
  write(controller.folder("changed.yaml"), hello("good evening", 4));
  const json::Value before = controller.get("app/hello");
  const auto plan = controller.gantry({"plan", "-f", controller.folder("changed.yaml")});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out, AllOf(HasSubstr("replicas"), HasSubstr("Plan:")));
  const auto diff = controller.gantry({"diff", "-f", controller.folder("changed.yaml")});
  EXPECT_EQ(diff.exit_code, 1);
  EXPECT_THAT(diff.out, AllOf(HasSubstr("-  replicas: 2"), HasSubstr("+  replicas: 4")));
  EXPECT_THAT(plan.out + diff.out, Not(HasSubstr("canary-4711")));
  EXPECT_EQ(controller.get("app/hello").at({"metadata", "resourceVersion"})->as_string(),
            before.at({"metadata", "resourceVersion"})->as_string());
  write(controller.folder("same.yaml"), hello());
  EXPECT_THAT(controller.gantry({"plan", "-f", controller.folder("same.yaml")}).out, HasSubstr("No changes."));
}

TEST_F(FirstApp, ABadReleaseLeavesTheOldOneServingAndSaysWhy) {
  const auto before = pids(controller);
  const auto becomes = [&](const std::string& manifest, const std::string& reason, const std::string& words) {
    controller.apply(manifest);
    EXPECT_TRUE(eventually([&] { return controller.condition("app/hello", "Ready") == "False/" + reason; }))
        << "expected " << reason << ", is " << controller.condition("app/hello", "Ready") << "\n"
        << controller.gantry({"describe", "app/hello"}).out;
    EXPECT_THAT(controller.gantry({"describe", "app/hello"}).out, HasSubstr(words));
    EXPECT_EQ(pids(controller), before) << "the old release must go on serving";
  };
  auto broken = hello();
  broken.replace(broken.find("\"$(GANTRY_BINARY)\""), 18, "/no/such/program");
  becomes(broken, "StartFailed", "/no/such/program");

  broken = hello();
  broken.replace(broken.find("key: key}"), 9, "key: nothere}");
  becomes(broken, "ReferenceNotFound", "has no key");

  broken = hello();
  broken.replace(broken.find("/healthz"), 8, "/nowhere");
  broken += "  args: [different]\n";
  controller.apply(hello());
  ASSERT_TRUE(eventually([&] { return controller.ready("app/hello"); }));
}

TEST_F(FirstApp, RollsBackAndTheSameManifestDoesNotUndoIt) {
  controller.apply(hello("good evening"));
  ASSERT_TRUE(eventually([&] {
    return controller.ready("app/hello") && curl(urls(controller).at(0)).find("good evening") != std::string::npos;
  }));
  EXPECT_THAT(controller.gantry({"rollout", "history", "app/hello"}).out, AllOf(HasSubstr("1"), HasSubstr("2")));
  // The ConfigMap is what changed, so a rollback to the older release runs the older template with today's values; an
  // edit of the command is what a rollback takes back.
  auto bad = hello("good evening");
  bad += "  args: [--unknown-argument]\n";
  controller.apply(bad);
  ASSERT_TRUE(
      eventually([&] { return controller.get("app/hello").find("status")->string_or("release") == "hello-3"; }));
  const auto undo = controller.gantry({"rollout", "undo", "app/hello", "--to-revision", "2"});
  EXPECT_EQ(undo.exit_code, 0) << undo.err;
  ASSERT_TRUE(eventually([&] {
    return controller.ready("app/hello") &&
           controller.get("app/hello").find("status")->string_or("release") == "hello-4";
  })) << controller.gantry({"describe", "app/hello"}).out;
  controller.apply(bad);
  EXPECT_TRUE(eventually([&] { return controller.ready("app/hello"); }));
  EXPECT_EQ(controller.get("app/hello").find("status")->string_or("release"), "hello-4");
}

TEST_F(FirstApp, ShowsItsLogs) {
  EXPECT_TRUE(eventually([&] {
    return controller.gantry({"logs", "hello"}).out.find("gantry demo: http://") != std::string::npos;
  })) << controller.gantry({"logs", "hello"}).err;
}

TEST_F(FirstApp, NeverShowsASecret) {
  std::string everything = controller.log();
  for (const auto& words : std::vector<std::vector<std::string>>{{"get", "apps", "-o", "yaml"},
                                                                 {"get", "releases", "-o", "yaml"},
                                                                 {"events", "-A"},
                                                                 {"describe", "app/hello"},
                                                                 {"logs", "hello"}}) {
    const auto outcome = controller.gantry(words);
    everything += outcome.out + outcome.err;
  }
  EXPECT_THAT(everything, Not(HasSubstr("canary-4711")));
  // Nor in a process's arguments, nor unencrypted in the store.
  EXPECT_NE(run({"sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -v grep | grep -q canary-4711"}).exit_code,
            0);
  EXPECT_NE(run({"grep", "-rqa", "canary-4711", controller.folder("data/store")}).exit_code, 0);
  EXPECT_NE(run({"grep", "-rqa", "Y2FuYXJ5LTQ3MTEtbmV2ZXItc2hvd24", controller.folder("data/store")}).exit_code, 0);
}

TEST_F(FirstApp, MetricsSatisfyPromtool) {
  if (!have("promtool")) GTEST_SKIP() << "promtool (package prometheus) is not installed";
  const auto metrics = controller.kubectl({"get", "--raw", "/metrics"});
  ASSERT_EQ(metrics.exit_code, 0) << metrics.err;
  EXPECT_THAT(metrics.out, AllOf(HasSubstr("controller_runtime_reconcile_total"), HasSubstr("workqueue_depth"),
                                 HasSubstr("gantry_store_revision")));
  const auto check = run({"promtool", "check", "metrics"}, {}, metrics.out);
  EXPECT_EQ(check.exit_code, 0) << check.out << check.err;
}

TEST(Quickstart, EndsWithZeroOnceEverythingWasReadyAndLeavesNothing) {
  TemporaryFolder home;
  const auto outcome = run(
      {gantry_binary(), "quickstart", "--exit-when-ready", "--manifests", GANTRY_SOURCE_DIR "/manifests/quickstart"},
      {{"HOME", home.path()}});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("Everything is ready."), HasSubstr("http://127.0.0.1:"),
                                 HasSubstr("/metrics"), HasSubstr("kubectl")));
  const auto at = outcome.out.find(", in ") + 5;
  const std::string directory = outcome.out.substr(at, outcome.out.find('\n', at) - at);
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_NE(run({"pgrep", "-f", directory}).exit_code, 0) << "something still runs";
}

TEST(CommandLine, TeachesAndAnswersMistakes) {
  EXPECT_THAT(run({gantry_binary(), "--help"}).out,
              AllOf(HasSubstr("controller"), HasSubstr("quickstart"), HasSubstr("apply"), HasSubstr("plan")));
  const auto typo = run({gantry_binary(), "quikstart"});
  EXPECT_EQ(typo.exit_code, 64);
  EXPECT_THAT(typo.err, HasSubstr("quickstart"));
  const auto missing = run({gantry_binary(), "controller"});
  EXPECT_EQ(missing.exit_code, 64);
  EXPECT_THAT(missing.err, HasSubstr("--data-dir"));
}

}  // namespace
}  // namespace gantry::process
