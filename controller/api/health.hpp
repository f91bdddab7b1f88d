// /healthz, /livez and /readyz: named checks that were registered from outside. Front reactor.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "controller/api/handler.hpp"

namespace gantry::api {

// Empty when all is well, else what is wrong. Must not wait.
using HealthCheck = std::function<std::string()>;

class Health {
 public:
  // live: it belongs to /livez and /healthz as well: when it fails, only a restart helps. /readyz asks them all.
  void add(std::string name, bool live, HealthCheck check);
  // page: healthz, livez or readyz; name: one check of it, or empty for all. 200 "ok", or 500 with the failed ones.
  HttpResponse answer(const HttpRequest& request, const std::string& page, const std::string& name) const;

 private:
  struct Named {
    std::string name;
    bool live;
    HealthCheck check;
  };
  std::vector<Named> checks_{{"ping", true, [] { return std::string(); }}};
};

}  // namespace gantry::api
