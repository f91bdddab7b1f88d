#include "controller/runtime/backoff.hpp"

#include <gmock/gmock.h>

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;

const object::Key kWeb{object::Resource::of("gantry.dev", "apps"), "prod", "web"};

// Answers always the same: 0 gives the longest waits.
class Constant final : public Random {
 public:
  explicit Constant(std::uint8_t byte) : byte_(byte) {}
  void fill(std::span<std::uint8_t> bytes) override { std::ranges::fill(bytes, byte_); }

 private:
  std::uint8_t byte_;
};

TEST(Backoff, DoublesFromAFifthOfASecondUpToFiveMinutes) {
  Constant longest(0);
  Backoff backoff(longest);
  std::vector<Duration> waits;
  for (int i = 0; i < 13; ++i) waits.push_back(backoff.next(kWeb));
  EXPECT_THAT(waits, testing::ElementsAre(200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 12800ms, 25600ms, 51200ms,
                                          102400ms, 204800ms, 5min, 5min));
}

TEST(Backoff, SpreadsTheWaitOverTheWholeTime) {
  SeededRandom random(1);
  int early = 0;
  for (int i = 0; i < 1000; ++i) {
    const Duration wait = backoff_delay(random, {}, 3);
    ASSERT_GT(wait, 0s);
    ASSERT_LE(wait, 800ms);
    early += wait < 400ms;
  }
  EXPECT_NEAR(early, 500, 80);
}

TEST(Backoff, NeverComesBackBeforeItWasAskedTo) {
  SeededRandom random(1);
  Backoff backoff(random);
  for (int i = 0; i < 100; ++i) {
    const Duration wait = backoff.next({kWeb.resource, "prod", "n" + std::to_string(i)}, 30s);
    EXPECT_GE(wait, 30s);
    EXPECT_LE(wait, 31s);
  }
}

TEST(Backoff, StartsAnewAfterSuccessAndCountsEachObjectApart) {
  Constant longest(0);
  Backoff backoff(longest);
  backoff.next(kWeb);
  backoff.next(kWeb);
  EXPECT_EQ(backoff.failures(kWeb), 2u);
  EXPECT_EQ(backoff.next({kWeb.resource, "prod", "other"}), 200ms);
  backoff.forget(kWeb);
  EXPECT_EQ(backoff.failures(kWeb), 0u);
  EXPECT_EQ(backoff.next(kWeb), 200ms);
}

TEST(Backoff, ManyFailuresOverflowNothing) {
  Constant longest(0);
  EXPECT_EQ(backoff_delay(longest, {}, 100'000), 5min);
}

}  // namespace
}  // namespace gantry::runtime
