// The three ways to change an object by a description of the change. Each returns the changed document and leaves its
// arguments alone. Work is bounded: a small patch cannot make a large document, or a long computation.
// (Server-side apply, the fourth way, is in apply.hpp.)
#pragma once

#include "controller/base/json.hpp"

namespace gantry::object {

// RFC 7386: null deletes, objects merge, everything else is replaced.
json::Value merge_patch(json::Value document, const json::Value& patch);

// RFC 6902. At most 10,000 operations. Throws Error(BadRequest) when the patch is malformed, Error(Invalid) when it is
// well-formed but does not fit the document (a path that is not there, a test that fails), Error(TooLarge) when it
// would do too much.
json::Value json_patch(json::Value document, const json::Value& patch);

// Strategic merge for the core kinds: as merge_patch, but metadata.finalizers is a set and metadata.ownerReferences is
// keyed by uid, and with the directives $patch, $retainKeys, $setElementOrder/..., $deleteFromPrimitiveList/....
// Throws Error(BadRequest) for a malformed directive.
json::Value strategic_merge_patch(json::Value document, const json::Value& patch);

}  // namespace gantry::object
