#include <algorithm>

#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

using runtime::Action;
using Verb = runtime::Action::Verb;
using What = RolloutStep::What;

std::string instance_type(const json::Value& pod_template) { return is_docker(pod_template) ? "container" : "process"; }

std::string slot_name(const runtime::Subject& subject, int slot) {
  return subject.key().name + "/" + std::to_string(slot);
}

const SeenInstance* find_instance(const AppSeen& seen, const std::string& id) {
  const auto at = std::find_if(seen.instances.begin(), seen.instances.end(),
                               [&](const auto& one) { return one.instance.id == id; });
  return at == seen.instances.end() ? nullptr : &*at;
}

// Names of what differs between two templates: "command, env".
std::string differing_fields(const json::Value& before, const json::Value& after) {
  std::string names;
  const auto add = [&](std::string_view name) { names += (names.empty() ? "" : ", ") + std::string(name); };
  if (!before.is_object() || !after.is_object()) return names;
  for (const auto& [key, value] : after.as_object()) {
    const json::Value* old = before.find(key);
    if (!old || !(*old == value)) add(key);
  }
  for (const auto& [key, value] : before.as_object()) {
    if (!after.find(key)) add(key);
  }
  return names;
}

// Why nothing can be asked of the Server now; for people.
std::string busy_words(const AppSeen& seen, const std::string& server) {
  const auto errand = std::ranges::find(seen.errands.all, server, &Errand::server);
  if (errand != seen.errands.all.end()) return errand->waits();
  const auto problem = seen.errands.problems.find(server);
  return "Server " + server + ": " + (problem == seen.errands.problems.end() ? "it is busy" : problem->second);
}

json::Value joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : "; ") + line;
  return json::Value(text);
}

}  // namespace

runtime::Plan AppReconciler::plan(const runtime::Subject& subject, const runtime::Seen& what) {
  const auto& seen = static_cast<const AppSeen&>(what);
  if (subject.meta().deleting) return plan_removal(seen);
  runtime::Plan plan;
  plan_answers(seen, plan);
  if (!plan.actions.empty()) return plan;
  const auto block = [&](std::string reason, std::string message) {
    plan.blocked = true;
    plan.blocked_reason = std::move(reason);
    plan.blocked_message = std::move(message);
  };
  // Whatever is wrong with what is wanted, what runs goes on being kept alive.
  if (const auto problem = unsupported(subject.json)) {
    block(problem->first, problem->second);
  } else if (!seen.environment.missing.empty()) {
    block("ReferenceNotFound", joined(seen.environment.missing).as_string());
  } else if (!seen.source_problem.empty()) {
    block("SourceNotFound", seen.source_problem);
  } else if (!seen.choice.problem.empty()) {
    block("RevisionNotFound", seen.choice.problem);
  } else if (!seen.placement_problem.empty()) {
    block("Invalid", seen.placement_problem);
  } else {
    plan_servers(subject, seen, plan);
    if (plan.actions.empty()) plan_release(subject, seen, plan);
  }
  if (!plan.blocked) plan_rebuild(subject, seen, plan);
  if (plan.actions.empty() && seen.choice.run) {
    plan_routes(seen, plan);
    plan_placement(subject, seen, plan);
    plan_instances(subject, seen, plan);
    if (!stopped(subject.json)) plan_release_phases(subject, seen, plan);
  }
  leave_busy_alone(seen, plan);
  if (plan.actions.empty()) plan_hook(subject, seen, plan);
  if (plan.actions.empty() && seen.choice.run) plan_scaling(subject, seen, plan);
  if (plan.actions.empty()) plan_schedules(subject, seen, plan);
  leave_busy_alone(seen, plan);
  // Whoever lives on has not failed, and the status is to say so.
  if (!seen.failing.empty())
    plan.look_again = std::min(plan.look_again.value_or(FailureLadder::kLongEnough), FailureLadder::kLongEnough);
  if (seen.work.look_again)
    plan.look_again = plan.look_again ? std::min(*plan.look_again, *seen.work.look_again) : seen.work.look_again;
  return plan;
}

