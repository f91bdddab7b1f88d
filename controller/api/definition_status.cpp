#include "controller/api/definition_status.hpp"

#include <algorithm>

namespace gantry::api {
namespace {

using json::Value;

json::Array merged(const Value* old, json::Array conditions, WallTime now) {
  for (auto& condition : conditions) {
    condition["lastTransitionTime"] = format_time(now);
    if (!old || !old->is_array()) continue;
    for (const auto& before : old->as_array()) {
      if (before.string_or("type") == condition.string_or("type") &&
          before.string_or("status") == condition.string_or("status"))
        condition["lastTransitionTime"] = before.string_or("lastTransitionTime");
    }
  }
  return conditions;
}

}  // namespace

Value condition(std::string_view type, bool status, std::string_view reason, std::string_view message) {
  return json::Object{{"message", message}, {"reason", reason}, {"status", status ? "True" : "False"}, {"type", type}};
}

Value status_of(const Value& definition, json::Array conditions, bool accepted, WallTime now) {
  const Value* status = definition.find("status");
  Value wanted = status && status->is_object() ? *status : Value(json::Object());
  wanted["conditions"] = merged(wanted.find("conditions"), std::move(conditions), now);
  if (accepted) wanted["acceptedNames"] = names_of(definition);
  Value& stored = wanted["storedVersions"];
  if (!stored.is_array()) stored = json::Array();
  for (const auto& version : definition.at({"spec", "versions"})->as_array()) {
    const Value name(version.string_or("name"));
    if (version.bool_or("storage", false) && std::ranges::find(stored.as_array(), name) == stored.as_array().end())
      stored.as_array().push_back(name);
  }
  return wanted;
}

Value names_of(const Value& definition) {
  const Value* names = definition.at({"spec", "names"});
  return names ? *names : Value(json::Object());
}

std::vector<std::string> all_names(const Value& names) {
  std::vector<std::string> out{names.string_or("plural"), names.string_or("singular")};
  if (const Value* list = names.find("shortNames"); list && list->is_array()) {
    for (const auto& name : list->as_array()) out.push_back(name.as_string());
  }
  return out;
}

}  // namespace gantry::api
