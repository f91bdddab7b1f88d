// Starting, stopping and clearing away: at once on this machine, as errands on Servers.
#include <algorithm>

#include "controller/base/log.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

using providers::Instance;
using runtime::Action;
using Verb = runtime::Action::Verb;
using What = Errand::What;

constexpr Duration kHostPause = std::chrono::seconds(1);

// Where the instance is, or is being started; empty: this machine, or nowhere.
std::string server_of(const AppSeen& seen, const std::string& id) {
  for (const auto* all : {&seen.instances, &seen.tasks}) {
    for (const auto& one : *all) {
      if (one.instance.id == id) return one.instance.server;
    }
  }
  return {};
}

bool starts_something(const Action& action) {
  return action.verb == Verb::Create && (action.type == "process" || action.type == "container");
}

}  // namespace

// ---------------------------------------------------------------- observe

Task<std::vector<SeenInstance>> AppReconciler::list_instances(const runtime::Subject& subject, AppSeen& seen) {
  const std::string& uid = subject.meta().uid;
  std::vector<SeenInstance> all;
  for (auto& instance : co_await parts_.host.list(uid)) all.push_back({std::move(instance), {}, {}, false});
  seen.errands = errands_.of(uid);
  const auto slow = [&](const Errand& errand) { return !errand.answered && seen.now - errand.begun >= Errands::kSlow; };
  for (auto& one : all) one.replica.stalled = seen.errands.failed.contains(one.instance.id);
  for (const Errand& errand : seen.errands.all) {
    const auto known =
        std::ranges::find(all, errand.instance, [](const auto& one) -> const std::string& { return one.instance.id; });
    if (known != all.end()) {
      const bool alive = known->instance.state != Instance::State::Exited;
      if (errand.what == What::Stop && alive) {
        known->instance.stopping = true;
        known->replica.stalled = known->replica.stalled || slow(errand);
      }
      continue;
    }
    if (errand.what != What::Start) continue;
    SeenInstance& one = all.emplace_back();
    one.asked = true;
    one.instance.id = errand.instance;
    one.instance.owner_uid = uid;
    one.instance.release = errand.release;
    one.instance.slot = errand.slot;
    one.instance.server = errand.server;
    one.instance.started = errand.begun_wall;
    one.replica.stalled = slow(errand);
    if (one.replica.stalled) one.health.message = errand.waits();
  }
  co_return all;
}

// ---------------------------------------------------------------- plan

void AppReconciler::plan_answers(const AppSeen& seen, runtime::Plan& plan) const {
  for (const Errand& errand : seen.errands.all) {
    if (!errand.answered) continue;
    Action action{Verb::Run, "answer", errand.target, "Server " + errand.server + " has answered", {}, {}, false, {}};
    action.detail["server"] = errand.server;
    plan.actions.push_back(std::move(action));
  }
  if (seen.errands.look_again)
    plan.look_again = std::min(plan.look_again.value_or(*seen.errands.look_again), *seen.errands.look_again);
}

void AppReconciler::leave_busy_alone(const AppSeen& seen, runtime::Plan& plan) const {
  if (seen.errands.busy.empty()) return;
  std::erase_if(plan.actions, [&](const Action& action) {
    std::string server;
    if (starts_something(action)) {
      const auto to = seen.placement.assignment.find(static_cast<int>(action.detail.int_or("slot", -1)));
      if (to != seen.placement.assignment.end()) server = to->second;
    } else if (action.verb == Verb::Create && action.type == "hook") {
      server = hook_server(seen).value_or("");
    } else if (action.verb == Verb::Create && action.type == "run") {
      server = run_server(seen).value_or("");
    } else if (action.verb == Verb::Delete) {
      server = server_of(seen, action.detail.string_or("instance"));
    }
    return seen.errands.busy.contains(server);
  });
}

// ---------------------------------------------------------------- act

Task<> AppReconciler::start_instance(const runtime::Subject& subject, const AppSeen& seen,
                                     const runtime::Action& action, runtime::Notes& notes) {
  Errand tried;
  tried.slot = static_cast<int>(action.detail.int_or("slot", 0));
  tried.attempt = static_cast<int>(action.detail.int_or("attempt", 1));
  tried.moves = action.detail.bool_or("moves", false);
  tried.release = seen.choice.run->name;
  tried.target = action.target;
  tried.reason = action.reason;
  if (seen.run_environment && !seen.run_environment->missing.empty()) {
    tried.failure = Error(ErrorCode::NotFound, seen.run_environment->missing.front());
    conclude_start(subject, tried, notes);
    co_return;
  }
  providers::InstanceSpec spec = instance_spec(subject, seen, tried.slot, tried.attempt);
  tried.instance = spec.id;
  co_await start(subject, std::move(tried), std::move(spec), notes);
}