void AppReconciler::plan_release(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  if (!seen.choice.make) return;
  if (!plan_source(subject, seen, plan)) return;
  const ReleaseView* newest = seen.releases.empty() ? nullptr : &seen.releases.back();
  const json::Value& after = seen.choice.copy ? seen.choice.copy->pod_template : seen.pod_template;
  std::string reason = seen.choice.cause;
  if (newest && !seen.choice.copy) {
    if (const auto fields = differing_fields(newest->pod_template, after); !fields.empty()) reason += ": " + fields;
  }
  json::Object before_fields;
  json::Object after_fields;
  for (const auto& [key, value] : after.is_object() ? after.as_object() : json::Object()) {
    const json::Value* old = newest ? newest->pod_template.find(key) : nullptr;
    if (old && *old == value) continue;
    if (old) before_fields.set(key, *old);
    after_fields.set(key, value);
  }
  plan.actions.push_back({Verb::Create,
                          "release",
                          release_name(subject.key().name, seen.choice.revision),
                          reason,
                          std::move(before_fields),
                          std::move(after_fields),
                          false,
                          {}});
  // What will follow, for whoever only wants to know; act() looks again before each.
  RolloutTarget target = rollout_target(subject.json, release_name(subject.key().name, seen.choice.revision));
  for (int slot = 0; slot < target.replicas; ++slot) {
    plan.actions.push_back(
        {Verb::Create, instance_type(after), slot_name(subject, slot), "of the new release", {}, {}, false, {}});
  }
  if (seen.routes.wanted) {
    plan.actions.push_back({seen.routes.served.exists ? Verb::Update : Verb::Create,
                            "route",
                            subject.key().name,
                            "leads to the new release once that is ready",
                            {},
                            {},
                            false,
                            {}});
  }
  for (const auto& one : seen.instances) {
    if (!one.replica.alive()) continue;
    plan.actions.push_back({Verb::Delete,
                            instance_type(after),
                            slot_name(subject, one.replica.slot),
                            "replaced by the new release, once that is ready",
                            {},
                            {},
                            false,
                            {}});
  }
}

void AppReconciler::plan_instances(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  const std::string type = instance_type(seen.choice.run->pod_template);
  for (const auto& step : seen.rollout.steps) {
    const SeenInstance* one = find_instance(seen, step.id);
    if (step.what != What::Start && !one) continue;  // a try that could not be started: only remembered
    Action action;
    action.type = type;
    action.target = slot_name(subject, step.slot);
    action.reason = step.reason;
    action.detail["instance"] = step.id;
    action.detail["slot"] = step.slot;
    action.detail["attempt"] = step.attempt;
    action.detail["moves"] = step.moves;
    if (step.what == What::Start) action.verb = Verb::Create;
    if (step.what == What::Stop) {
      action.verb = Verb::Delete;
      if (!one->health.message.empty()) action.reason += ": " + one->health.message;
    }
    if (step.what == What::Forget) {
      action.verb = Verb::Delete;
      action.type = "record";
      action.target = step.id;
    }
    if (step.what == What::Start) {
      for (const auto& last : seen.instances) {
        if (last.replica.slot == step.slot && last.replica.release == seen.target.release &&
            last.replica.attempt == step.attempt - 1) {
          if (!step.moves) action.reason = "replica " + std::to_string(step.slot) + " " + last.instance.exit_reason;
        }
      }
    }
    plan.actions.push_back(std::move(action));
  }
  if (!seen.rollout.wake_at) return;
  const Duration left = *seen.rollout.wake_at - seen.now;
  plan.look_again = plan.look_again ? std::min(*plan.look_again, left) : left;
}

