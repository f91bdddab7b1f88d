#include "reconcilers/source/sync_plan.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace gantry::reconcilers::source {

int apply_order(const Identity& identity) {
  if (identity.kind == "CustomResourceDefinition") return 0;
  if (identity.kind == "Namespace") return 1;
  if (identity.kind == "Secret" || identity.kind == "ConfigMap") return 2;
  if (identity.kind == "Provider") return 3;
  return 4;
}

SyncPlan plan_sync(const SyncInput& input) {
  SyncPlan plan;
  const auto placed = [&](Identity identity) {
    if (identity.ns.empty() && identity.kind != "Namespace" && identity.kind != "CustomResourceDefinition")
      identity.ns = input.ns;
    return identity;
  };
  std::map<Identity, const Held*> held;
  for (const auto& one : input.inventory) held[one.identity] = &one;

  std::set<Identity> wanted;
  for (const auto& manifest : input.tree.manifests) {
    const Identity identity = placed(manifest.identity);
    wanted.insert(identity);
    const auto known = held.find(identity);
    if (input.everything || known == held.end() || known->second->hash != manifest.hash ||
        known->second->file != manifest.file)
      plan.apply.push_back(&manifest);
  }
  std::stable_sort(plan.apply.begin(), plan.apply.end(), [](const Manifest* a, const Manifest* b) {
    return apply_order(a->identity) < apply_order(b->identity);
  });

  if (!input.prune) return plan;
  for (const auto& one : input.inventory) {
    if (!wanted.contains(one.identity)) plan.prune.push_back(&one);
  }
  // What others refer to goes last.
  std::stable_sort(plan.prune.begin(), plan.prune.end(),
                   [](const Held* a, const Held* b) { return apply_order(a->identity) > apply_order(b->identity); });
  if (plan.prune.empty()) return plan;
  if (!input.tree.complete()) plan.prune_held_back = "a document is broken, and nobody can say what it used to hold";
  if (input.tree.manifests.empty()) plan.prune_held_back = "the tree holds no manifest at all";
  if (plan.prune_held_back.empty() && !input.settled) plan.prune_held_back = "the tree has just changed";
  if (!plan.prune_held_back.empty()) plan.prune.clear();
  return plan;
}

}  // namespace gantry::reconcilers::source
