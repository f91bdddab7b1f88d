// The rules in CEL of a whole schema: compiled behind the schema itself, asked when an object fits it.
#pragma once

#include <string>
#include <vector>

#include "controller/object/schema_node.hpp"

namespace gantry::object::detail {

// Compiles the x-kubernetes-validations of the node and of all below it.
void compile_rules(Schema::Node& root, const std::string& path, std::vector<FieldError>& causes);

// What stood before in the place of an item of a keyed list; null for other lists, and for new items.
const json::Value* same_item(const Schema::Node& list, const json::Value& item, const json::Value& old);

// The object must be valid by the rest of the schema. old: what it was before, or null.
std::vector<FieldError> check_rules(const Schema::Node& root, const json::Value& object, const json::Value* old);

}  // namespace gantry::object::detail
