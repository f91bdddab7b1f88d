// The versions of a CustomResourceDefinition. kind.hpp has the one that is stored; these are the others.
#pragma once

#include <string_view>
#include <vector>

#include "controller/object/kind.hpp"

namespace gantry::object {

// The kind as spec.versions[index] has it. Throws Error(Invalid) with causes.
KindPtr kind_of_version(const json::Value& crd, std::size_t index);
// What is served beside the version that is stored, in the order of the definition.
std::vector<KindPtr> further_versions(const json::Value& crd);
// Whether the definition has the version at all, served or not.
bool has_version(const Kind& kind, std::string_view version);

// The order in which clients prefer versions: v10, v2, v1, v11beta2, v10beta3, v3beta1, v12alpha1, foo1, foo10.
bool is_preferred(std::string_view version, std::string_view over);

}  // namespace gantry::object
