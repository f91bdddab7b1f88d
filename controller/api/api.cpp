#include "controller/api/api.hpp"

#include "controller/api/access/audit.hpp"
#include "controller/api/access/flow_control.hpp"
#include "controller/api/access/impersonation.hpp"
#include "controller/api/access/reviews.hpp"
#include "controller/api/body.hpp"
#include "controller/api/call.hpp"
#include "controller/api/plans.hpp"
#include "controller/api/respond.hpp"
#include "controller/api/status.hpp"
#include "controller/base/log.hpp"
#include "controller/object/characters.hpp"

namespace gantry::api {
namespace {

using To = Route::To;

const log::Logger kLog("api");

bool is_get(const HttpRequest& request) { return request.method == "GET" || request.method == "HEAD"; }

bool is_true(const std::string* text) { return text && (*text == "true" || *text == "1"); }

// Which verb a request for a resource is, before its body is looked at.
Verb verb_of(const HttpRequest& request, const Route& route) {
  const bool one = !route.target.name.empty();
  if (request.method == "POST") return Verb::Create;
  if (request.method == "PUT") return Verb::Update;
  if (request.method == "DELETE") return one ? Verb::Delete : Verb::DeleteCollection;
  if (request.method == "PATCH") {
    const std::string* type = request.header("content-type");
    return type && type->starts_with("application/apply-patch") ? Verb::Apply : Verb::Patch;
  }
  if (route.watch || is_true(request.parameter("watch"))) return Verb::Watch;
  return one ? Verb::Get : Verb::List;
}

void require_method(const HttpRequest& request, bool allowed) {
  if (!allowed)
    throw Error(ErrorCode::MethodNotAllowed,
                "the server does not allow this method on the requested resource: " + request.method);
}

// /metrics alone may be open beside what everybody may know.
bool is_public(const Route& route, const ApiOptions& options) {
  return route.to == To::Health || route.to == To::Version || (route.to == To::Metrics && options.open_metrics);
}

// What is refused, in kube-apiserver's words. resource: with its subresource.
Error denied(const User& user, const Access& access) {
  std::string resource(access.resource);
  if (!access.subresource.empty()) resource.append("/").append(access.subresource);
  return forbidden(object::Resource::of(access.group, access.resource), access.name,
                   "User " + object::quoted(user.name) + " cannot " + std::string(access.verb) + " resource " +
                       object::quoted(resource) + " in API group " + object::quoted(access.group) +
                       (access.ns.empty() ? std::string(" at the cluster scope")
                                          : " in the namespace " + object::quoted(access.ns)));
}

// A list or watch of the one object that a field selector names is a look at that object.
std::string_view selected_name(const HttpRequest& request) {
  constexpr std::string_view kName = "metadata.name=";
  const std::string* selector = request.parameter("fieldSelector");
  if (!selector || !selector->starts_with(kName) || selector->find(',') != std::string::npos) return {};
  const std::string_view name = std::string_view(*selector).substr(kName.size());
  return name.starts_with('=') ? name.substr(1) : name;
}

// What may take long, or takes the whole collection.
bool is_list(const Route& route, Verb verb) {
  if (route.to == To::Plans) return true;
  return route.to == To::Resource && (verb == Verb::List || verb == Verb::Watch || verb == Verb::DeleteCollection);
}

bool is_write(const Route& route, Verb verb) {
  return route.to == To::Resource && verb != Verb::Get && verb != Verb::List && verb != Verb::Watch;
}

std::string paths_document(const Discovery& discovery) {
  json::Array paths;
  for (const char* path :
       {"/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"})
    paths.emplace_back(path);
  for (const auto& group_version : discovery.group_versions()) {
    paths.emplace_back((group_version.find('/') == std::string::npos ? "/api/" : "/apis/") + group_version);
  }
  return json::dump(json::Object{{"paths", std::move(paths)}});
}

}  // namespace

Api::Api(Reactor& front, store::Store& store, object::KindTable kinds, ApiOptions options)
    : plane_{front, store, *options.random, Catalogue(std::move(kinds)), std::make_unique<Admission>(options.limits)},
      options_(std::move(options)),
      definitions_(Definitions::make(plane_)),
      version_(version_document(options_.version)),
      other_("") {}

Api::~Api() { definitions_->close(); }

void Api::add_check(object::Resource resource, AdmissionCheck check) {
  plane_.admission->add_check(resource, std::move(check));
}

void Api::add_subresource(object::Resource resource, std::string name, std::shared_ptr<Subresource> subresource) {
  plane_.catalogue.add_subresource(resource, std::move(name), std::move(subresource));
}

void Api::add_health_check(std::string name, bool live, HealthCheck check) {
  health_.add(std::move(name), live, std::move(check));
}

void Api::set_planner(std::shared_ptr<Planner> planner) { planner_ = std::move(planner); }

void Api::add_metrics(std::function<Task<std::string>()> more) { more_metrics_.push_back(std::move(more)); }

Task<> Api::prepare() {
  co_await definitions_->prepare();
  const ServedPtr namespaces = plane_.catalogue.namespaces();
  if (!namespaces) co_return;
  for (const char* name : {"default", "kube-system"}) {
    if (plane_.store.find({namespaces->resource, "", name})) continue;
    WriteQuery query;
    query.manager = "gantry";
    Warnings warnings;
    Body body{json::Object{{"metadata", json::Object{{"name", name}}}}, {}};
    co_await verbs::create(plane_, {namespaces, {}, {}, {}}, std::move(body), query, warnings);
  }
}

void Api::on_kind(KindListener listener) { definitions_->on_kind(std::move(listener)); }

// What is told of the catalogue is written anew when it has changed.
Api::Told& Api::told() {
  const std::uint64_t generation = plane_.catalogue.generation();
  if (!told_ || told_->generation != generation) {
    told_.reset();
    told_.emplace(generation, Discovery(plane_.catalogue, options_.advertise),
                  OpenApi(plane_.catalogue, options_.version));
  }
  return *told_;
}

Task<HttpResponse> Api::handle(HttpRequest request) {
  const Instant start = plane_.front.now();
  Call call{std::move(request)};
  HttpResponse response;
  try {
    call.route = route(plane_.catalogue, call.request.segments);
    call.verb = verb_of(call.request, call.route);
    response = co_await answer(call);
  } catch (const Error& error) {
    response = status_response(error);
  } catch (const std::exception& error) {
    kLog.error("request failed unexpectedly",
               {{"method", call.request.method}, {"path", call.request.path}, {"error", error.what()}});
    response = status_response(Error(ErrorCode::Internal, std::string("Internal error occurred: ") + error.what()));
  }
  if (!call.warnings.empty()) add_warnings(response, call.warnings);
  RequestMetrics& metrics = call.route.target.served ? call.route.target.served->metrics : other_;
  metrics.record(call.verb, response.status, plane_.front.now() - start);
  audit(call, response.status, start);
  co_return response;
}

void Api::authenticate(const Call& call) const {
  if (!call.request.user && !is_public(call.route, options_)) throw Error(ErrorCode::Unauthorized, "Unauthorized");
}

void Api::set_authorizer(std::shared_ptr<const Authorizer> authorizer) { options_.authorizer = std::move(authorizer); }

// The request is another user's from here on, if this one may do that.
void Api::impersonate(Call& call) const {
  if (!call.request.user) return;
  auto other = access::impersonated(call.request, *call.request.user, *options_.authorizer);
  if (!other) return;
  call.impersonator = std::move(call.request.user);
  call.request.user = std::move(other);
}

void Api::require(const Call& call, Verb verb) const {
  const Target& target = call.route.target;
  const User& user = *call.request.user;
  Access access{access_verb(verb),
                target.served->kind->group,
                target.served->kind->plural,
                target.subresource,
                target.ns,
                target.name,
                {}};
  // A Namespace is in itself, so that whoever may look at things in it may look at it.
  if (target.served->is("", "namespaces")) access.ns = target.name;
  if (options_.authorizer->allow(user, access)) return;
  if (verb == Verb::List || verb == Verb::Watch) {
    Access one = access;
    one.name = selected_name(call.request);
    if (!one.name.empty() && options_.authorizer->allow(user, one)) return;
  }
  throw denied(user, access);
}

void Api::require_virtual(const Call& call) const {
  const Target& target = call.route.target;
  const Access access{access_verb(call.verb), call.route.group, call.route.resource, {}, target.ns, target.name, {}};
  if (!options_.authorizer->allow(*call.request.user, access)) throw denied(*call.request.user, access);
}

void Api::require_path(const Call& call) const {
  if (!call.request.user) return;  // public: authenticate() has let it pass
  const std::string verb = object::lower_ascii(call.request.method);
  if (is_public(call.route, options_)) return;
  if (options_.authorizer->allow(*call.request.user, {verb, {}, {}, {}, {}, {}, call.request.path})) return;
  throw Error(ErrorCode::Forbidden, "forbidden: User " + object::quoted(call.request.user->name) + " cannot " + verb +
                                        " path " + object::quoted(call.request.path));
}

void Api::audit(const Call& call, int code, Instant start) const {
  if (!watchers_.audit || !call.request.user) return;
  const Route& found = call.route;
  const bool of_kind = found.to == To::Resource;
  const std::string verb = of_kind || !found.resource.empty() ? std::string(access_verb(call.verb))
                                                              : object::lower_ascii(call.request.method);
  const std::string& resource = of_kind ? call.served().kind->plural : found.resource;
  if (!watchers_.audit->wants(verb, resource, code)) return;
  access::AuditRecord record = access::record_of(call.request);
  record.verb = verb;
  record.resource = resource;
  record.took = plane_.front.now() - start;
  record.received = plane_.front.clock().wall() - record.took;
  record.impersonator = call.impersonator;
  record.group = of_kind ? call.served().kind->group : found.group;
  const std::size_t slash = found.group_version.find('/');
  record.version = found.group_version.substr(slash == std::string::npos ? 0 : slash + 1);
  record.subresource = found.target.subresource;
  record.ns = found.target.ns;
  record.name = found.target.name;
  record.code = code;
  record.before = call.before;
  record.after = call.after;
  watchers_.audit->record(std::move(record));
}

Task<json::Value> Api::answer_review(Call& call) {
  const HttpRequest& request = call.request;
  const User& user = *request.user;
  const Authorizer& authorizer = *options_.authorizer;
  require_method(request, request.method == "POST");
  json::Value review = read_object(request, true, false).value;
  switch (call.route.to) {
    case To::AccessReview:
      co_return access::review_access(std::move(review), user, authorizer);
    case To::SubjectReview:
      co_return access::review_subject(std::move(review), {}, authorizer);
    case To::LocalSubjectReview:
      if (call.target().ns.empty()) throw unknown_path();
      co_return access::review_subject(std::move(review), call.target().ns, authorizer);
    case To::RulesReview:
      co_return access::review_rules(std::move(review), user, authorizer);
    case To::SelfReview:
      co_return access::review_self(std::move(review), user, call.route.group_version);
    case To::TokenReview:
      co_return access::review_token(std::move(review), watchers_.identities);
    default:
      co_return co_await plan_manifests(plane_, planner_.get(), std::move(review), user, authorizer);
  }
}

Task<HttpResponse> Api::answer(Call& call) {
  const HttpRequest& request = call.request;
  const Route& found = call.route;
  authenticate(call);
  impersonate(call);
  access::FlowControl::Seat seat;
  if (watchers_.flow && request.user) {
    access::FlowControl& flow = *watchers_.flow;
    if (is_list(found, call.verb) && !flow.try_list(*request.user)) co_await flow.enter_list(*request.user);
    if (is_write(found, call.verb) && !flow.try_write(*request.user, seat))
      seat = co_await flow.enter_write(*request.user);
  }
  if (found.to == To::Resource) co_return co_await answer_resource(call);
  if (!found.resource.empty())
    require_virtual(call);
  else
    require_path(call);
  switch (found.to) {
    case To::AccessReview:
    case To::SubjectReview:
    case To::LocalSubjectReview:
    case To::RulesReview:
    case To::SelfReview:
    case To::TokenReview:
      co_return json_response(201, co_await answer_review(call));
    case To::Plans:
      co_return json_response(200, co_await answer_review(call));
    case To::Unknown:
      throw unknown_path();
    default:
      require_method(request, is_get(request));
  }
  switch (found.to) {
    case To::Paths:
      co_return json_response(200, paths_document(told().discovery));
    case To::Health:
      co_return health_.answer(request, found.group, found.rest);
    case To::Version:
      co_return json_response(200, version_);
    case To::OpenApiV2:
      co_return told().openapi.v2(request);
    case To::OpenApiIndex:
      co_return told().openapi.index(request);
    case To::OpenApiGroup:
      co_return told().openapi.group_version(request, found.rest);
    case To::Api:
      co_return told().discovery.api(request);
    case To::Apis:
      co_return told().discovery.apis(request);
    case To::Group:
      co_return told().discovery.group(request, found.group);
    case To::GroupVersion:
      co_return told().discovery.group_version(request, found.group_version);
    case To::Metrics: {
      std::string text = metrics::render();
      for (const auto& more : more_metrics_) text += co_await more();
      HttpResponse response = text_response(200, std::move(text));
      response.content_type = "text/plain; version=0.0.4; charset=utf-8";
      co_return response;
    }
    default:
      throw unknown_path();
  }
}

}  // namespace gantry::api
