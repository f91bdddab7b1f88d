#include "controller/runtime/garbage_collector.hpp"

#include <gmock/gmock.h>

#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using world::World;

object::Meta owned_by(std::vector<std::string> uids) {
  object::Meta meta;
  for (auto& uid : uids) meta.owners.push_back({uid, "v1", "X", "x", false, false});
  return meta;
}

TEST(Owners, AnObjectGoesWhenAllItsOwnersAreGone) {
  using enum OwnerState;
  struct Row {
    std::vector<OwnerState> states;
    bool remove;
    std::vector<std::string> dead;
  };
  for (const Row& row :
       {Row{{Present}, false, {}}, Row{{Absent}, true, {}}, Row{{Unknown}, false, {}}, Row{{Absent, Absent}, true, {}},
        Row{{Present, Absent}, false, {"u1"}}, Row{{Absent, Unknown}, false, {"u0"}}}) {
    std::vector<std::string> uids;
    for (std::size_t i = 0; i < row.states.size(); ++i) uids.push_back("u" + std::to_string(i));
    const Verdict verdict = judge_dependent(owned_by(uids), row.states);
    EXPECT_EQ(verdict.remove, row.remove);
    EXPECT_EQ(verdict.dead_owners, row.dead);
  }
}

TEST(Owners, AreOfTheirKindInWhicheverOfItsVersionsTheyAreNamed) {
  const object::KindTable kinds(
      {object::kind_from_definition(json::parse(R"({"metadata":{"name":"parts.shop.example.com"},
      "spec":{"group":"shop.example.com","names":{"kind":"Part","plural":"parts"},"versions":[
        {"name":"v1beta1","served":true,"storage":false,"schema":{"openAPIV3Schema":{"type":"object"}}},
        {"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}})"))});
  const auto found = [&](std::string version, std::string kind) {
    return kind_of(kinds, {"u", std::move(version), std::move(kind), "x", false, false}) != nullptr;
  };
  EXPECT_TRUE(found("shop.example.com/v1", "Part"));
  EXPECT_TRUE(found("shop.example.com/v1beta1", "Part"));
  EXPECT_FALSE(found("shop.example.com/v2", "Part")) << "nothing may be concluded of it";
  EXPECT_FALSE(found("shop.example.com/v1", "Other"));
  EXPECT_FALSE(found("v1", "Part"));
}

// ConfigMaps own each other here: nobody reconciles them, so only the collector acts.
class GarbageCollectorTest : public ::testing::Test {
 protected:
  void make(const std::string& name, const std::vector<std::string>& owners = {}, bool blocks = false) {
    json::Value object = json::parse(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{}})");
    object["metadata"]["name"] = name;
    json::Array references;
    for (const auto& owner : owners) {
      references.push_back(json::Object{{"apiVersion", "v1"},
                                        {"kind", "ConfigMap"},
                                        {"name", owner},
                                        {"uid", world.find("ConfigMap/" + owner)->meta().uid},
                                        {"blockOwnerDeletion", blocks}});
    }
    if (!references.empty()) object["metadata"]["ownerReferences"] = std::move(references);
    world.apply_object(object);
    world.settle();
  }
  bool exists(const std::string& name) { return world.find("ConfigMap/" + name) != nullptr; }
  void hold(const std::string& name) {
    world.patch("ConfigMap/" + name, R"({"metadata":{"finalizers":["test/hold"]}})");
  }
  void let_go(const std::string& name) { world.patch("ConfigMap/" + name, R"({"metadata":{"finalizers":[]}})"); }

  World world;
};

TEST_F(GarbageCollectorTest, DependentsGoAfterTheirOwnerDownToTheLast) {
  make("a");
  make("b", {"a"});
  make("c", {"b"});
  make("stranger");
  world.remove("ConfigMap/a");
  world.settle();
  EXPECT_FALSE(exists("b"));
  EXPECT_FALSE(exists("c"));
  EXPECT_TRUE(exists("stranger"));
}

TEST_F(GarbageCollectorTest, WhoHasAnotherOwnerStaysAndForgetsTheDeadOne) {
  make("a");
  make("b");
  make("both", {"a", "b"});
  world.remove("ConfigMap/a");
  world.settle();
  ASSERT_TRUE(exists("both"));
  ASSERT_EQ(world.find("ConfigMap/both")->meta().owners.size(), 1u);
  EXPECT_EQ(world.find("ConfigMap/both")->meta().owners[0].name, "b");
}

TEST_F(GarbageCollectorTest, AnOwnerMadeAnewUnderTheSameNameIsAnotherOne) {
  make("a");
  make("b", {"a"});
  world.process().client.hold_watches(true);
  world.remove("ConfigMap/a");
  world.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
  world.process().client.hold_watches(false);
  world.settle();
  EXPECT_TRUE(exists("a"));
  EXPECT_FALSE(exists("b"));
}

TEST_F(GarbageCollectorTest, InTheForegroundTheOwnerWaitsForThoseThatBlockIt) {
  make("a");
  make("blocking", {"a"}, true);
  make("other", {"a"}, false);
  hold("blocking");
  hold("other");
  world.remove("ConfigMap/a", "Foreground");
  world.settle();
  EXPECT_TRUE(exists("a"));
  EXPECT_TRUE(world.find("ConfigMap/blocking")->meta().deleting);
  let_go("blocking");
  world.settle();
  EXPECT_FALSE(exists("blocking"));
  EXPECT_FALSE(exists("a"));
  EXPECT_TRUE(exists("other")) << "it blocks nobody, and has a finalizer of its own";
}

// a owns b, b owns c, c owns a; and one that owns itself.
TEST_F(GarbageCollectorTest, ObjectsThatOwnEachOtherInACircleGoInTheForegroundToo) {
  const auto own = [&](const std::string& name, const std::string& owner) {
    world.patch(
        "ConfigMap/" + name,
        R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","blockOwnerDeletion":true,"name":")" +
            owner + R"(","uid":")" + world.find("ConfigMap/" + owner)->meta().uid + R"("}]}})");
    world.settle();
  };
  make("a");
  make("b", {"a"}, true);
  make("c", {"b"}, true);
  own("a", "c");
  make("self");
  own("self", "self");
  EXPECT_TRUE(exists("a") && exists("b") && exists("c") && exists("self")) << "a circle alone is no reason to go";
  world.remove("ConfigMap/a", "Foreground");
  world.remove("ConfigMap/self", "Foreground");
  world.settle();
  EXPECT_FALSE(exists("a"));
  EXPECT_FALSE(exists("b"));
  EXPECT_FALSE(exists("c"));
  EXPECT_FALSE(exists("self"));
}

