// What an App's schema cannot say: strategies that cannot work, routes that contradict themselves or another App's.
// Pure; the wiring asks it at admission, so that a person is told at once and nothing half-good is stored.
#pragma once

#include <string>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/object/object.hpp"

namespace gantry::reconcilers::app {

// What is wrong with the App by itself.
std::vector<FieldError> mistakes_of(const json::Value& app);

// A scheme, a name and maybe a port: https://example.org.
bool is_origin(const std::string& text);

// The hosts of its routes.
std::vector<std::string> hosts_of(const json::Value& app);

// Routes that another App has already. Each App is named as namespace/name.
std::vector<FieldError> conflicts_between(const json::Value& app, const json::Value& other);

}  // namespace gantry::reconcilers::app
