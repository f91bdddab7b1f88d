// The decision how an App's instances go from what runs to what is asked for: pure, total, no clock, no host.
//
// Rules, in order of weight:
//   1. What serves goes on serving: an old instance is stopped only while enough others are ready (maxUnavailable).
//   2. At most maxSurge instances more than asked for run at a time; Recreate stops the old before it starts the new.
//   3. Where routes lead to it, an old instance is taken off them first, and stopped when its last request is over or
//      its time to drain is. BlueGreen moves the routes at once, when every new one is ready.
//   4. A sick instance is replaced; when more than half are sick at once, a quarter at a time.
//   5. An instance whose Server must be left counts as an old one: another is started elsewhere, checked, and only then
//   it
//      goes. Where there is no elsewhere it is ended at once, in good order.
//   6. The room of one that its host does not answer for goes to another slot, for up to as many as may surge; a slot
//      that could not be started on its host waits behind those that have not been tried.
//   7. One try a slot. A slot whose try failed is started again after its back-off; the failure of a new release's
//      tries never touches the old release.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"

namespace gantry::reconcilers::app {

struct RolloutTarget {
  std::string release;  // its name
  int replicas = 1;
  bool recreate = false;
  bool blue_green = false;
  bool routed = false;  // requests come through the router
  Duration drain = std::chrono::seconds(30);
  int surge_max = 1;
  int unavailable_max = 0;
  // Of process instances with a port pinned on the host, two cannot run beside each other.
  bool exclusive = false;
  std::set<int> held;  // slots in which nothing can be started now: their Server is not there yet, or there is none
  std::set<int> busy;  // slots whose Server is being asked for something else: they take no room meanwhile
  std::map<int, int> first_try;  // of slots whose tries so far may be where nobody can look now
};

// One instance, as seen on the host and by its probes.
struct Replica {
  enum class Phase {
    Starting,  // runs, not ready yet
    Ready,
    Sick,  // was ready or had its time to become so, and now fails its checks: to be replaced
    Stopping,
    Exited,
  };
  std::string id;
  std::string release;
  int slot = 0;
  int attempt = 1;
  Phase phase = Phase::Starting;
  Instant retry_at{};    // Exited: not started again before this
  bool unknown = false;  // its first answer is awaited, as after a restart of ours
  bool serving = false;  // the routes lead to it
  int in_flight = 0;     // requests and sockets that it has through the router
  Duration draining{};   // since it was taken off the routes
  enum class Place { Kept, Moving, Lost } place = Place::Kept;  // Moving: once another is ready; Lost: at once
  std::string leaves_because{};                                 // when not Kept
  bool in_doubt = false;                                        // its host does not answer: nothing can be done to it
  bool stalled = false;  // its host was asked to start or stop it some time ago, and does not say whether it did

  bool alive() const { return phase != Phase::Exited; }
};

struct RolloutStep {
  enum class What { Start, Stop, Forget };
  What what = What::Start;
  std::string id;   // Stop and Forget
  int slot = 0;     // Start
  int attempt = 1;  // Start
  std::string reason;
  bool moves = false;  // Start: in place of one that lives elsewhere
};

struct RolloutDecision {
  std::vector<RolloutStep> steps;
  std::optional<Instant> wake_at;  // when a back-off ends, or a drain is looked at again
  std::vector<std::string> serve;  // ids that the routes should lead to, in order of slots
  int draining = 0;                // instances that only wait for their last requests
  int ready = 0;                   // of the target release, within its slots
  int available = 0;               // ready ones of any release
  int braked = 0;                  // sick ones that are left alone, since too many are at once
  bool complete = false;           // all slots of the target ready, nothing else alive
};

RolloutDecision next_steps(const RolloutTarget& target, const std::vector<Replica>& seen, Instant now);

// What follows the n-th end in a row of a slot's instance: the same again, then without anything that was kept (its
// port), and then somebody must look at it; it is tried on all the same. One that lives for ten minutes begins anew.
struct FailureLadder {
  enum class Rung { Restart, Recreate, Alarm };
  static constexpr Duration kLongEnough = std::chrono::minutes(10);
  int failures = 0;
  Rung rung() const;
  void failed(Duration ran);
};

// How long after the n-th quick failure in a row the next try may start: none after the first, then 0.5 s doubling to
// 5 min. `ran` is how long the last try lived; one that lived long enough starts the count anew.
struct CrashCount {
  int quick_failures = 0;
  Duration delay() const;
  void failed(Duration ran);
};

}  // namespace gantry::reconcilers::app
