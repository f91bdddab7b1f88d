// What happens when things go wrong, everywhere they can: each crash point and each lost call of a whole life is
// enumerated, and chance does the rest.
#include <gmock/gmock.h>

#include "controller/base/log.hpp"
#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using world::Fault;
using world::World;
using world::WorldOptions;

// Create, drift, resize, shrink, delete; after each, exactly what was declared.
void life_of_web(World& world) {
  world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: web}, spec: {parts: 2, size: 3}}");
  world.advance(2min);
  ASSERT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));
  ASSERT_EQ(world.condition("Gadget/web", "Ready"), "True");
  ASSERT_EQ(world.condition("Gadget/web", "Synced"), "True");

  std::erase_if(world.cloud.gadgets, [](const auto& gadget) { return gadget.part == 1; });
  world.advance(13min);
  ASSERT_THAT(world.cloud.names(), ElementsAre("web/0=3", "web/1=3"));

  world.patch("Gadget/web", R"({"spec":{"size":4}})");
  world.advance(2min);
  ASSERT_THAT(world.cloud.names(), ElementsAre("web/0=4", "web/1=4"));

  world.patch("Gadget/web", R"({"spec":{"parts":1}})");
  world.advance(2min);
  ASSERT_THAT(world.cloud.names(), ElementsAre("web/0=4"));
  ASSERT_EQ(world.get("Gadget/web").at({"status", "observedGeneration"})->as_int(), 3);

  world.remove("Gadget/web");
  world.advance(2min);
  ASSERT_THAT(world.cloud.names(), IsEmpty());
  ASSERT_FALSE(world.find("Gadget/web"));
}

std::size_t calls_of(const std::string& only) {
  World world;
  world.faults.only = only;
  life_of_web(world);
  return world.faults.calls();
}

// Every call that the controller makes to the outside, failed in turn in each way in which it can fail.
class EveryFault : public ::testing::TestWithParam<const char*> {};

