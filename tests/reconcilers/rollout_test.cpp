// Goal: the rollout's rules hold in every state it can be in. Method: tables of states, and a random walk in which
// instances start, become ready, fail and exit in any order while the invariants are checked at every step.
#include "reconcilers/app/rollout.hpp"

#include <gmock/gmock.h>

#include <random>

namespace gantry::reconcilers::app {
namespace {

using namespace std::chrono_literals;
using Phase = Replica::Phase;
using What = RolloutStep::What;
using testing::ElementsAre;
using testing::IsEmpty;

const Instant kNow{1h};

Replica replica(std::string release, int slot, Phase phase, int attempt = 1) {
  return {release + "-" + std::to_string(slot) + "-" + std::to_string(attempt), release, slot, attempt, phase, {}};
}

std::vector<std::string> words(const RolloutDecision& decision) {
  std::vector<std::string> out;
  for (const auto& step : decision.steps) {
    if (step.what == What::Start)
      out.push_back("start " + std::to_string(step.slot) + "/" + std::to_string(step.attempt));
    if (step.what == What::Stop) out.push_back("stop " + step.id);
    if (step.what == What::Forget) out.push_back("forget " + step.id);
  }
  return out;
}

TEST(Rollout, StartsEveryReplicaOfAFirstReleaseAtOnce) {
  EXPECT_THAT(words(next_steps({.release = "a", .replicas = 2}, {}, kNow)), ElementsAre("start 0/1", "start 1/1"));
}

TEST(Rollout, IsCompleteAndQuietWhenAllReplicasAreReady) {
  const auto decision =
      next_steps({.release = "a", .replicas = 2}, {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready)}, kNow);
  EXPECT_TRUE(decision.complete);
  EXPECT_THAT(decision.steps, IsEmpty());
}

// A start whose answer was lost, and another try since.
TEST(Rollout, OfTwoThatRunInOneSlotOneIsStoppedOnceTheOtherIsReady) {
  const RolloutTarget target{.release = "a", .replicas = 1};
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Ready, 1), replica("a", 0, Phase::Starting, 2)}, kNow)),
              IsEmpty())
      << "the one that serves goes on until then";
  const auto decision = next_steps(target, {replica("a", 0, Phase::Ready, 1), replica("a", 0, Phase::Ready, 2)}, kNow);
  EXPECT_THAT(words(decision), ElementsAre("stop a-0-1"));
  EXPECT_THAT(decision.serve, ElementsAre("a-0-2"));
  EXPECT_EQ(decision.ready, 1);
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Ready, 1), replica("a", 0, Phase::Exited, 2)}, kNow)),
              IsEmpty())
      << "what lives fills the slot";
}

TEST(Rollout, StartsOneNewBesideTheOldAndStopsNoneBeforeItIsReady) {
  const RolloutTarget target{.release = "b", .replicas = 2};
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready)}, kNow)),
              ElementsAre("start 0/1"));
  EXPECT_THAT(
      words(next_steps(target,
                       {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready), replica("b", 0, Phase::Starting)},
                       kNow)),
      IsEmpty());
}

TEST(Rollout, TheRoomOfOneThatItsHostDoesNotAnswerForGoesToAnother) {
  const RolloutTarget target{.release = "b", .replicas = 2};
  auto asked = replica("b", 0, Phase::Starting);
  const std::vector<Replica> old{replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready)};
  EXPECT_THAT(words(next_steps(target, {old[0], old[1], asked}, kNow)), IsEmpty());
  asked.stalled = true;
  EXPECT_THAT(words(next_steps(target, {old[0], old[1], asked}, kNow)), ElementsAre("start 1/1"));
  auto another = replica("b", 1, Phase::Starting);
  another.stalled = true;
  const auto both = next_steps({.release = "b", .replicas = 3},
                               {old[0], old[1], replica("a", 2, Phase::Ready), asked, another}, kNow);
  EXPECT_THAT(words(both), IsEmpty()) << "for no more than may surge";
}

TEST(Rollout, ASlotThatCouldNotBeStartedWaitsBehindThoseThatWereNotTried) {
  const RolloutTarget target{.release = "b", .replicas = 2};
  const Replica failed{"", "b", 0, 1, Phase::Exited, {}};
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready), failed}, kNow)),
              ElementsAre("start 1/1"));
}

TEST(Rollout, ASlotWhoseServerIsBusyTakesNoRoom) {
  EXPECT_THAT(words(next_steps({.release = "b", .replicas = 2, .busy = {0}},
                               {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready)}, kNow)),
              ElementsAre("start 1/1"));
}

TEST(Rollout, StopsOneOldForEachNewThatIsReady) {
  const auto decision =
      next_steps({.release = "b", .replicas = 2},
                 {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready), replica("b", 0, Phase::Ready)}, kNow);
  EXPECT_THAT(words(decision), ElementsAre("stop a-1-1"));
}

