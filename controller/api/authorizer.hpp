// Seam: who may do what. Asked for every verb, before anything is read. RBAC is access/policy.hpp.
#pragma once

#include <string_view>

#include "controller/api/handler.hpp"

namespace gantry::api {

// resource empty: a path that is no resource, such as /metrics; verb is the HTTP method then, in lower case.
struct Access {
  std::string_view
      verb;  // get, list, watch, create, update, patch, delete, deletecollection; impersonate, bind, escalate
  std::string_view group;
  std::string_view resource;
  std::string_view subresource;
  std::string_view ns;  // empty: cluster-scoped, or all namespaces
  std::string_view name;
  std::string_view path;
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  // On the front reactor; must not wait.
  virtual bool allow(const User& user, const Access& access) const = 0;
  // Whether there is a namespace in which it is allowed.
  virtual bool allow_somewhere(const User& user, const Access& access) const { return allow(user, access); }
  // What a user may do in a namespace, as the status of a SelfSubjectRulesReview.
  virtual json::Value rules(const User& user, std::string_view ns) const = 0;
};

// Whoever has proved who they are may do everything.
class AllowAuthenticated final : public Authorizer {
 public:
  bool allow(const User& user, const Access&) const override { return !user.name.empty(); }
  json::Value rules(const User& user, std::string_view ns) const override;
};

}  // namespace gantry::api
