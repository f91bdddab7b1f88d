// Drives the Reconciler of one kind: hears of changes, queues the objects they concern, runs attempts with as many
// workers as the kind may have, and decides when to look again. Deletions have workers of their own. An attempt that
// does not come back keeps its object, but not its worker.
// One reactor's thread; owned by the plane.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "controller/runtime/attempt.hpp"
#include "controller/runtime/backoff.hpp"
#include "controller/runtime/informer.hpp"
#include "controller/runtime/queue.hpp"

namespace gantry::runtime {

struct ControllerOptions {
  std::size_t workers = 64;
  std::size_t deletion_workers = 8;
  AttemptLimits limits;
  // Each object is looked at this often although nothing was heard of it. With jitter, so that they spread out.
  Duration resync = std::chrono::minutes(10);
  BackoffOptions backoff;
};

class Controller {
 public:
  // Hooks itself into every informer of the plane, so all of them must be made before.
  Controller(const Context& context, object::KindPtr kind, Reconciler& reconciler, ControllerOptions options = {});
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Once the informers are synced.
  void start();
  // Nothing new is begun.
  void close() { queue_.close(); }
  // Lets running attempts finish until the deadline. False when some did not: they must not outlive the process.
  Task<bool> stop(Instant deadline);

  // Something outside happened to the object, such as an exited process: look now.
  void poke(const Key& key);
  // What would be done for the subject. Changes nothing, and waits for an attempt for the same object to end first.
  // Throws Error.
  Task<Plan> plan(Subject subject);

  const object::Kind& kind() const { return *kind_; }
  const Queue& queue() const { return queue_; }
  // Nothing waits and nothing runs.
  bool idle() const { return queue_.depth() == 0 && queue_.running() == 0; }

 private:
  struct Running {
    ObjectPtr object;
    Instant started;
    WorkerKind worker = WorkerKind::General;
    bool overdue = false;
  };
  struct Metrics {
    explicit Metrics(const std::string& controller);
    metrics::Counter success, error, requeue, requeue_after;
    metrics::Counter errors, terminal_errors, panics, timeouts;
    metrics::Histogram time;
    metrics::Gauge active, max_concurrent, last_reconcile;
    metrics::Histogram time_to_ready;
  };

  void on_change(const Change& change);
  void enqueue(const object::Object& object, Lane lane);
  void enqueue_owners(const object::Object& object);
  void forget_gone(const Key& key);
  Task<> work(WorkerKind kind, Gate::Pass pass);
  void settle(const Key& key, const ObjectPtr& object, Outcome outcome);
  void record_ready(const object::Object& before, const ObjectPtr& after);
  Duration resync_delay() const;
  void watch_deadlines();
  Task<> report_overdue(ObjectPtr object, Gate::Pass pass);

  const Context& context_;
  object::KindPtr kind_;
  Reconciler& reconciler_;
  ControllerOptions options_;
  Informer& informer_;
  Queue queue_;
  Backoff backoff_;
  std::list<Running> running_;
  std::unordered_map<Key, std::vector<std::string>, KeyHash> gone_;  // uids that the reconciler has not forgotten yet
  Clock::TimerId deadline_timer_ = 0;
  Gate gate_;
  Metrics metrics_;
};

}  // namespace gantry::runtime
