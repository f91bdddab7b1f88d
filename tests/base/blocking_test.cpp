#include "controller/base/blocking.hpp"

#include <gmock/gmock.h>

#include <stdexcept>
#include <string>
#include <thread>

#include "tests/base/hand_clock.hpp"

namespace gantry {
namespace {

using testing::ElementsAre;

// A helper thread that is slow to leave: what it was given is let go of only when the test says so.
class SlowToLeave final : public Blocking {
 public:
  void submit(std::move_only_function<void()> fn) override {
    fn_ = std::move(fn);
    std::thread([this] { fn_(); }).join();
  }
  void leave() {
    std::thread([this] { fn_ = nullptr; }).join();
  }

 private:
  std::move_only_function<void()> fn_;
};

class BlockingTest : public testing::Test {
 protected:
  // Something that tells, when it is destroyed, upon which thread that was.
  std::shared_ptr<void> telltale() {
    return std::shared_ptr<void>(nullptr, [this](void*) {
      died_on.emplace_back(std::this_thread::get_id() == here ? "the reactor" : "the helper thread");
    });
  }
  void settle() {
    while (reactor.poll() > 0) {
    }
  }

  const std::thread::id here = std::this_thread::get_id();
  std::vector<std::string> died_on;
  HandClock clock;
  Reactor reactor{"test", clock};
  SlowToLeave blocking;
};

Task<> take(Blocking& blocking, Reactor& reactor, std::function<std::shared_ptr<void>()> make) {
  co_await blocking.run(reactor, std::move(make));
}

TEST_F(BlockingTest, AResultDiesOnTheReactorHoweverLongTheHelperStays) {
  reactor.spawn(take(blocking, reactor, [this] { return telltale(); }));
  settle();
  blocking.leave();
  EXPECT_THAT(died_on, ElementsAre("the reactor"));
}

TEST_F(BlockingTest, AFailureDiesOnTheReactorHoweverLongTheHelperStays) {
  struct Failure : std::runtime_error {
    explicit Failure(std::shared_ptr<void> t) : std::runtime_error("test"), telltale(std::move(t)) {}
    std::shared_ptr<void> telltale;
  };
  bool caught = false;
  const auto catch_it = [](Blocking& b, Reactor& r, std::function<void()> fail, bool& done) -> Task<> {
    try {
      co_await b.run(r, std::move(fail));
    } catch (const Failure&) {
      done = true;
    }
  };
  reactor.spawn(catch_it(blocking, reactor, [this] { throw Failure(telltale()); }, caught));
  settle();
  blocking.leave();
  EXPECT_TRUE(caught);
  EXPECT_THAT(died_on, ElementsAre("the reactor"));
}

TEST_F(BlockingTest, ACallThatIsAnsweredTwiceKeepsTheFirstAnswer) {
  int got = 0;
  const auto ask = [](Reactor& r, int& out) -> Task<> {
    out = co_await from_callback<int>(r, [](Done<int> done) {
      const Done<int> other = done;
      std::move(done)(1);
      done(2);  // emptied: heard by nobody
      other(3);
    });
  };
  reactor.spawn(ask(reactor, got));
  settle();
  EXPECT_EQ(got, 1);
}

}  // namespace
}  // namespace gantry
