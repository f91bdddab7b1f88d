// Goal: more than a host has is refused, with the arithmetic that shows why.
#include "reconcilers/app/capacity.hpp"

#include <gmock/gmock.h>

namespace gantry::reconcilers::app {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kGi = 1LL << 30;
const Capacity kHost{
    .cpu_millis = 2000, .memory_bytes = 4 * kGi, .reserve_cpu_millis = 200, .reserve_memory_bytes = kGi / 2};

TEST(Capacity, WhatFitsIsAccepted) {
  EXPECT_THAT(what_does_not_fit({"d/web", 3, 500, kGi}, {}, kHost), IsEmpty());
  EXPECT_THAT(what_does_not_fit({"d/web", 100, 0, 0}, {{"d/api", 50, 1000, kGi}}, kHost), IsEmpty())
      << "an App without limits asks for nothing";
  EXPECT_THAT(what_does_not_fit({"d/web", 9, 500, kGi}, {}, {}), IsEmpty()) << "of an unknown host nothing is said";
}

TEST(Capacity, WhatDoesNotFitIsRefusedWithTheSum) {
  const auto causes =
      what_does_not_fit({"d/web", 2, 100, kGi}, {{"d/api", 1, 100, kGi}, {"d/db", 1, 0, kGi / 2}}, kHost);
  ASSERT_THAT(causes, IsEmpty()) << "3.5Gi of 3.5Gi";
  const auto more = what_does_not_fit({"d/web", 3, 100, kGi}, {{"d/api", 1, 100, kGi}, {"d/db", 1, 0, kGi / 2}}, kHost);
  ASSERT_THAT(more, SizeIs(1));
  EXPECT_EQ(more[0].field, "spec.resources.memory");
  EXPECT_THAT(
      more[0].message,
      HasSubstr("3 x 1Gi = 3Gi of memory do not fit: this machine has 4Gi, 512Mi of it are kept for itself, and "
                "others may use 1536Mi (d/api 1Gi, d/db 512Mi); 1Gi are missing"));
}

TEST(Capacity, EachResourceIsJudgedAndTheScalersMostCounts) {
  const json::Value app =
      json::parse(R"({"metadata":{"namespace":"d","name":"web"},"spec":{"replicas":1,"scaling":{"maxReplicas":4},)"
                  R"("resources":{"cpu":"500m","memory":"2Gi"}}})");
  const Demand demand = demand_of(app);
  EXPECT_EQ(demand.replicas, 4);
  const auto causes = what_does_not_fit(demand, {}, kHost);
  ASSERT_THAT(causes, SizeIs(2));
  EXPECT_THAT(causes[0].message, HasSubstr("4 x 500m = 2 of CPU do not fit: this machine has 2, 200m of it are kept"));
  EXPECT_TRUE(runs_here(app));
  Capacity shared = kHost;
  shared.cpu_promised = 2;
  EXPECT_THAT(what_does_not_fit(demand, {}, shared), SizeIs(1)) << "processor time can be shared, memory cannot";
}

}  // namespace
}  // namespace gantry::reconcilers::app
