#include "controller/runtime/controller.hpp"

#include <gmock/gmock.h>

#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using world::World;
using world::WorldOptions;

constexpr const char* kWeb = R"(
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: web}
spec: {parts: 2, size: 3}
)";

std::vector<std::string> finalizers(World& world, const std::string& name) {
  const object::ObjectPtr object = world.find(name);
  return object ? object->meta().finalizers : std::vector<std::string>{};
}

TEST(Controller, MakesWhatIsDeclaredAndSaysSo) {
  World world;
  world.apply(kWeb);
  world.settle();
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
  EXPECT_EQ(world.condition("Gadget/web", "Ready"), "True");
  EXPECT_EQ(world.condition("Gadget/web", "Synced"), "True");
  EXPECT_EQ(world.get("Gadget/web").at({"status", "observedGeneration"})->as_int(), 1);
}

TEST(Controller, FollowsEveryEditAndRemovesWhatIsDeleted) {
  World world;
  world.apply(kWeb);
  world.settle();
  world.patch("Gadget/web", R"({"spec":{"parts":1,"size":5}})");
  world.settle();
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=5"));
  world.remove("Gadget/web");
  world.settle();
  EXPECT_THAT(world.cloud.names(), IsEmpty());
  EXPECT_FALSE(world.find("Gadget/web"));
}

TEST(Controller, RepairsWhatDriftedAtTheNextResync) {
  World world;
  world.apply(kWeb);
  world.settle();
  world.cloud.gadgets.clear();
  world.advance(11min);
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
}

TEST(Controller, HoldsTheObjectBeforeTheFirstAct) {
  WorldOptions options;
  bool held = true;
  World* here = nullptr;
  options.setup = [&](World& world, world::Process& process) {
    auto gadgets = std::make_shared<world::GadgetReconciler>(world.cloud, process.line);
    gadgets->before_act = [&](const Subject&, const Action&) -> Task<> {
      held = held && !finalizers(*here, "Gadget/web").empty();
      co_return;
    };
    process.reconcilers.push_back(gadgets);
    process.plane->serve(object::Resource::of("test.gantry.dev", "gadgets"), *gadgets);
  };
  World world(options);
  here = &world;
  world.apply(kWeb);
  world.settle();
  EXPECT_TRUE(held);
  EXPECT_THAT(finalizers(world, "Gadget/web"), ElementsAre("gantry.dev/cleanup"));
  EXPECT_EQ(world.cloud.mutations, 2u);
}

TEST(Controller, DoesNothingWhenNothingChanged) {
  World world;
  for (int i = 0; i < 20; ++i) {
    world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: g" + std::to_string(i) + "}}");
  }
  world.settle();
  world.advance(2h);  // the Events about their making are swept away, too
  const auto revision = world.store().revision();
  const auto mutations = world.cloud.mutations;
  world.advance(100min);  // ten resyncs
  EXPECT_EQ(world.store().revision(), revision) << "a write for nothing";
  EXPECT_EQ(world.cloud.mutations, mutations);
}

TEST(Controller, PausedObservesAndReportsAndChangesNothing) {
  World world;
  world.apply(kWeb);
  world.settle();
  world.patch("Gadget/web", R"({"metadata":{"annotations":{"gantry.dev/paused":"true"}},"spec":{"size":9}})");
  world.settle();
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
  EXPECT_EQ(world.condition("Gadget/web", "Paused"), "True");
  EXPECT_EQ(world.condition("Gadget/web", "Synced"), "False");
  EXPECT_THAT(world.message("Gadget/web", "Synced"), HasSubstr("2 actions would be done"));

  world.patch("Gadget/web", R"({"metadata":{"annotations":{"gantry.dev/paused":null}}})");
  world.settle();
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=9", "web/1=9"));
  EXPECT_EQ(world.condition("Gadget/web", "Paused"), "");
  EXPECT_EQ(world.condition("Gadget/web", "Synced"), "True");
}

TEST(Controller, DeletionWorksWhilePaused) {
  World world;
  world.apply(kWeb);
  world.settle();
  world.patch("Gadget/web", R"({"metadata":{"annotations":{"gantry.dev/paused":"true"}}})");
  world.remove("Gadget/web");
  world.settle();
  EXPECT_FALSE(world.find("Gadget/web"));
  EXPECT_THAT(world.cloud.names(), IsEmpty());
}

TEST(Controller, RetainLetsTheObjectGoAndKeepsTheRealThing) {
  World world;
  world.apply(kWeb);
  world.patch("Gadget/web", R"({"metadata":{"annotations":{"gantry.dev/deletion-policy":"Retain"}}})");
  world.settle();
  world.remove("Gadget/web");
  world.settle();
  EXPECT_FALSE(world.find("Gadget/web"));
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
}