TEST(Rollout, LeavesTheOldReleaseServingWhileTheNewOneCrashes) {
  auto crashed = replica("b", 0, Phase::Exited, 3);
  crashed.retry_at = kNow + 4s;
  const auto decision = next_steps({.release = "b", .replicas = 2},
                                   {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready), crashed}, kNow);
  // The other slot gets its try; nothing old is stopped.
  EXPECT_THAT(words(decision), ElementsAre("start 1/1"));
  EXPECT_EQ(decision.wake_at, kNow + 4s);
}

TEST(Rollout, RecreateStopsTheOldFirst) {
  const RolloutTarget target{.release = "b", .replicas = 1, .recreate = true};
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Ready)}, kNow)), ElementsAre("stop a-0-1"));
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Stopping)}, kNow)), IsEmpty());
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Exited)}, kNow)), ElementsAre("start 0/1"));
}

TEST(Rollout, StartsAKilledReplicaAgainAsTheNextTry) {
  EXPECT_THAT(words(next_steps({.release = "a", .replicas = 2},
                               {replica("a", 0, Phase::Exited), replica("a", 1, Phase::Ready)}, kNow)),
              ElementsAre("start 0/2"));
}

TEST(Rollout, EndsASickReplica) {
  EXPECT_THAT(words(next_steps({.release = "a", .replicas = 1}, {replica("a", 0, Phase::Sick)}, kNow)),
              ElementsAre("stop a-0-1"));
}

TEST(Rollout, ScalesDownFromTheHighestSlot) {
  EXPECT_THAT(words(next_steps({.release = "a", .replicas = 1},
                               {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready)}, kNow)),
              ElementsAre("stop a-1-1"));
}

TEST(Rollout, KeepsTheNewestTryThatEndedAlsoBesideItsSuccessorAndForgetsTheRest) {
  const RolloutTarget target{.release = "a", .replicas = 1};
  EXPECT_THAT(words(next_steps(target,
                               {replica("a", 0, Phase::Exited, 9), replica("a", 0, Phase::Exited, 10),
                                replica("a", 0, Phase::Ready, 11)},
                               kNow)),
              ElementsAre("forget a-0-9"));
  Replica not_started = replica("a", 0, Phase::Exited, 11);
  not_started.id.clear();
  not_started.retry_at = kNow + 1min;
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Exited, 10), not_started}, kNow)), IsEmpty())
      << "one that could not be started has nothing to tell";
}

Replica routed(Replica replica, int in_flight = 0) {
  replica.serving = true;
  replica.in_flight = in_flight;
  return replica;
}
Replica draining(Replica replica, int in_flight, Duration since) {
  replica.in_flight = in_flight;
  replica.draining = since;
  return replica;
}
const RolloutTarget kRouted{.release = "b", .replicas = 1, .routed = true, .drain = 30s};

TEST(RoutedRollout, TakesTheOldOffTheRoutesFirstAndStopsItWhenItsLastRequestIsOver) {
  const auto fresh = replica("b", 0, Phase::Ready);
  auto decision = next_steps(kRouted, {routed(replica("a", 0, Phase::Ready), 3), fresh}, kNow);
  EXPECT_THAT(words(decision), IsEmpty()) << "requests may still come to it";
  EXPECT_THAT(decision.serve, ElementsAre("b-0-1"));
  EXPECT_EQ(decision.draining, 1);
  decision = next_steps(kRouted, {draining(replica("a", 0, Phase::Ready), 3, 2s), routed(fresh)}, kNow);
  EXPECT_THAT(words(decision), IsEmpty());
  EXPECT_TRUE(decision.wake_at);
  decision = next_steps(kRouted, {replica("a", 0, Phase::Ready), routed(fresh)}, kNow);
  EXPECT_THAT(words(decision), ElementsAre("stop a-0-1"));
  decision = next_steps(kRouted, {draining(replica("a", 0, Phase::Ready), 1, 31s), routed(fresh)}, kNow);
  EXPECT_THAT(words(decision), ElementsAre("stop a-0-1")) << "its time to drain is over";
}

TEST(RoutedRollout, OneThatIsDrainingStaysTheOneToGo) {
  const RolloutTarget target{.release = "b", .replicas = 2, .routed = true};
  const auto decision = next_steps(target,
                                   {draining(replica("a", 0, Phase::Ready), 1, 1s),
                                    routed(replica("a", 1, Phase::Ready)), routed(replica("b", 0, Phase::Ready))},
                                   kNow);
  EXPECT_THAT(decision.serve, ElementsAre("b-0-1", "a-1-1"));
}

