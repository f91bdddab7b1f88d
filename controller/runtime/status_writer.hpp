// Writes status: only when something differs, and so that its times can be believed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/runtime/context.hpp"
#include "controller/runtime/reconciler.hpp"

namespace gantry::runtime {

struct StatusUpdate {
  std::optional<json::Value> fields;   // all status fields of the kind; absent: they stay
  std::vector<Condition> conditions;   // types not named here keep what they say
  std::vector<std::string> withdrawn;  // condition types that no longer apply
  std::string handled;                 // status.lastHandledReconcileAt; empty: stays
};

// The status that the object shall have. lastTransitionTime moves only when a condition's status flips. Ready and
// Synced are always there: Unknown when nobody has said anything yet. Pure.
json::Value next_status(const json::Value& object, const StatusUpdate& update, WallTime now);

// "True", "False", "Unknown"; empty when the object has no such condition.
std::string condition_status(const json::Value& object, std::string_view type);
// The whole condition; null when absent.
const json::Value* find_condition(const json::Value& object, std::string_view type);

// object is what was decoded from stored. Returns the object as it stands afterwards, or null when it is gone or has
// become another one meanwhile (a new generation): then the next attempt will say what is true. Throws Error.
Task<object::ObjectPtr> write_status(const Context& context, object::ObjectPtr stored, json::Value object,
                                     StatusUpdate update);

}  // namespace gantry::runtime
