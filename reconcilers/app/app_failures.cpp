// status.failing: how often a slot's instance has ended in a row. In memory alone it would begin at nothing with every
// controller, and one that is upgraded often would never call anybody.
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {

void AppReconciler::recall_failures(const runtime::Subject& subject) {
  AppMemory& memory = memory_[subject.meta().uid];
  if (std::exchange(memory.recalled, true)) return;
  const json::Value* failing = subject.json.at({"status", "failing"});
  for (const auto& one : failing && failing->is_array() ? failing->as_array() : json::Array()) {
    SlotMemory& slot = memory.slots[{one.string_or("release"), static_cast<int>(one.int_or("slot", 0))}];
    slot.ladder.failures = static_cast<int>(one.int_or("failures", 0));
    slot.crashes.quick_failures = static_cast<int>(one.int_or("quickFailures", 0));
    slot.counted = one.string_or("last");
    if (slot.ladder.rung() != FailureLadder::Rung::Restart) slot.host_port = 0;
  }
}

// After the instances were looked at. Whoever has lived for long has not failed.
void AppReconciler::tell_failures(const runtime::Subject& subject, AppSeen& seen) {
  const std::string& release = seen.choice.run->name;
  auto& slots = memory_[subject.meta().uid].slots;
  for (const auto& one : seen.instances) {
    if (one.replica.release != release || !one.replica.alive()) continue;
    if (seen.wall - one.instance.started < FailureLadder::kLongEnough) continue;
    slots[{release, one.replica.slot}].ladder = {};
    slots[{release, one.replica.slot}].crashes = {};
  }
  for (const auto& [key, slot] : slots) {
    if (key.first != release || key.second >= seen.target.replicas || slot.ladder.failures == 0) continue;
    seen.failing.push_back(json::Object{{"release", release},
                                        {"slot", key.second},
                                        {"failures", slot.ladder.failures},
                                        {"quickFailures", slot.crashes.quick_failures},
                                        {"last", slot.counted}});
  }
}

}  // namespace gantry::reconcilers::app