TEST_P(EveryFault, StillConverges) {
  const std::size_t calls = calls_of(GetParam());
  ASSERT_GT(calls, 0u);
  for (const Fault& fault : world::every_fault(calls)) {
    SCOPED_TRACE(testing::PrintToString(fault));
    WorldOptions options;
    options.fault = fault;
    World world(options);
    world.faults.only = GetParam();
    life_of_web(world);
    if (HasFatalFailure()) {
      for (const auto& call : world.faults.log()) std::cout << call << "\n";
      return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seams, EveryFault,
                         testing::Values("cloud", "patch gadgets", "update_status gadgets", "find", "list"));

// Two crashes, anywhere: the second may come while the first is being mended.
TEST(Faults, ThePastOfACrashDoesNotMatterToTheNext) {
  const std::size_t calls = calls_of("cloud");
  for (std::size_t first = 1; first <= calls; ++first) {
    for (const auto how : {Fault::How::CrashBefore, Fault::How::CrashAfter}) {
      World world;
      world.faults.only = "cloud";
      world.faults.chance = [&](std::size_t call, const std::string&) -> std::optional<Fault::How> {
        if (call == first || call == first + 2) return how;
        return {};
      };
      SCOPED_TRACE("calls " + std::to_string(first) + " and " + std::to_string(first + 2));
      life_of_web(world);
      if (HasFatalFailure()) return;
    }
  }
}

// After edits and faults stop, everything becomes as declared, and then nothing moves any more.
class Storm : public ::testing::Test {
 protected:
  void edit(World& world, SeededRandom& random) {
    const std::string name = "Gadget/g" + std::to_string(random.below(6));
    if (!world.find(name)) {
      json::Value object = json::parse(R"({"apiVersion":"test.gantry.dev/v1","kind":"Gadget","metadata":{}})");
      object["metadata"]["name"] = name.substr(7);
      object["spec"] = json::Object{{"parts", random.below(4)}, {"size", random.below(5)}};
      try {
        world.apply_object(object);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::AlreadyExists) throw;
      }
    } else if (random.below(5) == 0) {
      world.remove(name);
    } else {
      world.patch(
          name,
          json::dump(json::Object{{"spec", json::Object{{"parts", random.below(4)}, {"size", random.below(5)}}}}));
    }
  }

  static std::vector<std::string> declared(World& world) {
    std::vector<std::string> names;
    for (const auto& object : world.list("Gadget")) {
      const json::Value value = object->decode();
      for (int part = 0; part < value.find("spec")->int_or("parts", 1); ++part) {
        names.push_back(object->key().name + "/" + std::to_string(part) + "=" +
                        std::to_string(value.find("spec")->int_or("size", 1)));
      }
    }
    std::ranges::sort(names);
    return names;
  }

  static void expect_rest(World& world) {
    world.advance(30min);
    EXPECT_EQ(world.cloud.names(), declared(world));
    for (const auto& object : world.list("Gadget")) {
      EXPECT_EQ(world.condition("Gadget/" + object->key().name, "Ready"), "True") << object->bytes();
      EXPECT_EQ(world.condition("Gadget/" + object->key().name, "Synced"), "True") << object->bytes();
    }
    world.advance(2h);
    const auto revision = world.store().revision();
    const auto mutations = world.cloud.mutations;
    world.advance(110min);
    EXPECT_EQ(world.store().revision(), revision) << "a write at rest";
    EXPECT_EQ(world.cloud.mutations, mutations);
  }
};

TEST_F(Storm, ComesToRestAfterEditsAndFaultsEnd) {
  const std::uint64_t first = system_random().next();
  for (std::uint64_t round = 0; round < 15; ++round) {
    SCOPED_TRACE("seed " + std::to_string(first + round));
    SeededRandom random(first + round);
    WorldOptions options;
    options.seed = first + round;
    World world(options);
    world.faults.chance = [&](std::size_t, const std::string& name) -> std::optional<Fault::How> {
      if (name.starts_with("create events") || random.below(25) != 0) return {};
      return static_cast<Fault::How>(random.below(4));
    };
    for (int i = 0; i < 60; ++i) {
      edit(world, random);
      if (random.below(10) == 0) world.process().client.cut_watches();
      if (random.below(20) == 0) world.process().client.expire_history();
      if (random.below(30) == 0) world.restart();
      world.advance(random.below(3) == 0 ? 0ms : 1ms * static_cast<int>(random.below(3000)));
    }
    world.faults.chance = {};
    expect_rest(world);
    if (HasFailure()) return;
  }
}

TEST_F(Storm, EventsMayBeLostAndStillNothingIsForgotten) {
  const std::uint64_t seed = system_random().next();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  World world;
  world.process().client.lets_through = [&](const api::Change&) { return random.below(3) != 0; };
  for (int i = 0; i < 100; ++i) {
    edit(world, random);
    world.advance(1ms * static_cast<int>(random.below(2000)));
  }
  world.process().client.lets_through = {};
  world.advance(40min);  // the list that is made now and then finds what the watch has lost
  expect_rest(world);
}

TEST_F(Storm, AViewThatLagsBehindDoesNoHarm) {
  const std::uint64_t seed = system_random().next();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  World world;
  for (int i = 0; i < 100; ++i) {
    world.process().client.hold_watches(random.below(2) == 0);
    edit(world, random);
    world.advance(1ms * static_cast<int>(random.below(2000)));
  }
  world.process().client.hold_watches(false);
  expect_rest(world);
}

// The end does not depend on the way to it.
TEST_F(Storm, TheWayToASpecLeavesNoTrace) {
  const auto strip = [](json::Value object) {
    object["metadata"] = json::Object{{"name", object["metadata"]["name"]}};
    for (auto& condition : object["status"]["conditions"].as_array()) {
      condition.as_object().erase("lastTransitionTime");
      condition.as_object().erase("observedGeneration");
    }
    object["status"].as_object().erase("observedGeneration");
    return json::dump(object);
  };
  World fresh;
  fresh.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: web}, spec: {parts: 2, size: 7}}");
  fresh.settle();
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SeededRandom random(seed);
    World world;
    world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: web}}");
    for (int i = 0; i < 10; ++i) {
      world.patch(
          "Gadget/web",
          json::dump(json::Object{{"spec", json::Object{{"parts", random.below(5)}, {"size", random.below(9)}}}}));
      if (random.below(2) == 0) world.settle();
    }
    world.patch("Gadget/web", R"({"spec":{"parts":2,"size":7}})");
    world.settle();
    EXPECT_EQ(strip(world.get("Gadget/web")), strip(fresh.get("Gadget/web"))) << "seed " << seed;
    EXPECT_EQ(world.cloud.names(), fresh.cloud.names());
  }
}

}  // namespace
}  // namespace gantry::runtime
