#include "controller/runtime/object_metrics.hpp"

#include <gmock/gmock.h>

#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using world::World;

constexpr const char* kGadget = "apiVersion: test.gantry.dev/v1\nkind: Gadget\nspec: {parts: 1, size: 1}\nmetadata: ";

TEST(ObjectMetrics, TellEveryConditionAlsoAfterARestart) {
  World world;
  world.apply(std::string(kGadget) + "{name: web}");
  world.advance(1s);
  world.restart();  // settled: nothing is written, and all the same it is told
  world.advance(1s);
  const std::string text = world.run(world.plane().object_metrics());
  const std::string web = R"({kind="Gadget",namespace="default",name="web")";
  EXPECT_THAT(text, HasSubstr("gantry_resource_condition" + web + R"(,type="Ready",status="True"} 1)"));
  EXPECT_THAT(text, HasSubstr("gantry_resource_condition" + web + R"(,type="Ready",status="False"} 0)"));
  EXPECT_THAT(text, HasSubstr("gantry_resource_generation_lag" + web + "} 0\n"));
  EXPECT_THAT(text, HasSubstr(R"(gantry_resources{kind="Gadget",condition="Synced",status="True"} 1)"));
  world.remove("Gadget/web");
  world.advance(1s);
  EXPECT_THAT(world.run(world.plane().object_metrics()), Not(HasSubstr("name=\"web\"")));
}

TEST(ObjectMetrics, OfTooManyWhatIsNotWellComesFirstAndAllAreCounted) {
  World world;
  for (int i = 0; i < 8; ++i) world.apply(std::string(kGadget) + "{name: g" + std::to_string(i) + "}");
  world.apply(
      "apiVersion: test.gantry.dev/v1\nkind: Gadget\nmetadata: {name: waits}\nspec: {parts: 1, size: 1, "
      "dependsOn: [{name: nobody}]}");
  world.advance(1s);
  const std::string text = world.run(object_metrics(world.reactor, world.plane().informers(), world.kinds, 2));
  EXPECT_THAT(text, HasSubstr(R"(name="waits",type="Synced",status="False"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(gantry_resources{kind="Gadget",condition="Ready",status="True"} 8)"));
  EXPECT_THAT(text, HasSubstr(R"(gantry_resources_without_series{kind="Gadget"} 7)"));
}

}  // namespace
}  // namespace gantry::runtime
