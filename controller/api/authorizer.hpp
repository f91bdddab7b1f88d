// Seam: who may do what. Asked for every verb, before anything is read.
#pragma once

#include <string_view>

#include "controller/api/handler.hpp"

namespace gantry::api {

// resource empty: a path that is no resource, such as /metrics.
struct Access {
  std::string_view verb;  // get, list, watch, create, update, patch, delete, deletecollection
  std::string_view group;
  std::string_view resource;
  std::string_view subresource;
  std::string_view ns;
  std::string_view name;
  std::string_view path;
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  // On the front reactor; must not wait.
  virtual bool allow(const User& user, const Access& access) const = 0;
};

// Whoever has proved who they are may do everything.
class AllowAuthenticated final : public Authorizer {
 public:
  bool allow(const User& user, const Access&) const override { return !user.name.empty(); }
};

}  // namespace gantry::api
