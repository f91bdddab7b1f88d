// An App's count of instances under load: measured on the host, decided in scaling.hpp, kept in the status. While
// spec.scaling is there, the scaler owns the count: spec.replicas is where it began.
#include <algorithm>

#include "controller/base/metrics.hpp"
#include "controller/object/quantity.hpp"
#include "controller/runtime/status_writer.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

using runtime::Action;
using runtime::Condition;

constexpr Duration kMeasureEvery = std::chrono::seconds(10);

double seconds(Duration time) { return std::chrono::duration<double>(time).count(); }

struct Limits {
  std::optional<std::int64_t> cpu_millis, memory_bytes;
};

Limits limits_of(const json::Value& pod_template) {
  Limits limits;
  const json::Value* resources = pod_template.find("resources");
  if (!resources) return limits;
  if (const json::Value* cpu = resources->find("cpu")) limits.cpu_millis = object::milli_of(*cpu);
  if (const json::Value* memory = resources->find("memory")) limits.memory_bytes = object::units_of(*memory);
  return limits;
}

void tell_load(const runtime::Subject& subject, const Load& load) {
  const auto set = [&](const char* resource, const std::optional<double>& percent) {
    if (!percent) return;
    metrics::gauge("gantry_app_utilization_ratio", "What an App's ready instances use of their limits, on average",
                   {{"namespace", subject.key().ns}, {"name", subject.key().name}, {"resource", resource}})
        .set(*percent / 100);
  };
  set("cpu", load.cpu);
  set("memory", load.memory);
}

// The metrics that cannot be read since there is no limit to compare with.
std::string without_limit(const Scaling& scaling, const Limits& limits) {
  std::string names;
  for (const auto& metric : scaling.metrics) {
    const bool cpu = metric.resource == Scaling::Metric::Resource::Cpu;
    if (cpu ? limits.cpu_millis.has_value() : limits.memory_bytes.has_value()) continue;
    names += (names.empty() ? "" : " and ") + std::string(cpu ? "spec.resources.cpu" : "spec.resources.memory");
  }
  return names;
}

}  // namespace

// Per instance the share of its limits that it used since the last measurement.
Task<> AppReconciler::measure(const runtime::Subject& subject, const AppSeen& seen, LoadMemory& memory) {
  const Limits limits = limits_of(seen.choice.run->pod_template);
  std::vector<providers::InstanceUsage> used;
  memory.problem.clear();
  try {
    used = co_await parts_.host.usage(subject.meta().uid);
  } catch (const Error& error) {
    memory.problem = error.message();
  }
  const Instant now = parts_.reactor.now();
  std::map<std::string, std::pair<Instant, Duration>> last = std::exchange(memory.last, {});
  double cpu = 0, bytes = 0;
  int with_cpu = 0, with_memory = 0;
  for (const auto& one : used) {
    memory.last[one.id] = {now, one.cpu};
    const auto known =
        std::ranges::find_if(seen.instances, [&](const auto& each) { return each.instance.id == one.id; });
    if (known == seen.instances.end() || known->replica.release != seen.target.release ||
        known->replica.phase != Replica::Phase::Ready)
      continue;
    if (limits.memory_bytes && *limits.memory_bytes > 0) {
      bytes += 100.0 * static_cast<double>(one.memory_bytes) / static_cast<double>(*limits.memory_bytes);
      ++with_memory;
    }
    const auto before = last.find(one.id);
    if (before == last.end() || now <= before->second.first || !limits.cpu_millis || *limits.cpu_millis <= 0) continue;
    const double share = seconds(one.cpu - before->second.second) / seconds(now - before->second.first);
    cpu += 100.0 * share * 1000 / static_cast<double>(*limits.cpu_millis);
    ++with_cpu;
  }
  memory.load = {};
  if (with_cpu > 0) memory.load.cpu = cpu / with_cpu;
  if (with_memory > 0) memory.load.memory = bytes / with_memory;
  memory.measured = now;
  tell_load(subject, memory.load);
}

