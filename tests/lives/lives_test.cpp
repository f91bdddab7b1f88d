// Goal: whatever happens on the way, what is declared exists once, and nothing else of ours. Method: whole lives of
// Servers and a Snapshot over the real providers, with faults by chance at every call to the API and to the vendor:
// the controller killed, answers lost, 429, 5xx, requests doubled, actions that are slow or fail, listings that lack a
// row, and no room. Seeds are printed; GANTRY_SEEDS says how many, GANTRY_SEED where to begin.
#include <cstdlib>
#include <iostream>

#include "controller/base/metrics.hpp"
#include "tests/lives/emulated_world.hpp"

namespace gantry::lives {
namespace {

using namespace std::chrono_literals;
using clouds::DigitalOcean;
using clouds::Hetzner;
using clouds::How;
using world::Fault;

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// "web-1", ...: names of the servers that are there, sorted; with those that somebody else made.
std::vector<std::string> names_of(const emulators::DigitalOcean& cloud) {
  std::vector<std::string> names;
  for (const auto& [id, droplet] : cloud.droplets) names.push_back(droplet.name);
  std::sort(names.begin(), names.end());
  return names;
}
std::vector<std::string> names_of(const emulators::Hetzner& cloud) {
  std::vector<std::string> names;
  for (const auto& [id, server] : cloud.servers) names.push_back(server.name);
  std::sort(names.begin(), names.end());
  return names;
}

template <class Vendor>
class Lives : public ::testing::Test {};
using Vendors = ::testing::Types<DigitalOcean, Hetzner>;
TYPED_TEST_SUITE(Lives, Vendors);

template <class Vendor>
void expect_settled(EmulatedWorld<Vendor>& house, std::vector<std::string> names, std::size_t images) {
  house.vendor.catch_up();
  EXPECT_EQ(names_of(house.vendor), names);
  EXPECT_EQ(Vendor::images_made(house.vendor), images);
  for (const auto& name : names) {
    if (name == "a-stranger") continue;
    EXPECT_EQ(house.world.condition("Server/" + name, "Ready"), "True")
        << name << ": " << house.world.message("Server/" + name, "Ready");
    EXPECT_EQ(house.world.condition("Server/" + name, "Synced"), "True")
        << name << ": " << house.world.message("Server/" + name, "Synced");
  }
  EXPECT_THAT(house.vendor.breaches(), ::testing::IsEmpty());
  EXPECT_EQ(house.vendor.over_the_limit(), 0);
}

template <class Vendor>
void live(EmulatedWorld<Vendor>& house, Duration each, const std::function<void()>& calm) {
  const std::string image = "image: " + std::string(Vendor::image);
  house.vendor.place("a-stranger", {});
  house.server("web-1", image + ", firewall: {inbound: [{protocol: tcp, ports: '80,443', from: [0.0.0.0/0]}]}");
  house.server("web-2", image);
  house.snapshot("base", "from: {" + image + "}, packages: [git]");
  house.server("web-3", "snapshotRef: {name: base}");
  house.world.advance(each);
  house.world.patch("Server/web-1",
                    R"({"spec":{"firewall":{"inbound":[{"protocol":"tcp","ports":"443","from":["10.0.0.0/8"]}]}}})");
  house.world.remove("Server/web-2");
  house.world.advance(each);
  calm();
  house.world.advance(40min);
  expect_settled(house, {"a-stranger", "web-1", "web-3"}, 1);
  for (const char* name : {"Server/web-1", "Server/web-3", "Snapshot/base"}) house.world.remove(name);
  house.world.advance(30min);
  expect_settled(house, {"a-stranger"}, 0);
  for (const char* name : {"Server/web-1", "Server/web-3", "Snapshot/base"})
    EXPECT_FALSE(house.world.find(name)) << name;
  EXPECT_TRUE(house.vendor.firewalls.empty());
}

TYPED_TEST(Lives, AWholeLifeWithoutFaults) {
  EmulatedWorld<TypeParam> house({});
  live(house, 15min, [] {});
}

TYPED_TEST(Lives, AnyFaultsByChanceEndInWhatIsDeclared) {
  const std::uint64_t first = number_from_environment("GANTRY_SEED", 1);
  const std::uint64_t count = number_from_environment("GANTRY_SEEDS", 10);
  std::cout << "seeds from " << first << ", " << count << " of them\n";
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    world::WorldOptions options;
    options.seed = seed;
    EmulatedWorld<TypeParam> house(options);
    house.world.faults.chance = [&](std::size_t, const std::string&) -> std::optional<Fault::How> {
      if (random.unit() > 0.01) return std::nullopt;
      static constexpr Fault::How kWays[] = {Fault::How::Refused, Fault::How::Lost, Fault::How::CrashBefore,
                                             Fault::How::CrashAfter};
      return kWays[random.below(4)];
    };
    house.vendor.trouble_by_chance(seed, 0.05,
                                   {How::TooMany, How::Broken, How::BadGateway, How::LostBefore, How::LostAfter,
                                    How::Twice, How::Slow, How::WrongTotal, How::NoRoom, How::FailsLater});
    live(house, 20min, [&] {
      house.world.faults.chance = {};
      house.vendor.leave_in_peace();
    });
    if (::testing::Test::HasFailure()) break;
  }
  // That there were any.
  EXPECT_THAT(metrics::render(),
              ::testing::AllOf(::testing::HasSubstr("code=\"500\""), ::testing::HasSubstr("code=\"none\"")));
}

}  // namespace
}  // namespace gantry::lives
