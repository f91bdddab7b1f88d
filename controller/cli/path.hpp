// JSONPath as people type it: a mistake in it is a mistake in usage.
#pragma once

#include <memory>
#include <string_view>

#include "controller/object/jsonpath.hpp"

namespace gantry::cli {

using PathPtr = std::shared_ptr<const object::JsonPath>;

// One path: .spec.replicas, {.spec.replicas} or spec.replicas. Throws UsageError.
PathPtr path_of(std::string_view text);
// Text with paths in braces, as behind -o jsonpath=. Throws UsageError.
PathPtr template_of(std::string_view text);

// By what the path leads to: numbers by value, everything else by its letters; what is absent comes first.
bool comes_before(const json::Value& one, const json::Value& other, const object::JsonPath& path);
bool comes_before(std::string_view one, std::string_view other);

}  // namespace gantry::cli
