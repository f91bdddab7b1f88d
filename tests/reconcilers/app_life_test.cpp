// Goal: an App's whole life ends as declared although any one call of its controller fails, is lost, or is its last.
// Method: the real store, API and plane in one thread; the machine is a stateful stand-in behind the host's own seam,
// which goes on while controllers come and go. The life is played once to count its calls, then once for each call and
// way to fail.
#include "tests/reconcilers/app_world.hpp"

namespace gantry::reconcilers::app {
namespace {

// Made, killed, changed, scaled, deleted; what is declared is true after each.
void live(World& world, Machine& machine) {
  world.apply(hello("/one", 2));
  until_ready(world);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  EXPECT_EQ(machine.alive("hello-1"), 2U);

  machine.end(std::find_if(machine.instances.begin(), machine.instances.end(),
                           [](const auto& one) { return one.second.state == Instance::State::Running; })
                  ->first,
              1, world.clock.wall());
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-1"), 2U) << "a replica that died is started again";

  world.apply(hello("/two", 2));
  world.advance(1s);
  until_ready(world);
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-2"), 2U) << world.message("App/hello", "Ready");
  EXPECT_EQ(machine.alive(), 2U) << "the old release is gone";

  world.apply(hello("/two", 3));
  world.advance(1min);
  EXPECT_EQ(machine.alive("hello-2"), 3U) << "more replicas need no new release";
  EXPECT_EQ(world.list("Release").size(), 2U);

  world.remove("App/hello");
  world.advance(3min);
  EXPECT_EQ(world.find("App/hello"), nullptr);
  EXPECT_TRUE(machine.instances.empty());
  EXPECT_TRUE(world.list("Release").empty()) << "releases go with their App";
}

TEST(AppLife, EndsAsDeclaredWhicheverCallFails) {
  std::size_t calls = 0;
  {
    Machine machine;
    Parts parts;
    World world(with_apps(machine, parts));
    live(world, machine);
    calls = world.faults.calls();
  }
  ASSERT_GT(calls, 20U);
  for (const Fault& fault : world::every_fault(calls)) {
    SCOPED_TRACE(fault);
    Machine machine;
    Parts parts;
    World world(with_apps(machine, parts, fault));
    live(world, machine);
    for (const auto& [id, count] : machine.starts) EXPECT_EQ(count, 1) << id << " was started twice";
    EXPECT_FALSE(machine.twins());
    if (testing::Test::HasFailure()) break;
  }
}

;

TEST_F(AppWorld, ASettledAppIsLeftAlone) {
  world.apply(hello("/one", 2));
  until_ready(world);
  world.advance(1min);
  const auto revision = world.store().revision();
  const auto starts = machine.commands.size();
  world.advance(60min);
  EXPECT_EQ(world.store().revision(), revision) << "nothing changed, so nothing is written";
  EXPECT_EQ(machine.commands.size(), starts);
}

TEST_F(AppWorld, ARestartedControllerAdoptsWhatRuns) {
  world.apply(hello("/one", 2));
  until_ready(world);
  const auto before = machine.instances.size();
  world.restart();
  world.advance(10min);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
  EXPECT_EQ(machine.instances.size(), before);
  EXPECT_EQ(machine.commands.size(), 2U) << "nothing was started anew";
}

TEST_F(AppWorld, AReleaseThatNeverBecomesReadyFailsAndTheLastGoodOneRuns) {
  world.apply(hello("/one", 2));
  until_ready(world);
  world.apply(hello("/missing", 2));
  world.advance(1min);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "StartFailed");
  EXPECT_EQ(world.condition("App/hello", "Available"), "True") << "the old one serves";
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  world.advance(15min);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "RolloutFailed");
  EXPECT_EQ(world.get("Release/hello-2").at({"status", "phase"})->as_string(), "Failed");
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  world.apply(hello("/three", 2));
  world.advance(1min);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
  EXPECT_EQ(machine.alive("hello-3"), 2U);
}

TEST_F(AppWorld, ASickReplicaIsReplacedAndSaysWhy) {
  world.apply(hello("/one", 1));
  until_ready(world);
  machine.healthy = false;
  world.advance(30s);
  EXPECT_NE(world.condition("App/hello", "Ready"), "True");
  EXPECT_THAT(world.message("App/hello", "Ready"), testing::HasSubstr("503: not today"));
  machine.healthy = true;
  world.advance(2min);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
  EXPECT_GT(machine.commands.size(), 1U);
}

