// POST /apis/plan.gantry.dev/v1alpha1/plans: what applying these manifests would do, to the objects and then to the
// world. Nothing is changed by it.
#pragma once

#include "controller/api/authorizer.hpp"
#include "controller/api/planner.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

// {"kind":"PlanRequest","items":[manifest,...],"prune":{"kinds":[{"apiVersion","kind"},...],"namespace","labelSelector"}}
// -> {"kind":"PlanList","items":[...]}: one item for each manifest, in order, then one for each object that prune would
// take away (it matches prune and is not among the manifests). planner may be null: then no actions are told. Nobody is
// shown what they could not do or see: an item that the user may not apply is invalid with the 403 of the apply.
Task<json::Value> plan_manifests(Plane& plane, Planner* planner, json::Value request, const User& user,
                                 const Authorizer& authorizer);

}  // namespace gantry::api
