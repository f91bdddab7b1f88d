// spec.keepAwake: a laptop that serves must not fall asleep. The agent holds it awake while something runs there, and
// forgets that with its process: what its health says is compared with what is wanted at each look.
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {

using runtime::Condition;

Task<> ServerReconciler::keep_awake(const runtime::Subject& subject, bool keep, runtime::Notes& notes) {
  const std::string name = subject.key().ns + "/" + subject.key().name;
  json::Value awake = co_await parts_.hosts.keep_awake(name, keep);
  if (const std::string problem = awake.string_or("problem"); !problem.empty())
    notes.note({true, "HostMaySleep", "spec.keepAwake: " + problem});
  json::Value& health = memory_of(subject).health;
  if (health.is_object()) health.as_object().set("awake", std::move(awake));
}

void ServerReconciler::report_awake(const ServerSeen& seen, runtime::Report& report) {
  if (!seen.keep_awake) {
    report.withdrawn.emplace_back("SleepPrevented");
    return;
  }
  const json::Value awake = seen.awake();
  const auto say = [&](std::string status, std::string reason, std::string message) {
    report.conditions.push_back({"SleepPrevented", std::move(status), std::move(reason), std::move(message)});
  };
  if (seen.health.is_null()) {
    say("Unknown", "NotAsked", "the agent has not said yet");
  } else if (!awake.is_object()) {
    say("False", "HostMaySleep", "the agent is of a version that cannot keep its host awake");
  } else if (const std::string problem = awake.string_or("problem"); !problem.empty()) {
    say("False", "HostMaySleep", problem);
  } else if (awake.bool_or("held", false)) {
    say("True", "Inhibited", "it does not fall asleep while something runs there");
  } else {
    say("False", "NothingRuns", "nothing runs there, so it may fall asleep");
  }
}

}  // namespace gantry::reconcilers::server
