// The runs of an App's schedules: what schedule.hpp decides, seen on the host and done there.
#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/base/metrics.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

using runtime::Action;
using runtime::Condition;
using Verb = runtime::Action::Verb;
using Result = ScheduledRun::Result;

std::string time_of(Second time) { return format_time(WallTime(time)); }
Second second_at(const json::Value& entry, const char* field) {
  const std::string text = entry.string_or(field);
  return text.empty() ? Second{} : std::chrono::floor<std::chrono::seconds>(parse_time(text));
}
std::int64_t minutes_of(Second time) { return time.time_since_epoch().count() / 60; }

ScheduledRun run_of(const providers::Instance& instance, const TaskId& task) {
  ScheduledRun run;
  run.id = instance.id;
  run.due = Second(std::chrono::minutes(task.number));
  run.alive = instance.state != providers::Instance::State::Exited;
  run.stopping = instance.stopping;
  run.started = instance.started;
  run.finished = instance.finished;
  run.exit_code = instance.exit_code;
  run.reason = instance.exit_reason;
  return run;
}

const json::Value* entry_of(const json::Value& app, const std::string& name) {
  const json::Value* list = app.at({"status", "schedules"});
  if (!list || !list->is_array()) return nullptr;
  for (const auto& entry : list->as_array()) {
    if (entry.string_or("name") == name) return &entry;
  }
  return nullptr;
}

metrics::Labels labels_of(const runtime::Subject& subject, const std::string& task) {
  return {{"namespace", subject.key().ns}, {"app", subject.key().name}, {"task", task}};
}

std::string target_of(const runtime::Subject& subject, const std::string& name) {
  return subject.key().name + "/" + name;
}

json::Value history_of(const SeenSchedule& seen) {
  json::Array history;
  for (const auto& run : seen.runs) {
    json::Object item{{"time", time_of(run.due)}, {"started", format_time(run.started)}, {"instance", run.id}};
    item.set("result", to_string(run.result(seen.spec)));
    if (!run.alive) {
      item.set("finished", format_time(run.finished));
      item.set("exitCode", run.exit_code);
    }
    history.emplace_back(std::move(item));
  }
  std::ranges::reverse(history);
  return history;
}

bool told_before(const json::Value* entry, const std::string& run) {
  const json::Value* history = entry ? entry->find("history") : nullptr;
  if (!history || !history->is_array()) return false;
  return std::ranges::any_of(history->as_array(), [&](const json::Value& item) {
    return item.string_or("instance") == run && item.string_or("result") != "Running";
  });
}

}  // namespace

void AppReconciler::observe_schedules(const runtime::Subject& subject, AppSeen& seen) {
  auto& memory = memory_[subject.meta().uid];
  // What is forgotten on the host need not be remembered here.
  std::erase_if(memory.told_runs, [&](const std::string& id) {
    return std::ranges::none_of(seen.tasks, [&](const auto& task) { return task.instance.id == id; });
  });
  for (auto& spec : schedules_of(subject.json)) {
    SeenSchedule one;
    one.spec = std::move(spec);
    const std::string& name = one.spec.name;
    const json::Value* entry = entry_of(subject.json, name);
    const Second now = std::chrono::floor<std::chrono::seconds>(seen.wall);
    one.since = entry && entry->string_or("schedule") == one.spec.timing() ? second_at(*entry, "since") : now;
    if (entry) {
      one.before = *entry;
      one.last = second_at(*entry, "lastScheduleTime");
      one.missed = second_at(*entry, "lastMissedTime");
    }
    if (const auto known = memory.missed_runs.find(name); known != memory.missed_runs.end())
      one.missed = std::max(one.missed, known->second);
    if (const auto failed = memory.failed_runs.find(name); failed != memory.failed_runs.end()) {
      one.last = std::max(one.last, failed->second.due);
      one.start_failure = failed->second;
    }
    for (const auto& instance : seen.tasks) {
      const auto task = parse_task_id(instance.instance.id);
      if (!task || task->name != name) continue;
      one.runs.push_back(run_of(instance.instance, *task));
      one.last = std::max(one.last, one.runs.back().due);
    }
    std::ranges::sort(one.runs, {}, &ScheduledRun::due);
    for (const auto& run : one.runs) {
      if (!run.alive && !memory.told_runs.contains(run.id) && !told_before(entry, run.id)) one.untold.push_back(run.id);
    }
    one.decision = decide(one.spec, std::max({one.since, one.last, one.missed}), one.runs, seen.wall);
    seen.schedules.push_back(std::move(one));
  }
}

