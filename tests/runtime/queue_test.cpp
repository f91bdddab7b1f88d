#include "controller/runtime/queue.hpp"

#include <gmock/gmock.h>

#include <map>

#include "controller/base/random.hpp"
#include "tests/world/manual_clock.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using object::Key;

Key app(const std::string& name) { return {object::Resource::of("gantry.dev", "apps"), "prod", name}; }

class QueueTest : public ::testing::Test {
 protected:
  std::string take(WorkerKind kind = WorkerKind::General) {
    Queue::Item* item = queue.take(kind);
    if (!item) return "";
    held[Queue::key_of(item).name] = item;
    return Queue::key_of(item).name;
  }
  std::string take_and_finish(WorkerKind kind = WorkerKind::General) {
    std::string name = take(kind);
    if (!name.empty()) finish(name);
    return name;
  }
  void finish(const std::string& name) {
    queue.done(held.at(name));
    held.erase(name);
  }
  void advance(Duration duration) {
    clock.advance(duration, [this] {
      while (reactor.poll() > 0) {
      }
    });
  }

  world::ManualClock clock;
  Reactor reactor{"test", clock};
  Queue queue{reactor, "test"};
  std::map<std::string, Queue::Item*> held;
};

TEST_F(QueueTest, HandsOutInTheOrderOfArrival) {
  for (const char* name : {"a", "b", "c"}) queue.add(app(name));
  EXPECT_EQ(take(), "a");
  EXPECT_EQ(take(), "b");
  EXPECT_EQ(take(), "c");
  EXPECT_EQ(take(), "");
}

TEST_F(QueueTest, AddingTwiceIsAddingOnce) {
  queue.add(app("a"));
  queue.add(app("a"));
  EXPECT_EQ(queue.depth(), 1u);
  EXPECT_EQ(take_and_finish(), "a");
  EXPECT_EQ(take(), "");
}

TEST_F(QueueTest, WhatIsAddedWhileItRunsRunsExactlyOnceMore) {
  queue.add(app("a"));
  EXPECT_EQ(take(), "a");
  queue.add(app("a"));
  queue.add(app("a"));
  EXPECT_EQ(take(), "") << "never twice at once";
  finish("a");
  EXPECT_EQ(take_and_finish(), "a");
  EXPECT_EQ(take(), "");
}

TEST_F(QueueTest, ChangesGoBeforeRoutineButRoutineIsNotStarved) {
  for (int i = 0; i < 20; ++i) queue.add(app("routine" + std::to_string(i)), Lane::Resync);
  std::vector<std::string> order;
  for (int i = 0; i < 32; ++i) {
    queue.add(app("change" + std::to_string(i)), Lane::Change);
    order.push_back(take_and_finish().substr(0, 6));
  }
  EXPECT_EQ(std::ranges::count(order, "routin"), 4);
  EXPECT_EQ(std::ranges::count(order, "change"), 28);
}

TEST_F(QueueTest, AChangeMovesRoutineUpAndRoutineMovesNothingDown) {
  queue.add(app("other"), Lane::Change);
  queue.add(app("a"), Lane::Resync);
  queue.add(app("b"), Lane::Resync);
  queue.add(app("b"), Lane::Change);
  queue.add(app("other"), Lane::Resync);
  EXPECT_EQ(take(), "other");
  EXPECT_EQ(take(), "b");
  EXPECT_EQ(take(), "a");
}

TEST_F(QueueTest, DeletionsHaveWorkersOfTheirOwn) {
  for (int i = 0; i < 100; ++i) queue.add(app("create" + std::to_string(i)));
  queue.add(app("gone"), Lane::Deletion);
  EXPECT_EQ(take(WorkerKind::Deletions), "gone");
  EXPECT_EQ(take(WorkerKind::Deletions), "");
}

TEST_F(QueueTest, AnItemThatIsBeingDeletedLeavesTheLaneOfChanges) {
  queue.add(app("a"), Lane::Change);
  queue.add(app("a"), Lane::Deletion);
  EXPECT_EQ(take(WorkerKind::Deletions), "a");
}

TEST_F(QueueTest, ALaterWishWaitsForItsTimeAndTheEarliestCounts) {
  queue.add_after(app("a"), 10s);
  queue.add_after(app("a"), 3s);
  queue.add_after(app("a"), 7s);
  queue.add_after(app("b"), 5s);
  advance(2999ms);
  EXPECT_EQ(take(), "");
  advance(1ms);
  EXPECT_EQ(take_and_finish(), "a");
  advance(2s);
  EXPECT_EQ(take_and_finish(), "b");
  advance(1h);
  EXPECT_EQ(take(), "") << "of several wishes one is left";
  EXPECT_EQ(clock.timers(), 0u) << "an idle queue keeps no timer";
}

