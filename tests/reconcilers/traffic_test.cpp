// Traffic of the month: what it comes to, and when somebody should know.
#include "reconcilers/provider/traffic.hpp"

#include "tests/reconcilers/cloud_world.hpp"

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
  EXPECT_EQ(state(148, limit("300Gi")), "True/WithinLimits") << "296Gi, and less than 80 % are used";
  EXPECT_EQ(state(400, {}), "True/WithinLimits");
  EXPECT_EQ(state(600, {}), "False/MoreThanIncludedAhead");
  EXPECT_EQ(state(1001, {}), "False/BeyondIncluded");
}

TEST(Traffic, IsUnknownUntilAllAreKnownUnlessWhatIsKnownIsTooMuch) {
  auto some = account({{100, 1000}, {0, 1000}});
  some.servers[1].traffic_out_bytes.reset();
  const auto said = [&](const std::optional<crds::ProviderLimits>& limits) {
    return traffic_condition(traffic_of(some, day("2026-11-16T00:00:00Z")).value(), limits);
  };
  const auto unknown = said(limit("300Gi"));
  EXPECT_EQ(unknown.status + "/" + unknown.reason, "Unknown/NotAllTold");
  EXPECT_THAT(unknown.message, HasSubstr("at least 100Gi have gone out"));
  EXPECT_THAT(unknown.message, HasSubstr("of 1 of 2 servers nothing is known"));
  EXPECT_EQ(said({}).status, "Unknown");
  EXPECT_EQ(said(limit("150Gi")).reason, "LimitAhead");
  EXPECT_EQ(said(limit("100Gi")).reason, "LimitReached");
  some.servers[1].created = day("2026-11-15T23:30:00Z");
  EXPECT_EQ(said(limit("300Gi")).reason, "WithinLimits") << "it is half an hour old";
}

TEST(Traffic, SaysWhereAPartOfTheMonthIsNotKnown) {
  auto some = account({{100, 1000}, {50, 1000}});
  some.servers[0].traffic_unseen = std::chrono::hours(30);
  EXPECT_EQ(traffic_of(some, day("2026-11-16T00:00:00Z"))->partly, 0) << "less than a tenth of fifteen days";
  some.servers[0].traffic_unseen = std::chrono::hours(40);
  const auto condition = traffic_condition(traffic_of(some, day("2026-11-16T00:00:00Z")).value(), limit("1Ti"));
  EXPECT_EQ(condition.reason, "WithinLimits");
  EXPECT_THAT(condition.message, HasSubstr("at least 150Gi"));
  EXPECT_THAT(condition.message, HasSubstr("of 1 of 2 servers a part of the month is not known"));
}

TEST(Traffic, WarnsAtEightyPercentAlthoughTheProjectionIsWithin) {
  const auto late = day("2026-11-29T00:00:00Z");
  const auto before = traffic_of(account({{239, 0}}), late).value();
  EXPECT_EQ(traffic_condition(before, limit("300Gi")).reason, "WithinLimits");
  EXPECT_FALSE(traffic_warning(before, limit("300Gi")));
  const auto after = traffic_of(account({{240, 0}}), late).value();
  const auto condition = traffic_condition(after, limit("300Gi"));
  EXPECT_EQ(condition.status + "/" + condition.reason, "True/LimitNear");
  EXPECT_THAT(traffic_warning(after, limit("300Gi")).value(), HasSubstr("240Gi have gone out"));
  EXPECT_FALSE(traffic_warning(after, {})) << "nobody has set a limit";
}

// In the house: the clock there stands at the 21st of November 2026.
TEST(Traffic, OneEventAMonthTellsThatALimitIsNear) {
  CloudWorld house;
  const std::string id = house.cloud.add_stranger("by-hand", "cx23");
  auto& used = house.cloud.machines.at(id).server.traffic_out_bytes;
  const auto told = [&] { return house.world.events("TrafficLimitNear").size(); };
  used = 100 * kGiB;
  house.limit(R"({"egressPerMonth":"300Gi"})");
  house.world.advance(std::chrono::minutes(3));
  EXPECT_EQ(house.state("Provider/cloud", "TrafficWithinLimits"), "True/WithinLimits");
  EXPECT_EQ(told(), 0U);

  used = 250 * kGiB;
  house.world.advance(std::chrono::minutes(3));
  EXPECT_EQ(told(), 1U);
  EXPECT_EQ(house.state("Provider/cloud", "Synced"), "True/ReconcileSuccess");
  const auto first = house.world.events("TrafficLimitNear").at(0);
  EXPECT_EQ(first.string_or("type"), "Warning");
  EXPECT_THAT(first.string_or("message"), HasSubstr("250Gi have gone out this month"));
  used = 260 * kGiB;
  house.world.advance(std::chrono::minutes(3));
  house.world.restart();
  house.world.advance(std::chrono::minutes(3));
  EXPECT_EQ(told(), 1U) << "more of the same is no news, nor is a restart";
  EXPECT_EQ(house.world.events("TrafficLimitNear").at(0).int_or("count", 0), 1);
}

}  // namespace
}  // namespace gantry::reconcilers::provider
