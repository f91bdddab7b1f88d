// Goal: one App on many Servers is as fast as the slowest of them, not as all of them one after the other; a Server
// that hangs holds up nobody, neither the App, and is told apart. Method: the real reconcilers of Apps and Servers over
// a cloud of machines with agents that take their time, in a manual clock.
#include "tests/reconcilers/fleet_world.hpp"

namespace gantry::reconcilers {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kBlue = "{selector: {matchLabels: {tier: blue}}}";

std::string name_of(int number) { return "web-" + std::to_string(number); }
std::string server_of(int number) { return "default/" + name_of(number); }

class ManyServers : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 1; i <= kServers; ++i) fleet.server(name_of(i), "tier: blue");
    fleet.live(1min);
  }
  void everybody_takes(Duration time) {
    for (int i = 1; i <= kServers; ++i) fleet.machine.slow[server_of(i)] = time;
  }
  bool ready() { return fleet.world.condition("App/hello", "Ready") == "True"; }
  // How long until it is so; not much longer than `most`.
  Duration until(Duration most, const std::function<bool()>& so) {
    const Instant began = fleet.world.clock.now();
    while (!so() && fleet.world.clock.now() - began < most) fleet.live(1s);
    return fleet.world.clock.now() - began;
  }
  std::string release() { return fleet.world.get("App/hello").at({"status", "release"})->as_string(); }

  static constexpr int kServers = 20;
  FleetWorld fleet;
};

TEST_F(ManyServers, AnAppIsReadyWhenTheSlowestOfThemIs) {
  everybody_takes(20s);
  fleet.machine.slow[server_of(7)] = 60s;
  fleet.app(kServers, kBlue);
  const Duration took = until(10min, [&] { return ready(); });
  EXPECT_TRUE(ready()) << fleet.world.message("App/hello", "Ready");
  EXPECT_GE(took, 60s);
  EXPECT_LE(took, 70s) << "all together would have been " << human_duration(20s * (kServers - 1) + 60s);
  for (int i = 1; i <= kServers; ++i) EXPECT_EQ(fleet.machine.on(server_of(i)).size(), 1U) << i;
  EXPECT_FALSE(fleet.machine.twins());
}

TEST_F(ManyServers, OneThatHangsHoldsUpNobodyAndIsNamed) {
  everybody_takes(5s);
  fleet.machine.hangs.insert(server_of(7));
  fleet.app(kServers, kBlue);
  const auto others = [&] { return fleet.machine.alive() == kServers - 1; };
  EXPECT_LE(until(5min, others), 10s);
  fleet.live(10s);
  EXPECT_THAT(fleet.world.message("App/hello", "Ready"),
              AllOf(HasSubstr("Server web-7 was asked at"), HasSubstr("hello/")));
  EXPECT_EQ(fleet.world.reason("App/hello", "Ready"), "ServerSlow");
  EXPECT_THAT(fleet.placements(), AllOf(Contains("web-6: Ready 1/1"), Contains("web-7: Waiting 0/1")));
  EXPECT_THAT(fleet.problem_on("web-7"), HasSubstr("has not answered yet"));
  EXPECT_EQ(fleet.problem_on("web-6"), "");
  // Its other instances are looked after meanwhile.
  fleet.machine.end(fleet.machine.on(server_of(3)).front()->id, 1, fleet.world.clock.wall());
  EXPECT_LE(until(1min, [&] { return fleet.machine.on(server_of(3)).size() == 1; }), 8s);
  // Given up there, it is said why, and tried again.
  fleet.live(90s);
  EXPECT_THAT(fleet.placements(), Contains("web-7: Failed 0/1"));
  EXPECT_THAT(fleet.problem_on("web-7"), HasSubstr("no answer within"));
  fleet.machine.hangs.clear();
  until(3min, [&] { return ready(); });
  EXPECT_TRUE(ready()) << fleet.world.message("App/hello", "Ready");
  EXPECT_FALSE(fleet.machine.twins());
}

TEST_F(ManyServers, ARolloutGoesRoundOneThatHangsAndKeepsToItsRoom) {
  fleet.app(kServers, kBlue);
  until(2min, [&] { return ready(); });
  ASSERT_TRUE(ready());
  fleet.machine.hangs.insert(server_of(7));
  fleet.world.patch("App/hello", R"({"spec":{"command":["serve","again"]}})");
  const auto others = [&] { return fleet.machine.alive("hello-2") == kServers - 1; };
  for (int i = 0; i < 300 && !others(); ++i) {
    fleet.live(1s);
    ASSERT_LE(fleet.machine.alive(), kServers + 2U) << "one may surge, and one more while one does not answer";
    ASSERT_GE(fleet.machine.alive(), static_cast<std::size_t>(kServers)) << "who serves goes on serving";
  }
  EXPECT_TRUE(others()) << fleet.machine.alive("hello-2") << " of them run the new release";
  fleet.machine.hangs.clear();
  until(4min, [&] { return ready(); });
  EXPECT_EQ(fleet.machine.alive("hello-2"), static_cast<std::size_t>(kServers));
  EXPECT_FALSE(fleet.machine.emptied || fleet.machine.cut_off);
}

TEST_F(ManyServers, WhatIsDeletedStopsEverywhereAtOnceAndWaitsForTheOneThatHangs) {
  fleet.app(kServers, kBlue);
  until(2min, [&] { return ready(); });
  fleet.machine.hangs.insert(server_of(7));
  fleet.world.remove("App/hello");
  EXPECT_LE(until(1min, [&] { return fleet.machine.alive() == 1; }), 5s);
  EXPECT_TRUE(fleet.world.find("App/hello")) << "something of it runs";
  EXPECT_THAT(fleet.world.message("App/hello", "Synced"), HasSubstr("web-7"));
  fleet.machine.hangs.clear();
  until(3min, [&] { return !fleet.world.find("App/hello"); });
  EXPECT_FALSE(fleet.world.find("App/hello"));
  EXPECT_EQ(fleet.machine.alive(), 0U);
}

TEST_F(ManyServers, AControllerThatDiesWhileManyAreAskedMakesNoTwins) {
  everybody_takes(20s);
  fleet.app(kServers, kBlue);
  fleet.live(5s);
  fleet.world.restart();
  until(5min, [&] { return ready(); });
  EXPECT_TRUE(ready()) << fleet.world.message("App/hello", "Ready");
  EXPECT_FALSE(fleet.machine.twins());
  EXPECT_EQ(fleet.machine.alive(), static_cast<std::size_t>(kServers));
}

TEST_F(ManyServers, NothingIsDoneTwiceBecauseItDidNotShowYet) {
  for (const auto& event : fleet.world.events("ServiceUnavailable")) ADD_FAILURE() << event.string_or("message");
}

}  // namespace
}  // namespace gantry::reconcilers
