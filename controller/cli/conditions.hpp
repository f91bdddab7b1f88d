// Reading status.conditions.
#pragma once

#include <string>
#include <string_view>

#include "controller/base/json.hpp"

namespace gantry::cli {

// Null when the object has no such condition. Types are compared without case, as kubectl wait does.
const json::Value* find_condition(const json::Value& object, std::string_view type);

// The condition says so about the present generation, not about an older one.
bool condition_is(const json::Value& object, std::string_view type, std::string_view status);

// "Ready=False (HealthCheckFailing): 1 of 2 replicas answer", for people.
std::string condition_text(const json::Value& object, std::string_view type);

// Whether what holds an object back may pass by itself; a build that failed does not.
bool waiting_helps(std::string_view reason);

bool equal_without_case(std::string_view one, std::string_view other);

}  // namespace gantry::cli
