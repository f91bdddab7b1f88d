// The control plane: one informer for each resource, shared; a controller for each kind; the garbage collector, the
// namespace controller, the Events, and, when asked, the election. Also answers what would be done (gantry plan).
// Everything runs on the loop's reactor; plan() may be called on the front's.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "controller/api/planner.hpp"
#include "controller/runtime/controller.hpp"
#include "controller/runtime/default_accounts.hpp"
#include "controller/runtime/events.hpp"
#include "controller/runtime/garbage_collector.hpp"
#include "controller/runtime/lease.hpp"
#include "controller/runtime/namespace_controller.hpp"

namespace gantry::runtime {

struct PlaneOptions {
  bool read_only = false;
  std::optional<LeaseOptions> election;
  std::function<void()> on_lost;  // the lease is lost: the process should end
  Duration stop_grace = std::chrono::seconds(10);
};

class Plane final : public api::Planner {
 public:
  Plane(Reactor& loop, Reactor& front, api::Client& client, Random& random, const object::KindTable& kinds,
        PlaneOptions options = {});
  ~Plane() override;

  // Before start(). The reconciler must outlive the plane.
  void serve(Resource resource, Reconciler& reconciler, ControllerOptions options = {});
  // Its status is somebody else's: another kind's reconciler writes it.
  void leave_alone(Resource resource);

  // Kinds that nobody serves get a controller that says so.
  void start();
  // False when an attempt was still under way when the grace was over: then nothing of this may be destroyed, only the
  // process ended.
  Task<bool> stop();

  // The caches are complete and the controllers work (or another process leads, and they stand by).
  bool synced() const;
  Task<> wait_synced();

  // A kind that nobody here serves has come, or gone: its objects still have owners, namespaces and an end. The table
  // of kinds is the caller's to add it to, before this.
  void follow(const object::KindPtr& kind) { informers_.follow(kind); }
  void forget(Resource resource) { informers_.forget(resource); }

  // Something outside happened to the object: look now.
  void poke(const Key& key);
  Informers& informers() { return informers_; }
  const Informers& informers() const { return informers_; }
  EventRecorder& events() { return events_; }
  const Leadership& leadership() const { return leadership_; }
  // Nothing is waiting or running anywhere; timers aside.
  bool idle() const;

  Task<std::vector<json::Value>> plan(std::vector<api::PlanItem> items) override;
  // Of single objects, for /metrics. Called on the front reactor, as plan() is.
  Task<std::string> object_metrics();

 private:
  Task<> run(Gate::Pass pass);
  Task<> prepare();
  void win();
  void lose();
  Task<std::vector<json::Value>> plan_here(std::vector<api::PlanItem> items);
  Task<json::Value> plan_one(api::PlanItem item, const std::set<Key>& coming);
  Controller* controller_of(Resource resource) const;

  Reactor& loop_;
  Reactor& front_;
  const object::KindTable& kinds_;
  PlaneOptions options_;
  Leadership leadership_;
  Informers informers_;
  EventRecorder events_;
  Context context_;
  GarbageCollector garbage_;
  NamespaceController namespaces_;
  DefaultAccounts accounts_;
  std::map<Resource, std::unique_ptr<Controller>> controllers_;
  std::vector<std::unique_ptr<Reconciler>> own_reconcilers_;
  std::set<Resource> left_alone_;
  std::unique_ptr<LeaderElection> election_;
  bool may_lead_ = true;  // no election, or it is won
  bool working_ = false;
  bool stopping_ = false;
  Signal changed_;
  Gate gate_;
};

}  // namespace gantry::runtime
