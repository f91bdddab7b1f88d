// What the core kinds (Namespace, Secret, ConfigMap, Event, Lease) do beyond their schemas.
#pragma once

#include <vector>

#include "controller/api/served.hpp"
#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::api {

// Before judging: Secret's stringData goes over data, a Namespace gets its label, phase and finalizer. old is null on
// create.
void prepare_core(const Served& served, json::Value& object, const json::Value* old);
void check_core(const Served& served, const json::Value& object, const json::Value* old,
                std::vector<FieldError>& causes);

// default, kube-system, kube-public: they stay.
bool is_protected_namespace(std::string_view name);

}  // namespace gantry::api
