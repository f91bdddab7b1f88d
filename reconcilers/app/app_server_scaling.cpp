// How many Servers are made for an App under load: what its Servers use is in their status, how many are wanted is
// decided as it is for instances (scaling.hpp), and kept in the App's status.
#include <algorithm>

#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

// An agent tells once a minute what its machine uses.
constexpr Duration kMeasureEvery = std::chrono::seconds(30);
// One more that could not be had is not asked for again before.
constexpr Duration kAfterRefusal = std::chrono::minutes(5);

Load average_of(const std::vector<const ServerView*>& servers) {
  const auto mean = [&](std::optional<double> ServerView::* part) {
    double sum = 0;
    int count = 0;
    for (const ServerView* server : servers) {
      if (!(server->*part)) continue;
      sum += *(server->*part);
      ++count;
    }
    return count > 0 ? std::optional(sum / count) : std::nullopt;
  };
  return {mean(&ServerView::cpu_percent), mean(&ServerView::memory_percent)};
}

}  // namespace

int AppReconciler::observe_server_scaling(const runtime::Subject& subject, AppSeen& seen, int count) {
  const auto scaling = server_scaling_of(subject.json);
  LoadMemory& memory = memory_[subject.meta().uid].servers;
  if (!scaling) {
    memory = {};
    return count;
  }
  std::vector<const ServerView*> ours;
  for (const auto& server : seen.servers) {
    if (server.ours && !server.deleting) ours.push_back(&server);
  }
  if (!memory.desired) {
    // What is there has been asked for: a restart of ours lets nobody go.
    const json::Value* told = subject.json.at({"status", "provision", "desiredServers"});
    const int before = told && told->is_int() ? static_cast<int>(told->as_int()) : count;
    memory.desired = scaling->clamp(std::max(before, static_cast<int>(ours.size())));
  }
  const int wanted = scaling->clamp(*memory.desired);
  if (!memory.measured || seen.now - *memory.measured >= kMeasureEvery) {
    memory.measured = seen.now;
    memory.decision = {.replicas = wanted, .reason = {}, .known = false};
    const auto refused = std::ranges::find_if(ours, [](const ServerView* server) { return server->refused; });
    const bool calm = static_cast<int>(ours.size()) == wanted &&
                      std::ranges::all_of(ours, [](const ServerView* server) { return server->settled; });
    if (refused != ours.end() && wanted > scaling->least) {
      memory.decision = {wanted - 1, "one more cannot be had: " + (*refused)->message, true};
      memory.state.changed = seen.now + kAfterRefusal;
    } else if (calm) {
      memory.load = average_of(ours);
      memory.decision = decide(*scaling, wanted, memory.load, memory.state, seen.now);
    }
  }
  seen.server_load = memory;
  return wanted;
}

// True when how many there are to be changes first.
bool AppReconciler::plan_server_scaling(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  if (!seen.server_load) return false;
  plan.look_again = std::min(plan.look_again.value_or(kMeasureEvery), kMeasureEvery);
  const ScalingDecision& decision = seen.server_load->decision;
  if (!decision.known || decision.replicas == *seen.server_load->desired) return false;
  runtime::Action action{
      runtime::Action::Verb::Update, "servers", subject.key().name, decision.reason, {}, {}, false, {}};
  action.before["servers"] = *seen.server_load->desired;
  action.after["servers"] = decision.replicas;
  plan.actions.push_back(std::move(action));
  return true;
}

void AppReconciler::act_on_server_scaling(const runtime::Subject& subject, const runtime::Action& action,
                                          runtime::Notes& notes) {
  LoadMemory& memory = memory_[subject.meta().uid].servers;
  const int before = memory.desired.value_or(0);
  memory.desired = static_cast<int>(action.after.int_or("servers", before));
  memory.scaled = format_time(parts_.reactor.clock().wall());
  memory.reason = action.reason;
  memory.decision = {};
  notes.note(
      {false, "ServersScaled",
       "from " + std::to_string(before) + " to " + std::to_string(*memory.desired) + " Servers: " + action.reason});
}

void AppReconciler::report_server_scaling(const runtime::Subject& subject, const AppSeen& seen,
                                          runtime::Report& report) const {
  if (!seen.server_load) return;
  json::Object status;
  if (const json::Value* before = subject.json.at({"status", "provision"}); before && before->is_object())
    status = before->as_object();
  status.set("desiredServers", *seen.server_load->desired);
  if (!seen.server_load->scaled.empty()) {
    status.set("lastScaleTime", seen.server_load->scaled);
    status.set("reason", seen.server_load->reason);
  }
  report.status["provision"] = std::move(status);
}

}  // namespace gantry::reconcilers::app
