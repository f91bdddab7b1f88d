// What a CustomResourceDefinition must be beyond its schema (apiextensions-apiserver's validation), and what is filled
// in for its writer. A definition that passes can be served: nothing in it is ignored, what we cannot do is refused.
#pragma once

#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::api {

// singular, listKind and the conversion, where they are left out.
void complete_definition(json::Value& definition);
bool is_established(const json::Value& definition);
// old is null on create. The schema of definitions holds for both.
void check_definition(const json::Value& definition, const json::Value* old, std::vector<FieldError>& causes);

}  // namespace gantry::api
