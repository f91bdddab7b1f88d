// Seam: what hangs below an object and is no part of it, such as an App's log. Registered with
// Api::add_subresource(resource, name, ...); on the front reactor.
#pragma once

#include <string>
#include <vector>

#include "controller/api/handler.hpp"

namespace gantry::api {

struct SubresourceRequest {
  object::ObjectPtr object;
  std::string verb;  // get for GET, create for POST
  User user;
  std::vector<std::pair<std::string, std::string>> query;
  json::Value body;  // null for GET, or when there was none

  // Empty when absent.
  std::string parameter(std::string_view name) const;
};

class Subresource {
 public:
  virtual ~Subresource() = default;
  // A subset of get and create.
  virtual std::vector<std::string> verbs() const = 0;
  // The kind of its answers, as discovery names it.
  virtual std::string response_kind() const = 0;
  // Throws Error. Logs are answered with content_type text/plain and a stream.
  virtual Task<HttpResponse> handle(SubresourceRequest request) = 0;
};

}  // namespace gantry::api
