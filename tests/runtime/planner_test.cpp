#include <gmock/gmock.h>

#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using testing::IsEmpty;
using world::World;

constexpr const char* kWeb = R"(
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: web}
spec: {parts: 2, size: 3}
)";

TEST(Planner, ShowsWhatWouldBeDoneAndDoesNothing) {
  World world;
  world.apply(kWeb);
  world.settle();
  const auto revision = world.store().revision();
  const auto mutations = world.cloud.mutations;
  const object::ObjectPtr live = world.find("Gadget/web");
  json::Value changed = live->decode();
  changed["spec"]["size"] = 7;
  json::Value fresh = json::parse(
      R"({"apiVersion":"test.gantry.dev/v1","kind":"Gadget","metadata":{"name":"new","namespace":"default"},"spec":{"parts":1,"size":1}})");
  std::vector<api::PlanItem> items;
  items.push_back({live->key(), live, changed});
  items.push_back({live->key(), live, live->decode()});
  items.push_back({world.key("Gadget/new"), nullptr, fresh});
  items.push_back({live->key(), live, {}});
  items.push_back({world.key("Secret/s"), nullptr, fresh});
  const auto plans = world.run(world.plane().plan(std::move(items)));
  ASSERT_EQ(plans.size(), 5u);
  const json::Array& update = plans[0].find("actions")->as_array();
  ASSERT_EQ(update.size(), 2u);
  EXPECT_EQ(update[0].string_or("verb"), "Update");
  EXPECT_EQ(update[0].at({"before", "size"})->as_int(), 3);
  EXPECT_EQ(update[0].at({"after", "size"})->as_int(), 7);
  EXPECT_THAT(plans[1].find("actions")->as_array(), IsEmpty());
  EXPECT_EQ(plans[2].find("actions")->as_array()[0].string_or("verb"), "Create");
  EXPECT_EQ(plans[3].find("actions")->as_array()[0].string_or("verb"), "Delete");
  EXPECT_TRUE(plans[3].find("actions")->as_array()[0].bool_or("destructive", false));
  EXPECT_TRUE(plans[4].is_null());
  EXPECT_EQ(world.store().revision(), revision);
  EXPECT_EQ(world.cloud.mutations, mutations);
}

TEST(Planner, WhatIsMadeTogetherComesAfterWhatItNeedsAndIsNotBlocked) {
  World world;
  world.apply(kWeb);
  world.settle();
  const auto gadget = [&](const std::string& name, const std::string& needs) {
    json::Value value = world.find("Gadget/web")->decode();
    value["metadata"] = json::Object{{"name", name}, {"namespace", "default"}};
    value["spec"]["dependsOn"] = json::Array{json::Object{{"kind", "Gadget"}, {"name", needs}}};
    return api::PlanItem{world.key("Gadget/" + name), nullptr, std::move(value)};
  };
  std::vector<api::PlanItem> items;
  items.push_back(gadget("second", "first"));
  items.push_back(gadget("first", "nobody"));
  const auto plans = world.run(world.plane().plan(std::move(items)));
  ASSERT_EQ(plans.size(), 2u);
  EXPECT_FALSE(plans[0].bool_or("blocked", true)) << json::dump(plans[0]);
  EXPECT_EQ(json::dump(*plans[0].find("after")), R"(["Gadget/first"])");
  EXPECT_EQ(plans[1].string_or("blockedReason"), "ReferenceNotFound");
}

TEST(Planner, APausedObjectsPlanSaysThatNothingWillBeDone) {
  World world;
  world.apply(kWeb);
  world.settle();
  const object::ObjectPtr live = world.find("Gadget/web");
  json::Value paused = live->decode();
  paused["metadata"]["annotations"]["gantry.dev/paused"] = "true";
  paused["spec"]["size"] = 7;
  std::vector<api::PlanItem> items;
  items.push_back({live->key(), live, paused});
  const auto plans = world.run(world.plane().plan(std::move(items)));
  EXPECT_THAT(plans[0].find("actions")->as_array(), IsEmpty());
  EXPECT_EQ(plans[0].string_or("blockedReason"), "Paused");
  EXPECT_THAT(plans[0].string_or("blockedMessage"), testing::HasSubstr("2 actions"));
}

}  // namespace
}  // namespace gantry::runtime
