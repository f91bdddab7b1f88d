#include "controller/base/signal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/error.hpp"
#include "tests/base/hand_clock.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class SignalTest : public testing::Test {
 protected:
  void settle() {
    while (reactor.poll() > 0) {
    }
  }
  Task<> wait(Signal& signal, std::string name) {
    co_await signal.wait();
    woken.push_back(std::move(name));
  }
  Task<> wait_until(Signal& signal, Instant deadline) {
    const bool in_time = co_await signal.wait_until(deadline);
    woken.push_back(in_time ? "in time" : "too late");
  }

  HandClock clock;
  Reactor reactor{"test", clock};
  std::vector<std::string> woken;
};

TEST_F(SignalTest, WakesThoseWhoWaitNowInTheirOrder) {
  Signal signal(reactor);
  signal.notify_all();  // nobody is there: forgotten
  reactor.spawn(wait(signal, "a"));
  reactor.spawn(wait(signal, "b"));
  reactor.spawn(wait(signal, "c"));
  settle();
  EXPECT_THAT(woken, IsEmpty());
  signal.notify_one();
  settle();
  EXPECT_THAT(woken, ElementsAre("a"));
  signal.notify_all();
  EXPECT_THAT(woken, ElementsAre("a")) << "never from inside the notifier's turn";
  settle();
  EXPECT_THAT(woken, ElementsAre("a", "b", "c"));
  EXPECT_EQ(signal.waiting(), 0U);
}

TEST_F(SignalTest, GivesUpAtTheDeadline) {
  Signal signal(reactor);
  reactor.spawn(wait_until(signal, clock.now() + 5s));
  settle();
  clock.advance(4s);
  settle();
  EXPECT_THAT(woken, IsEmpty());
  clock.advance(1s);
  settle();
  EXPECT_THAT(woken, ElementsAre("too late"));
  EXPECT_EQ(signal.waiting(), 0U);
}

TEST_F(SignalTest, LeavesNoTimerBehind) {
  Signal signal(reactor);
  reactor.spawn(wait_until(signal, clock.now() + 5s));
  settle();
  signal.notify_all();
  settle();
  EXPECT_THAT(woken, ElementsAre("in time"));
  EXPECT_EQ(clock.waiting(), 0U);
}

TEST_F(SignalTest, WakesEverybodyWhenItGoes) {
  {
    Signal signal(reactor);
    reactor.spawn(wait(signal, "a"));
    settle();
  }
  settle();
  EXPECT_THAT(woken, ElementsAre("a"));
}

class GateTest : public SignalTest {
 protected:
  Task<> close(Gate& gate) {
    co_await gate.close();
    woken.push_back("closed");
  }
  Task<> close_until(Gate& gate, Instant deadline) {
    const bool empty = co_await gate.close_until(deadline);
    woken.push_back(empty ? "closed" : "gave up");
  }
};

TEST_F(GateTest, ClosesWhenTheLastOneHasLeft) {
  Gate gate(reactor);
  auto first = std::make_unique<Gate::Pass>(gate.enter());
  auto second = std::make_unique<Gate::Pass>(gate.enter());
  reactor.spawn(close(gate));
  settle();
  EXPECT_THROW(static_cast<void>(gate.enter()), Error) << "newcomers are refused";
  first.reset();
  settle();
  EXPECT_THAT(woken, IsEmpty());
  second.reset();
  settle();
  EXPECT_THAT(woken, ElementsAre("closed"));
}

TEST_F(GateTest, ClosesAtOnceWhenNobodyIsInside) {
  Gate gate(reactor);
  reactor.spawn(close(gate));
  settle();
  EXPECT_THAT(woken, ElementsAre("closed"));
}

TEST_F(GateTest, GivesUpOnThoseWhoStay) {
  Gate gate(reactor);
  const auto pass = gate.enter();
  reactor.spawn(close_until(gate, clock.now() + 1s));
  settle();
  clock.advance(1s);
  settle();
  EXPECT_THAT(woken, ElementsAre("gave up"));
  EXPECT_EQ(gate.inside(), 1U);
}

}  // namespace
}  // namespace gantry
