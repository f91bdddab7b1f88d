// The Kubernetes API: routes, verbs, admission, discovery, in front of a store. One object on the front reactor; the
// HTTP sessions call handle(), everybody in the process goes through LocalClient.
//
// The way of a request: route -> authorize -> read the body -> verb (verbs/) -> answer in the form asked for. The one
// catch that turns an Error into a Status answer is in handle().
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "controller/api/admission.hpp"
#include "controller/api/authorizer.hpp"
#include "controller/api/definitions.hpp"
#include "controller/api/discovery.hpp"
#include "controller/api/handler.hpp"
#include "controller/api/health.hpp"
#include "controller/api/openapi.hpp"
#include "controller/api/planner.hpp"
#include "controller/api/routes.hpp"
#include "controller/api/subresource.hpp"
#include "controller/api/verbs/verbs.hpp"

namespace gantry::api {

namespace access {
class AuditLog;
class FlowControl;
class Identities;
}  // namespace access

// Who watches over the requests; access/guard.hpp puts them there. Each may be null.
struct Watchers {
  const access::Identities* identities = nullptr;  // for TokenReview
  access::FlowControl* flow = nullptr;
  access::AuditLog* audit = nullptr;
};

struct ApiOptions {
  std::string version = "0.1.0";
  std::string advertise = "127.0.0.1:6443";  // where clients reach this server; shown by GET /api
  bool open_metrics = false;                 // /metrics without authentication
  std::shared_ptr<const Authorizer> authorizer = std::make_shared<AllowAuthenticated>();
  Admission::Limits limits;
  Random* random = &system_random();
};

class Api final : public Handler {
 public:
  // front and store must outlive it.
  Api(Reactor& front, store::Store& store, object::KindTable kinds, ApiOptions options = {});
  ~Api() override;

  // All registrations come before the first request.
  void add_check(object::Resource resource, AdmissionCheck check);
  void add_subresource(object::Resource resource, std::string name, std::shared_ptr<Subresource> subresource);
  void add_health_check(std::string name, bool live, HealthCheck check);
  void set_planner(std::shared_ptr<Planner> planner);
  // More for /metrics, in the text exposition format; asked on the front reactor at each scrape.
  void add_metrics(std::function<Task<std::string>()> more);

  void set_authorizer(std::shared_ptr<const Authorizer> authorizer);
  void set_watchers(Watchers watchers) { watchers_ = watchers; }
  // For doors beside this one.
  const Authorizer& authorizer() const { return *options_.authorizer; }

  // A kind is served from now on, or (null) no longer. Called on the front; for those that are stored, in prepare().
  void on_kind(KindListener listener);

  // Makes what always exists: the definitions of our kinds, the namespaces default and kube-system. Serves the kinds
  // that are stored. Once, before clients are let in.
  Task<> prepare();

  Task<HttpResponse> handle(HttpRequest request) override;

  // For LocalClient.
  Plane& plane() { return plane_; }

 private:
  struct Call;  // one request on its way through
  Task<HttpResponse> answer(Call& call);
  Task<HttpResponse> answer_resource(Call& call);
  Task<HttpResponse> read(Call& call);
  Task<HttpResponse> write(Call& call);
  Task<HttpResponse> answer_scale(Call& call);
  Task<HttpResponse> answer_subresource(Call& call, Subresource& subresource);
  Task<json::Value> answer_review(Call& call);
  void authenticate(const Call& call) const;
  void impersonate(Call& call) const;
  void require(const Call& call, Verb verb) const;
  void require_virtual(const Call& call) const;
  void require_path(const Call& call) const;
  void audit(const Call& call, int code, Instant start) const;
  struct Told {
    std::uint64_t generation;  // of the catalogue
    Discovery discovery;
    OpenApi openapi;
  };
  Told& told();

  Plane plane_;
  ApiOptions options_;
  Watchers watchers_;
  Health health_;
  std::shared_ptr<Definitions> definitions_;
  std::optional<Told> told_;
  std::string version_;
  std::shared_ptr<Planner> planner_;
  std::vector<std::function<Task<std::string>()>> more_metrics_;
  RequestMetrics other_;  // what is no resource
};

}  // namespace gantry::api
