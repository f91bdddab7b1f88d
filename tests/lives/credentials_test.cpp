// Goal: credentials change without harm. A new token of the same account changes nothing but the token; one of another
// account, put there by mistake, makes nothing there and gives up nothing here.
#include "tests/lives/emulated_world.hpp"

namespace gantry::lives {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class Vendor>
class Credentials : public ::testing::Test {
 protected:
  Credentials() : house({}) {}
  ~Credentials() override { EXPECT_THAT(house.vendor.breaches(), IsEmpty()); }

  void three_servers_with_agents() {
    for (const char* name : {"web-1", "web-2", "web-3"}) {
      house.server(name, "image: " + std::string(Vendor::image), true);
      house.hosts.contacts["default/" + std::string(name)] = {
          .connected = true, .ever = true, .last_heard = house.world.clock.wall(), .version = "1.2.3"};
    }
    house.world.advance(5min);
    expect_all_ready();
  }
  void expect_all_ready() {
    for (const char* name : {"Server/web-1", "Server/web-2", "Server/web-3"}) {
      EXPECT_EQ(house.world.condition(name, "Ready"), "True") << name << ": " << house.world.message(name, "Ready");
      EXPECT_EQ(house.world.condition(name, "AgentReachable"), "True") << name;
    }
    EXPECT_EQ(house.world.condition("Provider/cloud", "Ready"), "True")
        << house.world.message("Provider/cloud", "Ready");
    EXPECT_EQ(Vendor::count(house.vendor), 3U);
    EXPECT_EQ(house.vendor.creations(), 3);
  }
  std::string reason(const std::string& name) { return house.world.reason(name, "Ready"); }

  EmulatedWorld<Vendor> house;
};
using Vendors = ::testing::Types<clouds::DigitalOcean, clouds::Hetzner>;
TYPED_TEST_SUITE(Credentials, Vendors);

// E-56: with keys that were derived from the token, this would have locked out every agent.
TYPED_TEST(Credentials, ARotatedTokenLosesNoAgent) {
  this->three_servers_with_agents();
  auto& house = this->house;
  const auto doors = house.hosts.endpoints;
  const json::Value key = house.world.get("Secret/web-1-agent");
  ASSERT_EQ(doors.size(), 3U);
  house.vendor.token = "a-new-token";
  house.world.advance(5min);
  EXPECT_EQ(this->reason("Provider/cloud"), "Unauthorized") << "the old one is refused";
  EXPECT_EQ(house.hosts.endpoints, doors) << "and the agents are spoken to all the same";
  house.use_token("a-new-token");
  house.world.advance(5min);
  this->expect_all_ready();
  EXPECT_EQ(house.hosts.endpoints, doors);
  EXPECT_EQ(house.world.get("Secret/web-1-agent"), key);

  // The account is whole: what is made and removed from now on, is with the new one.
  house.world.remove("Server/web-3");
  house.world.advance(5min);
  EXPECT_EQ(TypeParam::count(house.vendor), 2U);
}

TYPED_TEST(Credentials, ATokenOfAnotherAccountMakesNothingThereAndLosesNothingHere) {
  this->three_servers_with_agents();
  auto& house = this->house;
  auto& another = house.open_another_account("token-of-another");
  if constexpr (requires { another.team_uuid; }) another.team_uuid = "another-team";
  house.use_token("token-of-another");
  house.world.advance(30min);
  EXPECT_EQ(this->reason("Provider/cloud"), "AccountChanged");
  EXPECT_THAT(house.world.message("Provider/cloud", "Ready"),
              AllOf(HasSubstr("another account"), HasSubstr("gantry.dev/accept-account")));
  EXPECT_THAT(house.world.message("Server/web-1", "Synced"), HasSubstr("another account"));
  EXPECT_EQ(another.creations(), 0);
  // Not even a controller that has just started, and remembers nothing itself.
  house.world.restart();
  house.server("web-4", "image: " + std::string(TypeParam::image));
  house.world.remove("Server/web-3");
  house.world.advance(30min);
  EXPECT_EQ(another.creations(), 0);
  EXPECT_EQ(TypeParam::count(house.vendor), 3U);
  EXPECT_TRUE(house.world.find("Server/web-3")) << "it is not gone before its machine is";

  house.use_token(house.vendor.token);
  house.world.advance(5min);
  EXPECT_EQ(house.world.condition("Provider/cloud", "Ready"), "True");
  EXPECT_EQ(TypeParam::count(house.vendor), 3U) << "web-4 instead of web-3";
  EXPECT_FALSE(house.world.find("Server/web-3"));
  EXPECT_EQ(house.world.condition("Server/web-4", "Ready"), "True");
}

TYPED_TEST(Credentials, AnotherAccountIsUsedOnceItIsAccepted) {
  this->three_servers_with_agents();
  auto& house = this->house;
  auto& another = house.open_another_account("token-of-another");
  if constexpr (requires { another.team_uuid; }) another.team_uuid = "another-team";
  house.use_token("token-of-another");
  house.world.advance(5min);
  const std::string told = house.world.message("Provider/cloud", "Ready");
  const auto begin = told.find("accept-account: \"") + 17;
  const std::string word = told.substr(begin, told.find('"', begin) - begin);
  house.world.patch("Provider/cloud",
                    R"({"metadata":{"annotations":{"gantry.dev/accept-account":")" + word + R"("}}})");
  house.world.advance(10min);
  EXPECT_EQ(house.world.condition("Provider/cloud", "Ready"), "True");
  EXPECT_EQ(another.creations(), 3);
  EXPECT_EQ(TypeParam::count(another), 3U);
  EXPECT_EQ(house.vendor.creations(), 3) << "what is at the old account stays there";
  EXPECT_EQ(TypeParam::count(house.vendor), 3U);
}

}  // namespace
}  // namespace gantry::lives