Task<> AppReconciler::start(const runtime::Subject& subject, Errand tried, providers::InstanceSpec spec,
                            runtime::Notes& notes) {
  tried.what = What::Start;
  tried.instance = spec.id;
  tried.server = spec.server;
  if (!spec.server.empty()) {
    errands_.begin(subject.meta().uid, std::move(tried),
                   [&host = parts_.host, spec = std::move(spec)]() -> Task<std::optional<Instance>> {
                     co_return co_await host.start(spec);
                   });
    co_return;
  }
  try {
    tried.started = co_await parts_.host.start(std::move(spec));
  } catch (const Error& error) {
    tried.failure = error;
  }
  conclude_start(subject, tried, notes);
}

Task<> AppReconciler::stop_or_remove(const runtime::Subject& subject, const AppSeen& seen, const Action& action,
                                     What what) {
  const std::string id = action.detail.string_or("instance");
  Errand errand{.what = what, .server = server_of(seen, id), .instance = id, .target = action.target};
  if (errand.server.empty()) {
    co_await (what == What::Stop ? parts_.host.stop(id) : parts_.host.remove(id, true));
    co_return;
  }
  errands_.begin(subject.meta().uid, std::move(errand),
                 [&host = parts_.host, id, what]() -> Task<std::optional<Instance>> {
                   co_await (what == What::Stop ? host.stop(id) : host.remove(id, true));
                   co_return std::nullopt;
                 });
}

void AppReconciler::act_on_answer(const runtime::Subject& subject, const AppSeen& seen, const Action& action,
                                  runtime::Notes& notes) {
  const std::string server = action.detail.string_or("server");
  const auto errand = std::ranges::find(seen.errands.all, server, &Errand::server);
  if (errand == seen.errands.all.end()) return;
  std::string problem;
  if (errand->what != What::Start) {
    if (errand->failure) problem = errand->target + ": " + errand->failure->message();
  } else {
    try {
      conclude_start(subject, *errand, notes);
    } catch (const Error& error) {  // tidy: told as the Server's problem, which is asked again after a pause
      problem = errand->target + ": " + error.message();
    }
  }
  if (!problem.empty()) notes.note({true, "ServerFailed", problem});
  errands_.take(subject.meta().uid, server, problem);
}

void AppReconciler::conclude_start(const runtime::Subject& subject, const Errand& tried, runtime::Notes& notes) {
  const auto task = parse_task_id(tried.instance);
  if (!task) {
    conclude_replica(subject, tried, notes);
  } else if (task->name == kHookTask) {
    conclude_hook(subject, tried, notes);
  } else {
    conclude_run(subject, *task, tried, notes);
  }
}

void AppReconciler::conclude_replica(const runtime::Subject& subject, const Errand& tried, runtime::Notes& notes) {
  auto& memory = memory_[subject.meta().uid].slots[{tried.release, tried.slot}];
  if (tried.started) {
    memory.start_failure.clear();
    std::string where;
    for (const auto& port : tried.started->ports) where += " " + port.name + "=" + std::to_string(port.host_port);
    const bool again = tried.attempt > 1 && !tried.moves;
    const auto rung = memory.ladder.rung();
    notes.note({.warning = again,
                .reason = again ? "Restarted" : "Started",
                .message = tried.target +
                           (again ? ": " + tried.reason +
                                        (rung == FailureLadder::Rung::Restart ? "; started again"
                                                                              : "; made anew, with nothing kept")
                                  : " of release " + tried.release) +
                           (where.empty() ? "" : ", ports" + where)});
    if (rung == FailureLadder::Rung::Alarm) {
      notes.note({.warning = true,
                  .reason = "KeepsFailing",
                  .message = tried.target + " ends again and again; somebody must look at it: gantry logs " +
                             subject.key().name + " --slot " + std::to_string(tried.slot) + " --previous"});
    }
    return;
  }
  const Error& failure = *tried.failure;
  memory.start_failure = failure.message();
  if (failure.code() == ErrorCode::Unavailable) {
    // The host does not answer, and that says nothing about the App. It may have been started all the same: the same
    // try again, under the same id, so that there are never two.
    memory.attempt = tried.attempt - 1;
    memory.retry_at = parts_.reactor.now() + kHostPause;
    return;
  }
  // A start that cannot work is one more failed try of this slot, with its back-off: whatever else serves goes on.
  memory.attempt = tried.attempt;
  memory.crashes.failed(Duration::zero());
  memory.ladder.failed(Duration::zero());
  memory.retry_at = parts_.reactor.now() + std::max<Duration>(memory.crashes.delay(), std::chrono::milliseconds(500));
  notes.note({.warning = true,
              .reason = failure.message().find("already in use") != std::string::npos ? "PortInUse" : "StartFailed",
              .message = tried.target + ": " + failure.message()});
}

}  // namespace gantry::reconcilers::app
