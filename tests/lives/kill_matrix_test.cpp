// Goal: wherever a controller dies, exactly what is declared exists in the end: no twin, no orphan, no builder left,
// and the status tells the truth. Method: the life of a Server, and that of a Snapshot, is played once over the real
// provider and its emulated vendor to count the controller's calls: each read and write of the API, each call to the
// vendor. Then it is played again for each of these calls twice: the controller dies before the call gets through, and
// before the answer comes back; another one takes over. One thread, a manual clock and no chance: what fails, fails
// again. GANTRY_KILL_EVERY=N plays each Nth read only (writes are always played); under a sanitizer, which makes a life
// ten times as long, 16 unless told.
#include <cstdlib>
#include <iostream>

#include "tests/lives/emulated_world.hpp"

namespace gantry::lives {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using world::Fault;

template <class Vendor>
struct Life {
  using House = EmulatedWorld<Vendor>;
  House& house;

  void expect(const std::string& what, const char* type) {
    EXPECT_EQ(house.world.condition(what, type), "True")
        << what << " " << type << ": " << house.world.message(what, type);
  }
  // `wanted`: how many servers and images there are, and no more.
  void expect_there(std::size_t servers, std::size_t images, std::size_t firewalls) {
    house.vendor.catch_up();
    EXPECT_EQ(Vendor::count(house.vendor), servers);
    EXPECT_EQ(Vendor::images_made(house.vendor), images);
    EXPECT_EQ(house.vendor.firewalls.size(), firewalls);
  }
  void expect_calls_kept_to_the_rules() {
    EXPECT_THAT(house.vendor.breaches(), IsEmpty());
    EXPECT_EQ(house.vendor.over_the_limit(), 0);
  }
};

// Made with a firewall, made bigger with another one, removed.
template <class Vendor>
void life_of_a_server(EmulatedWorld<Vendor>& house) {
  Life<Vendor> life{house};
  const std::string address = "192.0.2.7";
  Vendor::place_address(house.vendor, address);
  Vendor::place_network(house.vendor, "backend");
  house.server("web-1", "image: " + std::string(Vendor::image) + ", network: backend, reservedAddress: " + address +
                            ", firewall: {inbound: [{protocol: tcp, ports: '80,443', from: [0.0.0.0/0]}]}");
  house.world.advance(5min);
  life.expect("Server/web-1", "Ready");
  life.expect("Server/web-1", "Synced");
  life.expect("Server/web-1", "AddressAssigned");
  life.expect_there(1, 0, 1);
  EXPECT_NE(Vendor::holder_of(house.vendor, address), "0");
  house.world.patch("Server/web-1",
                    std::string(R"({"spec":{"size":")") + Vendor::bigger +
                        R"(","firewall":{"inbound":[{"protocol":"tcp","ports":"443","from":["10.0.0.0/8"]}]}}})");
  house.world.advance(5min);
  life.expect("Server/web-1", "Ready");
  life.expect("Server/web-1", "Synced");
  life.expect_there(1, 0, 1);
  EXPECT_EQ(Vendor::size_of_first(house.vendor), Vendor::bigger);
  house.world.remove("Server/web-1");
  house.world.advance(3min);
  EXPECT_FALSE(house.world.find("Server/web-1"));
  life.expect_there(0, 0, 0);
  EXPECT_EQ(Vendor::holder_of(house.vendor, address), "0") << "it is still there, and leads nowhere";
  EXPECT_EQ(house.vendor.creations(), 1) << "no twin at any time";
  life.expect_calls_kept_to_the_rules();
}

// Built, built anew because its packages changed, removed.
template <class Vendor>
void life_of_a_snapshot(EmulatedWorld<Vendor>& house) {
  Life<Vendor> life{house};
  house.snapshot("base", "from: {image: " + std::string(Vendor::image) + "}, builder: {size: " + Vendor::size +
                             "}, packages: [git], regions: [lon1, fra1], retain: 0");
  house.world.advance(9min);
  life.expect("Snapshot/base", "Ready");
  life.expect("Snapshot/base", "Current");
  life.expect("Snapshot/base", "Synced");
  life.expect_there(0, 1, 0);
  house.world.patch("Snapshot/base", R"({"spec":{"packages":["git","curl"]}})");
  house.world.advance(9min);
  life.expect("Snapshot/base", "Ready");
  life.expect("Snapshot/base", "Current");
  life.expect("Snapshot/base", "Synced");
  life.expect_there(0, 1, 0);
  house.world.remove("Snapshot/base");
  house.world.advance(3min);
  EXPECT_FALSE(house.world.find("Snapshot/base"));
  life.expect_there(0, 0, 0);
  EXPECT_EQ(house.vendor.creations(), 2) << "one builder for each image";
  life.expect_calls_kept_to_the_rules();
}

bool is_read(const std::string& call) {
  return call.starts_with("find ") || call.starts_with("list ") || call.starts_with("vendor GET ");
}

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::size_t kStep = 16;
#else
constexpr std::size_t kStep = 1;
#endif

std::size_t step_from_environment() {
  const char* text = std::getenv("GANTRY_KILL_EVERY");
  return text && *text ? std::max(1UL, std::strtoul(text, nullptr, 10)) : kStep;
}

template <class Vendor>
class KillMatrix : public ::testing::Test {
 protected:
  using Play = void (*)(EmulatedWorld<Vendor>&);

  void kill_everywhere(const char* what, Play play) {
    std::vector<std::string> calls;
    {
      EmulatedWorld<Vendor> house({});
      play(house);
      calls = house.world.faults.log();
    }
    ASSERT_FALSE(::testing::Test::HasFailure()) << "it does not even go well undisturbed";
    const std::size_t step = step_from_environment();
    std::size_t vendor = 0;
    std::size_t writes = 0;
    std::size_t reads = 0;
    std::size_t lives = 0;
    for (std::size_t at = 1; at <= calls.size(); ++at) {
      const std::string& call = calls[at - 1];
      (is_read(call) ? reads : call.starts_with("vendor ") ? vendor : writes) += 1;
      if (is_read(call) && at % step != 0) continue;
      for (const auto how : {Fault::How::CrashBefore, Fault::How::CrashAfter}) {
        SCOPED_TRACE(::testing::PrintToString(Fault{at, how}) + ": " + call);
        world::WorldOptions options;
        options.fault = Fault{at, how};
        EmulatedWorld<Vendor> house(options);
        play(house);
        ++lives;
        if (!::testing::Test::HasFailure()) continue;
        for (const auto& one : house.world.faults.log()) {
          if (!is_read(one)) std::cout << one << "\n";
        }
        return;
      }
    }
    std::cout << Vendor::type << ", " << what << ": " << calls.size() << " calls (" << vendor
              << " that change something at the vendor, " << writes << " writes of the API, " << reads << " reads), "
              << lives << " lives with a death in them\n";
    EXPECT_GT(vendor, 0U);
    EXPECT_GT(writes, 0U);
  }
};
using Vendors = ::testing::Types<clouds::DigitalOcean, clouds::Hetzner>;
TYPED_TEST_SUITE(KillMatrix, Vendors);

TYPED_TEST(KillMatrix, ServerMadeChangedRemoved) { this->kill_everywhere("Server", life_of_a_server<TypeParam>); }

TYPED_TEST(KillMatrix, SnapshotBuiltRebuiltRemoved) {
  this->kill_everywhere("Snapshot", life_of_a_snapshot<TypeParam>);
}

}  // namespace
}  // namespace gantry::lives
