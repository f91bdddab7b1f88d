#include "controller/runtime/condition_metrics.hpp"

#include <algorithm>
#include <array>

namespace gantry::runtime {
namespace {
constexpr const char* kName = "gantry_resource_condition";
constexpr const char* kHelp = "1 for the status that a condition of an object has, 0 for the others";
constexpr std::array<const char*, 3> kStatuses{"True", "False", "Unknown"};
}  // namespace

ConditionMetrics::~ConditionMetrics() {
  while (!shown_.empty()) forget(object::Key(shown_.begin()->first));
}

metrics::Labels ConditionMetrics::labels(const object::Key& key, const std::string& type,
                                         const std::string& status) const {
  return {{"kind", kind_}, {"namespace", key.ns}, {"name", key.name}, {"type", type}, {"status", status}};
}

void ConditionMetrics::record(const object::Key& key, const json::Value& object) {
  if (!wants(key)) return;
  Shown now;
  if (const auto* conditions = object.at({"status", "conditions"}); conditions && conditions->is_array()) {
    for (const auto& condition : conditions->as_array()) {
      now.emplace_back(condition.string_or("type"), condition.string_or("status"));
    }
  }
  if (now.empty()) return;
  Shown& shown = shown_[key];
  if (shown == now) return;
  for (const auto& [type, status] : shown) {
    if (std::ranges::none_of(now, [&](const auto& entry) { return entry.first == type; })) withdraw(key, type);
  }
  for (const auto& [type, status] : now) {
    if (std::ranges::find(shown, std::pair(type, status)) != shown.end()) continue;
    for (const char* each : kStatuses)
      metrics::gauge(kName, kHelp, labels(key, type, each)).set(status == each ? 1 : 0);
  }
  shown = std::move(now);
}

void ConditionMetrics::forget(const object::Key& key) {
  const auto found = shown_.find(key);
  if (found == shown_.end()) return;
  for (const auto& [type, status] : found->second) withdraw(key, type);
  shown_.erase(found);
}

void ConditionMetrics::withdraw(const object::Key& key, const std::string& type) {
  for (const char* each : kStatuses) metrics::remove_gauge(kName, labels(key, type, each));
}

}  // namespace gantry::runtime