// Said and deleted in one breath: what it owns goes after it, and must not take its real things along.
TEST(Controller, RetainHoldsForWhatAnObjectOwnsHoweverItIsDeleted) {
  for (const std::string propagation : {"Background", "Foreground"}) {
    World world;
    world.apply(kWeb);
    world.settle();
    json::Value owned = json::parse(R"({"apiVersion":"test.gantry.dev/v1","kind":"Gadget","metadata":{"name":"child"},
                                        "spec":{"size":1}})");
    json::Value owner = world.find("Gadget/web")->decode();
    owned["apiVersion"] = *owner.find("apiVersion");
    owned["metadata"]["ownerReferences"] = json::Array{json::Object{{"apiVersion", *owner.find("apiVersion")},
                                                                    {"kind", "Gadget"},
                                                                    {"name", "web"},
                                                                    {"blockOwnerDeletion", true},
                                                                    {"uid", world.find("Gadget/web")->meta().uid}}};
    world.apply_object(owned);
    world.settle();
    const auto before = world.cloud.names();
    world.patch("Gadget/web", R"({"metadata":{"annotations":{"gantry.dev/deletion-policy":"Retain"}}})");
    world.remove("Gadget/web", propagation);
    world.settle();
    EXPECT_FALSE(world.find("Gadget/web")) << propagation;
    EXPECT_FALSE(world.find("Gadget/child")) << propagation;
    EXPECT_EQ(world.cloud.names(), before) << propagation;
  }
}

TEST(Controller, AnswersARequestToReconcileNow) {
  World world;
  world.apply(kWeb);
  world.settle();
  world.cloud.gadgets.clear();
  world.patch("Gadget/web", R"({"metadata":{"annotations":{"gantry.dev/reconcile-at":"now-1"}}})");
  world.settle();
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
  EXPECT_EQ(world.get("Gadget/web").at({"status", "lastHandledReconcileAt"})->as_string(), "now-1");
}

TEST(Controller, ReadOnlyPlansAndTouchesNothing) {
  WorldOptions options;
  options.plane.read_only = true;
  World world(options);
  world.apply(kWeb);
  world.settle();
  EXPECT_EQ(world.cloud.mutations, 0u);
  EXPECT_THAT(finalizers(world, "Gadget/web"), IsEmpty());
  EXPECT_EQ(world.reason("Gadget/web", "Synced"), "ReadOnly");
}

TEST(Controller, AFailureIsToldAndTriedAgainWithGrowingPauses) {
  World world;
  int tries = 0;
  world.process().gadgets->before_act = [&](const Subject&, const Action&) -> Task<> {
    ++tries;
    throw Error(ErrorCode::Unavailable, "the cloud is on fire");
    co_return;
  };
  world.apply(kWeb);
  world.settle();
  EXPECT_EQ(world.condition("Gadget/web", "Synced"), "False");
  EXPECT_EQ(world.reason("Gadget/web", "Synced"), "ServiceUnavailable");
  EXPECT_EQ(world.message("Gadget/web", "Synced"), "the cloud is on fire");
  EXPECT_EQ(world.condition("Gadget/web", "Ready"), "Unknown");
  world.advance(1h);
  EXPECT_GE(tries, 12 + 10);
  EXPECT_LE(tries, 200);
  const auto events = world.events("ServiceUnavailable");
  ASSERT_EQ(events.size(), 1u) << "the same news is one Event";
  EXPECT_EQ(events[0].int_or("count", 0), tries);
  EXPECT_EQ(events[0].string_or("type"), "Warning");

  world.process().gadgets->before_act = {};
  world.advance(6min);
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
  EXPECT_EQ(world.condition("Gadget/web", "Synced"), "True");
}

TEST(Controller, WhatCannotWorkIsNotTriedOverAndOver) {
  World world;
  int tries = 0;
  world.process().gadgets->before_act = [&](const Subject&, const Action&) -> Task<> {
    ++tries;
    throw Error(ErrorCode::Invalid, "there is no such size");
    co_return;
  };
  world.apply(kWeb);
  world.advance(4min);
  EXPECT_EQ(tries, 1);
  world.process().gadgets->before_act = {};
  world.patch("Gadget/web", R"({"spec":{"size":4}})");
  world.settle();
  EXPECT_EQ(world.condition("Gadget/web", "Ready"), "True") << "a change is tried at once";
}

TEST(Controller, ComesBackNoSoonerThanItWasAskedTo) {
  World world;
  std::vector<Instant> tries;
  world.process().gadgets->before_act = [&](const Subject&, const Action&) -> Task<> {
    tries.push_back(world.clock.now());
    if (tries.size() > 1) co_return;
    Error error(ErrorCode::RateLimited, "slow down");
    error.retry_after = 90s;
    throw error;
  };
  world.apply(kWeb);
  world.advance(3min);
  ASSERT_GE(tries.size(), 2u);
  EXPECT_GE(tries[1] - tries[0], 90s);
  EXPECT_EQ(world.condition("Gadget/web", "Ready"), "True");
}

