#include "controller/cli/conditions.hpp"

#include <algorithm>

namespace gantry::cli {

bool equal_without_case(std::string_view one, std::string_view other) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(one, other, {}, lower, lower);
}

const json::Value* find_condition(const json::Value& object, std::string_view type) {
  const json::Value* conditions = object.at({"status", "conditions"});
  if (!conditions || !conditions->is_array()) return nullptr;
  for (const json::Value& condition : conditions->as_array()) {
    if (equal_without_case(condition.string_or("type"), type)) return &condition;
  }
  return nullptr;
}

bool condition_is(const json::Value& object, std::string_view type, std::string_view status) {
  const json::Value* condition = find_condition(object, type);
  if (!condition || !equal_without_case(condition->string_or("status"), status)) return false;
  const json::Value* metadata = object.find("metadata");
  const std::int64_t generation = metadata ? metadata->int_or("generation", 0) : 0;
  return condition->int_or("observedGeneration", generation) >= generation;
}

std::string condition_text(const json::Value& object, std::string_view type) {
  const json::Value* condition = find_condition(object, type);
  if (!condition) return std::string(type) + " is not known yet";
  std::string text = condition->string_or("type") + "=" + condition->string_or("status");
  if (const std::string reason = condition->string_or("reason"); !reason.empty()) text += " (" + reason + ")";
  if (const std::string message = condition->string_or("message"); !message.empty()) text += ": " + message;
  return text;
}

bool waiting_helps(std::string_view reason) {
  static constexpr std::string_view kFinal[] = {"BuildFailed",           "PullFailed",     "SourceNotFound",
                                                "RolloutFailed",         "CommandMissing", "SourceNotSupported",
                                                "PlacementNotSupported", "DoesNotFit"};
  return std::ranges::find(kFinal, reason) == std::end(kFinal);
}

}  // namespace gantry::cli
