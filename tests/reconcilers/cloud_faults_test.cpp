// Goal: whatever goes wrong and wherever the controller dies, in the end exactly what is declared exists: no twin, no
// orphan. Method: a life is played once to count its calls to the cloud and to the store, then again for each call and
// each way in which it can fail; and then by chance, from seeds that are printed.
#include <cstdlib>

#include "controller/base/log.hpp"
#include "tests/reconcilers/cloud_world.hpp"

namespace gantry::reconcilers {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using world::Fault;

constexpr const char* kSpec =
    "size: cx23, image: debian-12, network: backend, firewall: {inbound: [{protocol: tcp, "
    "ports: '443', from: [0.0.0.0/0]}]}";

// Create, change, delete; after each, exactly what is declared.
void life_of_a_server(CloudWorld& house) {
  house.cloud.addresses["ip"] = {.id = "ip", .address = "192.0.2.7"};
  house.server("web-1", kSpec + std::string(", reservedAddress: 192.0.2.7"));
  house.world.advance(6min);
  ASSERT_THAT(house.cloud.names(), ElementsAre("web-1"));
  ASSERT_EQ(house.cloud.addresses["ip"].server, house.cloud.find("web-1")->server.id);
  ASSERT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  ASSERT_EQ(house.state("Server/web-1", "Synced"), "True/ReconcileSuccess");
  ASSERT_EQ(house.cloud.firewalls.size(), 1u);
  house.world.patch("Server/web-1", R"({"spec":{"size":"cx33"}})");
  house.world.advance(6min);
  ASSERT_EQ(house.cloud.find("web-1")->server.size, "cx33");
  ASSERT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  house.world.remove("Server/web-1");
  house.world.advance(6min);
  ASSERT_THAT(house.cloud.machines, IsEmpty());
  ASSERT_THAT(house.cloud.firewalls, IsEmpty());
  ASSERT_EQ(house.cloud.addresses["ip"].server, "") << "still the account's, and of no server";
  ASSERT_FALSE(house.world.find("Server/web-1"));
  // At no time were there two.
  ASSERT_EQ(std::ranges::count(house.cloud.log, "create web-1"), 1) << testing::PrintToString(house.cloud.log);
}

std::size_t calls_of(const std::string& only) {
  CloudWorld house({}, only);
  life_of_a_server(house);
  return house.world.faults.calls();
}

class EveryCloudFault : public testing::TestWithParam<const char*> {};

TEST_P(EveryCloudFault, LeavesExactlyWhatIsDeclared) {
  const std::size_t calls = calls_of(GetParam());
  ASSERT_GT(calls, 0u);
  std::size_t tried = 0;
  for (const Fault& fault : world::every_fault(calls)) {
    SCOPED_TRACE(testing::PrintToString(fault));
    world::WorldOptions options;
    options.fault = fault;
    CloudWorld house(options, GetParam());
    life_of_a_server(house);
    ++tried;
    if (HasFatalFailure()) {
      for (const auto& call : house.world.faults.log()) std::cout << call << "\n";
      return;
    }
  }
  std::cout << GetParam() << ": " << calls << " calls, " << tried << " lives with a fault\n";
}

INSTANTIATE_TEST_SUITE_P(Seams, EveryCloudFault,
                         testing::Values("cloud create", "cloud remove", "cloud put", "cloud resize", "cloud power",
                                         "cloud observe", "cloud servers_of", "cloud find", "patch servers",
                                         "update_status servers", "find"));

TEST(CloudStorm, EndsWithExactlyWhatIsDeclared) {
  const std::uint64_t first = system_random().next();
  const char* asked = std::getenv("GANTRY_STORM_SEEDS");
  const std::uint64_t seeds = asked ? std::strtoull(asked, nullptr, 10) : 12;
  std::cout << seeds << " seeds from " << first << "\n";
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    world::WorldOptions options;
    options.seed = seed;
    CloudWorld house(options);
    house.world.faults.chance = [&](std::size_t, const std::string& name) -> std::optional<Fault::How> {
      if (name.starts_with("create events") || random.below(20) != 0) return {};
      return static_cast<Fault::How>(random.below(4));
    };
    std::map<std::string, bool> declared;
    for (int i = 0; i < 25; ++i) {
      const std::string name = "s" + std::to_string(random.below(4));
      if (!house.world.find("Server/" + name)) {
        house.server(name, kSpec);
      } else if (random.below(2) == 0) {
        house.world.remove("Server/" + name);
      }
      house.world.advance(1s * static_cast<int>(random.below(90)));
      std::map<std::string, int> alive;
      for (const auto& [id, machine] : house.cloud.machines) {
        if (machine.server.mark && !machine.going) ++alive[machine.server.mark->uid];
      }
      for (const auto& [uid, count] : alive) ASSERT_EQ(count, 1) << "twins";
    }
    house.world.faults.chance = {};
    house.world.advance(40min);
    std::vector<std::string> wanted;
    for (const auto& object : house.world.list("Server")) wanted.push_back(object->key().name);
    std::ranges::sort(wanted);
    EXPECT_EQ(house.cloud.names(), wanted);
    EXPECT_EQ(house.cloud.firewalls.size(), wanted.size());
    for (const auto& name : wanted) EXPECT_EQ(house.state("Server/" + name, "Ready"), "True/Running");
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace gantry::reconcilers
