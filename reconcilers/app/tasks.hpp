// Instances that run to an end instead of serving: the runs of a schedule, and the hook before a release. They are
// known by their ids alone, so that every host and every controller after a restart tells them from replicas:
// "<first 8 of the App's uid>-t-<name>-<number>", where a replica has digits only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::reconcilers::app {

// The name of the hook; a schedule's cannot be the same, since a name begins with a letter or a digit.
inline constexpr std::string_view kHookTask = "-hook";

struct TaskId {
  std::string name;         // of the schedule, or kHookTask
  std::int64_t number = 0;  // minutes since 1970 when the run was due; of the hook, the release's revision
};

std::string task_id(const std::string& uid, std::string_view name, std::int64_t number);
// Absent: it is a replica's.
std::optional<TaskId> parse_task_id(std::string_view id);

}  // namespace gantry::reconcilers::app
