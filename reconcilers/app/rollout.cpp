#include "reconcilers/app/rollout.hpp"

#include <algorithm>
#include <map>

namespace gantry::reconcilers::app {
namespace {

using What = RolloutStep::What;
using Phase = Replica::Phase;

// What lives and must go elsewhere.
bool leaves(const Replica& replica) { return replica.alive() && replica.place != Replica::Place::Kept; }

// What stands in each slot of the target release: the newest try that lives, or else the newest.
using Slots = std::map<int, const Replica*>;
Slots newest_by_slot(const RolloutTarget& target, const std::vector<Replica>& seen) {
  Slots slots;
  for (const auto& replica : seen) {
    if (replica.release != target.release || leaves(replica)) continue;
    auto& slot = slots[replica.slot];
    const bool better = !slot || (slot->alive() == replica.alive() ? slot->attempt < replica.attempt : replica.alive());
    if (better) slot = &replica;
  }
  return slots;
}

bool of_target(const RolloutTarget& target, const Replica& replica) {
  return replica.release == target.release && replica.slot < target.replicas && !leaves(replica);
}

// The newest try of each slot that has left a record.
Slots newest_ended(const RolloutTarget& target, const std::vector<Replica>& seen) {
  Slots slots;
  for (const auto& replica : seen) {
    if (!of_target(target, replica) || replica.alive() || replica.id.empty()) continue;
    auto& slot = slots[replica.slot];
    if (!slot || slot->attempt < replica.attempt) slot = &replica;
  }
  return slots;
}

// Ids are made of it, so it is never used twice, wherever the tries before were.
int next_attempt(const RolloutTarget& target, const std::vector<Replica>& seen, int slot) {
  int newest = 0;
  for (const auto& replica : seen) {
    if (replica.release == target.release && replica.slot == slot) newest = std::max(newest, replica.attempt);
  }
  const auto first = target.first_try.find(slot);
  return std::max(newest + 1, first == target.first_try.end() ? 1 : first->second);
}

// Who lives in the slot, and must leave: whoever is started now takes the place of that one.
const Replica* moving_from(const RolloutTarget& target, const std::vector<Replica>& seen, int slot) {
  const auto at = std::ranges::find_if(seen, [&](const Replica& replica) {
    return replica.release == target.release && replica.slot == slot && leaves(replica);
  });
  return at == seen.end() ? nullptr : &*at;
}

// On a host that does not answer and is being left: it takes no room that another could have.
bool written_off(const Replica& replica) { return leaves(replica) && replica.in_doubt; }

// Lives beside the one that its slot has, and that one can do without it. A start whose answer was lost may have worked
// after all, and another try of the slot was made since.
bool is_twin(const RolloutTarget& target, const Replica& replica, const Slots& slots) {
  if (!replica.alive() || !of_target(target, replica)) return false;
  const Replica* chosen = slots.at(replica.slot);
  return chosen != &replica && chosen->phase == Phase::Ready;
}

// In which order slots are started: those that could not be, last.
std::vector<int> order_of(const RolloutTarget& target, const Slots& slots) {
  std::vector<int> order, last;
  for (int slot = 0; slot < target.replicas; ++slot) {
    const auto found = slots.find(slot);
    const bool failed = found != slots.end() && !found->second->alive() && found->second->id.empty();
    (failed ? last : order).push_back(slot);
  }
  order.insert(order.end(), last.begin(), last.end());
  return order;
}

bool follows(const RolloutTarget& target, const RolloutDecision& decision) {
  return !target.blue_green || decision.ready >= target.replicas;
}

// Old instances whose time has come, and why.
std::vector<const Replica*> not_wanted(const RolloutTarget& target, const std::vector<Replica>& seen,
                                       const RolloutDecision& decision) {
  int available = decision.available;
  std::vector<const Replica*> old;
  for (const auto& replica : seen) {
    if (!replica.alive() || replica.phase == Phase::Stopping || of_target(target, replica)) continue;
    old.push_back(&replica);
  }
  // Those that serve nobody go first; of the others the highest slot, so that slot 0 is the last to change. One that
  // has been taken off the routes stays off.
  std::stable_sort(old.begin(), old.end(), [](const Replica* a, const Replica* b) {
    const bool a_ready = a->phase == Phase::Ready;
    const bool b_ready = b->phase == Phase::Ready;
    if (a_ready != b_ready) return !a_ready;
    if (a->serving != b->serving) return !a->serving;
    return a->slot > b->slot;
  });
  std::vector<const Replica*> retired;
  for (const Replica* replica : old) {
    const bool serves = replica->phase == Phase::Ready || replica->unknown;
    const bool same_release = replica->release == target.release;
    const bool stops_first = target.recreate || target.exclusive || replica->place == Replica::Place::Lost;
    const int without_it = available - (written_off(*replica) ? 0 : 1);
    if (serves && !stops_first && without_it < target.replicas - target.unavailable_max) continue;
    if (serves && !stops_first && !same_release && !follows(target, decision)) continue;
    if (serves) available = without_it;
    retired.push_back(replica);
  }
  return retired;
}

// reason: empty for the usual ones.
void stop(const RolloutTarget& target, const std::vector<const Replica*>& retired, Instant now, std::string_view reason,
          RolloutDecision& decision) {
  for (const Replica* replica : retired) {
    if (replica->in_doubt) continue;
    const bool busy = replica->in_flight > 0 && replica->draining < target.drain;
    if (target.routed && (replica->serving || busy)) {
      ++decision.draining;
      const Instant look = now + std::chrono::milliseconds(200);
      decision.wake_at = decision.wake_at ? std::min(*decision.wake_at, look) : look;
      continue;
    }
    decision.steps.push_back({What::Stop, replica->id, replica->slot, replica->attempt,
                              !reason.empty()                      ? std::string(reason)
                              : !replica->leaves_because.empty()   ? replica->leaves_because
                              : replica->release == target.release ? "scaled down to " + std::to_string(target.replicas)
                                                                   : "replaced by release " + target.release});
  }
}

// Who should be behind the routes. After a restart of ours nobody has answered yet; whoever serves goes on serving.
std::vector<std::string> serving(const RolloutTarget& target, const std::vector<Replica>& seen, const Slots& slots,
                                 const std::vector<const Replica*>& retired, const RolloutDecision& decision) {
  std::vector<const Replica*> able;
  for (const auto& replica : seen) {
    if (replica.phase != Phase::Ready && !(replica.unknown && replica.serving)) continue;
    if (is_twin(target, replica, slots)) continue;
    if (std::find(retired.begin(), retired.end(), &replica) == retired.end()) able.push_back(&replica);
  }
  if (target.blue_green) {
    const auto old = [&](const Replica* replica) { return replica->release != target.release; };
    const bool has_old = std::any_of(able.begin(), able.end(), old);
    if (has_old) std::erase_if(able, [&](const Replica* replica) { return old(replica) == follows(target, decision); });
  }
  std::stable_sort(able.begin(), able.end(), [](const Replica* a, const Replica* b) {
    return a->slot != b->slot ? a->slot < b->slot : a->id < b->id;
  });
  std::vector<std::string> ids;
  for (const Replica* replica : able) ids.push_back(replica->id);
  return ids;
}

// When more than half are sick at once, it is hardly their fault: a database is away, a disk is full. Ending them all
// would only add cold starts to that, so they are replaced a quarter at a time, and the rest goes on trying.
int sick_that_may_end(const RolloutTarget& target, const std::vector<Replica>& seen) {
  int sick = 0;
  int being_replaced = 0;
  for (const auto& replica : seen) {
    if (!of_target(target, replica)) continue;
    if (replica.phase == Phase::Sick) ++sick;
    if (replica.phase == Phase::Starting || replica.phase == Phase::Stopping) ++being_replaced;
  }
  if (target.replicas < 2 || (sick + being_replaced) * 2 <= target.replicas) return sick;
  return std::max(1, target.replicas / 4) - being_replaced;
}

}  // namespace

RolloutDecision next_steps(const RolloutTarget& target, const std::vector<Replica>& seen, Instant now) {
  RolloutDecision decision;
  const auto slots = newest_by_slot(target, seen);
  int alive = 0;
  int old_alive = 0;
  int stalled = 0;
  for (const auto& replica : seen) {
    if (written_off(replica)) continue;
    if (replica.alive()) ++alive;
    if (replica.alive() && !of_target(target, replica)) ++old_alive;
    if (replica.stalled && replica.alive()) ++stalled;
    if (replica.phase == Phase::Ready) ++decision.available;
    if (replica.phase == Phase::Ready && of_target(target, replica) && !is_twin(target, replica, slots))
      ++decision.ready;
  }
  decision.complete = decision.ready == target.replicas && alive == target.replicas;

  // A sick instance of the target is ended; its slot is filled again once it is gone.
  int may_end = sick_that_may_end(target, seen);
  for (const auto& replica : seen) {
    if (replica.phase == Phase::Sick && of_target(target, replica) && !replica.in_doubt) {
      if (may_end-- <= 0) {
        ++decision.braked;
        continue;
      }
      decision.steps.push_back({What::Stop, replica.id, replica.slot, replica.attempt, "its health check fails"});
    }
  }

  std::vector<const Replica*> twins;
  for (const auto& replica : seen) {
    if (is_twin(target, replica, slots) && replica.phase != Phase::Stopping) twins.push_back(&replica);
  }
  stop(target, twins, now, "another try of its slot runs", decision);
  const auto retired = not_wanted(target, seen, decision);
  stop(target, retired, now, {}, decision);
  decision.serve = serving(target, seen, slots, retired, decision);

  const bool must_wait_for_old = (target.recreate || target.exclusive) && old_alive > 0;
  const int surge = target.blue_green ? std::max(target.replicas, 1) : target.surge_max;
  const int room = target.replicas + surge + std::min(stalled, std::max(surge, 1));
  for (const int slot : order_of(target, slots)) {
    if (must_wait_for_old) break;
    const auto found = slots.find(slot);
    const Replica* last = found == slots.end() ? nullptr : found->second;
    if ((last && last->alive()) || target.held.contains(slot) || target.busy.contains(slot)) continue;
    if (alive >= room) break;
    if (last && last->retry_at > now) {
      decision.wake_at = decision.wake_at ? std::min(*decision.wake_at, last->retry_at) : last->retry_at;
      continue;
    }
    ++alive;
    const Replica* before = moving_from(target, seen, slot);
    const std::string replica = "replica " + std::to_string(slot);
    decision.steps.push_back({What::Start,
                              {},
                              slot,
                              next_attempt(target, seen, slot),
                              before ? replica + " moves: " + before->leaves_because
                              : last ? replica + " has exited"
                                     : replica + " does not run",
                              before != nullptr});
  }

  // Of what has exited each slot's newest try is kept, also beside the one that has taken its place and may have
  // nothing to tell yet: for its logs and as evidence. Other releases' once the rollout is complete.
  const auto ended = newest_ended(target, seen);
  for (const auto& replica : seen) {
    if (replica.alive() || replica.in_doubt || replica.id.empty()) continue;
    const auto newest = ended.find(replica.slot);
    if (newest != ended.end() && newest->second == &replica) continue;
    if (replica.release != target.release && !decision.complete) continue;
    decision.steps.push_back({What::Forget, replica.id, replica.slot, replica.attempt, "superseded"});
  }
  return decision;
}

FailureLadder::Rung FailureLadder::rung() const {
  return failures >= 5 ? Rung::Alarm : failures >= 3 ? Rung::Recreate : Rung::Restart;
}

void FailureLadder::failed(Duration ran) { failures = ran >= kLongEnough ? 1 : failures + 1; }

Duration CrashCount::delay() const {
  if (quick_failures <= 1) return Duration::zero();
  constexpr Duration kLongest = std::chrono::minutes(5);
  const int doublings = std::min(quick_failures - 2, 20);
  return std::min<Duration>(std::chrono::milliseconds(500) * (1LL << doublings), kLongest);
}

void CrashCount::failed(Duration ran) {
  // Ten seconds, as long as Kubernetes' first back-off: whoever lived longer did not fail at starting.
  constexpr Duration kLongEnough = std::chrono::seconds(10);
  quick_failures = ran >= kLongEnough ? 1 : quick_failures + 1;
}

}  // namespace gantry::reconcilers::app
