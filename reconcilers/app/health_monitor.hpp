// Asks every instance of every App how it is, for as long as it lives: before it is Ready, and ever after. What it says
// within one period after a sleep of this machine, or after its host was away, is not held against it.
// One coroutine an instance, on the loop's reactor. Whoever wants to know is told when an answer changes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/signal.hpp"
#include "providers/workload_host.hpp"

namespace gantry::reconcilers::app {

struct HealthCheck {
  // Absent: there is nothing to ask, and an instance that has lived for a second counts as ready.
  std::optional<providers::ProbeSpec> probe;
  Duration period = std::chrono::seconds(5);
  int failures_max = 3;                         // in a row, once ready: then it is sick
  int successes_min = 1;                        // in a row, before it is ready
  Duration startup = std::chrono::seconds(60);  // not ready within: sick
};

struct Health {
  bool ready = false;
  bool sick = false;    // to be ended
  int failures = 0;     // in a row
  int successes = 0;    // in a row, while not ready
  std::string message;  // what the last probe said; empty when all is well
};

class HealthMonitor {
 public:
  using Probe = std::function<Task<providers::ProbeResult>(providers::ProbeSpec)>;
  using OnChange = std::function<void(const std::string& owner_uid)>;

  HealthMonitor(Reactor& reactor, Probe probe, OnChange on_change);
  ~HealthMonitor();

  // Begins to ask, or goes on with the new check. `served`: it serves already, so that one bad answer does not take it
  // away, as after a restart of ours.
  void watch(const std::string& owner_uid, const std::string& instance, const HealthCheck& check, bool served = false);
  // Ends the asking for all instances of the owner that are not named.
  void keep_only(const std::string& owner_uid, const std::vector<std::string>& instances);
  // Absent until the first answer.
  std::optional<Health> find(const std::string& instance) const;

 private:
  struct Watched;
  static Task<> ask_for_ever(Reactor& reactor, Probe probe, OnChange on_change, std::shared_ptr<Watched> watched);

  Reactor& reactor_;
  Probe probe_;
  OnChange on_change_;
  std::map<std::string, std::shared_ptr<Watched>> watched_;  // by instance
};

}  // namespace gantry::reconcilers::app
