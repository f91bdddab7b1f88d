// The schemas once more, as OpenAPI v2 in protobuf (gnostic's openapi.v2.Document): what kubectl 1.27 and 1.28 ask for
// before they write, and what Argo CD builds its merge schema from.
#pragma once

#include <string>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::api {

// What may be asked of a kind below one path.
struct OpenApiPath {
  std::string path;  // /apis/G/V/namespaces/{namespace}/apps/{name}
  json::Value group_version_kind;
  std::vector<std::string> patch_types;  // media types
};

// schemas: by name, as OpenAPI v3 has them. What v2 cannot say is left out, as upstream leaves it out.
std::string openapi_v2(const std::string& version, const json::Object& schemas, const std::vector<OpenApiPath>& paths);

}  // namespace gantry::api