TEST_F(QueueTest, AWishCanBeTakenBack) {
  queue.add_after(app("a"), 1s);
  queue.add_after(app("b"), 2s);
  queue.cancel_delayed(app("a"));
  queue.cancel_delayed(app("never"));
  advance(1min);
  EXPECT_EQ(take_and_finish(), "b");
  EXPECT_EQ(take(), "");
}

TEST_F(QueueTest, AWishForWhatRunsComesAfterIt) {
  queue.add(app("a"));
  take();
  queue.add_after(app("a"), 1s);
  advance(5s);
  EXPECT_EQ(take(), "");
  finish("a");
  EXPECT_EQ(take(), "a");
}

Task<> claim_it(Queue& queue, Instant deadline, Queue::Item*& got, bool& answered) {
  got = co_await queue.claim(app("a"), deadline);
  answered = true;
}

TEST_F(QueueTest, AClaimWaitsForTheAttemptAndLosesNoWork) {
  queue.add(app("a"));
  take();
  queue.add(app("a"));
  Queue::Item* got = nullptr;
  bool answered = false;
  reactor.spawn(claim_it(queue, clock.now() + 5s, got, answered));
  advance(1s);
  EXPECT_FALSE(answered);
  finish("a");
  advance(0s);
  ASSERT_TRUE(got);
  EXPECT_EQ(take(), "") << "nobody works on what is claimed";
  queue.done(got);
  EXPECT_EQ(take_and_finish(), "a");
}

TEST_F(QueueTest, AClaimGivesUpAtItsDeadline) {
  queue.add(app("a"));
  take();
  Queue::Item* got = nullptr;
  bool answered = false;
  reactor.spawn(claim_it(queue, clock.now() + 5s, got, answered));
  advance(5s);
  EXPECT_TRUE(answered);
  EXPECT_FALSE(got);
  finish("a");
}

Task<> worker(Queue& queue, Reactor& reactor, std::vector<std::string>& log, bool& home) {
  while (Queue::Item* item = co_await queue.get()) {
    log.push_back(Queue::key_of(item).name);
    co_await sleep_for(reactor, 1s);
    queue.done(item);
  }
  home = true;
}

TEST_F(QueueTest, WorkersSleepUntilThereIsWorkAndGoHomeWhenItCloses) {
  std::vector<std::string> log;
  bool home = false;
  reactor.spawn(worker(queue, reactor, log, home));
  advance(1min);
  queue.add(app("a"));
  queue.add(app("b"));
  advance(500ms);
  EXPECT_THAT(log, testing::ElementsAre("a"));
  queue.add(app("a"));
  advance(1min);
  EXPECT_THAT(log, testing::ElementsAre("a", "b", "a"));
  queue.close();
  advance(0s);
  EXPECT_TRUE(home);
}

// The queue beside the simplest thing that keeps the same promise.
TEST_F(QueueTest, KeepsItsPromiseInAnyOrderOfCalls) {
  const std::uint64_t seed = system_random().next();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  std::set<std::string> waiting;
  std::set<std::string> running;
  std::set<std::string> again;
  std::map<std::string, Instant> later;
  const auto wish = [&](const std::string& name) {
    if (running.contains(name)) {
      again.insert(name);
    } else {
      waiting.insert(name);
    }
  };
  for (int step = 0; step < 20'000; ++step) {
    const std::string name = "n" + std::to_string(random.below(12));
    const auto lane = static_cast<Lane>(random.below(3));
    switch (random.below(6)) {
      case 0:
        queue.add(app(name), lane);
        wish(name);
        break;
      case 1: {
        const Duration delay = 1ms * (1 + static_cast<int>(random.below(50)));
        queue.add_after(app(name), delay, lane);
        const Instant due = clock.now() + delay;
        if (const auto found = later.find(name); found == later.end() || due < found->second) later[name] = due;
        break;
      }
      case 2:
      case 3: {
        const std::string got = take(random.below(4) == 0 ? WorkerKind::Deletions : WorkerKind::General);
        if (got.empty()) break;
        ASSERT_TRUE(waiting.contains(got)) << got << " was not asked for";
        ASSERT_FALSE(running.contains(got)) << got << " runs twice at once";
        waiting.erase(got);
        running.insert(got);
        break;
      }
      case 4:
        if (!running.contains(name)) break;
        finish(name);
        running.erase(name);
        if (again.erase(name)) waiting.insert(name);
        break;
      default:
        advance(1ms * static_cast<int>(random.below(20)));
        std::erase_if(later, [&](const auto& entry) {
          if (entry.second > clock.now()) return false;
          wish(entry.first);
          return true;
        });
    }
    ASSERT_EQ(queue.depth(), waiting.size());
    ASSERT_EQ(queue.running(), running.size());
    ASSERT_EQ(queue.delayed(), later.size());
  }
}

}  // namespace
}  // namespace gantry::runtime
