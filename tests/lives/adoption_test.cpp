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

  const auto provider = this->own_provider();
  const auto inventory = this->finish(provider->observe());
  const json::Array manifests = reconcilers::provider::manifests_of(inventory, "default", "cloud");
  ASSERT_THAT(manifests, SizeIs(2)) << "and not what is ours already";
  for (const auto& manifest : manifests) house.world.apply_object(manifest);
  house.world.advance(5min);
  for (const char* name : {"Server/web-front-1", "Server/db"}) {
    EXPECT_EQ(house.world.condition(name, "Ready"), "True") << house.world.message(name, "Ready");
    EXPECT_EQ(house.world.condition(name, "Synced"), "True") << house.world.message(name, "Synced");
  }
  EXPECT_EQ(house.vendor.creations(), 1);
  EXPECT_EQ(TypeParam::count(house.vendor), 3U);
  EXPECT_THAT(reconcilers::provider::manifests_of(this->finish(provider->observe()), "default", "cloud"), IsEmpty())
      << "they are somebody's now";

  house.world.remove("Server/db");
  house.world.advance(5min);
  EXPECT_FALSE(house.world.find("Server/db"));
  EXPECT_EQ(TypeParam::count(house.vendor), 3U);
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
