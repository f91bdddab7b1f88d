// What a CustomResourceDefinition's status says. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"

namespace gantry::api {

// A condition without its time.
json::Value condition(std::string_view type, bool status, std::string_view reason, std::string_view message);

// The status as it is to be: these conditions in place of the older ones, whose times stay as long as they say the
// same, the version that is stored among storedVersions, and, when the names are accepted, the names.
json::Value status_of(const json::Value& definition, json::Array conditions, bool accepted, WallTime now);

// spec.names; and all that a user may type for the kind.
json::Value names_of(const json::Value& definition);
std::vector<std::string> all_names(const json::Value& names);

}  // namespace gantry::api