void AppReconciler::plan_schedules(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  const auto add = [&](Verb verb, std::string type, const std::string& name, std::string reason, json::Object detail) {
    plan.actions.push_back({verb,
                            std::move(type),
                            target_of(subject, name),
                            std::move(reason),
                            {},
                            {},
                            false,
                            json::Value(std::move(detail))});
  };
  for (const auto& one : seen.schedules) {
    const std::string& name = one.spec.name;
    for (const auto& id : one.untold) {
      const auto run = std::ranges::find(one.runs, id, &ScheduledRun::id);
      add(Verb::Run, "run", name, "the run of " + time_of(run->due) + " " + run->reason,
          {{"schedule", name}, {"told", id}});
    }
    for (const auto& [id, why] : one.decision.stop) add(Verb::Delete, "run", name, why, {{"instance", id}});
    if (one.decision.missed) {
      add(Verb::Run, "run", name, "the run of " + time_of(*one.decision.missed) + " was missed: it is too late for it",
          {{"schedule", name}, {"missed", one.decision.missed->time_since_epoch().count()}});
    }
    if (one.decision.start && seen.choice.run && seen.environment.missing.empty() && run_server(seen)) {
      add(Verb::Create, "run", name, "due at " + time_of(*one.decision.start),
          {{"schedule", name}, {"due", one.decision.start->time_since_epoch().count()}});
    }
    for (const auto& id : one.decision.forget)
      add(Verb::Delete, "record", id, "beyond historyLimit", {{"instance", id}});
    if (one.decision.wake_at) {
      const Duration left = std::max<Duration>(*one.decision.wake_at - seen.wall, std::chrono::milliseconds(1));
      plan.look_again = plan.look_again ? std::min(*plan.look_again, left) : left;
    }
  }
  // Of schedules that are none any more.
  for (const auto& task : seen.tasks) {
    const auto id = parse_task_id(task.instance.id);
    if (!id || id->name == kHookTask ||
        std::ranges::any_of(seen.schedules, [&](const auto& one) { return one.spec.name == id->name; }))
      continue;
    if (task.replica.phase == Replica::Phase::Stopping) continue;
    add(Verb::Delete, task.replica.alive() ? "run" : "record", id->name, "its schedule is gone",
        {{"instance", task.instance.id}});
  }
}

Task<> AppReconciler::act_on_run(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                                 runtime::Notes& notes) {
  auto& memory = memory_[subject.meta().uid];
  const std::string name = action.detail.string_or("schedule");
  const auto one = std::ranges::find_if(seen.schedules, [&](const auto& each) { return each.spec.name == name; });
  if (one == seen.schedules.end()) co_return;
  if (const std::string id = action.detail.string_or("told"); !id.empty()) {
    const auto run = std::ranges::find(one->runs, id, &ScheduledRun::id);
    const Result result = run->result(one->spec);
    memory.told_runs.insert(id);
    count_run(subject, name, to_string(result));
    if (result == Result::Succeeded) note_success(subject, name, run->finished);
    notes.note({.warning = result != Result::Succeeded,
                .reason = result == Result::Succeeded ? "RunSucceeded" : "RunFailed",
                .message = action.target + ": " + action.reason});
    co_return;
  }
  if (const auto missed = action.detail.int_or("missed", 0); missed != 0) {
    memory.missed_runs[name] = Second(std::chrono::seconds(missed));
    count_run(subject, name, "Missed");
    notes.note({.warning = true, .reason = "RunMissed", .message = action.target + ": " + action.reason});
    co_return;
  }
  const Second due(std::chrono::seconds(action.detail.int_or("due", 0)));
  providers::InstanceSpec spec = instance_spec(subject, seen, 0, 1);
  spec.id = task_id(subject.meta().uid, name, minutes_of(due));
  spec.server = run_server(seen).value_or("");
  spec.command = one->spec.command;
  spec.ports.clear();
  Errand tried;
  tried.release = seen.choice.run->name;
  tried.target = action.target;
  tried.reason = action.reason;
  co_await start(subject, std::move(tried), std::move(spec), notes);
}

