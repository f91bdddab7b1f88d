// The words of a CustomResourceDefinition's openAPIV3Schema (apiextensions.k8s.io/v1, JSONSchemaProps) and what they
// may say where. Threads: any.
#pragma once

#include <span>
#include <string_view>

#include "controller/base/json.hpp"

namespace gantry::object::vocabulary {

// Words of JSON Schema that a structural schema may not use.
std::span<const std::string_view> unsupported();
// Neither supported nor refused: nobody knows it, so it would be a rule that nobody keeps.
bool is_unknown(std::string_view word);
// What only the structure itself may say, not what stands below allOf, anyOf, oneOf and not.
std::span<const std::string_view> structural();

// Every object's metadata (metav1.ObjectMeta), in the same language as the rest.
const json::Value& metadata_schema();
// {"type": "string"}
const json::Value& string_schema();
// What an anyOf says that x-kubernetes-int-or-string says already.
const json::Value& int_or_string_any_of();

}  // namespace gantry::object::vocabulary
