// Leader election on a Lease: of several controllers on one store, one acts. Whoever holds the lease renews it; whoever
// has watched it stand still for its whole duration, by the monotonic clock, takes it and counts leaseTransitions up.
// That count is the fencing epoch that every write carries, so a leader that was paused and wakes up can write nothing.
// One reactor's thread.
#pragma once

#include <functional>
#include <string>

#include "controller/base/metrics.hpp"
#include "controller/base/signal.hpp"
#include "controller/runtime/context.hpp"

namespace gantry::runtime {

struct LeaseOptions {
  std::string ns = "kube-system";
  std::string name = "gantry-controller";
  std::string identity;  // of this process; empty: made up
  Duration duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry = std::chrono::seconds(2);
};

class LeaderElection {
 public:
  // leadership is kept up to date for those who act.
  LeaderElection(Reactor& reactor, api::Client& client, Random& random, Leadership& leadership, LeaseOptions options);

  // Called on the reactor: gained() with the lease in hand; lost() when it is gone, after which nothing is won again.
  void start(std::function<void()> gained, std::function<void()> lost);
  // Gives the lease back, so that the next one need not wait.
  Task<> stop();

  bool leading() const { return leading_; }
  const std::string& identity() const { return options_.identity; }

 private:
  Task<> run(Gate::Pass pass);
  Task<bool> try_once();
  Task<bool> take(object::ObjectPtr lease);
  Task<> give_back();
  json::Value record(const json::Value& old, bool acquiring) const;
  void hold(const object::Object& lease, Instant since);
  void lose();

  Reactor& reactor_;
  api::Client& client_;
  Leadership& leadership_;
  LeaseOptions options_;
  object::Key key_;
  std::function<void()> gained_;
  std::function<void()> lost_;
  std::string observed_;  // the other holder's record, and since when it has stood like that
  Instant observed_at_{};
  Instant renewed_{};
  bool leading_ = false;
  bool over_ = false;
  Signal stop_;
  Gate gate_;
  metrics::Gauge master_;
};

}  // namespace gantry::runtime
