// The request target: /api/v1/namespaces/a%2Db/pods?labelSelector=tier+in+(front).
#pragma once

#include <string>
#include <string_view>

#include "controller/api/handler.hpp"

namespace gantry::api::http {

// Fills request.path, segments and query. Returns what is wrong, for people; empty when all is well.
// Empty segments and a final slash are dropped, so that one resource has one path. What could be read in two ways
// (".", "..", an encoded slash or NUL, a broken escape) is refused, never repaired.
std::string read_target(std::string_view target, HttpRequest& request);

}  // namespace gantry::api::http