void AppReconciler::conclude_run(const runtime::Subject& subject, const TaskId& task, const Errand& tried,
                                 runtime::Notes& notes) {
  if (!tried.failure) {
    notes.note({.warning = false, .reason = "RunStarted", .message = tried.target + ": " + tried.reason});
    return;
  }
  if (tried.failure->retryable()) throw *tried.failure;  // the host does not answer: there is time until the deadline
  const Second due(std::chrono::seconds(task.number * 60));
  memory_[subject.meta().uid].failed_runs[task.name] = {due, tried.failure->message()};
  count_run(subject, task.name, "StartFailed");
  notes.note({.warning = true, .reason = "RunFailed", .message = tried.target + ": " + tried.failure->message()});
}

void AppReconciler::count_run(const runtime::Subject& subject, const std::string& task, std::string_view result) {
  auto labels = labels_of(subject, task);
  labels.emplace("result", result);
  metrics::counter("gantry_scheduled_task_runs_total", "Runs of schedules, by how they ended", labels).add();
}

void AppReconciler::note_success(const runtime::Subject& subject, const std::string& task, WallTime when) {
  metrics::gauge("gantry_scheduled_task_last_success_timestamp_seconds", "When a run of the schedule last succeeded",
                 labels_of(subject, task))
      .set(std::chrono::duration<double>(when.time_since_epoch()).count());
}

std::optional<Condition> AppReconciler::report_schedules(const AppSeen& seen, runtime::Report& report) const {
  if (seen.schedules.empty()) return std::nullopt;
  json::Array list;
  std::string problem, failed;
  for (const auto& one : seen.schedules) {
    json::Object entry{{"name", one.spec.name}, {"schedule", one.spec.timing()}, {"since", time_of(one.since)}};
    const auto set_time = [&](const char* field, Second time) {
      if (time != Second{}) entry.set(field, time_of(time));
    };
    set_time("lastScheduleTime", one.last);
    set_time("lastMissedTime", one.missed);
    if (one.decision.next) entry.set("nextScheduleTime", time_of(*one.decision.next));
    entry.set("active", std::ranges::count_if(one.runs, [](const auto& run) { return run.alive; }));
    for (const char* field : {"lastResult", "message", "lastSuccessTime"}) {
      if (const std::string text = one.before.string_or(field); !text.empty()) entry.set(field, text);
    }
    for (const auto& run : one.runs) {
      if (run.alive) continue;
      entry.set("lastResult", to_string(run.result(one.spec)));
      entry.set("message", run.reason);
      if (run.result(one.spec) == Result::Succeeded) entry.set("lastSuccessTime", format_time(run.finished));
    }
    if (one.start_failure && (one.runs.empty() || one.runs.back().due < one.start_failure->due)) {
      entry.set("lastResult", "StartFailed");
      entry.set("message", log::redacted(one.start_failure->message));
    }
    entry.set("history", history_of(one));
    const json::Value shown(std::move(entry));
    const std::string result = shown.string_or("lastResult");
    if (!one.decision.problem.empty())
      problem += (problem.empty() ? "" : "; ") + one.spec.name + ": " + one.decision.problem;
    if (!result.empty() && result != "Succeeded")
      failed += (failed.empty() ? "" : "; ") + one.spec.name + ": " + shown.string_or("message");
    list.push_back(shown);
  }
  const auto count = list.size();
  report.status["schedules"] = std::move(list);
  if (!problem.empty()) return Condition{"SchedulesActive", "False", "ScheduleInvalid", problem};
  if (!failed.empty()) return Condition{"SchedulesActive", "False", "LastRunFailed", failed};
  return Condition{"SchedulesActive", "True", "Scheduled",
                   std::to_string(count) + (count == 1 ? " schedule" : " schedules")};
}

}  // namespace gantry::reconcilers::app