TEST(RoutedRollout, WhoeverServedGoesOnServingUntilAFirstAnswerIsThere) {
  auto restarted = routed(replica("a", 0, Phase::Starting));
  restarted.unknown = true;
  auto decision = next_steps({.release = "a", .replicas = 1, .routed = true}, {restarted}, kNow);
  EXPECT_THAT(decision.serve, ElementsAre("a-0-1"));
  EXPECT_THAT(words(decision), IsEmpty());
  restarted.unknown = false;
  decision = next_steps({.release = "a", .replicas = 1, .routed = true}, {restarted}, kNow);
  EXPECT_THAT(decision.serve, IsEmpty());
}

TEST(BlueGreen, StartsAllBesideTheOldAndMovesTheRoutesAtOnce) {
  const RolloutTarget target{.release = "b", .replicas = 2, .blue_green = true, .routed = true};
  const auto a0 = routed(replica("a", 0, Phase::Ready));
  const auto a1 = routed(replica("a", 1, Phase::Ready));
  auto decision = next_steps(target, {a0, a1}, kNow);
  EXPECT_THAT(words(decision), ElementsAre("start 0/1", "start 1/1"));
  decision = next_steps(target, {a0, a1, replica("b", 0, Phase::Ready), replica("b", 1, Phase::Starting)}, kNow);
  EXPECT_THAT(decision.serve, ElementsAre("a-0-1", "a-1-1")) << "half a release serves nobody";
  EXPECT_THAT(words(decision), IsEmpty());
  decision = next_steps(target, {a0, a1, replica("b", 0, Phase::Ready), replica("b", 1, Phase::Ready)}, kNow);
  EXPECT_THAT(decision.serve, ElementsAre("b-0-1", "b-1-1"));
  EXPECT_THAT(words(decision), IsEmpty());
  decision = next_steps(target,
                        {replica("a", 0, Phase::Ready), replica("a", 1, Phase::Ready),
                         routed(replica("b", 0, Phase::Ready)), routed(replica("b", 1, Phase::Ready))},
                        kNow);
  EXPECT_THAT(words(decision), testing::UnorderedElementsAre("stop a-0-1", "stop a-1-1"));
}

TEST(BlueGreen, ANewReleaseThatFailsIsNeverServed) {
  const RolloutTarget target{.release = "b", .replicas = 2, .blue_green = true, .routed = true};
  const auto decision = next_steps(target,
                                   {routed(replica("a", 0, Phase::Ready)), routed(replica("a", 1, Phase::Ready)),
                                    replica("b", 0, Phase::Ready), replica("b", 1, Phase::Sick)},
                                   kNow);
  EXPECT_THAT(decision.serve, ElementsAre("a-0-1", "a-1-1"));
  EXPECT_THAT(words(decision), ElementsAre("stop b-1-1"));
}

TEST(CrashCount, FirstFailureIsRetriedAtOnceThenBacksOff) {
  CrashCount count;
  count.failed(10ms);
  EXPECT_EQ(count.delay(), 0s);
  count.failed(10ms);
  EXPECT_EQ(count.delay(), 500ms);
  count.failed(10ms);
  EXPECT_EQ(count.delay(), 1s);
  for (int i = 0; i < 40; ++i) count.failed(10ms);
  EXPECT_EQ(count.delay(), 5min);
  count.failed(1min);
  EXPECT_EQ(count.delay(), 0s);
}

// A host that does what it is told, slowly and in any order.
struct Walk {
  std::mt19937_64 chance;
  std::vector<Replica> replicas;
  RolloutTarget target{.release = "a", .replicas = 3};

  int ready() const {
    return static_cast<int>(
        std::count_if(replicas.begin(), replicas.end(), [](const auto& r) { return r.phase == Phase::Ready; }));
  }

  void obey(const RolloutStep& step) {
    if (step.what == What::Start) {
      replicas.push_back(replica(target.release, step.slot, Phase::Starting, step.attempt));
      return;
    }
    const auto at = std::find_if(replicas.begin(), replicas.end(), [&](const auto& r) { return r.id == step.id; });
    ASSERT_NE(at, replicas.end());
    if (step.what == What::Forget) {
      ASSERT_FALSE(at->alive()) << "a living instance was forgotten";
      replicas.erase(at);
    } else {
      at->phase = Phase::Stopping;
    }
  }

  // The routes follow what was decided; requests come to whom they lead, and end.
  void route(const std::vector<std::string>& serve) {
    for (auto& one : replicas) {
      const bool now = std::find(serve.begin(), serve.end(), one.id) != serve.end();
      if (one.serving && !now) one.draining = 1s;
      one.serving = now;
      if (now) one.in_flight += chance() % 3 == 0 ? 1 : 0;
      if (one.in_flight > 0 && chance() % 2 == 0) --one.in_flight;
    }
  }

