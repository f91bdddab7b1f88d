// Reads the protobuf bodies that kubectl and client-go (0.32 and newer) send for kinds they know, as JSON. Nothing is
// ever written in protobuf: those clients accept JSON answers.
#pragma once

#include <string_view>

#include "controller/base/json.hpp"

namespace gantry::api {

// body starts with the magic "k8s\0" and holds a runtime.Unknown. Throws Error(BadRequest) when it is malformed, and
// Error(UnsupportedMediaType) for a kind that is not known in this form.
json::Value decode_protobuf(std::string_view body);

}  // namespace gantry::api
