// Goal: an App's whole life ends as declared although any one call of its controller fails, is lost, or is its last.
// Method: the real store, API and plane in one thread; the machine is a stateful stand-in behind the host's own seam,
// which goes on while controllers come and go. The life is played once to count its calls, then once for each call and
// way to fail.
#include "tests/reconcilers/app_world.hpp"

namespace gantry::reconcilers::app {
namespace {

// Made, killed, changed, scaled, deleted; what is declared is true after each.
void live(World& world, Machine& machine) {
  world.apply(hello("/one", 2) + kRoute);
  until_ready(world);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  EXPECT_FALSE(machine.twins());

  machine.end(std::find_if(machine.instances.begin(), machine.instances.end(),
                           [](const auto& one) { return one.second.state == Instance::State::Running; })
                  ->first,
              1, world.clock.wall());
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-1"), 2U) << "a replica that died is started again";

  world.apply(hello("/two", 2) + kRoute);
  world.advance(1s);
  until_ready(world);
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-2"), 2U) << world.message("App/hello", "Ready");
  EXPECT_EQ(machine.alive(), 2U) << "the old release is gone";
  EXPECT_FALSE(machine.twins());

  world.apply(hello("/two", 3) + kRoute);
  world.advance(1min);
  EXPECT_EQ(machine.alive("hello-2"), 3U) << "more replicas need no new release";
  ASSERT_EQ(machine.routes.size(), 1U);
  EXPECT_EQ(machine.routes.begin()->second.upstreams.at("http").size(), 3U) << "the routes lead to all";
  EXPECT_EQ(world.list("Release").size(), 2U);

  world.remove("App/hello");
  world.advance(3min);
  EXPECT_EQ(world.find("App/hello"), nullptr);
  EXPECT_TRUE(machine.instances.empty());
  EXPECT_TRUE(machine.routes.empty());
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
    EXPECT_FALSE(machine.emptied) << "nobody was behind the routes";
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

TEST_F(AppWorld, WhatFailsStraightAfterASleepOfThisMachineDoesNotCount) {
  const std::string strict = "  health: {tcpSocket: {port: http}, periodSeconds: 5, failureThreshold: 1}\n";
  world.apply(hello("/one", 1) + strict);
  until_ready(world);
  world.advance(1min);
  world.clock.sleep(8h);
  machine.healthy = false;
  world.advance(6s);  // asked once since
  machine.healthy = true;
  world.advance(1min);
  EXPECT_EQ(machine.commands.size(), 1U) << "nobody was restarted";
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
  // What is still wrong one period later is wrong.
  world.clock.sleep(8h);
  machine.healthy = false;
  world.advance(12s);
  machine.healthy = true;
  world.advance(1min);
  EXPECT_EQ(machine.commands.size(), 2U);
}

TEST_F(AppWorld, TheEvidenceIsOfTheTryThatHasSomethingToTell) {
  world.apply(hello("/one", 1));
  until_ready(world);
  machine.healthy = false;
  machine.log.clear();  // whoever was just started has written nothing
  world.apply(hello("/two", 1) + "  strategy: {progressDeadlineSeconds: 20}\n");
  world.advance(1s);
  const std::string first = machine.starts.rbegin()->first;
  machine.logs[first] = "the database is not there\n";
  machine.end(first, 7, world.clock.wall());
  world.advance(2s);
  ASSERT_EQ(machine.alive("hello-2"), 1U) << "the next try";
  EXPECT_TRUE(machine.instances.contains(first)) << "kept for gantry logs --previous";
  for (int i = 0; i < 10 && world.reason("App/hello", "Ready") != "RolloutFailed"; ++i) world.advance(5s);
  const json::Value failed = world.get("Release/hello-2");
  EXPECT_EQ(failed.at({"status", "evidence", "exitCode"})->as_int(), 7);
  EXPECT_EQ(failed.at({"status", "evidence", "log"})->as_string(), "the database is not there\n");
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

TEST_F(AppWorld, WhatCannotBeStartedAfterARecreateGivesWayBeforeItsDeadline) {
  const std::string recreate = "  strategy: {type: Recreate}\n";
  world.apply(hello("/one", 2) + recreate);
  until_ready(world);
  world.apply(hello("/missing", 2) + recreate);
  world.advance(20s);
  EXPECT_EQ(machine.alive("hello-1"), 2U) << "the one before is back, long before ten minutes have passed";
  EXPECT_EQ(world.reason("App/hello", "Ready"), "RolloutFailed");
  EXPECT_THAT(world.message("App/hello", "Ready"),
              testing::AllOf(testing::HasSubstr("was not found"), testing::HasSubstr("hello-1 runs instead")));
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

std::vector<std::string> served(const Machine& machine) {
  std::vector<std::string> ids;
  for (const auto& [uid, routes] : machine.routes) {
    for (const auto& one : routes.upstreams.at("http")) ids.push_back(one.instance.substr(9));
  }
  return ids;
}

TEST_F(AppWorld, ADeployWaitsForTheLastRequestOfEachOldInstance) {
  world.apply(hello("/one", 1) + kRoute);
  until_ready(world);
  EXPECT_THAT(served(machine), testing::ElementsAre("1-0-1"));
  machine.in_flight[machine.instances.begin()->first] = 1;
  world.apply(hello("/two", 1) + kRoute);
  world.advance(10s);
  EXPECT_THAT(served(machine), testing::ElementsAre("2-0-1"));
  EXPECT_EQ(machine.alive("hello-1"), 1U) << "it still answers a request";
  machine.in_flight.clear();
  world.advance(2s);
  EXPECT_EQ(machine.alive("hello-1"), 0U);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
}

TEST_F(AppWorld, AReleaseWhoseOldInstancesDrainForLongHasNotFailed) {
  const std::string patient = "  strategy: {progressDeadlineSeconds: 60, drainSeconds: 600}\n";
  world.apply(hello("/one", 2) + kRoute + patient);
  until_ready(world);
  for (const auto& [id, one] : machine.instances) machine.in_flight[id] = 1;
  world.apply(hello("/two", 2) + kRoute + patient);
  world.advance(5min);
  EXPECT_EQ(machine.alive("hello-2"), 1U) << "no more at a time than maxSurge allows";
  EXPECT_EQ(world.get("Release/hello-2").at({"status", "phase"})->as_string(), "Progressing");
  machine.in_flight.clear();
  world.advance(1min);
  EXPECT_EQ(world.get("Release/hello-2").at({"status", "phase"})->as_string(), "Active");
  EXPECT_EQ(machine.alive("hello-1"), 0U);
}

TEST_F(AppWorld, AFailedReleaseIsNeverBehindTheRoutes) {
  world.apply(hello("/one", 2) + kRoute);
  until_ready(world);
  const auto before = served(machine);
  world.apply(hello("/missing", 2) + kRoute);
  for (int i = 0; i < 60; ++i) {
    world.advance(15s);
    ASSERT_EQ(served(machine), before);
  }
  EXPECT_EQ(world.reason("App/hello", "Ready"), "RolloutFailed");
  EXPECT_THAT(world.get("Release/hello-2").at({"status", "evidence", "start"})->as_string(),
              testing::HasSubstr("was not found"));
}

TEST_F(AppWorld, RoutesThatAreRefusedLeaveThoseOfBeforeAndTheDeployGoesOn) {
  world.apply(hello("/one", 1) + kRoute);
  until_ready(world);
  machine.refuses = "broken.test";
  world.apply(hello("/two", 1) + "  routes: [{host: broken.test, port: http, tls: {mode: internal}}]\n");
  world.advance(1min);
  EXPECT_THAT(served(machine), testing::ElementsAre("2-0-1"));
  EXPECT_EQ(machine.routes.begin()->second.rules[0].host, "hello.test");
  EXPECT_EQ(machine.alive("hello-1"), 0U);
  EXPECT_EQ(world.reason("App/hello", "RouteReady"), "RouteRefused");
  EXPECT_EQ(world.reason("App/hello", "Ready"), "RouteRefused");
}

TEST_F(AppWorld, AnAllowedOriginThatIsWrittenElsewhereIsFollowed) {
  const auto settings = [](const std::string& origin) {
    return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\ndata: {frontend: \"" +
           origin + "\"}\n";
  };
  const auto origins = [&] { return machine.routes.begin()->second.rules[0].cors->origins; };
  world.apply(hello("/one", 1) +
              "  routes: [{host: hello.test, port: http, tls: {mode: internal}, cors: {allowOriginsFrom: "
              "[{configMapKeyRef: {name: settings, key: frontend}}]}}]\n");
  world.advance(10s);
  EXPECT_EQ(world.reason("App/hello", "RouteReady"), "ReferenceNotFound");
  EXPECT_EQ(machine.alive("hello-1"), 1U) << "it runs meanwhile";
  world.apply(settings("https://front.test"));
  world.advance(10s);
  EXPECT_THAT(origins(), testing::ElementsAre("https://front.test"));
  world.apply(settings("https://other.test"));
  world.advance(10s);
  EXPECT_THAT(origins(), testing::ElementsAre("https://other.test"));
  world.apply(settings("no origin"));
  world.advance(10s);
  EXPECT_THAT(world.message("App/hello", "RouteReady"), testing::HasSubstr("must look like https://example.org"));
  EXPECT_THAT(origins(), testing::ElementsAre("https://other.test")) << "what was good goes on";
}

TEST_F(AppWorld, WithoutItsProxyAnAppRunsAndSaysWhatIsMissing) {
  machine.proxy_down = "Caddy is not here";
  world.apply(hello("/one", 1) + kRoute);
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-1"), 1U);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "ProxyDown");
  EXPECT_THAT(world.message("App/hello", "RouteReady"), testing::HasSubstr("Caddy is not here"));
  machine.proxy_down.clear();
  world.advance(30s);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  EXPECT_THAT(served(machine), testing::ElementsAre("1-0-1"));
}

TEST_F(AppWorld, ARestartedControllerKeepsTheRoutesAsTheyAre) {
  world.apply(hello("/one", 2) + kRoute);
  until_ready(world);
  const auto before = served(machine);
  machine.healthy = false;  // the first answers of the new controller are bad ones
  world.restart();
  world.advance(1s);
  EXPECT_FALSE(served(machine).empty());
  machine.healthy = true;
  world.advance(1min);
  EXPECT_EQ(served(machine), before);
}

TEST_F(AppWorld, WhatIsStoppedStaysStoppedUntilItIsStarted) {
  world.apply(hello("/one", 2) + kRoute);
  until_ready(world);
  const auto annotate = [&](const std::string& value) {
    world.apply(
        "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: hello, namespace: default, annotations: "
        "{gantry.dev/stopped: \"" +
        value + "\"}}\n");
    world.advance(30s);
  };
  annotate("true");
  EXPECT_EQ(machine.alive(), 0U);
  EXPECT_EQ(world.get("App/hello").at({"status", "desiredReplicas"})->as_int(), 0);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "Stopped");
  EXPECT_FALSE(machine.routes.begin()->second.holds) << "requests are refused at once";
  world.apply(hello("/one", 2) + kRoute);
  world.advance(20min);
  EXPECT_EQ(machine.alive(), 0U) << "neither a sync nor a reconcile starts it";
  annotate("false");
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  for (int i = 0; i < 6; ++i) annotate(i % 2 ? "false" : "true");
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  EXPECT_EQ(world.get("App/hello").at({"status", "failing"}), nullptr) << "nobody failed";
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

TEST_F(AppWorld, AReplicaThatEndsAgainAndAgainIsMadeAnewAndThenSomebodyIsCalled) {
  world.apply(hello("/one", 2));
  until_ready(world);
  const auto of_slot_0 = [&] {
    for (const auto& [id, one] : machine.instances) {
      if (one.slot == 0 && one.state != Instance::State::Exited) return id;
    }
    return std::string();
  };
  const auto port_of = [&](const std::string& id) { return machine.instances.at(id).ports.at(0).host_port; };
  std::vector<int> ports;
  for (int i = 0; i < 6; ++i) {
    const std::string id = of_slot_0();
    ASSERT_NE(id, "") << "it is tried on, end " << i;
    ports.push_back(port_of(id));
    world.advance(30s);
    machine.end(id, 1, world.clock.wall());
    world.advance(30s);
    if (i == 3) EXPECT_NE(world.condition("App/hello", "Degraded"), "True");
  }
  EXPECT_EQ(ports[1], ports[0]) << "a restart keeps its address";
  EXPECT_NE(ports[3], ports[0]) << "after the third end in a row nothing is kept";
  EXPECT_EQ(world.reason("App/hello", "Degraded"), "KeepsFailing");
  EXPECT_THAT(world.events("KeepsFailing"), testing::SizeIs(1));
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  world.advance(15min);
  machine.end(of_slot_0(), 1, world.clock.wall());
  world.advance(1min);
  EXPECT_EQ(world.condition("App/hello", "Degraded"), "False") << "it has lived for long";
}

TEST_F(AppWorld, ADiskThatFillsUpIsSaidOfWhatRunsOnIt) {
  world.apply(hello("/one", 1));
  until_ready(world);
  machine.disk_alarm = "the disk is more than 80 % full";
  world.patch("App/hello", R"({"metadata":{"annotations":{"gantry.dev/reconcile-at":"1"}}})");
  world.advance(10s);
  EXPECT_EQ(world.reason("App/hello", "Degraded"), "DiskAlmostFull");
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << "it runs on";
  machine.disk_alarm.clear();
  world.patch("App/hello", R"({"metadata":{"annotations":{"gantry.dev/reconcile-at":"2"}}})");
  world.advance(10s);
  EXPECT_EQ(world.condition("App/hello", "Degraded"), "False");
}

TEST_F(AppWorld, HowOftenAReplicaHasFailedIsKnownToTheNextControllerToo) {
  world.apply(hello("/one", 1));
  until_ready(world);
  const auto end_it = [&] {
    for (const auto& [id, one] : machine.instances) {
      if (one.state == Instance::State::Exited) continue;
      machine.end(id, 1, world.clock.wall());
      break;
    }
    world.advance(10s);
  };
  for (int i = 0; i < 2; ++i) end_it();
  EXPECT_EQ(world.get("App/hello").at({"status", "failing"})->as_array()[0].int_or("failures", 0), 2);
  for (int i = 0; i < 2; ++i) {
    world.restart();
    world.advance(1min);
  }
  EXPECT_EQ(world.get("App/hello").at({"status", "failing"})->as_array()[0].int_or("failures", 0), 2)
      << "no end is counted twice";
  for (int i = 0; i < 3; ++i) {
    end_it();
    world.advance(30s);
  }
  EXPECT_EQ(world.reason("App/hello", "Degraded"), "KeepsFailing") << "two before, three after";
  world.advance(11min);
  end_it();
  EXPECT_EQ(world.get("App/hello").at({"status", "failing"})->as_array()[0].int_or("failures", 0), 1);
}

}  // namespace
}  // namespace gantry::reconcilers::app