  void something_happens() {
    if (replicas.empty()) return;
    auto& one = replicas[chance() % replicas.size()];
    if (one.phase == Phase::Starting) one.phase = chance() % 4 == 0 ? Phase::Exited : Phase::Ready;
    if (one.phase == Phase::Stopping) one.phase = Phase::Exited;
  }
};

TEST(Rollout, KeepsItsPromisesOnEveryRandomWalk) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 seeds(seed);
  for (int walk = 0; walk < 300; ++walk) {
    Walk world{std::mt19937_64(seeds()), {}, {.release = "a", .replicas = 3}};
    bool was_full = false;
    for (int turn = 0; turn < 400; ++turn) {
      if (turn == 100) world.target.release = "b";
      const auto decision = next_steps(world.target, world.replicas, kNow);
      for (const auto& step : decision.steps) {
        const int before = world.ready();
        world.obey(step);
        if (was_full)
          ASSERT_GE(world.ready(), std::min(before, world.target.replicas))
              << "a stop took the service below what was asked";
      }
      const auto alive =
          std::count_if(world.replicas.begin(), world.replicas.end(), [](const auto& r) { return r.alive(); });
      ASSERT_LE(alive, world.target.replicas + world.target.surge_max);
      was_full = was_full || world.ready() >= world.target.replicas;
      world.something_happens();
    }
    for (int turn = 0; turn < 2000 && !next_steps(world.target, world.replicas, kNow).complete; ++turn) {
      for (const auto& step : next_steps(world.target, world.replicas, kNow).steps) world.obey(step);
      world.something_happens();
    }
    ASSERT_TRUE(next_steps(world.target, world.replicas, kNow).complete)
        << "the walk did not end in a complete rollout";
  }
}

TEST(RoutedRollout, NeverStopsAnInstanceUnderARequestNorLeavesNobodyServing) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 seeds(seed);
  for (int walk = 0; walk < 300; ++walk) {
    Walk world{std::mt19937_64(seeds()), {}, {.release = "a", .replicas = 3, .routed = true}};
    world.target.blue_green = walk % 2 == 0;
    bool served = false;
    for (int turn = 0; turn < 600; ++turn) {
      if (turn % 150 == 149) world.target.release += "b";
      const auto decision = next_steps(world.target, world.replicas, kNow);
      if (served) ASSERT_FALSE(decision.serve.empty()) << "turn " << turn;
      served = served || decision.serve.size() == 3;
      for (const auto& step : decision.steps) {
        const auto at =
            std::find_if(world.replicas.begin(), world.replicas.end(), [&](const auto& r) { return r.id == step.id; });
        if (step.what == What::Stop && at->phase == Phase::Ready) {
          ASSERT_FALSE(at->serving) << step.id;
          ASSERT_EQ(at->in_flight, 0) << step.id;
        }
        world.obey(step);
      }
      world.route(next_steps(world.target, world.replicas, kNow).serve);
      world.something_happens();
    }
  }
}

TEST(Rollout, ReplacesAFewAtATimeWhenManyAreSickAtOnce) {
  const RolloutTarget target{.release = "a", .replicas = 4};
  const auto sick = [](int slot) { return replica("a", slot, Phase::Sick); };
  EXPECT_THAT(
      words(next_steps(target, {sick(0), sick(1), replica("a", 2, Phase::Ready), replica("a", 3, Phase::Ready)}, kNow)),
      ElementsAre("stop a-0-1", "stop a-1-1"))
      << "half of them may be their own fault";
  const auto all = next_steps(target, {sick(0), sick(1), sick(2), sick(3)}, kNow);
  EXPECT_THAT(words(all), ElementsAre("stop a-0-1"));
  EXPECT_EQ(all.braked, 3);
  EXPECT_THAT(words(next_steps(target, {replica("a", 0, Phase::Starting, 2), sick(1), sick(2), sick(3)}, kNow)),
              IsEmpty())
      << "the next when this one is ready";
  EXPECT_THAT(words(next_steps({.release = "a", .replicas = 1}, {sick(0)}, kNow)), ElementsAre("stop a-0-1"));
}

TEST(FailureLadder, RestartsThenMakesAnewThenCallsSomebody) {
  using Rung = FailureLadder::Rung;
  FailureLadder ladder;
  std::vector<Rung> rungs;
  for (int i = 0; i < 6; ++i) {
    ladder.failed(1min);
    rungs.push_back(ladder.rung());
  }
  EXPECT_THAT(rungs,
              ElementsAre(Rung::Restart, Rung::Restart, Rung::Recreate, Rung::Recreate, Rung::Alarm, Rung::Alarm));
  ladder.failed(11min);
  EXPECT_EQ(ladder.rung(), Rung::Restart);
}

}  // namespace
}  // namespace gantry::reconcilers::app
