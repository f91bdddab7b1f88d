#include "controller/runtime/default_accounts.hpp"

#include <gmock/gmock.h>

#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using world::World;

TEST(DefaultAccounts, EveryNamespaceHasOneFromItsBeginning) {
  World world;
  world.apply("{apiVersion: v1, kind: Namespace, metadata: {name: prod}}");
  world.settle();
  for (const char* name : {"default", "kube-system", "kube-public", "prod"})
    EXPECT_TRUE(world.find(std::string("ServiceAccount/") + name + "/default")) << name;
}

TEST(DefaultAccounts, OneThatIsDeletedComesBackAsAnother) {
  World world;
  world.settle();
  const std::string before = world.find("ServiceAccount/default/default")->meta().uid;
  world.remove("ServiceAccount/default/default");
  world.settle();
  ASSERT_TRUE(world.find("ServiceAccount/default/default"));
  EXPECT_NE(world.find("ServiceAccount/default/default")->meta().uid, before) << "tokens of the old one are over";
}

TEST(DefaultAccounts, OneThatWasDeletedWhileNobodyLookedComesBackAtTheNextStart) {
  World world;
  world.settle();
  world.remove("ServiceAccount/default/default");
  world.restart();
  world.settle();
  EXPECT_TRUE(world.find("ServiceAccount/default/default"));
}

TEST(DefaultAccounts, ANamespaceThatGoesTakesItsAccountAlong) {
  World world;
  world.apply("{apiVersion: v1, kind: Namespace, metadata: {name: prod}}");
  world.settle();
  world.remove("Namespace/prod");
  world.advance(1min);
  EXPECT_FALSE(world.find("Namespace/prod"));
  EXPECT_FALSE(world.find("ServiceAccount/prod/default"));
}

TEST(DefaultAccounts, WhatSomebodyWroteOnItStays) {
  World world;
  world.settle();
  world.patch("ServiceAccount/default/default", R"({"metadata":{"labels":{"a":"b"}}})");
  world.restart();
  world.settle();
  EXPECT_EQ(*world.find("ServiceAccount/default/default")->meta().label("a"), "b");
}

}  // namespace
}  // namespace gantry::runtime
