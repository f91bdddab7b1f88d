// Goal: an address that the account has leads to the Server that asks for it, whatever happens to its machine, and is
// taken from nobody. And a Server is made in the network that it names, and stays there. Method: the real plane and
// accounts in a manual clock, over a cloud that is stateful, slow and forgetful.
#include "tests/reconcilers/cloud_world.hpp"

namespace gantry::reconcilers {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kAddress = "192.0.2.7";
const std::string kSpec = "size: cx23, image: debian-12, reservedAddress: " + kAddress;

class ReservedAddress : public testing::Test {
 protected:
  ReservedAddress() { reserve("ip", kAddress); }
  void reserve(const std::string& id, const std::string& address, const std::string& region = {}) {
    house.cloud.addresses[id] = {.id = id, .address = address, .region = region};
  }
  // The name of the server that the address leads to.
  std::string holder() {
    house.cloud.pass_time();
    const auto at = house.cloud.machines.find(house.cloud.addresses["ip"].server);
    return at == house.cloud.machines.end() ? "" : at->second.server.name;
  }
  auto assignments() {
    return std::ranges::count_if(house.cloud.log, [](const auto& line) { return line.starts_with("assign"); });
  }
  std::string addresses(const std::string& server) {
    return json::dump(*house.world.get(server).at({"status", "addresses"}));
  }

  CloudWorld house;
};

TEST_F(ReservedAddress, LeadsToTheServerOnceItRunsAndIsAssignedOnce) {
  house.server("web-1", kSpec);
  house.world.advance(2min);
  EXPECT_EQ(holder(), "web-1");
  EXPECT_EQ(house.state("Server/web-1", "AddressAssigned"), "True/Assigned");
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "True/ReconcileSuccess");
  EXPECT_EQ(addresses("Server/web-1"),
            R"([{"address":"203.0.113.1","type":"ExternalIP"},{"address":"192.0.2.7","type":"ExternalIP"}])")
      << "its own first";
  house.world.advance(30min);
  EXPECT_THAT(house.cloud.log, ElementsAre("create web-1", "assign 192.0.2.7 to web-1"));
}

TEST_F(ReservedAddress, CostsOneCallASweepAndNoneWhereNobodyAsksForOne) {
  house.server("web-1");
  house.world.advance(10min);
  EXPECT_EQ(house.cloud.calls["reserved_addresses"], 0);
  house.server("web-2", kSpec);
  for (int i = 0; i < 20; ++i) house.server("more-" + std::to_string(i));
  house.world.advance(5min);
  house.cloud.calls.clear();
  const auto revision = house.world.store().revision();
  house.world.advance(30min);
  EXPECT_LE(house.cloud.calls["observe"], 31);
  EXPECT_LE(house.cloud.calls["reserved_addresses"], house.cloud.calls["observe"]);
  EXPECT_EQ(house.cloud.calls["find_server"] + house.cloud.calls["servers_of"], 0);
  EXPECT_EQ(house.world.store().revision(), revision) << "a write at rest";
  house.world.remove("Server/web-2");
  house.world.advance(5min);
  house.cloud.calls.clear();
  house.world.advance(10min);
  EXPECT_EQ(house.cloud.calls["reserved_addresses"], 0) << "nobody asks for one any more";
}

TEST_F(ReservedAddress, FollowsTheServerToTheMachineThatReplacesTheFirst) {
  house.server("web-1", kSpec);
  house.world.advance(2min);
  const std::string first = house.cloud.find("web-1")->server.id;
  house.cloud.machines.clear();
  house.world.advance(5min);
  ASSERT_TRUE(house.cloud.find("web-1"));
  EXPECT_NE(house.cloud.find("web-1")->server.id, first);
  EXPECT_EQ(holder(), "web-1");
  EXPECT_EQ(assignments(), 2);
  house.world.remove("Server/web-1");
  house.world.advance(2min);
  EXPECT_THAT(house.cloud.machines, IsEmpty());
  EXPECT_EQ(house.cloud.addresses.size(), 1U) << "it is the account's as before";
}

TEST_F(ReservedAddress, ThatSomebodyTookAwayComesBackWhenItIsFree) {
  house.server("web-1", kSpec);
  house.world.advance(2min);
  const std::string other = house.cloud.add_stranger("by-hand", "cx23");
  house.cloud.addresses["ip"].server = other;
  house.world.advance(5min);
  EXPECT_EQ(holder(), "by-hand") << "somebody meant that";
  EXPECT_EQ(house.state("Server/web-1", "AddressAssigned"), "False/AddressTaken");
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/AddressTaken");
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running") << "it works by its own address";
  house.cloud.addresses["ip"].server.clear();
  house.world.advance(3min);
  EXPECT_EQ(holder(), "web-1");
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "True/ReconcileSuccess");
}

