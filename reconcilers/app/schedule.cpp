#include "reconcilers/app/schedule.hpp"

#include <algorithm>

#include "controller/base/cron.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

// A schedule of every minute that nobody looked at for a week: enough to find the last of its times.
constexpr int kLookedThrough = 20'000;

struct Due {
  std::optional<Second> missed;  // the last one before the deadline
  std::optional<Second> now;     // the last one that may still begin
  std::optional<Second> next;
};

Due due_since(const Schedule& schedule, const Cron& cron, const TimeZone& zone, Second handled, Second now) {
  Due due;
  const Second oldest = now - std::chrono::duration_cast<std::chrono::seconds>(schedule.starting_deadline);
  std::optional<Second> at = cron.next(handled, zone);
  for (int i = 0; at && *at <= now && i < kLookedThrough; ++i, at = cron.next(*at, zone))
    (*at < oldest ? due.missed : due.now) = at;
  due.next = at && *at > now ? at : cron.next(now, zone);
  return due;
}

}  // namespace

std::string task_id(const std::string& uid, std::string_view name, std::int64_t number) {
  return uid.substr(0, 8) + "-t-" + std::string(name) + "-" + std::to_string(number);
}

std::optional<TaskId> parse_task_id(std::string_view id) {
  const auto mark = id.find("-t-");
  const auto last = id.rfind('-');
  if (mark != 8 || last < mark + 4) return std::nullopt;
  return TaskId{std::string(id.substr(mark + 3, last - mark - 3)),
                std::atoll(std::string(id.substr(last + 1)).c_str())};
}

std::string Schedule::timing() const {
  return cron + (time_zone.empty() ? "" : " " + time_zone) + (suspended ? ", suspended" : "");
}

std::vector<Schedule> schedules_of(const json::Value& app) {
  std::vector<Schedule> all;
  const json::Value* list = app.at({"spec", "schedules"});
  if (!list || !list->is_array()) return all;
  for (const auto& item : list->as_array()) {
    Schedule one;
    one.name = item.string_or("name");
    one.cron = item.string_or("cron");
    one.time_zone = item.string_or("timeZone");
    if (const json::Value* command = item.find("command"); command && command->is_array()) {
      for (const auto& word : command->as_array()) one.command.push_back(word.as_string());
    }
    const std::string policy = item.string_or("concurrencyPolicy", "Forbid");
    one.concurrency = policy == "Allow"     ? Schedule::Concurrency::Allow
                      : policy == "Replace" ? Schedule::Concurrency::Replace
                                            : Schedule::Concurrency::Forbid;
    one.suspended = item.bool_or("suspend", false);
    one.starting_deadline = std::chrono::seconds(item.int_or("startingDeadlineSeconds", 3600));
    if (const auto seconds = item.int_or("timeoutSeconds", 0); seconds > 0) one.timeout = std::chrono::seconds(seconds);
    one.history = static_cast<std::size_t>(std::max<std::int64_t>(1, item.int_or("historyLimit", 5)));
    all.push_back(std::move(one));
  }
  return all;
}

void check_schedules(const json::Value& app, std::vector<FieldError>& causes) {
  const auto all = schedules_of(app);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto complain = [&](const char* field, const std::string& value, const Error& error) {
      causes.push_back({"FieldValueInvalid", "spec.schedules[" + std::to_string(i) + "]." + field,
                        "Invalid value: \"" + value + "\": " + error.message()});
    };
    try {
      Cron::parse(all[i].cron);
    } catch (const Error& error) {
      complain("cron", all[i].cron, error);
    }
    try {
      TimeZone::find(all[i].time_zone);
    } catch (const Error& error) {
      complain("timeZone", all[i].time_zone, error);
    }
  }
}

ScheduledRun::Result ScheduledRun::result(const Schedule& schedule) const {
  if (alive) return Result::None;
  if (exit_code == 0) return Result::Succeeded;
  return schedule.timeout && finished - started >= *schedule.timeout ? Result::TimedOut : Result::Failed;
}

std::string_view to_string(ScheduledRun::Result result) {
  switch (result) {
    case ScheduledRun::Result::Succeeded:
      return "Succeeded";
    case ScheduledRun::Result::Failed:
      return "Failed";
    case ScheduledRun::Result::TimedOut:
      return "TimedOut";
    case ScheduledRun::Result::None:
      break;
  }
  return "Running";
}

ScheduleDecision decide(const Schedule& schedule, Second handled, const std::vector<ScheduledRun>& runs, WallTime now) {
  ScheduleDecision decision;
  const auto wake = [&](WallTime at) { decision.wake_at = decision.wake_at ? std::min(*decision.wake_at, at) : at; };
  std::size_t alive = 0;
  for (const auto& run : runs) {
    if (!run.alive) continue;
    ++alive;
    if (!schedule.timeout || run.stopping) continue;
    if (now - run.started >= *schedule.timeout) {
      decision.stop.emplace_back(run.id, "it has run for longer than timeoutSeconds");
    } else {
      wake(run.started + *schedule.timeout);
    }
  }
  std::size_t ended = runs.size() - alive;
  for (const auto& run : runs) {
    if (ended <= schedule.history || run.alive || &run == &runs.back()) continue;
    decision.forget.push_back(run.id);
    --ended;
  }
  if (schedule.suspended) return decision;

  Due due;
  try {
    due = due_since(schedule, Cron::parse(schedule.cron), *TimeZone::find(schedule.time_zone), handled,
                    std::chrono::floor<std::chrono::seconds>(now));
  } catch (const Error& error) {
    decision.problem = error.message();
    return decision;
  }
  decision.missed = due.missed;
  decision.next = due.next;
  if (due.next) wake(*due.next);
  if (!due.now) return decision;
  if (alive == 0 || schedule.concurrency == Schedule::Concurrency::Allow) {
    decision.start = due.now;
  } else if (schedule.concurrency == Schedule::Concurrency::Forbid) {
    decision.waits = "the run before still runs";
    wake(*due.now + schedule.starting_deadline + std::chrono::seconds(1));
  } else {
    decision.waits = "the run before is being stopped";
    for (const auto& run : runs) {
      if (run.alive && !run.stopping) decision.stop.emplace_back(run.id, "replaced by the next run");
    }
  }
  return decision;
}

}  // namespace gantry::reconcilers::app
