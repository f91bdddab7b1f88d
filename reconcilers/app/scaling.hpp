// The decision how many instances an App has under load: pure. As Kubernetes' HorizontalPodAutoscaler counts: enough
// that each would use its target on average, not for a tenth more or less; the metric that asks for most decides. Up
// after a short cool-down and at most to the double at a time, down to the most that was asked for in the longer one.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"

namespace gantry::reconcilers::app {

struct Scaling {
  struct Metric {
    enum class Resource { Cpu, Memory } resource = Resource::Cpu;
    int target = 0;  // percent
  };
  int least = 1;
  int most = 1;
  std::vector<Metric> metrics;
  Duration up_after = std::chrono::seconds(30);
  Duration down_after = std::chrono::minutes(5);

  int clamp(int replicas) const;
};
// Absent: nothing scales this App.
std::optional<Scaling> scaling_of(const json::Value& app);
// The same of the Servers that are made for it: spec.placement.provision.scaling.
std::optional<Scaling> server_scaling_of(const json::Value& app);
// How many instances are wanted: spec.replicas, or with spec.scaling what the scaler decided last.
int wanted_replicas(const json::Value& app);

// What the ready instances use, in percent of what each may; absent: not measured, or without a limit to compare with.
struct Load {
  std::optional<double> cpu, memory;
};

struct ScalingState {
  std::deque<std::pair<Instant, int>> asked;  // within down_after
  std::optional<Instant> changed;
};

struct ScalingDecision {
  int replicas = 0;
  std::string reason;  // "cpu at 140 % of its target of 70 %"
  bool known = false;  // at least one metric could be read
};

// What is remembered of an App's load.
struct LoadMemory {
  std::optional<Instant> measured;
  std::map<std::string, std::pair<Instant, Duration>> last;  // by instance: when, and what it had used
  Load load;
  std::string problem;
  ScalingState state;
  ScalingDecision decision;
  std::optional<int> desired;  // of this process; before its first decision the status has it
  std::string scaled, reason;  // the last change
};

// Keeps `state` for the next time. replicas: that the load was measured with.
ScalingDecision decide(const Scaling& scaling, int replicas, const Load& load, ScalingState& state, Instant now);

}  // namespace gantry::reconcilers::app
