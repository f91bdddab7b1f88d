// Goal: as many instances as the load needs, soon when it rises and late when it falls; and nobody else's wish counts.
#include "reconcilers/app/scaling.hpp"

#include "tests/reconcilers/app_world.hpp"

namespace gantry::reconcilers::app {
namespace {

using Resource = Scaling::Metric::Resource;
using testing::HasSubstr;
using testing::SizeIs;

const Instant kNow{1h};

Scaling cpu_of(int target, int least = 1, int most = 10) {
  return {.least = least, .most = most, .metrics = {{Resource::Cpu, target}}};
}

TEST(Scaling, AsksForAsManyAsWouldUseTheirTarget) {
  struct Case {
    double used;
    int before, after;
  };
  for (const Case& one : {Case{70, 4, 4}, Case{75, 4, 4}, Case{64, 4, 4}, Case{90, 4, 6}, Case{140, 4, 8},
                          Case{700, 4, 8}, Case{700, 6, 10}, Case{300, 1, 2}}) {
    ScalingState state;
    EXPECT_EQ(decide(cpu_of(70), one.before, {.cpu = one.used, .memory = {}}, state, kNow).replicas, one.after)
        << one.used << " % with " << one.before;
  }
}

TEST(Scaling, TheMetricThatAsksForMostDecides) {
  ScalingState state;
  Scaling both = cpu_of(70);
  both.metrics.push_back({Resource::Memory, 80});
  const auto decision = decide(both, 4, {.cpu = 10, .memory = 120}, state, kNow);
  EXPECT_EQ(decision.replicas, 6);
  EXPECT_EQ(decision.reason, "memory at 120 %, its target is 80 %");
  EXPECT_FALSE(decide(cpu_of(70), 4, {.cpu = {}, .memory = 120}, state, kNow).known);
}

TEST(Scaling, GoesUpAfterItsCoolDownAndDownOnlyWhenFewerWereEnoughAllTheTime) {
  ScalingState state;
  const Scaling scaling = cpu_of(50);
  EXPECT_EQ(decide(scaling, 2, {.cpu = 100, .memory = {}}, state, kNow).replicas, 4);
  EXPECT_EQ(decide(scaling, 4, {.cpu = 100, .memory = {}}, state, kNow + 10s).replicas, 4) << "too soon";
  EXPECT_EQ(decide(scaling, 4, {.cpu = 100, .memory = {}}, state, kNow + 30s).replicas, 8);
  Instant now = kNow + 40s;
  int replicas = 8;
  for (; now < kNow + 5min; now += 10s) {
    replicas = decide(scaling, replicas, {.cpu = 5, .memory = {}}, state, now).replicas;
    ASSERT_EQ(replicas, 8) << "eight were asked for within five minutes";
  }
  for (; now < kNow + 6min; now += 10s)
    replicas = decide(scaling, replicas, {.cpu = 5, .memory = {}}, state, now).replicas;
  EXPECT_EQ(replicas, 1);
}

class ScaledApp : public AppWorld {
 protected:
  std::string scaled(int replicas) const {
    return hello("/one", replicas) +
           "  resources: {cpu: 500m, memory: 1Gi}\n  scaling: {minReplicas: 2, maxReplicas: 6, metrics: [{resource: "
           "cpu, "
           "averageUtilization: 50}]}\n";
  }
};

TEST_F(ScaledApp, FollowsItsLoadAndNoManifestFightsIt) {
  world.apply(scaled(1));
  until_ready(world);
  world.advance(30s);
  EXPECT_EQ(machine.alive(), 2U) << "never fewer than minReplicas";
  machine.cores = 0.5;  // all that each may have
  world.advance(15s);
  EXPECT_EQ(machine.alive(), 4U) << world.message("App/hello", "ScalingActive");
  world.advance(60s);
  EXPECT_EQ(machine.alive(), 6U);
  world.advance(5min);
  EXPECT_EQ(machine.alive(), 6U) << "never more than maxReplicas";
  EXPECT_EQ(world.condition("App/hello", "ScalingActive"), "True");
  world.apply(scaled(3));
  world.advance(1min);
  EXPECT_EQ(machine.alive(), 6U) << "the scaler owns the count";
  world.restart();
  world.advance(2min);
  EXPECT_EQ(machine.alive(), 6U) << "and knows it again";
  machine.cores = 0.01;
  world.advance(2min);
  EXPECT_EQ(machine.alive(), 6U) << "not down at once";
  world.advance(6min);
  EXPECT_EQ(machine.alive(), 2U);
  EXPECT_EQ(world.get("App/hello").at({"status", "scaling"})->int_or("desiredReplicas", 0), 2);
  EXPECT_THAT(world.events("Scaled"), SizeIs(testing::Ge(3U)));
  const auto revision = world.store().revision();
  world.advance(20min);
  EXPECT_EQ(world.store().revision(), revision) << "measuring writes nothing";
}

TEST_F(ScaledApp, WithoutALimitThereIsNoPercentageAndItSaysSo) {
  world.apply(hello("/one", 1) + "  scaling: {maxReplicas: 6, metrics: [{resource: cpu, averageUtilization: 50}]}\n");
  until_ready(world);
  world.advance(1min);
  EXPECT_EQ(world.reason("App/hello", "ScalingActive"), "LimitMissing");
  EXPECT_THAT(world.message("App/hello", "ScalingActive"), HasSubstr("spec.resources.cpu"));
  EXPECT_EQ(machine.alive(), 1U);
}

}  // namespace
}  // namespace gantry::reconcilers::app
