// Traffic of the month: what it comes to, and when somebody should know.
#include "reconcilers/provider/traffic.hpp"

#include <gmock/gmock.h>

namespace gantry::reconcilers::provider {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kGiB = 1 << 30;

providers::Inventory account(std::vector<std::pair<std::int64_t, std::int64_t>> used_and_free) {
  providers::Inventory all;
  for (const auto& [used, free] : used_and_free) {
    providers::CloudServer server;
    server.traffic_out_bytes = used * kGiB;
    server.traffic_free_bytes = free * kGiB;
    all.servers.push_back(server);
  }
  return all;
}
WallTime day(const char* text) { return parse_time(text); }
std::optional<crds::ProviderLimits> limit(const char* most) {
  return crds::decode_provider_spec(
             json::parse(std::string(R"({"spec":{"type":"hetzner","limits":{"egressPerMonth":")") + most + R"("}}})"))
      .limits;
}

TEST(Traffic, IsProjectedOverTheCalendarMonth) {
  const auto half = traffic_of(account({{100, 1000}, {50, 1000}}), day("2026-11-16T00:00:00Z"));
  ASSERT_TRUE(half);
  EXPECT_EQ(half->used, 150 * kGiB);
  EXPECT_EQ(half->projected, 300 * kGiB) << "fifteen of thirty days have passed";
  EXPECT_EQ(half->included, 2000 * kGiB);
  EXPECT_EQ(traffic_of(account({{28, 0}}), day("2027-02-15T00:00:00Z"))->projected, 56 * kGiB);
  EXPECT_EQ(traffic_of(account({{1, 0}}), day("2026-11-01T00:10:00Z"))->projected, 30 * kGiB) << "no more than a day's";
}

TEST(Traffic, IsNotToldWhereNobodyTells) {
  providers::Inventory silent;
  silent.servers.emplace_back();
  EXPECT_FALSE(traffic_of(silent, day("2026-11-16T00:00:00Z")));
  EXPECT_FALSE(untold_traffic(silent, {})) << "and nobody asked";
  EXPECT_FALSE(untold_traffic({}, limit("1Ti"))) << "nothing is there that could send";
  EXPECT_EQ(untold_traffic(silent, limit("1Ti"))->status, "Unknown") << "a limit that cannot be held is said to be so";
}

TEST(Traffic, AlarmsBeforeTheLimitIsReached) {
  const auto state = [](std::int64_t used, const std::optional<crds::ProviderLimits>& limits) {
    const auto condition = traffic_condition(*traffic_of(account({{used, 1000}}), day("2026-11-16T00:00:00Z")), limits);
    EXPECT_THAT(condition.message, HasSubstr(std::to_string(used) + "Gi have gone out"));
    return condition.status + "/" + condition.reason;
  };
  EXPECT_EQ(state(100, limit("300Gi")), "True/WithinLimits");
  EXPECT_EQ(state(160, limit("300Gi")), "False/LimitAhead") << "320Gi by the end of the month";
  EXPECT_EQ(state(300, limit("300Gi")), "False/LimitReached");
  EXPECT_EQ(state(400, {}), "True/WithinLimits");
  EXPECT_EQ(state(600, {}), "False/MoreThanIncludedAhead");
  EXPECT_EQ(state(1001, {}), "False/BeyondIncluded");
}

}  // namespace
}  // namespace gantry::reconcilers::provider