TEST_F(GarbageCollectorTest, WhatHasNoNamespaceIsNotTakenForAnOrphanOfOneThatHas) {
  make("owner");
  world.apply_object(json::parse(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team","ownerReferences":[
      {"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":")" +
                                 world.find("ConfigMap/owner")->meta().uid + R"("}]}})"));
  world.settle();
  world.remove("ConfigMap/owner");
  world.settle();
  ASSERT_TRUE(world.find("Namespace/team"));
  EXPECT_FALSE(world.find("Namespace/team")->meta().deleting);
}

TEST_F(GarbageCollectorTest, OrphansStayAndForgetTheirOwner) {
  make("a");
  make("b", {"a"});
  world.remove("ConfigMap/a", "Orphan");
  world.settle();
  EXPECT_FALSE(exists("a"));
  ASSERT_TRUE(exists("b"));
  EXPECT_TRUE(world.find("ConfigMap/b")->meta().owners.empty());
}

TEST_F(GarbageCollectorTest, AnOwnerOfAKindThatIsNotServedIsLeftAlone) {
  world.apply(R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "ownerReferences": [
      {"apiVersion": "example.org/v1", "kind": "Alien", "name": "x", "uid": "1"}]}})");
  world.advance(1h);
  EXPECT_TRUE(exists("b"));
}

TEST_F(GarbageCollectorTest, WhatLostItsOwnerWhileNobodyWatchedIsFoundAtStart) {
  make("a");
  make("b", {"a"});
  world.process().line.cut();
  world.run(world.user().remove(world.key("ConfigMap/a"), {}, "Background"));
  EXPECT_TRUE(exists("b"));
  world.settle();  // another controller starts
  EXPECT_FALSE(exists("b"));
}

