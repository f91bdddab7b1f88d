#include "controller/base/clock.hpp"

#include <gtest/gtest.h>

#include "controller/base/error.hpp"
#include "controller/base/reactor.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;

TEST(Time, IsWrittenAsKubernetesDoes) {
  const WallTime time = parse_time("2026-11-21T10:00:01.0234567Z");
  EXPECT_EQ(format_time(time), "2026-11-21T10:00:01Z");
  EXPECT_EQ(format_micro_time(time), "2026-11-21T10:00:01.023456Z");
  EXPECT_EQ(format_time(WallTime{}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_micro_time(WallTime{} - 1us), "1969-12-31T23:59:59.999999Z");
}

TEST(Time, IsReadInAnyZone) {
  EXPECT_EQ(parse_time("2026-11-21T19:00:00+09:00"), parse_time("2026-11-21T10:00:00Z"));
  EXPECT_EQ(parse_time("2026-11-21t05:30:00-04:30"), parse_time("2026-11-21T10:00:00z"));
}

TEST(Time, RefusesWhatIsNotRfc3339) {
  for (const char* text : {"", "2026", "2026-11-21", "2026-11-21 10:00:00Z", "2026-13-21T10:00:00Z",
                           "2026-02-30T10:00:00Z", "2026-11-21T24:00:00Z", "2026-11-21T10:00:00",
                           "2026-11-21T10:00:00.Z", "2026-11-21T10:00:00Zx", "2026-11-21T10:00:00+0900", "yesterday"}) {
    EXPECT_THROW(parse_time(text), Error) << text;
  }
}

TEST(Durations, AreReadAsGoReadsThem) {
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("-2us"), -2us);
  EXPECT_EQ(parse_duration("0"), 0s);
  for (const char* text : {"", "5", "s", "5x", "5s5", "1..5s", "-", "9999999999h", "5 s"})
    EXPECT_THROW(parse_duration(text), Error) << text;
}

// Rows from k8s.io/apimachinery's own test of HumanDuration.
TEST(Durations, ArePrintedAsAges) {
  EXPECT_EQ(human_duration(0s), "0s");
  EXPECT_EQ(human_duration(1s), "1s");
  EXPECT_EQ(human_duration(70s), "70s");
  EXPECT_EQ(human_duration(190s), "3m10s");
  EXPECT_EQ(human_duration(70min), "70m");
  EXPECT_EQ(human_duration(47h), "47h");
  EXPECT_EQ(human_duration(49h), "2d1h");
  EXPECT_EQ(human_duration(24h * (8 + 0)), "8d");
  EXPECT_EQ(human_duration(24h * 367), "367d");
  EXPECT_EQ(human_duration(24h * (365 * 2 + 25)), "2y25d");
  EXPECT_EQ(human_duration(24h * 365 * 8), "8y");
  EXPECT_EQ(human_duration(24h * (365 * 8 + 2)), "8y");
  EXPECT_EQ(human_duration(-5s), "<invalid>");
}

TEST(SystemClock, ForgetsATimerThatItsReactorDidNotLiveToSee) {
  const auto held = std::make_shared<int>(0);
  Clock::TimerId id = 0;
  {
    Reactor reactor("test", system_clock());
    id = system_clock().call_at(reactor, reactor.now() + 1h, [held] { FAIL() << "nobody waited for an hour"; });
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
  system_clock().cancel(id);  // unknown by now; sanitizers see to it that no dead reactor is asked
}

TEST(SystemClock, RunsATimerOnceAndNotWhenItIsCancelled) {
  Reactor reactor("test", system_clock());
  int runs = 0;
  const auto id = system_clock().call_at(reactor, reactor.now(), [&] { ++runs; });
  system_clock().call_at(reactor, reactor.now(), [&] { ++runs; });
  system_clock().cancel(id);
  const Instant end = reactor.now() + 10s;
  while (runs == 0 && reactor.now() < end) reactor.context().run_one_for(5ms);
  reactor.poll();
  EXPECT_EQ(runs, 1);
  system_clock().cancel(id);
}

}  // namespace
}  // namespace gantry
