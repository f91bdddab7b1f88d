// OpenAPI v3, one document for each group version, made of the CRDs' own schemas: kubectl explain reads it, and kubectl
// finds there that it may leave validation to the server; and v2, one document for all. Written at the first asking.
// Front reactor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/api/discovery.hpp"

namespace gantry::api {

class OpenApi {
 public:
  OpenApi(const Catalogue& catalogue, std::string version);

  // /openapi/v3
  HttpResponse index(const HttpRequest& request) const;
  // /openapi/v3/api/v1 and /openapi/v3/apis/G/V; name is "api/v1" or "apis/G/V". Error(NotFound) for others.
  HttpResponse group_version(const HttpRequest& request, const std::string& name);
  // /openapi/v2
  HttpResponse v2(const HttpRequest& request);

 private:
  struct Part {
    std::vector<ServedPtr> kinds;
    std::string hash;
    std::optional<Document> written;
  };
  Document write(const Part& part) const;
  static json::Object schemas_of(const Part& part);

  std::string version_;
  std::map<std::string, Part> parts_;
  Document index_;
  std::optional<Document> v2_;
};

}  // namespace gantry::api
