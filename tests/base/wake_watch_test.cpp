#include "controller/base/wake_watch.hpp"

#include <gmock/gmock.h>

#include "tests/base/hand_clock.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// Whose machine can sleep.
class SleepyClock final : public HandClock {
 public:
  WallTime wall() const override { return HandClock::wall() + slept; }
  Duration slept{};
};

TEST(WakeWatch, TellsOnceOfEachSleepSoonAfterIt) {
  SleepyClock clock;
  Reactor reactor("test", clock);
  std::vector<Duration> told;
  {
    const WakeWatch watch(reactor, [&](Duration slept) { told.push_back(slept); });
    clock.advance(10min);
    EXPECT_THAT(told, IsEmpty());
    clock.slept += 8h;
    clock.advance(5s);
    EXPECT_THAT(told, ElementsAre(8h));
    clock.advance(10min);
    clock.slept += 30s;
    clock.advance(5s);
    EXPECT_THAT(told, ElementsAre(8h, 30s));
    clock.slept += 2s;  // a clock that is set right
    clock.slept -= 1h;  // or back
    clock.advance(10min);
    EXPECT_THAT(told, ElementsAre(8h, 30s));
  }
  EXPECT_EQ(clock.waiting(), 0U);
}

}  // namespace
}  // namespace gantry