// Releases say how far they are: Progressing until complete, then Active; the one before becomes Superseded; one that
// missed its deadline is Failed, and keeps the evidence.
void AppReconciler::plan_release_phases(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  const auto set_phase = [&](const ReleaseView& release, std::string phase, std::string reason) {
    Action action{Verb::Update, "release", release.name, std::move(reason), {}, {}, false, {}};
    action.before["phase"] = release.phase;
    action.after["phase"] = phase;
    plan.actions.push_back(std::move(action));
  };
  const ReleaseView& run = *seen.choice.run;
  for (const auto& release : seen.releases) {
    // Not Superseded: that would be one to go back to.
    if (release.revision < run.revision && (release.phase.empty() || release.phase == "Progressing"))
      set_phase(release, "Failed", run.name + " has taken its place before it was ready");
  }
  if (seen.rollout.complete) {
    if (run.phase != "Active" && run.phase != "Failed") set_phase(run, "Active", "all replicas are ready");
    for (const auto& release : seen.releases) {
      if (release.name != run.name && release.phase == "Active")
        set_phase(release, "Superseded", run.name + " has taken over");
    }
    if (run.phase != "Active" && run.phase == "Failed" && seen.releases.back().name == run.name)
      set_phase(run, "Active", "all replicas are ready after all");
  } else if (run.phase.empty()) {
    set_phase(run, "Progressing", "the rollout has begun");
  } else if (run.phase == "Progressing") {
    // Recreate has stopped what served. When the new one cannot even be started, waiting out the deadline would only
    // be time without anybody.
    const bool another = std::ranges::any_of(
        seen.releases, [&](const auto& release) { return release.revision < run.revision && release.good(); });
    if (seen.until_deadline < Duration::zero()) {
      set_phase(run, "Failed", "not complete within its progress deadline");
    } else if (seen.cannot_start && seen.rollout.available == 0 && another) {
      set_phase(run, "Failed", "it cannot be started, and nothing else serves: " + seen.start_failures.begin()->second);
    } else {
      const Duration left = seen.until_deadline + std::chrono::milliseconds(100);
      plan.look_again = plan.look_again ? std::min(*plan.look_again, left) : left;
    }
  }
  const json::Value* limit = subject.json.at({"spec", "revisionHistoryLimit"});
  for (const auto& name : releases_to_forget(
           seen.releases, run.name, static_cast<std::size_t>(limit && limit->is_int() ? limit->as_int() : 10))) {
    plan.actions.push_back({Verb::Delete, "release", name, "beyond spec.revisionHistoryLimit", {}, {}, false, {}});
  }
}

runtime::Plan AppReconciler::plan_removal(const AppSeen& seen) {
  runtime::Plan plan;
  plan_answers(seen, plan);
  if (!plan.actions.empty()) return plan;
  plan_routes(seen, plan);
  std::vector<SeenInstance> all = seen.instances;
  all.insert(all.end(), seen.tasks.begin(), seen.tasks.end());
  for (const auto& one : all) {
    Action action{Verb::Delete,
                  one.instance.runtime == providers::InstanceSpec::Runtime::Docker ? "container" : "process",
                  one.instance.id,
                  "the App is deleted",
                  {},
                  {},
                  false,
                  {}};
    action.detail["instance"] = one.instance.id;
    // It goes with its Server, which is removed next.
    const auto server = std::ranges::find(seen.servers, one.instance.server, &ServerView::name);
    if (!one.instance.in_doubt.empty() && server != seen.servers.end() && server->ours) continue;
    if (seen.errands.busy.contains(one.instance.server)) {
      plan.blocked = true;
      plan.blocked_reason = "Stopping";
      plan.blocked_message = busy_words(seen, one.instance.server);
      continue;
    }
    if (one.replica.alive()) {
      // Asked to stop already: its exit is waited for, and wakes us.
      if (one.replica.phase == Replica::Phase::Stopping) {
        plan.blocked = true;
        plan.blocked_reason = "Stopping";
        plan.blocked_message = "waiting for " + one.instance.id + " to stop";
        continue;
      }
    } else {
      action.type = "record";
    }
    plan.actions.push_back(std::move(action));
  }
  if (plan.actions.empty() && !plan.blocked) plan_server_removal(seen, plan);
  return plan;
}

}  // namespace gantry::reconcilers::app
