// The rules for metadata that a schema cannot say (kubernetes-wire.md section 7 of the reference: names, labels,
// annotations, finalizers, owners, what may not change). Types and unknown keys are the schema's business: every root
// and embedded object has the metadata of Kubernetes built in.
#pragma once

#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::object {

enum class NameRule { Subdomain, Label, PathSegment };  // Label: Namespace; PathSegment: roles and their bindings

// object.metadata must be what the schema allows. namespaced: metadata.namespace must be there, else it must not.
std::vector<FieldError> validate_metadata(const json::Value& object, bool namespaced,
                                          NameRule rule = NameRule::Subdomain);
// Also: what cannot change, and that no finalizer is added to what is being deleted.
std::vector<FieldError> validate_metadata_update(const json::Value& object, const json::Value& old, bool namespaced,
                                                 NameRule rule = NameRule::Subdomain);

// Removes owner references that stand twice; true when there were any (the caller warns).
bool remove_duplicate_owners(json::Value& object);

}  // namespace gantry::object
