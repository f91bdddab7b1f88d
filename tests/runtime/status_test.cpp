#include <gmock/gmock.h>

#include "controller/runtime/status_writer.hpp"
#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;

const WallTime kTen = parse_time("2026-11-21T10:00:00Z");
const WallTime kEleven = parse_time("2026-11-21T11:00:00Z");

json::Value object_with(const json::Value& status, std::int64_t generation = 3) {
  return json::Object{{"metadata", json::Object{{"generation", generation}}}, {"status", status}};
}

json::Value updated(const json::Value& status, StatusUpdate update, WallTime now) {
  return object_with(next_status(object_with(status), update, now));
}

std::string time_of(const json::Value& object, const char* type) {
  return find_condition(object, type)->string_or("lastTransitionTime");
}

TEST(Status, ReadyAndSyncedAreThereFromTheFirstPass) {
  const json::Value object = updated({}, {}, kTen);
  EXPECT_EQ(condition_status(object, "Ready"), "Unknown");
  EXPECT_EQ(condition_status(object, "Synced"), "Unknown");
  EXPECT_EQ(object.at({"status", "observedGeneration"})->as_int(), 3);
}

TEST(Status, TimeMovesOnlyWhenAConditionFlips) {
  json::Value object = updated({}, {{}, {{"Ready", "False", "Starting", "a"}}, {}, {}}, kTen);
  object = updated(*object.find("status"), {{}, {{"Ready", "False", "StillStarting", "b"}}, {}, {}}, kEleven);
  EXPECT_EQ(time_of(object, "Ready"), "2026-11-21T10:00:00Z");
  EXPECT_EQ(find_condition(object, "Ready")->string_or("reason"), "StillStarting");
  object = updated(*object.find("status"), {{}, {{"Ready", "True", "Up", ""}}, {}, {}}, kEleven);
  EXPECT_EQ(time_of(object, "Ready"), "2026-11-21T11:00:00Z");
}

TEST(Status, TheSameTruthIsTheSameBytes) {
  const StatusUpdate update{
      json::Object{{"x", 1}}, {{"Ready", "True", "Up", ""}, {"Available", "True", "Up", ""}}, {}, {}};
  const StatusUpdate turned{
      json::Object{{"x", 1}}, {{"Available", "True", "Up", ""}, {"Ready", "True", "Up", ""}}, {}, {}};
  EXPECT_EQ(updated({}, update, kTen), updated({}, turned, kTen));
  const json::Value once = updated({}, update, kTen);
  EXPECT_EQ(updated(*once.find("status"), update, kEleven), once);
}

TEST(Status, ConditionsNotNamedStayAndThoseWithdrawnGo) {
  json::Value object =
      updated({}, {{}, {{"Built", "True", "Done", ""}, {"Paused", "True", "Paused", ""}}, {}, {}}, kTen);
  object = updated(*object.find("status"), {json::Object{{"y", 2}}, {}, {"Paused"}, "r1"}, kEleven);
  EXPECT_EQ(condition_status(object, "Built"), "True");
  EXPECT_EQ(condition_status(object, "Paused"), "");
  EXPECT_EQ(object.at({"status", "lastHandledReconcileAt"})->as_string(), "r1");
  object = updated(*object.find("status"), {json::Object{}, {}, {}, {}}, kEleven);
  EXPECT_EQ(object.at({"status", "lastHandledReconcileAt"})->as_string(), "r1");
  EXPECT_EQ(object.at({"status", "y"}), nullptr) << "the kind's own fields are as reported, no more";
}

// Events, as the recorder writes them.
class EventsTest : public ::testing::Test {
 protected:
  EventsTest() {
    world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: web}}");
    world.settle();
    for (const auto& event : world.list("Event")) world.run(world.user().remove(event->key()));
  }
  void tell(const std::string& reason, const std::string& message) {
    world.plane().events().record(*world.find("Gadget/web"), {true, reason, message});
  }
  world::World world;
};

TEST_F(EventsTest, TheSameNewsIsOneEventWithACount) {
  for (int i = 0; i < 10; ++i) tell("Broken", "no answer");
  world.settle();
  for (int i = 0; i < 5; ++i) tell("Broken", "no answer");
  tell("Broken", "another answer");
  world.advance(1s);
  const auto events = world.events("Broken");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(std::max(events[0].int_or("count", 0), events[1].int_or("count", 0)), 15);
  EXPECT_EQ(events[0].at({"metadata", "namespace"})->as_string(), "default");
}

TEST_F(EventsTest, AnObjectThatWillNotStopTalkingIsCutShort) {
  for (int i = 0; i < 1000; ++i) tell("Chatter", "news " + std::to_string(i));
  world.settle();
  EXPECT_EQ(world.events("Chatter").size(), 99u) << "a hundred at once, one of which told of its making";
  world.advance(1min);
  for (int i = 0; i < 1000; ++i) tell("Later", "news " + std::to_string(i));
  world.settle();
  EXPECT_EQ(world.events("Later").size(), 10u);
}

TEST_F(EventsTest, WhatIsOlderThanAnHourIsRemoved) {
  tell("Old", "a");
  world.advance(50min);
  tell("Fresh", "b");
  world.advance(25min);
  EXPECT_EQ(world.events("Old").size(), 0u);
  EXPECT_EQ(world.events("Fresh").size(), 1u);
  tell("Old", "a");
  world.advance(1s);
  ASSERT_EQ(world.events("Old").size(), 1u) << "news again";
  EXPECT_EQ(world.events("Old")[0].int_or("count", 0), 1);
}

TEST_F(EventsTest, ASlowServerLosesNoNewsAndKeepsNobodyWaiting) {
  int refused = 0;
  world.faults.chance = [&](std::size_t, const std::string& name) -> std::optional<world::Fault::How> {
    if (!name.starts_with("create events") || ++refused > 3) return {};
    return refused == 2 ? world::Fault::How::Lost : world::Fault::How::Refused;
  };
  tell("Broken", "x");
  world.advance(1min);
  EXPECT_EQ(world.events("Broken").size(), 1u) << "and a lost answer makes no twin";
}

}  // namespace
}  // namespace gantry::runtime
