// The decision which runs of a schedule begin, end and are forgotten: pure, but for the time zones that it reads.
//
//   1. A run is due when its cron expression says so, in its time zone (base/cron.hpp: what happens where the clocks
//      are changed). Its id holds that time, so it begins once, whoever asks how often.
//   2. What was due while nobody was there, or while Forbid held it back, is made up for within
//   startingDeadlineSeconds:
//      the last of them, once. What is older was missed.
//   3. Records are kept for historyLimit runs, and always for the newest: it says what has been begun.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "controller/base/time_zone.hpp"

namespace gantry::reconcilers::app {

struct Schedule {
  enum class Concurrency { Allow, Forbid, Replace };
  std::string name;
  std::string cron;
  std::string time_zone;
  std::vector<std::string> command;
  Concurrency concurrency = Concurrency::Forbid;
  bool suspended = false;
  Duration starting_deadline = std::chrono::hours(1);
  std::optional<Duration> timeout;
  std::size_t history = 5;

  // What decides when it is due; a change of it begins to count anew.
  std::string timing() const;
};
std::vector<Schedule> schedules_of(const json::Value& app);
// What the schema cannot say: cron expressions and time zones that are none. For admission.
void check_schedules(const json::Value& app, std::vector<FieldError>& causes);

using Second = TimeZone::Time;

struct ScheduledRun {
  std::string id;
  Second due{};
  bool alive = false;
  bool stopping = false;
  WallTime started{};
  WallTime finished{};
  int exit_code = 0;
  std::string reason;  // "exited with code 1"

  enum class Result { None, Succeeded, Failed, TimedOut };
  Result result(const Schedule& schedule) const;
};
std::string_view to_string(ScheduledRun::Result result);

// A run that could not even be started: there is no instance of it.
struct StartFailure {
  Second due{};
  std::string message;
};

struct ScheduleDecision {
  std::optional<Second> start;                            // the run that is due now
  std::vector<std::pair<std::string, std::string>> stop;  // id, why
  std::vector<std::string> forget;
  std::optional<Second> missed;  // the last that is too late to be made up for
  std::optional<Second> next;
  std::optional<WallTime> wake_at;
  std::string waits;    // why what is due does not begin
  std::string problem;  // it can never be due: the expression or the time zone is none
};

// handled: up to there every run was begun, or is known to have been missed. runs in order of their times.
ScheduleDecision decide(const Schedule& schedule, Second handled, const std::vector<ScheduledRun>& runs, WallTime now);

}  // namespace gantry::reconcilers::app
