// A request's body as a value, by its Content-Type.
#pragma once

#include "controller/api/handler.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

// JSON (also when the type is absent), YAML, and protobuf where it is allowed. Throws Error(UnsupportedMediaType) for
// other types and Error(BadRequest) for what cannot be read. Doubled keys are looked for unless nobody wants to know.
Body read_object(const HttpRequest& request, bool protobuf_allowed, bool find_duplicates);
// A patch, and which kind of patch it is.
std::pair<PatchType, Body> read_patch(const HttpRequest& request, bool find_duplicates);

}  // namespace gantry::api
