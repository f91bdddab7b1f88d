// The Deploy API, in front of the Kubernetes API: below /infra and /api/v1/infra. Each route reads its parameters,
// calls the service, and sends what it says; what anything means is decided there. Nothing can be done here that the
// user may not do with the objects themselves: each route says what it needs, and the API's Authorizer is asked. Stands
// behind api::access::Doors, which sees to --as. docs/deploy-api.md lists the endpoints.
#pragma once

#include "controller/api/api.hpp"
#include "controller/deploy/service.hpp"

namespace gantry::deploy {

class Routes final : public api::Handler {
 public:
  // api: whose authorizer is asked. All of them outlive this.
  Routes(api::Handler& next, Service& service, const api::Api& api);
  Task<api::HttpResponse> handle(api::HttpRequest request) override;
  std::shared_ptr<api::BodySink> sink(const api::HttpRequest& request) override;

 private:
  // {"patch", "apps"}, {"create", "servers/agent"}: of the namespace that the call is about.
  struct Need {
    std::string_view verb;
    std::string_view resource;
  };
  using Needs = std::vector<Need>;
  static const Needs kWriteApps, kWriteSecrets, kWriteServers, kWriteSnapshots, kWriteProviders;
  struct Call {
    const api::HttpRequest& request;
    api::User user;
    std::vector<std::string> captured;  // what stood where the route has {}
    std::string ns;
    json::Value body;
  };
  using Route = std::function<Task<api::HttpResponse>(const Call&)>;
  struct Routed {
    std::string method;
    std::vector<std::string> segments;
    Needs needs;
    Route route;
  };
  void on(std::string method, std::vector<std::string> segments, Needs needs, Route route);
  void on_agent(std::vector<std::string> operation, Duration limit, std::string query = {});
  // Throws Error(Forbidden).
  void require(const Call& call, const Needs& needs) const;
  void require_deploy(const Call& call, const DeployRequest& wanted) const;
  Service::Run known_run(const Call& call, const std::string& id) const;
  Task<api::HttpResponse> answer(const api::HttpRequest& request, std::vector<std::string> segments);
  // The stream of a run; of the one that Last-Event-ID names, when it does.
  api::HttpResponse stream_of(const Call& call, const std::function<Service::Run()>& begin);

  api::Handler& next_;
  Service& service_;
  const api::Api& api_;
  std::vector<Routed> routes_;
  std::shared_ptr<int> held_ = std::make_shared<int>(0);  // bodies that are being received, or read
};

}  // namespace gantry::deploy
