// The Deploy API, in front of the Kubernetes API: below /infra and /api/v1/infra. Each route reads its parameters,
// calls the service, and sends what it says; what anything means is decided there. For members of system:masters.
// docs/deploy-api.md lists the endpoints.
#pragma once

#include "controller/api/handler.hpp"
#include "controller/deploy/service.hpp"

namespace gantry::deploy {

class Routes final : public api::Handler {
 public:
  Routes(api::Handler& next, Service& service);
  Task<api::HttpResponse> handle(api::HttpRequest request) override;
  std::shared_ptr<api::BodySink> sink(const api::HttpRequest& request) override { return next_.sink(request); }

 private:
  struct Call {
    const api::HttpRequest& request;
    std::vector<std::string> captured;  // what stood where the route has {}
    std::string ns;
    json::Value body;
  };
  using Route = std::function<Task<api::HttpResponse>(const Call&)>;
  struct Routed {
    std::string method;
    std::vector<std::string> segments;
    Route route;
  };
  void on(std::string method, std::vector<std::string> segments, Route route);
  Task<api::HttpResponse> answer(const api::HttpRequest& request, std::vector<std::string> segments);
  // The stream of a run; of the one that Last-Event-ID names, when it does.
  api::HttpResponse stream_of(const Call& call, const std::function<Service::Run()>& begin);

  api::Handler& next_;
  Service& service_;
  std::vector<Routed> routes_;
};

}  // namespace gantry::deploy
