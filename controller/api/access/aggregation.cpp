#include "controller/api/access/aggregation.hpp"

#include "controller/base/log.hpp"

namespace gantry::api::access {
namespace {

const log::Logger kLog("rbac");

}  // namespace

struct Aggregation::State {
  State(Plane& plane_, std::shared_ptr<const Policy> policy_) : plane(plane_), policy(std::move(policy_)) {}
  Plane& plane;
  std::shared_ptr<const Policy> policy;
  std::unique_ptr<store::Watch> watch;
  bool closed = false;
};

Aggregation::Aggregation(Plane& plane, std::shared_ptr<const Policy> policy)
    : state_(std::make_shared<State>(plane, std::move(policy))) {}

Aggregation::~Aggregation() { close(); }

void Aggregation::close() {
  state_->closed = true;
  if (state_->watch) state_->watch->close();
}

Task<> Aggregation::write_all() { return write_stale(state_); }

Task<> Aggregation::write_stale(std::shared_ptr<State> state) {
  for (const auto& [name, rules] : state->policy->stale_aggregations()) {
    Target target;
    target.served = state->plane.catalogue.find(rbac().cluster_roles);
    target.name = name;
    const ObjectPtr live = state->plane.store.find({rbac().cluster_roles, {}, name});
    if (!live || !target.served) continue;
    json::Value object = live->decode();
    json::Array list;
    for (const auto& rule : *rules) list.emplace_back(to_json(rule));
    object["rules"] = std::move(list);
    WriteQuery query;
    query.manager = "gantry-aggregation";
    Warnings warnings;
    try {
      co_await verbs::update(state->plane, target, Body{std::move(object), {}}, query, warnings);
    } catch (
        const Error& error) {  // somebody else wrote it just now, or the disk is full: its next change brings us back
      kLog.warn("a ClusterRole's gathered rules could not be written", {{"role", name}, {"error", error.message()}});
    }
  }
}

void Aggregation::start() { state_->plane.front.spawn(follow(state_)); }

Task<> Aggregation::follow(std::shared_ptr<State> state) {
  object::Revision from = state->plane.store.revision();
  while (!state->closed) {
    state->watch = state->plane.store.watch(rbac().cluster_roles, from);
    bool gone = false;
    while (!state->closed && !gone) {
      co_await write_stale(state);
      try {
        co_await state->watch->next();
      } catch (const Error& error) {
        if (error.code() != ErrorCode::Expired) throw;
        gone = true;
      }
      if (state->watch->closed()) co_return;
    }
    from = state->plane.store.revision();
  }
}

}  // namespace gantry::api::access