TEST_F(ReservedAddress, IsNotTakenFromAnotherServerUnlessItIsSaid) {
  house.server("web-1", kSpec);
  house.world.advance(2min);
  house.server("web-2", kSpec);
  house.world.advance(10min);
  EXPECT_EQ(holder(), "web-1");
  EXPECT_EQ(house.state("Server/web-2", "Ready"), "True/Running");
  EXPECT_THAT(house.world.message("Server/web-2", "AddressAssigned"),
              AllOf(HasSubstr("leads to server 1 (web-1), which another Gantry object owns"),
                    HasSubstr("gantry.dev/take-address: 192.0.2.7")));
  house.world.patch("Server/web-2", R"({"metadata":{"annotations":{"gantry.dev/take-address":"192.0.2.7"}}})");
  house.world.advance(3min);
  EXPECT_EQ(holder(), "web-2");
  house.world.advance(10min);
  EXPECT_EQ(holder(), "web-2") << "and the other does not take it back";
  EXPECT_EQ(house.state("Server/web-1", "AddressAssigned"), "False/AddressTaken");
  EXPECT_EQ(assignments(), 2);
}

TEST_F(ReservedAddress, OfTwoThatWantItAtOnceOneHasItAndKeepsIt) {
  house.server("web-1", kSpec);
  house.server("web-2", kSpec);
  house.world.advance(10min);
  EXPECT_EQ(assignments(), 1) << testing::PrintToString(house.cloud.log);
  const bool first = holder() == "web-1";
  EXPECT_EQ(house.state(first ? "Server/web-1" : "Server/web-2", "AddressAssigned"), "True/Assigned");
  EXPECT_EQ(house.state(first ? "Server/web-2" : "Server/web-1", "AddressAssigned"), "False/AddressTaken");
}

TEST_F(ReservedAddress, ThatIsNotThereIsSaidBeforeAnythingIsMade) {
  reserve("more", "192.0.2.8", "nbg1");
  house.server("web-1", "size: cx23, image: debian-12, reservedAddress: 192.0.2.9");
  house.server("web-2", "size: cx23, image: debian-12, reservedAddress: 192.0.2.8");
  house.world.advance(2min);
  EXPECT_THAT(house.cloud.names(), IsEmpty());
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/CatalogueMismatch");
  EXPECT_EQ(house.world.message("Server/web-1", "Synced"),
            "spec.reservedAddress: 192.0.2.9 is none that the account has; there are 192.0.2.7, 192.0.2.8. Reserve it "
            "there first: Gantry orders none");
  EXPECT_EQ(house.world.message("Server/web-2", "Synced"),
            "spec.reservedAddress: 192.0.2.8 is in nbg1, and leads to no server in fsn1");
  reserve("late", "192.0.2.9");
  house.world.advance(5min);
  EXPECT_THAT(house.cloud.names(), ElementsAre("web-1")) << "it goes on by itself";
  EXPECT_EQ(house.state("Server/web-1", "AddressAssigned"), "True/Assigned");
}

TEST_F(ReservedAddress, ThatCannotBeListedKeepsNobodyFromBeingLookedAfter) {
  for (int i = 0; i < 60; ++i)
    house.cloud.refusals["reserved_addresses"].emplace_back(ErrorCode::Forbidden, "GET /floating_ips: 403");
  house.server("web-1", kSpec);
  house.server("web-2");
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-2", "Synced"), "True/ReconcileSuccess");
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  EXPECT_EQ(house.state("Server/web-1", "AddressAssigned"), "Unknown/Forbidden");
  EXPECT_THAT(house.world.message("Server/web-1", "AddressAssigned"), HasSubstr("GET /floating_ips: 403"));
  house.cloud.refusals.clear();
  house.world.advance(3min);
  EXPECT_EQ(house.state("Server/web-1", "AddressAssigned"), "True/Assigned");
}

TEST_F(ReservedAddress, WhereThereAreNoneIsSaid) {
  house.cloud.can.reserved_addresses = house.cloud.can.networks = false;
  house.server("web-1", kSpec);
  house.server("web-2", "size: cx23, image: debian-12, network: backend");
  house.world.advance(2min);
  EXPECT_THAT(house.cloud.log, IsEmpty());
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/NotSupported");
  EXPECT_EQ(house.state("Server/web-2", "Synced"), "False/NotSupported");
}

TEST(ServerNetwork, IsWhereTheServerIsMadeAndStays) {
  CloudWorld house;
  const std::string in = "size: cx23, image: debian-12, network: ";
  house.server("web-1", in + "backend");
  house.server("web-2", in + "frontend");
  house.world.advance(2min);
  EXPECT_THAT(house.cloud.names(), ElementsAre("web-1"));
  EXPECT_THAT(json::dump(*house.world.get("Server/web-1").at({"status", "addresses"})),
              HasSubstr(R"({"address":"10.0.0.1","type":"InternalIP"})"));
  EXPECT_EQ(house.state("Server/web-2", "Synced"), "False/Invalid");
  EXPECT_THAT(house.world.message("Server/web-2", "Synced"), HasSubstr("no network \"frontend\""));

  house.cloud.networks.emplace_back("frontend");
  house.world.patch("Server/web-1", R"({"spec":{"network":"frontend"}})");
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/ImmutableField");
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running") << "it works all the same";
  house.world.patch("Server/web-1", R"({"spec":{"network":"id-of-backend"}})");
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "True/ReconcileSuccess") << "the same one by its id";
}

}  // namespace
}  // namespace gantry::reconcilers
