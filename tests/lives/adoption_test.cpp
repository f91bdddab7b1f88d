// Goal: what `gantry import` writes takes over what exists: nothing is made, nothing is changed, and it stays when the
// object goes. And what was asked of the vendor about a thing can be told.
#include "reconcilers/provider/existing.hpp"
#include "tests/lives/emulated_world.hpp"

namespace gantry::lives {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <class Vendor>
class Adoption : public ::testing::Test {
 protected:
  Adoption() : house({}) {}
  ~Adoption() override { EXPECT_THAT(house.vendor.breaches(), IsEmpty()); }

  // The account as a provider of one's own sees it, past the controller.
  std::unique_ptr<providers::Provider> own_provider() {
    return Vendor::make(
        {house.world.reactor, house.world.blocking, house.world.random, way},
        {.name = "test", .endpoint = {}, .region = {}, .credentials = {{"token", Secret(house.vendor.token)}}});
  }
  // Runs it to its end, in the test's time.
  template <class T>
  T finish(Task<T> task) {
    std::optional<T> result;
    house.world.reactor.spawn(
        [](Task<T> one, std::optional<T>& into) -> Task<> { into = co_await std::move(one); }(std::move(task), result));
    for (int i = 0; i < 100 && !result; ++i) house.world.advance(1s);
    return std::move(result.value());
  }

  // As `gantry import` writes them.
  json::Array manifests() {
    const auto provider = own_provider();
    const auto inventory = finish(provider->observe());
    return reconcilers::provider::manifests_of(inventory, finish(provider->catalogue()), "default", "cloud");
  }

