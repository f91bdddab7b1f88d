// The hook before a release: a command that runs to its end, once, before the first instance of the release is started
// (migrations of a database). Until it has succeeded, the release before goes on as if there were no new one; when it
// fails, the new one has failed, with what the hook wrote as evidence.
#include <algorithm>

#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

using runtime::Action;
using Verb = runtime::Action::Verb;
using State = SeenHook::State;

bool is_hook(const SeenInstance& task) {
  const auto id = parse_task_id(task.instance.id);
  return id && id->name == kHookTask;
}

}  // namespace

Task<> AppReconciler::hold_for_hook(const runtime::Subject& subject, AppSeen& seen) {
  const ReleaseView* release = seen.choice.run;
  const json::Value* hook = release ? release->pod_template.at({"hooks", "preDeploy"}) : nullptr;
  if (!hook || release->good()) co_return;
  SeenHook held;
  held.release = release;
  held.id = task_id(subject.meta().uid, kHookTask, release->revision);
  held.timeout = std::chrono::seconds(hook->int_or("timeoutSeconds", 600));
  const auto task = std::ranges::find(seen.tasks, held.id, [](const auto& one) { return one.instance.id; });
  const auto& memory = memory_[subject.meta().uid];
  if (task == seen.tasks.end()) {
    if (const auto failed = memory.failed_hooks.find(release->name); failed != memory.failed_hooks.end()) {
      held.state = State::Failed;
      held.why = "its pre-deploy hook cannot be started: " + failed->second;
    }
  } else if (task->replica.alive()) {
    held.state = State::Running;
    held.stopping = task->replica.phase == Replica::Phase::Stopping;
    held.ends_at = task->instance.started + held.timeout;
  } else if (task->instance.exit_code == 0) {
    co_return;
  } else {
    held.state = State::Failed;
    const bool late = task->instance.finished - task->instance.started >= held.timeout;
    held.why = "its pre-deploy hook " + (late ? "took longer than " + human_duration(held.timeout) + " and was stopped"
                                              : task->instance.exit_reason);
  }
  held.another_runs = std::ranges::any_of(
      seen.tasks, [&](const auto& one) { return is_hook(one) && one.instance.id != held.id && one.replica.alive(); });
  held.environment = std::exchange(seen.run_environment, {});
  seen.hook = held;
  seen.choice.run = nullptr;
  for (const auto& before : seen.releases) {
    if (before.revision < release->revision && before.good()) seen.choice.run = &before;
  }
  if (seen.choice.run) {
    seen.run_environment = co_await resolve_environment(parts_.client, parts_.kinds, seen.choice.run->pod_template,
                                                        subject.json, subject.key().ns);
  }
}

void AppReconciler::plan_hook(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  const auto add = [&](Verb verb, std::string type, std::string target, std::string reason) -> Action& {
    return plan.actions.emplace_back(
        Action{verb, std::move(type), std::move(target), std::move(reason), {}, {}, false, {}});
  };
  for (const auto& task : seen.tasks) {
    if (!is_hook(task) || task.replica.alive()) continue;
    const auto release = std::ranges::find(seen.releases, task.instance.release, &ReleaseView::name);
    // Until its release has served, the record says that the hook has run.
    if (release != seen.releases.end() && !release->good()) continue;
    add(Verb::Delete, "record", task.instance.id, "its release needs it no more").detail["instance"] = task.instance.id;
  }
  if (!seen.hook) return;
  const SeenHook& hook = *seen.hook;
  const auto set_phase = [&](const char* phase, std::string reason) {
    Action& action = add(Verb::Update, "release", hook.release->name, std::move(reason));
    action.before["phase"] = hook.release->phase;
    action.after["phase"] = phase;
  };
  if (hook.state == State::Failed) {
    if (hook.release->phase != "Failed") set_phase("Failed", hook.why);
    return;
  }
  if (hook.release->phase.empty()) set_phase("Progressing", "its pre-deploy hook comes first");
  if (hook.state == State::Pending) {
    if (!hook_server(seen)) {
      plan.look_again = std::chrono::seconds(2);
    } else if (!hook.another_runs && seen.environment.missing.empty()) {
      add(Verb::Create, "hook", subject.key().name + "/" + hook.release->name, "before the first replica is started");
    }
    return;
  }
  if (hook.stopping) return;
  if (seen.wall >= hook.ends_at) {
    add(Verb::Delete, "hook", subject.key().name + "/" + hook.release->name, "it has run for longer than it may")
        .detail["instance"] = hook.id;
    return;
  }
  const Duration left = hook.ends_at - seen.wall;
  plan.look_again = plan.look_again ? std::min(*plan.look_again, left) : left;
}

Task<> AppReconciler::start_hook(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                                 runtime::Notes& notes) {
  AppSeen as_if = seen;
  as_if.choice.run = seen.hook->release;
  as_if.run_environment = seen.hook->environment;
  providers::InstanceSpec spec = instance_spec(subject, as_if, 0, 1);
  spec.id = seen.hook->id;
  spec.server = hook_server(seen).value_or("");
  spec.ports.clear();
  spec.command.clear();
  for (const auto& word : seen.hook->release->pod_template.at({"hooks", "preDeploy", "command"})->as_array())
    spec.command.push_back(word.as_string());
  Errand tried;
  tried.release = seen.hook->release->name;
  tried.target = action.target;
  tried.reason = action.reason;
  co_await start(subject, std::move(tried), std::move(spec), notes);
}

void AppReconciler::conclude_hook(const runtime::Subject& subject, const Errand& tried, runtime::Notes& notes) {
  if (!tried.failure) {
    notes.note({.warning = false, .reason = "HookStarted", .message = tried.target + ": " + tried.reason});
    return;
  }
  if (tried.failure->retryable()) throw *tried.failure;
  memory_[subject.meta().uid].failed_hooks[tried.release] = tried.failure->message();
  notes.note({.warning = true, .reason = "HookFailed", .message = tried.target + ": " + tried.failure->message()});
}

}  // namespace gantry::reconcilers::app
