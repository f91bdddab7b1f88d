// Goal: what a Source applies and prunes is a decision in a table; above all, what it does not prune.
#include "reconcilers/source/sync_plan.hpp"

#include <gmock/gmock.h>

namespace gantry::reconcilers::source {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Manifest manifest(std::string kind, std::string name, std::string hash, std::string file = "a.yaml") {
  return {{"v1", std::move(kind), "", std::move(name)}, std::move(file), 1, "{}", std::move(hash)};
}

Held held(std::string kind, std::string name, std::string hash, std::string file = "a.yaml") {
  return {{"v1", std::move(kind), "prod", std::move(name)}, "uid-" + name, std::move(hash), std::move(file)};
}

std::vector<std::string> applied(const SyncPlan& plan) {
  std::vector<std::string> names;
  for (const auto* one : plan.apply) names.push_back(one->identity.kind + "/" + one->identity.name);
  return names;
}

std::vector<std::string> pruned(const SyncPlan& plan) {
  std::vector<std::string> names;
  for (const auto* one : plan.prune) names.push_back(one->identity.kind + "/" + one->identity.name);
  return names;
}

class SyncPlanTest : public testing::Test {
 protected:
  SyncPlan plan(bool everything = false, bool settled = true, bool prune = true) {
    return plan_sync({.tree = tree,
                      .inventory = inventory,
                      .ns = "prod",
                      .prune = prune,
                      .everything = everything,
                      .settled = settled});
  }
  Tree tree;
  std::vector<Held> inventory;
};

TEST_F(SyncPlanTest, AppliesWhatIsNewChangedOrMovedAndNothingElse) {
  tree.manifests = {manifest("App", "same", "1"), manifest("App", "changed", "2"), manifest("App", "new", "1"),
                    manifest("App", "moved", "1", "b.yaml")};
  inventory = {held("App", "same", "1"), held("App", "changed", "1"), held("App", "moved", "1")};
  EXPECT_THAT(applied(plan()), ElementsAre("App/changed", "App/new", "App/moved"));
  EXPECT_THAT(pruned(plan()), IsEmpty());
}

TEST_F(SyncPlanTest, AppliesEverythingAtAResync) {
  tree.manifests = {manifest("App", "same", "1")};
  inventory = {held("App", "same", "1")};
  EXPECT_THAT(applied(plan(true)), ElementsAre("App/same"));
}

TEST_F(SyncPlanTest, WhatOthersReferToComesFirstAndGoesLast) {
  tree.manifests = {manifest("App", "a", "1"), manifest("Secret", "s", "1"), manifest("Namespace", "n", "1")};
  EXPECT_THAT(applied(plan()), ElementsAre("Namespace/n", "Secret/s", "App/a"));
  tree.manifests = {manifest("App", "rest", "1")};
  inventory = {held("Secret", "s", "1"), held("App", "a", "1"), held("App", "rest", "1")};
  EXPECT_THAT(pruned(plan()), ElementsAre("App/a", "Secret/s"));
}

TEST_F(SyncPlanTest, PrunesNothingWhileItCannotBeSure) {
  tree.manifests = {manifest("App", "a", "1")};
  inventory = {held("App", "a", "1"), held("App", "gone", "1")};
  ASSERT_THAT(pruned(plan()), ElementsAre("App/gone"));
  EXPECT_THAT(pruned(plan(false, true, false)), IsEmpty()) << "pruning is switched off";
  EXPECT_THAT(pruned(plan(false, false)), IsEmpty()) << "the tree has just changed";
  tree.broken = {{"b.yaml", 3, "line 3: ..."}};
  EXPECT_THAT(pruned(plan()), IsEmpty()) << "a broken document may hold it";
  EXPECT_FALSE(plan().prune_held_back.empty());
  tree.broken.clear();
  tree.manifests.clear();
  EXPECT_THAT(pruned(plan()), IsEmpty()) << "an empty tree is an accident";
}

}  // namespace
}  // namespace gantry::reconcilers::source
