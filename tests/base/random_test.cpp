#include "controller/base/random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace gantry {
namespace {

TEST(Randomness, FromASeedRepeatsItself) {
  SeededRandom a(7);
  SeededRandom b(7);
  SeededRandom c(8);
  EXPECT_EQ(a.uuid(), b.uuid());
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.uuid(), c.uuid());
}

TEST(Randomness, MakesVersion4Uuids) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = system_random().uuid();
    EXPECT_THAT(uuid, testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1000U);
}

TEST(Randomness, StaysInItsBounds) {
  SeededRandom random(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    seen.insert(random.below(5));
    const double unit = random.unit();
    EXPECT_GE(unit, 0.0);
    EXPECT_LT(unit, 1.0);
  }
  EXPECT_THAT(seen, testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(random.below(0), 0U);
  EXPECT_EQ(random.hex(16).size(), 32U);
}

TEST(Randomness, SuffixesAreThoseOfGenerateName) {
  SeededRandom random(1);
  EXPECT_THAT(random.suffix(5), testing::MatchesRegex("[bcdfghjklmnpqrstvwxz2456789]{5}"));
}

}  // namespace
}  // namespace gantry
