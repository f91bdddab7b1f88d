// What only the whole process can do, in front of the Kubernetes API: POST /backup writes a copy of the store to a file
// on this machine, for who may post to that path.
#pragma once

#include "controller/api/api.hpp"
#include "controller/store/store.hpp"

namespace gantry::app {

class AdminRoutes final : public api::Handler {
 public:
  AdminRoutes(api::Api& next, store::Store& store) : next_(next), store_(store) {}
  Task<api::HttpResponse> handle(api::HttpRequest request) override;

 private:
  Task<api::HttpResponse> answer(api::HttpRequest request);
  Task<api::HttpResponse> backup(const api::HttpRequest& request);
  api::Api& next_;
  store::Store& store_;
};

}  // namespace gantry::app