  EmulatedWorld<Vendor> house;
  emulators::EmulatorTransport way{house.vendor};
};
using Vendors = ::testing::Types<clouds::DigitalOcean, clouds::Hetzner>;
TYPED_TEST_SUITE(Adoption, Vendors);

TYPED_TEST(Adoption, WhatIsImportedIsTakenOverAsItIsAndStays) {
  auto& house = this->house;
  house.vendor.place("Web Front_1", {});
  house.vendor.place("db", {});
  house.server("ours", "image: " + std::string(TypeParam::image));
  house.world.advance(5min);
  ASSERT_EQ(house.vendor.creations(), 1);

  const json::Array manifests = this->manifests();
  ASSERT_THAT(manifests, SizeIs(2)) << "and not what is ours already";
  for (const auto& manifest : manifests) house.world.apply_object(manifest);
  house.world.advance(5min);
  for (const char* name : {"Server/web-front-1", "Server/db"}) {
    EXPECT_EQ(house.world.condition(name, "Ready"), "True") << house.world.message(name, "Ready");
    EXPECT_EQ(house.world.condition(name, "Synced"), "True") << house.world.message(name, "Synced");
  }
  EXPECT_EQ(house.vendor.creations(), 1);
  EXPECT_EQ(TypeParam::count(house.vendor), 3U);
  EXPECT_THAT(this->manifests(), IsEmpty()) << "they are somebody's now";

  house.world.remove("Server/db");
  house.world.advance(5min);
  EXPECT_FALSE(house.world.find("Server/db"));
  EXPECT_EQ(TypeParam::count(house.vendor), 3U);
}

TYPED_TEST(Adoption, AnImageIsTakenOverAsItIsServersStartFromItAndItStays) {
  auto& house = this->house;
  const std::size_t offered = house.vendor.images.size();
  const std::string id = TypeParam::place_image(house.vendor, "Golden 2026");
  const json::Array manifests = this->manifests();
  ASSERT_THAT(manifests, SizeIs(1)) << "and not what the vendor offers to everybody";
  house.world.apply_object(manifests[0]);
  house.world.advance(2min);
  const std::string name = "Snapshot/golden-2026";
  EXPECT_EQ(house.world.condition(name, "Ready"), "True") << house.world.message(name, "Ready");
  EXPECT_EQ(house.world.condition(name, "Current"), "True") << house.world.message(name, "Current");
  EXPECT_EQ(house.world.condition(name, "Synced"), "True") << house.world.message(name, "Synced");
  EXPECT_EQ(house.world.get(name).at({"status", "id"})->as_string(), id);
  EXPECT_THAT(this->manifests(), IsEmpty()) << "it is somebody's now";

  house.server("web-1", "snapshotRef: {name: golden-2026}");
  house.world.advance(5min);
  EXPECT_EQ(house.world.condition("Server/web-1", "Ready"), "True") << house.world.message("Server/web-1", "Ready");
  EXPECT_EQ(house.vendor.creations(), 1) << "nothing was built";
  EXPECT_EQ(house.vendor.images.size(), offered + 1);

  house.world.remove(name);
  house.world.advance(5min);
  EXPECT_FALSE(house.world.find(name));
  EXPECT_EQ(house.vendor.images.size(), offered + 1);
}

TYPED_TEST(Adoption, WhatIsToBeAddedToAnImageOfOnesOwnIsBuiltUponIt) {
  auto& house = this->house;
  const std::size_t offered = house.vendor.images.size();
  const std::string id = TypeParam::place_image(house.vendor, "golden");
  house.world.apply_object(this->manifests().at(0));
  house.world.advance(2min);
  house.world.patch("Snapshot/golden", R"({"spec":{"packages":["git"]}})");
  house.world.advance(15min);
  EXPECT_EQ(house.world.condition("Snapshot/golden", "Current"), "True")
      << house.world.message("Snapshot/golden", "Synced");
  EXPECT_NE(house.world.get("Snapshot/golden").at({"status", "id"})->as_string(), id);
  EXPECT_EQ(house.vendor.images.size(), offered + 2) << "what it is built from stays";
  EXPECT_EQ(TypeParam::count(house.vendor), 0U) << "and no builder does";
}

TYPED_TEST(Adoption, AnImageThatIsNotThereIsNotBuiltInstead) {
  auto& house = this->house;
  house.world.apply(R"(
apiVersion: gantry.dev/v1alpha1
kind: Snapshot
metadata: {name: golden, annotations: {gantry.dev/external-name: "4711"}}
spec: {providerRef: {name: cloud}, from: {image: "4711"}}
)");
  house.world.advance(5min);
  EXPECT_EQ(house.world.reason("Snapshot/golden", "Synced"), "ExternalNameNotFound");
  EXPECT_EQ(house.vendor.creations(), 0);
}

TYPED_TEST(Adoption, AFirewallOfSomebodyElsesStaysAsItIs) {
  auto& house = this->house;
  TypeParam::place_behind_firewall(house.vendor, "db");
  for (const auto& manifest : this->manifests()) house.world.apply_object(manifest);
  house.world.advance(5min);
  EXPECT_EQ(house.world.condition("Server/db", "Synced"), "True") << house.world.message("Server/db", "Synced");
  ASSERT_THAT(house.vendor.firewalls, SizeIs(1));
  EXPECT_EQ(house.vendor.firewalls.begin()->second.name, "by-hand");
  EXPECT_EQ(TypeParam::behind_firewall(house.vendor), 1U);
}

TYPED_TEST(Adoption, OfEachThingTheLastCallsAreKnownAndSweepsDoNotPushThemOut) {
  auto& house = this->house;
  const auto provider = this->own_provider();
  const auto made = this->finish(provider->create_server({.mark = {"uid-1", "server"},
                                                          .token = "t",
                                                          .name = "web-1",
                                                          .size = TypeParam::size,
                                                          .region = TypeParam::region,
                                                          .image = TypeParam::image}));
  house.world.advance(5min);
  for (int i = 0; i < 120; ++i) this->finish(provider->observe());
  const auto calls = provider->calls_about({"uid-1", made.target}, 20);
  ASSERT_THAT(calls, SizeIs(1));
  EXPECT_TRUE(calls[0].operation.starts_with("POST ")) << calls[0].operation;
  EXPECT_GE(calls[0].status, 200);
  EXPECT_GT(calls[0].elapsed, Duration{});
  EXPECT_THAT(provider->calls_about({"uid-2"}, 20), IsEmpty());
}

}  // namespace
}  // namespace gantry::lives
