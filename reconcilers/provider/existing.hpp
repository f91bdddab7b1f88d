// What is at an account and nobody has declared, as manifests: applied, they take over what exists instead of making
// something new. Pure.
#pragma once

#include <string>

#include "controller/base/json.hpp"
#include "providers/provider.hpp"

namespace gantry::reconcilers::provider {

// One Server for each server without an owner's mark, of that Provider ("cloud" in namespace ns). Each keeps its
// machine when it is deleted, and has no agent, until somebody decides otherwise.
json::Array manifests_of(const providers::Inventory& inventory, const std::string& ns, const std::string& provider);

}  // namespace gantry::reconcilers::provider
