// What droplets sent this month, summed up from the vendor's bandwidth over time, a few of them a sweep.
#include "providers/digitalocean/traffic.hpp"

#include "tests/clouds/account_test.hpp"

namespace gantry::clouds {
namespace {

using namespace std::chrono_literals;
using providers::digitalocean::Meter;
using providers::digitalocean::read_samples;

constexpr const char* kBandwidth = "GET /v2/monitoring";

// 8 Mbit/s are a million bytes a second.
constexpr double kMegabyte = 8;

class DigitalOceanTraffic : public AccountTest<DigitalOcean> {
 protected:
  using Droplet = emulators::DigitalOcean::Droplet;
  Droplet& droplet(const std::string& name, const char* created = "2026-10-05T00:00:00Z") {
    Droplet& one = cloud.place(name, {});
    one.monitoring = true;
    one.created_at = created;
    return one;
  }
  void until(const char* time) { clock.sleep(parse_time(time) - clock.wall()); }
  providers::Inventory sweep() { return run(provider->observe()); }
  std::optional<std::int64_t> sent(const providers::Inventory& inventory, const std::string& name) {
    for (const auto& server : inventory.servers) {
      if (server.name == name) return server.traffic_out_bytes;
    }
    return std::nullopt;
  }
  // Of one droplet, in millions of bytes, after as many sweeps as it takes to know.
  std::optional<std::int64_t> megabytes(int sweeps = 3) {
    for (int i = 0; i < sweeps; ++i) {
      const auto known = sent(sweep(), "web");
      if (known) return *known / 1'000'000;
      pass(1min);
    }
    return std::nullopt;
  }
};

TEST_F(DigitalOceanTraffic, IsTheMegabitsOfTheMonthAsBytes) {
  droplet("web").sends = {{parse_time("2026-10-30T00:00:00Z"), kMegabyte}, {parse_time("2026-11-02T00:00:00Z"), 0}};
  EXPECT_EQ(megabytes(), 86'400) << "a megabyte a second through the first of November; October is another month";
  EXPECT_EQ(cloud.calls(kBandwidth), 2U) << "two weeks a call";
}

TEST_F(DigitalOceanTraffic, OnlyTheTimeSinceTheLastLookIsAskedFor) {
  droplet("web", "2026-11-21T08:00:00Z").sends = {{parse_time("2026-11-21T09:00:00Z"), kMegabyte}};
  EXPECT_EQ(megabytes(), 3'600);
  cloud.forget_calls();
  sweep();
  EXPECT_EQ(cloud.calls(kBandwidth), 0U) << "looked at just now";
  pass(1h);
  EXPECT_EQ(megabytes(), 7'200) << "nothing is counted twice";
  pass(7min);
  EXPECT_EQ(megabytes(), 7'200) << "too soon for another look";
  pass(5min);
  EXPECT_EQ(megabytes(), 7'920);
  EXPECT_EQ(cloud.calls(kBandwidth), 2U);
}

TEST_F(DigitalOceanTraffic, TimeWithoutSamplesIsUnseenAndNotTheLastValueForDays) {
  droplet("web", "2026-11-10T10:00:00Z").sends = {{parse_time("2026-11-10T10:00:00Z"), kMegabyte},
                                                  {parse_time("2026-11-11T10:00:00Z"), std::nullopt},
                                                  {parse_time("2026-11-20T10:00:00Z"), kMegabyte}};
  EXPECT_EQ(megabytes(), 2 * 86'400);
  EXPECT_NEAR(std::chrono::duration<double>(sweep().servers.at(0).traffic_unseen).count(), 9 * 86'400, 600);
}

TEST_F(DigitalOceanTraffic, SamplesThatComeLateAreNotLost) {
  Droplet& web = droplet("web", "2026-11-21T09:00:00Z");
  const auto sends = std::map<WallTime, std::optional<double>>{{parse_time("2026-11-21T09:00:00Z"), kMegabyte}};
  web.sends = sends;
  web.sends[parse_time("2026-11-21T09:40:00Z")] = std::nullopt;  // as far as the vendor knows by ten
  EXPECT_EQ(megabytes(), 2'400);
  web.sends = sends;
  pass(20min);
  EXPECT_EQ(megabytes(), 4'800);
}

TEST_F(DigitalOceanTraffic, WhoIsNotHeardOfHasNoFigure) {
  droplet("web").monitoring = false;
  EXPECT_EQ(megabytes(20), std::nullopt);
  EXPECT_LT(cloud.calls(kBandwidth), 6U) << "and is not asked all the time";
}

TEST_F(DigitalOceanTraffic, ANewMonthBeginsWithNothing) {
  droplet("web").sends = {{parse_time("2026-11-21T00:00:00Z"), kMegabyte}};
  EXPECT_EQ(megabytes(), 36'000);
  until("2026-12-01T00:01:00Z");
  EXPECT_EQ(sent(sweep(), "web"), std::nullopt) << "nothing is told of December yet";
  until("2026-12-01T01:00:00Z");
  EXPECT_EQ(megabytes(), 3'600);
}

TEST_F(DigitalOceanTraffic, DropletsTakeTurns) {
  for (int i = 0; i < 5; ++i) droplet("web-" + std::to_string(i), "2026-11-21T00:00:00Z");
  const auto known = [&] {
    const auto inventory = sweep();
    EXPECT_EQ(static_cast<std::size_t>(inventory.calls), cloud.log().size());
    cloud.forget_calls();
    return std::ranges::count_if(inventory.servers, [](const auto& one) { return one.traffic_out_bytes.has_value(); });
  };
  EXPECT_EQ(known(), 2);
  EXPECT_EQ(known(), 4);
  EXPECT_EQ(known(), 5);
  cloud.droplets.erase(cloud.droplets.begin());
  EXPECT_EQ(known(), 4) << "who is gone is forgotten, who is known stays so";
}

TEST_F(DigitalOceanTraffic, AThousandDropletsStillAreSweptInAHandfulOfCalls) {
  for (int i = 0; i < 1000; ++i) droplet("web-" + std::to_string(i), "2026-11-21T00:00:00Z");
  const auto inventory = sweep();
  std::printf("[  calls   ] a sweep of 1,000 droplets, %zu of them looked at: %d\n", cloud.calls(kBandwidth),
              inventory.calls);
  EXPECT_GT(cloud.calls(kBandwidth), 0U);
  EXPECT_LE(cloud.log().size(), Cloud::sweep_of_a_thousand);
}

TEST_F(DigitalOceanTraffic, AFailureCostsTheSweepNothingButItsCall) {
  droplet("web", "2026-11-21T09:00:00Z").sends = {{parse_time("2026-11-21T09:00:00Z"), kMegabyte}};
  droplet("web-2", "2026-11-21T09:00:00Z");
  for (const How how : {How::Broken, How::BadGateway, How::LostBefore}) {
    cloud.forget_calls();
    cloud.expect({how, kBandwidth});
    EXPECT_EQ(sweep().servers.size(), 2U);
    EXPECT_EQ(cloud.calls(kBandwidth), 1U) << "neither it again nor the next one";
    sweep();
    EXPECT_EQ(cloud.calls(kBandwidth), 1U) << "and not in the next sweep";
    pass(11min);
  }
  EXPECT_GT(megabytes(5).value_or(0), 3'600) << "it is known in the end";
}

TEST_F(DigitalOceanTraffic, FewCallsAreLeftToWhoNeedsThem) {
  for (int i = 0; i < 4; ++i) droplet("web-" + std::to_string(i), "2026-11-21T00:00:00Z");
  const auto spend_until = [&](std::int64_t remaining) {
    while (!provider->rate_limit() || provider->rate_limit()->remaining > remaining) {
      run(provider->find_image("1"));
      pass(300ms);
    }
    cloud.forget_calls();
    sweep();
    return cloud.calls(kBandwidth);
  };
  EXPECT_EQ(spend_until(2'400), 1U) << "less than half";
  EXPECT_EQ(spend_until(1'200), 0U) << "less than a quarter";
}

TEST(DigitalOceanBandwidth, WhatIsNoFigureIsNoSample) {
  const auto samples = read_samples(json::parse(
      R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":
          [[100,"1.5"],[220,"NaN"],[340,"-1"],[460,"1e300"],["x","1"],[580],[700,""],[820,"2"]]}]}})"));
  EXPECT_EQ(samples.size(), 2U);
  EXPECT_THROW(read_samples(json::parse(R"({"status":"error"})")), Error);
}

TEST(DigitalOceanBandwidth, OneSampleStandsForHoursAtMost) {
  Meter meter;
  const WallTime now = meter.until + 240h;
  meter.add({{meter.until + 24h, 8.0}, {meter.until + 216h, 8.0}}, now, now);
  EXPECT_EQ(meter.seen, 4h) << "two samples in nine days";
  EXPECT_EQ(meter.bytes, 4 * 3600 * 1e6);
}

}  // namespace
}  // namespace gantry::clouds