TEST_F(AppWorld, ARollbackIsObeyedOnceAlsoWhenTheHistoryHasLostIt) {
  const std::string keep_one = "  revisionHistoryLimit: 1\n";
  world.apply(hello("/one", 1) + keep_one);
  until_ready(world);
  world.apply(hello("/two", 1) + keep_one);
  world.advance(30s);
  world.patch("App/hello", R"({"metadata":{"annotations":{"gantry.dev/rollback-to":"1"}}})");
  world.advance(30s);
  EXPECT_EQ(machine.commands.back(), "/one");
  for (const char* command : {"/three", "/four", "/five"}) {
    world.apply(hello(command, 1) + keep_one);
    world.advance(1min);
  }
  EXPECT_EQ(machine.commands.back(), "/five");
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  EXPECT_EQ(world.list("Release").size(), 2U);
}

TEST_F(AppWorld, AReleaseThatNeverBecameReadyHasFailedOnceAnotherTakesItsPlace) {
  machine.healthy = false;
  world.apply(hello("/one", 1));
  world.advance(10s);
  EXPECT_EQ(world.get("Release/hello-1").at({"status", "phase"})->as_string(), "Progressing");
  machine.healthy = true;
  machine.log = std::string(3'000'000, 'x') + "\nthe last \xFF words\n";
  world.apply(hello("/two", 1));
  until_ready(world);
  const json::Value first = world.get("Release/hello-1");
  EXPECT_EQ(first.at({"status", "phase"})->as_string(), "Failed") << "it is none to go back to";
  EXPECT_EQ(first.at({"status", "evidence", "log"})->as_string(), "the last \xEF\xBF\xBD words\n");
  EXPECT_EQ(world.get("Release/hello-2").at({"status", "phase"})->as_string(), "Active");
}

TEST_F(AppWorld, AnObstacleIsToldOnceAlsoOverARestart) {
  world.apply(hello("/one", 1) + "  env: [{name: KEY, valueFrom: {secretKeyRef: {name: later, key: k}}}]\n");
  world.advance(5min);
  world.restart();
  world.advance(30min);
  const auto told = world.events("ReferenceNotFound");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].int_or("count", 0), 1);
}

TEST_F(AppWorld, ADeletedAppIsForgotten) {
  auto& reconciler = dynamic_cast<AppReconciler&>(*world.process().reconcilers.front());
  for (int i = 0; i < 3; ++i) {
    world.apply(hello("/one", 1));
    until_ready(world);
    world.remove("App/hello");
    world.advance(1min);
  }
  EXPECT_EQ(reconciler.remembered(), 0U);
}

TEST_F(AppWorld, AMissingSecretBlocksAndItsArrivalUnblocks) {
  world.apply(hello("/one", 1) + "  env: [{name: KEY, valueFrom: {secretKeyRef: {name: later, key: k}}}]\n");
  world.advance(10s);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "ReferenceNotFound");
  EXPECT_EQ(machine.alive(), 0U);
  world.apply(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: later, namespace: default}\ndata: {k: aGVsbG8gd29ybGQ=}\n");
  const auto told = world.events("ReferenceNotFound");
  ASSERT_EQ(told.size(), 1U) << "an Event says so too";
  EXPECT_EQ(told[0].string_or("type"), "Warning");
  EXPECT_THAT(told[0].string_or("message"), testing::HasSubstr("later"));
  EXPECT_EQ(told[0].int_or("count", 0), 1);
  world.advance(10s);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  // A rotated Secret is a new release.
  world.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: later, namespace: default}\ndata: {k: Z29vZGJ5ZQ==}\n");
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-2"), 1U);
}

TEST_F(AppWorld, ItsStatusSaysWhatRunsWhereAndSinceWhen) {
  world.apply(hello("/one", 1));
  until_ready(world);
  const json::Value status = *world.get("App/hello").find("status");
  EXPECT_EQ(status.string_or("source"), "/code");
  EXPECT_EQ(status.string_or("servers"), "local");
  EXPECT_EQ(status.string_or("lastDeployTime"),
            world.get("Release/hello-1").at({"metadata", "creationTimestamp"})->as_string());
}

}  // namespace
}  // namespace gantry::reconcilers::app
