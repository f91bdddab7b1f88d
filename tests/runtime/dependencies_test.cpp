#include "controller/runtime/dependencies.hpp"

#include <gmock/gmock.h>

#include "controller/runtime/cycles.hpp"
#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using world::World;

TEST(Dependencies, WaitsForWhatItDependsOnAndGoesOnByItself) {
  World world;
  world.apply(R"(
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: front}
spec: {dependsOn: [{kind: Gadget, name: back}]}
)");
  world.settle();
  EXPECT_EQ(world.reason("Gadget/front", "Synced"), "ReferenceNotFound");
  EXPECT_EQ(world.condition("Gadget/front", "Ready"), "False");
  EXPECT_THAT(world.cloud.names(), IsEmpty());

  bool broken = true;
  world.process().gadgets->before_act = [&](const Subject& subject, const Action&) -> Task<> {
    if (broken && subject.key().name == "back") throw Error(ErrorCode::Unavailable, "not yet");
    co_return;
  };
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: back}}");
  world.settle();
  EXPECT_EQ(world.reason("Gadget/front", "Synced"), "DependencyNotReady");
  EXPECT_THAT(world.cloud.names(), IsEmpty());

  broken = false;
  world.advance(10s);
  EXPECT_THAT(world.cloud.log, ElementsAre("Create back/0", "Create front/0"));
  EXPECT_EQ(world.condition("Gadget/front", "Ready"), "True");
}

TEST(Dependencies, DeletionRunsTheGraphBackwards) {
  World world;
  world.apply(R"(
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: back}
---
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: middle}
spec: {dependsOn: [{kind: Gadget, name: back}]}
---
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: front}
spec: {dependsOn: [{kind: Gadget, name: middle}]}
)");
  world.settle();
  EXPECT_THAT(world.cloud.log, ElementsAre("Create back/0", "Create middle/0", "Create front/0"));
  world.cloud.log.clear();
  world.remove("Gadget/back");
  world.settle();
  EXPECT_EQ(world.reason("Gadget/back", "Synced"), "DependentsExist");
  world.remove("Gadget/middle");
  world.settle();
  EXPECT_THAT(world.cloud.log, IsEmpty());
  world.remove("Gadget/front");
  world.settle();
  EXPECT_THAT(world.cloud.log, ElementsAre("Delete front/0", "Delete middle/0", "Delete back/0"));
  EXPECT_FALSE(world.find("Gadget/back"));
}

TEST(Dependencies, ObjectsThatDependOnEachOtherInARingCanStillBeDeleted) {
  World world;
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: a}}");
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: b}}");
  world.settle();
  world.patch("Gadget/a", R"({"spec":{"dependsOn":[{"kind":"Gadget","name":"b"}]}})");
  world.patch("Gadget/b", R"({"spec":{"dependsOn":[{"kind":"Gadget","name":"a"}]}})");
  world.settle();
  world.remove("Gadget/a");
  world.remove("Gadget/b");
  world.settle();
  EXPECT_FALSE(world.find("Gadget/a"));
  EXPECT_FALSE(world.find("Gadget/b"));
}

TEST(Cycles, ARingIsRefusedAndShown) {
  World world;
  refuse_cycles(world.api(), world.kinds, world.store());
  const std::string head = "{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: ";
  world.apply(head + "a}, spec: {dependsOn: [{kind: Gadget, name: b}]}}");
  world.apply(head + "b}, spec: {dependsOn: [{name: c}]}}");
  try {
    world.apply(head + "c}, spec: {dependsOn: [{kind: Gadget, name: other}, {kind: Gadget, name: a}]}}");
    FAIL() << "a ring was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Invalid);
    ASSERT_EQ(error.causes.size(), 1u);
    EXPECT_EQ(error.causes[0].field, "spec.dependsOn[1]");
    EXPECT_THAT(error.causes[0].message, HasSubstr("Gadget/c -> Gadget/a -> Gadget/b -> Gadget/c"));
  }
  EXPECT_THROW(world.apply(head + "self}, spec: {dependsOn: [{name: self}]}}"), Error);
}

TEST(Dependencies, AChangeOfASecretWakesWhoeverRefersToIt) {
  World world;
  world.apply(R"(
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: web}
spec: {secretRef: {name: token}}
---
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: other}
)");
  world.settle();
  std::vector<std::string> looked;
  world.process().gadgets->before_observe = [&](const Subject& subject) { looked.push_back(subject.key().name); };
  world.apply("{apiVersion: v1, kind: Secret, metadata: {name: token}, stringData: {a: b}}");
  world.settle();
  EXPECT_THAT(looked, ElementsAre("web"));
  world.apply("{apiVersion: v1, kind: Secret, metadata: {name: token}, stringData: {a: c}}");
  world.settle();
  EXPECT_THAT(looked, ElementsAre("web", "web"));
}

}  // namespace
}  // namespace gantry::runtime
