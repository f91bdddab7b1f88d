// What only the whole process can do, in front of the Kubernetes API: POST /backup writes a copy of the store to a file
// on this machine. For members of system:masters.
#pragma once

#include "controller/api/handler.hpp"
#include "controller/store/store.hpp"

namespace gantry::app {

class AdminRoutes final : public api::Handler {
 public:
  AdminRoutes(api::Handler& next, store::Store& store) : next_(next), store_(store) {}
  Task<api::HttpResponse> handle(api::HttpRequest request) override;

 private:
  Task<api::HttpResponse> backup(const api::HttpRequest& request);
  api::Handler& next_;
  store::Store& store_;
};

}  // namespace gantry::app