TEST(Controller, DeletionsDoNotWaitBehindCreatesThatHang) {
  World world;
  Signal forever(world.reactor);
  world.apply(kWeb);
  world.settle();
  world.process().gadgets->before_act = [&](const Subject&, const Action& action) -> Task<> {
    if (action.verb == Action::Verb::Create) co_await forever.wait();
  };
  for (int i = 0; i < 200; ++i) {
    world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: stuck" + std::to_string(i) + "}}");
  }
  world.settle();
  world.remove("Gadget/web");
  world.settle();
  EXPECT_FALSE(world.find("Gadget/web"));
  forever.notify_all();
  world.settle();
}

TEST(Controller, AnAttemptThatHangsKeepsItsObjectButNotItsWorker) {
  WorldOptions options;
  options.gadgets.workers = 2;
  World world(options);
  Signal forever(world.reactor);
  world.process().gadgets->before_act = [&](const Subject& subject, const Action&) -> Task<> {
    if (subject.key().name.starts_with("stuck")) co_await forever.wait();
  };
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: stuck1}}");
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: stuck2}}");
  world.settle();
  world.apply(kWeb);
  world.advance(1min);
  EXPECT_THAT(world.cloud.names(), IsEmpty()) << "both workers wait";
  world.advance(2min);
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
  EXPECT_EQ(world.reason("Gadget/stuck1", "Synced"), "Timeout");
  world.patch("Gadget/stuck1", R"({"spec":{"size":2}})");
  world.advance(1min);
  world.process().gadgets->before_act = {};
  forever.notify_all();
  world.settle();
  EXPECT_THAT(world.cloud.names(), ElementsAre("stuck1/0=2", "stuck2/0=1", "web/0=3", "web/1=3"));
  EXPECT_EQ(world.condition("Gadget/stuck1", "Synced"), "True");
}

TEST(Controller, NeverRunsTwiceForOneObjectAtOnce) {
  World world;
  std::map<std::string, int> inside;
  int most = 0;
  world.process().gadgets->before_act = [&](const Subject& subject, const Action&) -> Task<> {
    most = std::max(most, ++inside[subject.key().name]);
    co_await sleep_for(world.reactor, 10ms);
    --inside[subject.key().name];
  };
  world.apply(kWeb);
  for (int i = 0; i < 50; ++i) {
    world.patch("Gadget/web", R"({"spec":{"size":)" + std::to_string(10 + i) + "}}");
    world.advance(3ms);
  }
  world.advance(1min);
  EXPECT_EQ(most, 1);
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=59", "web/1=59"));
}

TEST(Controller, ManyStepsAreDoneInTurnsSoThatOthersHaveTheirs) {
  World world;
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: big}, spec: {parts: 100}}");
  world.apply(kWeb);
  world.settle();
  EXPECT_EQ(world.cloud.gadgets.size(), 102u);
  EXPECT_EQ(world.condition("Gadget/big", "Synced"), "True");
}

TEST(Controller, AStepThatNeverShowsIsNotRepeatedForEver) {
  World world;
  int acts = 0;
  world.process().gadgets->before_act = [&](const Subject&, const Action&) -> Task<> {
    ++acts;
    world.cloud.gadgets.clear();  // somebody else takes away what we make
    co_return;
  };
  world.process().gadgets->before_observe = [&](const Subject&) { world.cloud.gadgets.clear(); };
  world.apply(kWeb);
  world.settle();
  EXPECT_EQ(acts, 3);
  EXPECT_THAT(world.message("Gadget/web", "Synced"), HasSubstr("still does not show"));
}

TEST(Controller, AKindThatNobodyServesYetSaysSo) {
  World world;
  world.apply("{apiVersion: gantry.dev/v1alpha1, kind: Provider, metadata: {name: hetzner}, spec: {type: hetzner}}");
  world.settle();
  EXPECT_EQ(world.condition("Provider/hetzner", "Ready"), "Unknown");
  EXPECT_EQ(world.reason("Provider/hetzner", "Ready"), "NoReconciler");
  world.remove("Provider/hetzner");
  world.settle();
  EXPECT_FALSE(world.find("Provider/hetzner"));
}

TEST(Controller, EachStepIsAnEvent) {
  World world;
  world.apply(kWeb);
  world.settle();
  EXPECT_EQ(world.events("Created").size(), 2u);
  const json::Value event = world.events("Created")[0];
  EXPECT_EQ(event.at({"involvedObject", "kind"})->as_string(), "Gadget");
  EXPECT_EQ(event.at({"involvedObject", "uid"})->as_string(), world.find("Gadget/web")->meta().uid);
}

}  // namespace
}  // namespace gantry::runtime
