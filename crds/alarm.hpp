// The typed view of a Alarm's spec; crds/alarm.yaml says what each field means.
#pragma once

#include <array>

#include "crds/common.hpp"

namespace gantry::crds {

enum class AlarmComparison {
  GreaterThanThreshold,
  GreaterThanOrEqualToThreshold,
  LessThanThreshold,
  LessThanOrEqualToThreshold
};
inline constexpr std::array<std::string_view, 4> kAlarmComparisonWords{
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"};
inline std::span<const std::string_view> words(AlarmComparison) { return kAlarmComparisonWords; }

enum class AlarmMissingData { NotBreaching, Breaching, Ignore, Missing };
inline constexpr std::array<std::string_view, 4> kAlarmMissingDataWords{"notBreaching", "breaching", "ignore",
                                                                        "missing"};
inline std::span<const std::string_view> words(AlarmMissingData) { return kAlarmMissingDataWords; }

struct AlarmAlertmanager {
  std::string url;
};
template <class Visitor>
void fields(Visitor& visit, AlarmAlertmanager& part) {
  visit("url", part.url);
}

struct AlarmWebhook {
  std::string url;
  std::optional<NameRef> secret_ref;
};
template <class Visitor>
void fields(Visitor& visit, AlarmWebhook& part) {
  visit("url", part.url);
  visit("secretRef", part.secret_ref);
}

// Exactly one is set.
struct AlarmAction {
  std::optional<AlarmAlertmanager> alertmanager;
  std::optional<AlarmWebhook> webhook;
};
template <class Visitor>
void fields(Visitor& visit, AlarmAction& part) {
  visit("alertmanager", part.alertmanager);
  visit("webhook", part.webhook);
}

struct AlarmSpec {
  std::string metric;
  std::map<std::string, std::string> selector;
  std::string statistic;
  std::string period = "5m";  // as parse_duration() reads it
  int evaluation_periods = 1;
  std::string threshold;
  AlarmComparison comparison = AlarmComparison::GreaterThanThreshold;
  AlarmMissingData missing_data = AlarmMissingData::Missing;
  std::vector<AlarmAction> actions;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, AlarmSpec& spec) {
  visit("metric", spec.metric);
  visit("selector", spec.selector);
  visit("statistic", spec.statistic);
  visit("period", spec.period);
  visit("evaluationPeriods", spec.evaluation_periods);
  visit("threshold", spec.threshold);
  visit("comparison", spec.comparison);
  visit("missingData", spec.missing_data);
  visit("actions", spec.actions);
  visit("dependsOn", spec.depends_on);
}

AlarmSpec decode_alarm_spec(const json::Value& object);

}  // namespace gantry::crds
