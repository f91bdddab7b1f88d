// What a Source would apply and prune: pure.
#pragma once

#include <string>
#include <vector>

#include "reconcilers/source/manifest_tree.hpp"

namespace gantry::reconcilers::source {

// One object that this Source has applied, as its marks say.
struct Held {
  Identity identity;  // with the namespace it was really applied to
  std::string uid;
  std::string hash;  // of the document as last applied
  std::string file;  // where it stood then
};

struct SyncPlan {
  std::vector<const Manifest*> apply;  // in the order they are to be applied
  std::vector<const Held*> prune;
  // Why nothing is pruned although something is gone; empty otherwise.
  std::string prune_held_back;
};

struct SyncInput {
  const Tree& tree;
  const std::vector<Held>& inventory;
  std::string ns;  // of the Source
  bool prune = true;
  bool everything = false;  // apply what did not change too, to repair what somebody changed by hand
  bool settled = true;      // nothing has changed for a moment: an editor that deletes and rewrites is done
};

SyncPlan plan_sync(const SyncInput& input);

// Kinds that others refer to come first.
int apply_order(const Identity& identity);

}  // namespace gantry::reconcilers::source
