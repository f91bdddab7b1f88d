// Two controllers on one store: one acts. The other takes over when the first falls silent, and the first can then
// write nothing, even if it still believes that it leads.
#include "controller/runtime/lease.hpp"

#include <gmock/gmock.h>

#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using world::World;
using world::WorldOptions;

PlaneOptions electing(const std::string& identity, bool* lost = nullptr) {
  PlaneOptions options;
  options.election = LeaseOptions{.identity = identity};
  options.on_lost = [lost] {
    if (lost) *lost = true;
  };
  return options;
}

std::string holder(World& world) {
  return world.get("Lease/kube-system/gantry-controller").at({"spec", "holderIdentity"})->as_string();
}
std::int64_t epoch(World& world) {
  return world.get("Lease/kube-system/gantry-controller").at({"spec", "leaseTransitions"})->as_int();
}

class LeaseTest : public ::testing::Test {
 protected:
  LeaseTest() : world(options(&first_lost)) {
    world.advance(5s);
    second = &world.add_process(electing("second", &second_lost));
    world.advance(5s);
  }
  static WorldOptions options(bool* lost) {
    WorldOptions made;
    made.plane = electing("first", lost);
    return made;
  }

  // Time passes, and nobody starts another controller.
  void only_time(Duration duration) {
    world.clock.advance(duration, [this] {
      while (world.reactor.poll() > 0) {
      }
    });
  }
  Task<bool> stop_first() { return world.plane().stop(); }

  bool first_lost = false;
  bool second_lost = false;
  World world;
  world::Process* second = nullptr;
};

TEST_F(LeaseTest, OneLeadsAndTheOtherStandsBy) {
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: web}}");
  world.advance(1h);
  EXPECT_EQ(holder(world), "first");
  EXPECT_EQ(epoch(world), 1);
  EXPECT_EQ(world.cloud.log.size(), 1u);
  EXPECT_TRUE(second->plane->synced()) << "its caches are warm";
  EXPECT_FALSE(first_lost);
}

TEST_F(LeaseTest, TheOtherTakesOverWhenTheFirstFallsSilent) {
  world.process().line.cut();
  only_time(14s);
  EXPECT_EQ(holder(world), "first");
  only_time(6s);
  EXPECT_EQ(holder(world), "second");
  EXPECT_EQ(epoch(world), 2);
}

TEST_F(LeaseTest, APausedLeaderWakesUpAndCanWriteNothing) {
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: web}, spec: {size: 1}}");
  world.advance(5s);
  // The leader is in the middle of an attempt, and is stopped there (SIGSTOP) for longer than its lease.
  Signal paused(world.reactor);
  world.process().gadgets->before_act = [&](const Subject&, const Action&) -> Task<> { co_await paused.wait(); };
  auto refuse = true;
  world.faults.chance = [&](std::size_t, const std::string& name) -> std::optional<world::Fault::How> {
    const bool lease = name.starts_with("find leases") || name.starts_with("update leases");
    return refuse && lease ? std::optional(world::Fault::How::Refused) : std::nullopt;
  };
  world.patch("Gadget/web", R"({"spec":{"size":2}})");
  world.advance(20s);
  refuse = false;
  world.advance(30s);
  EXPECT_EQ(holder(world), "second");
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=2"));
  EXPECT_TRUE(first_lost);

  // It wakes up: whatever it writes now is refused.
  const Leadership& old = world.plane().leadership();
  ASSERT_EQ(old.fence->epoch, 1);
  EXPECT_FALSE(old.may_act(world.clock.now()));
  api::WriteOptions fenced;
  fenced.fence = old.fence;
  EXPECT_THROW(world.run(world.user().patch_status(world.key("Gadget/web"), api::PatchType::Merge,
                                                   json::parse(R"({"status":{"x":1}})"), fenced)),
               Error);
  api::Preconditions exactly;
  exactly.fence = old.fence;
  EXPECT_THROW(world.run(world.user().remove(world.key("Gadget/web"), exactly)), Error);
  EXPECT_TRUE(world.find("Gadget/web"));
  EXPECT_FALSE(world.find("Gadget/web")->meta().deleting);
  EXPECT_EQ(world.store().count(world.key("Gadget/web").resource), 1u);
  paused.notify_all();
  world.advance(1min);
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=2"));
}

TEST_F(LeaseTest, WhoStopsGivesTheLeaseBackSoThatNobodyWaits) {
  EXPECT_TRUE(world.run(stop_first()));
  world.advance(3s);
  EXPECT_EQ(holder(world), "second");
}

TEST(Lease, ALostAnswerToTakingItIsNotAnotherHolder) {
  WorldOptions options;
  options.plane = electing("only");
  options.start = false;
  World world(options);
  world.faults.only = "create leases";
  world.faults.fault = world::Fault{1, world::Fault::How::Lost};
  world.restart();
  world.advance(10s);
  EXPECT_EQ(holder(world), "only");
  EXPECT_EQ(epoch(world), 1);
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: web}}");
  world.advance(5s);
  EXPECT_THAT(world.cloud.names(), ElementsAre("web/0=1"));
}

}  // namespace
}  // namespace gantry::runtime
