// What a reconciler would do, as data. gantry plan, server-side dry-run, read-only mode and the tests read the same
// Plan that act() follows.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"

namespace gantry::runtime {

struct Action {
  enum class Verb { Create, Update, Replace, Delete, Run };
  Verb verb = Verb::Create;
  std::string type;    // what is acted on, from a small closed set: "process", "container", "release", "droplet"
  std::string target;  // which one: "web-0"
  std::string reason;  // for people: "replica 0 is not running", "image changed"
  json::Value before;  // null, or the fields that will change, as they are; secrets never
  json::Value after;
  bool destructive = false;  // something stateful would be lost
  json::Value detail;        // for act() alone, never shown: may hold ids and slots
};

struct Plan {
  std::vector<Action> actions;         // in the order they would be done; act() does the first, then looks again
  std::optional<Duration> look_again;  // when to observe next although nothing is to be done now
  bool blocked = false;                // nothing can be done until something else changes
  std::string blocked_reason;          // condition reason, CamelCase: ReferenceNotFound
  std::string blocked_message;
};

std::string_view to_string(Action::Verb verb);
std::string count_of(const Plan& plan);  // "2 actions"
// As clients see it: {"verb","type","target","reason","before","after","destructive"}.
json::Value to_json(const Plan& plan);

}  // namespace gantry::runtime