Task<> AppReconciler::observe_scaling(const runtime::Subject& subject, AppSeen& seen) {
  const auto scaling = scaling_of(subject.json);
  if (!scaling) co_return;
  // Across the co_await below this entry may be forgotten with its App, so the work is done on a copy.
  LoadMemory memory = memory_[subject.meta().uid].load;
  const bool stopped = seen.target.replicas == 0;
  const int replicas = scaling->clamp(memory.desired.value_or(wanted_replicas(subject.json)));
  if (!stopped) seen.target.replicas = replicas;
  seen.scaling = *scaling;
  if (!stopped && (!memory.measured || seen.now - *memory.measured >= kMeasureEvery)) {
    const int ready = static_cast<int>(std::ranges::count_if(seen.instances, [&](const auto& one) {
      return one.replica.release == seen.target.release && one.replica.phase == Replica::Phase::Ready;
    }));
    co_await measure(subject, seen, memory);
    // While instances come and go, what each uses tells little.
    memory.decision = {.replicas = replicas, .reason = {}, .known = false};
    if (ready == replicas) memory.decision = decide(*scaling, replicas, memory.load, memory.state, seen.now);
  }
  seen.load = memory;
  if (const auto known = memory_.find(subject.meta().uid); known != memory_.end()) known->second.load = memory;
}

void AppReconciler::plan_scaling(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  if (!seen.scaling) return;
  plan.look_again = plan.look_again ? std::min(*plan.look_again, kMeasureEvery) : kMeasureEvery;
  const auto& decision = seen.load.decision;
  if (!decision.known || decision.replicas == seen.target.replicas || seen.target.replicas == 0) return;
  Action action{Action::Verb::Update, "replicas", subject.key().name, decision.reason, {}, {}, false, {}};
  action.before["replicas"] = seen.target.replicas;
  action.after["replicas"] = decision.replicas;
  plan.actions.push_back(std::move(action));
}

void AppReconciler::act_on_scaling(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                                   runtime::Notes& notes) {
  auto& memory = memory_[subject.meta().uid].load;
  memory.desired = static_cast<int>(action.after.int_or("replicas", seen.target.replicas));
  memory.scaled = format_time(parts_.reactor.clock().wall());
  memory.reason = action.reason;
  memory.decision = {};
  notes.note({.warning = false,
              .reason = "Scaled",
              .message = "from " + std::to_string(seen.target.replicas) + " to " + std::to_string(*memory.desired) +
                         " replicas: " + action.reason});
}

std::optional<Condition> AppReconciler::report_scaling(const runtime::Subject& subject, const AppSeen& seen,
                                                       runtime::Report& report) const {
  const auto scaling = scaling_of(subject.json);
  if (!scaling) return std::nullopt;
  json::Object status;
  if (const json::Value* before = subject.json.at({"status", "scaling"}); before && before->is_object())
    status = before->as_object();
  status.set("desiredReplicas", scaling->clamp(seen.load.desired.value_or(wanted_replicas(subject.json))));
  if (!seen.load.scaled.empty()) {
    status.set("lastScaleTime", seen.load.scaled);
    status.set("reason", seen.load.reason);
  }
  report.status["scaling"] = std::move(status);
  const std::string between = std::to_string(scaling->least) + " to " + std::to_string(scaling->most) + " replicas";
  if (!seen.choice.run) return Condition{"ScalingActive", "Unknown", "Pending", "nothing runs yet"};
  const std::string lacks = without_limit(*scaling, limits_of(seen.choice.run->pod_template));
  if (!lacks.empty())
    return Condition{"ScalingActive", "False", "LimitMissing", lacks + " is needed to tell a percentage of it"};
  if (!seen.load.problem.empty()) return Condition{"ScalingActive", "False", "NotMeasured", seen.load.problem};
  if (!seen.load.load.cpu && !seen.load.load.memory) {
    // Once it was measured, a pause between two measurements is no news.
    if (runtime::condition_status(subject.json, "ScalingActive") == "True")
      return Condition{"ScalingActive", "True", "Measured", between};
    return Condition{"ScalingActive", "Unknown", "NotMeasured", "the host has not told yet what the instances use"};
  }
  return Condition{"ScalingActive", "True", "Measured", between};
}

}  // namespace gantry::reconcilers::app
