#include "reconcilers/app/scaling.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::reconcilers::app {
namespace {

constexpr double kTolerance = 0.1;

std::string_view name_of(Scaling::Metric::Resource resource) {
  return resource == Scaling::Metric::Resource::Cpu ? "cpu" : "memory";
}

Scaling read_scaling(const json::Value& spec, std::string_view least, std::string_view most) {
  Scaling scaling;
  scaling.least = std::max(1, static_cast<int>(spec.int_or(least, 1)));
  scaling.most = static_cast<int>(spec.int_or(most, 1));
  scaling.up_after = std::chrono::seconds(spec.int_or("scaleUpCooldownSeconds", 30));
  scaling.down_after = std::chrono::seconds(spec.int_or("scaleDownCooldownSeconds", 300));
  if (const json::Value* metrics = spec.find("metrics"); metrics && metrics->is_array()) {
    for (const auto& metric : metrics->as_array()) {
      scaling.metrics.push_back({metric.string_or("resource") == "memory" ? Scaling::Metric::Resource::Memory
                                                                          : Scaling::Metric::Resource::Cpu,
                                 static_cast<int>(metric.int_or("averageUtilization", 100))});
    }
  }
  return scaling;
}

}  // namespace

int Scaling::clamp(int replicas) const { return std::clamp(replicas, least, std::max(least, most)); }

std::optional<Scaling> scaling_of(const json::Value& app) {
  const json::Value* spec = app.at({"spec", "scaling"});
  if (!spec || !spec->is_object()) return std::nullopt;
  return read_scaling(*spec, "minReplicas", "maxReplicas");
}

std::optional<Scaling> server_scaling_of(const json::Value& app) {
  const json::Value* spec = app.at({"spec", "placement", "provision", "scaling"});
  if (!spec || !spec->is_object()) return std::nullopt;
  return read_scaling(*spec, "minServers", "maxServers");
}

int wanted_replicas(const json::Value& app) {
  const json::Value* spec = app.find("spec");
  const int declared = spec ? static_cast<int>(spec->int_or("replicas", 1)) : 1;
  const auto scaling = scaling_of(app);
  if (!scaling) return declared;
  const json::Value* decided = app.at({"status", "scaling"});
  return scaling->clamp(decided ? static_cast<int>(decided->int_or("desiredReplicas", declared)) : declared);
}

ScalingDecision decide(const Scaling& scaling, int replicas, const Load& load, ScalingState& state, Instant now) {
  ScalingDecision decision{.replicas = replicas, .reason = {}, .known = false};
  int asked = 0;
  for (const auto& metric : scaling.metrics) {
    const auto& used = metric.resource == Scaling::Metric::Resource::Cpu ? load.cpu : load.memory;
    if (!used || metric.target <= 0) continue;
    const double ratio = *used / metric.target;
    const int wants =
        std::abs(ratio - 1) <= kTolerance ? replicas : static_cast<int>(std::ceil(replicas * ratio - 1e-9));
    if (!decision.known || wants > asked) {
      asked = wants;
      decision.reason = std::string(name_of(metric.resource)) + " at " + std::to_string(std::lround(*used)) +
                        " %, its target is " + std::to_string(metric.target) + " %";
    }
    decision.known = true;
  }
  if (!decision.known) return decision;
  asked = scaling.clamp(asked);
  while (!state.asked.empty() && state.asked.front().first + scaling.down_after <= now) state.asked.pop_front();
  // Until a whole window has been watched, what runs counts as asked for: a restart of ours lets nobody go.
  if (state.asked.empty()) state.asked.emplace_back(now, std::max(asked, replicas));
  state.asked.emplace_back(now, asked);
  const int most = std::ranges::max(state.asked, {}, &std::pair<Instant, int>::second).second;
  if (asked > replicas) {
    if (!state.changed || *state.changed + scaling.up_after <= now)
      decision.replicas = scaling.clamp(std::min(asked, std::max(replicas * 2, 1)));
  } else {
    decision.replicas = scaling.clamp(std::min(most, replicas));
  }
  if (decision.replicas != replicas) state.changed = now;
  return decision;
}

}  // namespace gantry::reconcilers::app
