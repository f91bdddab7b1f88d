#include "controller/api/api.hpp"

#include "controller/api/body.hpp"
#include "controller/api/call.hpp"
#include "controller/api/plans.hpp"
#include "controller/api/respond.hpp"
#include "controller/api/reviews.hpp"
#include "controller/api/status.hpp"
#include "controller/base/log.hpp"

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
  co_return response;
}

void Api::authenticate(const Call& call) const {
  if (!call.request.user && !is_public(call.route, options_)) throw Error(ErrorCode::Unauthorized, "Unauthorized");
}

// kubectl --as: the request is another user's from here on, if this one may do that.
void Api::impersonate(Call& call) const {
  const std::string* name = call.request.header("impersonate-user");
  if (!name || name->empty() || !call.request.user) return;
  const auto may = [&](std::string_view resource, std::string_view who) {
    if (options_.authorizer->allow(*call.request.user, {"impersonate", {}, resource, {}, {}, who, {}})) return;
    throw forbidden(object::Resource::of("", resource), who,
                    "User " + object::quoted(call.request.user->name) + " cannot impersonate resource " +
                        object::quoted(resource) + " in API group \"\" at the cluster scope");
  };
  may("users", *name);
  User other{*name, {}, {}};
  for (const auto& [header, value] : call.request.headers) {
    if (header == "impersonate-uid") other.uid = value;
    if (header != "impersonate-group") continue;
    may("groups", value);
    other.groups.push_back(value);
  }
  call.request.user = std::move(other);
}

void Api::require(const Call& call, Verb verb) const {
  const Target& target = call.route.target;
  const User& user = *call.request.user;
  const Access access{access_verb(verb),
                      target.served->kind->group,
                      target.served->kind->plural,
                      target.subresource,
                      target.ns,
                      target.name,
                      {}};
  if (options_.authorizer->allow(user, access)) return;
  std::string resource = target.served->kind->plural;
  if (!target.subresource.empty()) resource += "/" + target.subresource;
  throw forbidden(target.served->resource, target.name,
                  "User " + object::quoted(user.name) + " cannot " + std::string(access.verb) + " resource " +
                      object::quoted(resource) + " in API group " + object::quoted(access.group) +
                      (target.ns.empty() ? std::string(" at the cluster scope")
                                         : " in the namespace " + object::quoted(target.ns)));
}

void Api::require_path(const Call& call) const {
  if (!call.request.user) return;  // public: authenticate() has let it pass
  std::string verb = call.request.method;
  std::ranges::transform(verb, verb.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (options_.authorizer->allow(*call.request.user, {verb, {}, {}, {}, {}, {}, call.request.path})) return;
  throw Error(ErrorCode::Forbidden, "forbidden: User " + object::quoted(call.request.user->name) + " cannot " + verb +
                                        " path " + object::quoted(call.request.path));
}

Task<HttpResponse> Api::answer(Call& call) {
  const HttpRequest& request = call.request;
  const Route& found = call.route;
  authenticate(call);
  impersonate(call);
  if (found.to == To::Resource) co_return co_await answer_resource(call);
  require_path(call);
  const auto review = [&] {
    require_method(request, request.method == "POST");
    return read_object(request, true, false).value;
  };
  switch (found.to) {
    case To::AccessReview:
      co_return json_response(201, review_access(review(), *request.user, *options_.authorizer));
    case To::RulesReview:
      co_return json_response(201, review_rules(review()));
    case To::SelfReview:
      co_return json_response(201, review_self(review(), *request.user, found.group_version));
    case To::Plans:
      co_return json_response(200, co_await plan_manifests(plane_, planner_.get(), review(), request.user->name));
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
    case To::Services:
      co_return answer_services(call);
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
