// Seam: what the reconcilers would do. Implemented by the runtime; asked by POST /apis/plan.gantry.dev/v1alpha1/plans.
#pragma once

#include <vector>

#include "controller/base/json.hpp"
#include "controller/base/task.hpp"
#include "controller/object/object.hpp"

namespace gantry::api {

struct PlanItem {
  object::Key key;
  object::ObjectPtr live;  // null: the object would be created
  json::Value desired;     // null: the object would be deleted; else as it would be stored
};

class Planner {
 public:
  virtual ~Planner() = default;
  // One answer for each item, in order: runtime::to_json(Plan), or null for a kind without a reconciler. Changes
  // nothing. Called on the front reactor and comes back there; one call for a whole request.
  virtual Task<std::vector<json::Value>> plan(std::vector<PlanItem> items) = 0;
};

}  // namespace gantry::api
