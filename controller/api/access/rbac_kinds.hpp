// What Role, ClusterRole and their bindings do beyond their schemas (k8s.io/kubernetes pkg/apis/rbac/validation).
#pragma once

#include <vector>

#include "controller/api/served.hpp"
#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::api::access {

bool is_rbac(const Served& served);

// The API groups that a binding may leave out are filled in.
void prepare_rbac(const Served& served, json::Value& object);
void check_rbac(const Served& served, const json::Value& object, const json::Value* old,
                std::vector<FieldError>& causes);

}  // namespace gantry::api::access
