// Writes core/v1 Events about objects. The same news about the same object is one Event with a count; an object that
// will not stop talking is cut short; when the server is slow, news waits in a bounded queue and the rest is counted as
// dropped. Recording never waits. Events older than an hour are removed. One reactor's thread.
#pragma once

#include <deque>
#include <string>
#include <unordered_map>

#include "controller/base/metrics.hpp"
#include "controller/base/signal.hpp"
#include "controller/runtime/context.hpp"
#include "controller/runtime/reconciler.hpp"

namespace gantry::runtime {

struct EventOptions {
  std::size_t pending_max = 1000;             // news that waits to be written
  std::size_t remembered_max = 4096;          // for counting repetitions
  double burst = 100;                         // news about one object at once,
  Duration refill = std::chrono::seconds(6);  // and one more each
  Duration lifetime = std::chrono::hours(1);
  Duration sweep_every = std::chrono::minutes(10);
};

class EventRecorder {
 public:
  EventRecorder(Reactor& reactor, api::Client& client, Random& random, const object::KindTable& kinds,
                const std::optional<store::Fence>& fence, EventOptions options = {});

  void record(const object::Object& about, const EventNote& note);

  void start();
  // Gives up what is not written yet.
  Task<> stop();
  std::size_t pending() const { return queue_.size(); }

 private:
  struct Entry {
    json::Value event;  // as created; name and times of its own
    object::Key key;
    std::int64_t count = 0;
    std::int64_t written = 0;  // count that is stored; 0: none
    WallTime last{};
    bool queued = false;
  };
  struct Allowance {
    double tokens = 0;
    Instant at{};
  };

  bool allowed(const std::string& uid);
  void forget_some();
  Task<> write_all(Gate::Pass pass);
  Task<bool> write(const std::string& id);
  Task<> sweep_for_ever(Gate::Pass pass);
  Task<> sweep();
  Task<bool> pause(Duration duration);

  Reactor& reactor_;
  api::Client& client_;
  Random& random_;
  const object::KindTable& kinds_;
  const std::optional<store::Fence>& fence_;
  EventOptions options_;
  object::Resource events_;
  std::unordered_map<std::string, Entry> entries_;  // by object uid, reason and message
  std::unordered_map<std::string, Allowance> allowances_;
  std::deque<std::string> queue_;
  bool stopping_ = false;
  Signal wake_;
  Signal stop_;
  Gate gate_;
  metrics::Counter dropped_;
};

}  // namespace gantry::runtime