TEST_F(GarbageCollectorTest, AStaleViewDeletesNothing) {
  make("a");
  make("b");
  make("c", {"a"});
  world.process().client.hold_watches(true);
  // While the collector is blind, c is given to b, and a goes.
  world.patch("ConfigMap/c",
              R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"b","uid":")" +
                  world.find("ConfigMap/b")->meta().uid + R"("}]}})");
  world.remove("ConfigMap/a");
  world.settle();
  world.process().client.hold_watches(false);
  world.advance(1min);
  EXPECT_TRUE(exists("c"));
}

TEST(Namespaces, ThreeAlwaysExist) {
  World world;
  world.settle();
  for (const char* name : {"Namespace/default", "Namespace/kube-system", "Namespace/kube-public"}) {
    EXPECT_TRUE(world.find(name)) << name;
  }
}

TEST(Namespaces, OneThatIsDeletedIsEmptiedFirst) {
  World world;
  world.apply(R"(
apiVersion: v1
kind: Namespace
metadata: {name: prod}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: prod}
---
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: web, namespace: prod}
---
apiVersion: test.gantry.dev/v1
kind: Gadget
metadata: {name: other}
)");
  world.settle();
  EXPECT_EQ(world.cloud.gadgets.size(), 2u);
  bool fail = true;
  world.process().gadgets->before_act = [&](const Subject&, const Action&) -> Task<> {
    if (fail) throw Error(ErrorCode::Unavailable, "the cloud is away");
    co_return;
  };
  world.remove("Namespace/prod");
  world.settle();
  ASSERT_TRUE(world.find("Namespace/prod")) << "a real thing is left";
  EXPECT_TRUE(world.find("ConfigMap/prod/settings")) << "and may need it to be taken down";
  fail = false;
  world.advance(1min);
  EXPECT_FALSE(world.find("Namespace/prod"));
  EXPECT_THAT(world.cloud.names(), testing::ElementsAre("other/0=1"));
}

// A kind that was defined while the controller ran.
class DefinedKindTest : public ::testing::Test {
 protected:
  DefinedKindTest() {
    world.apply(R"(
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
)");
    world.settle();
  }
  void make_owned_config_map() {
    json::Value owned = json::parse(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"owned"}})");
    owned["metadata"]["ownerReferences"] = json::Array{json::Object{{"apiVersion", "shop.example.com/v1"},
                                                                    {"kind", "Widget"},
                                                                    {"name", "w"},
                                                                    {"uid", world.find("Widget/w")->meta().uid}}};
    world.apply_object(owned);
    world.settle();
  }
  World world{world::WorldOptions{.definitions = true}};
};

TEST_F(DefinedKindTest, ItsObjectsOwnOthers) {
  world.apply("apiVersion: shop.example.com/v1\nkind: Widget\nmetadata: {name: w}");
  make_owned_config_map();
  EXPECT_TRUE(world.find("ConfigMap/owned"));
  world.remove("Widget/w");
  world.settle();
  EXPECT_FALSE(world.find("ConfigMap/owned"));
}

TEST_F(DefinedKindTest, WhatItOwnedGoesWithTheKindItself) {
  world.apply("apiVersion: shop.example.com/v1\nkind: Widget\nmetadata: {name: w}");
  make_owned_config_map();
  world.remove("CustomResourceDefinition/widgets.shop.example.com");
  world.advance(5s);
  EXPECT_FALSE(world.find("CustomResourceDefinition/widgets.shop.example.com"));
  EXPECT_FALSE(world.find("Widget/w"));
  EXPECT_FALSE(world.find("ConfigMap/owned"));
}

TEST_F(DefinedKindTest, ItsObjectsGoWithTheirNamespace) {
  world.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}");
  world.apply("apiVersion: shop.example.com/v1\nkind: Widget\nmetadata: {name: w, namespace: prod}");
  world.settle();
  world.remove("Namespace/prod");
  world.advance(10s);
  EXPECT_FALSE(world.find("Widget/prod/w"));
  EXPECT_FALSE(world.find("Namespace/prod"));
}

}  // namespace
}  // namespace gantry::runtime
