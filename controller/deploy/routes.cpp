#include "controller/deploy/routes.hpp"

#include <algorithm>

#include "controller/base/base64.hpp"
#include "controller/deploy/large_body.hpp"

namespace gantry::deploy {
namespace {

api::HttpResponse json_response(json::Value value, int status = 200) {
  api::HttpResponse response;
  response.status = status;
  response.body.emplace_back(json::dump(value) + "\n");
  return response;
}

// {"infra", ...} of either prefix; empty: not ours.
std::vector<std::string> below_infra(const std::vector<std::string>& segments) {
  std::size_t at = 0;
  if (segments.size() > 2 && segments[0] == "api" && segments[1] == "v1") at = 2;
  if (segments.size() <= at || segments[at] != "infra") return {};
  return {segments.begin() + static_cast<std::ptrdiff_t>(at), segments.end()};
}

std::string parameter(const api::HttpRequest& request, std::string_view name, std::string_view otherwise = {}) {
  const std::string* value = request.parameter(name);
  return value ? *value : std::string(otherwise);
}

// One image on one server is a deploy like any other.
DeployRequest read_single(json::Value body) {
  if (body.is_object()) {
    const std::string ip = body.string_or("server_ip");
    body.as_object().erase("server_ip");
    if (!ip.empty()) body["server_ips"] = json::Array{ip};
    if (!body.find("source_type")) body["source_type"] = "image";
  }
  DeployRequest wanted = read_deploy(body);
  if (wanted.server_ips.size() != 1) throw Error(ErrorCode::Invalid, "server_ip: should be the address of one Server");
  return wanted;
}

DeployRequest read_provision(json::Value body) {
  if (!body.is_object()) throw Error(ErrorCode::BadRequest, "the body should be a JSON object");
  DeployRequest wanted;
  wanted.name = body.string_or("name", "server");
  wanted.new_servers = static_cast<int>(std::clamp<std::int64_t>(body.int_or("count", 1), 1, 100));
  for (const auto& [field, into] : {std::pair("snapshot_id", &wanted.snapshot), std::pair("region", &wanted.region),
                                    std::pair("size", &wanted.size)}) {
    const json::Value* value = body.find(field);
    if (value && value->is_int()) *into = std::to_string(value->as_int());
    if (value && value->is_string()) *into = value->as_string();
    if (into->empty()) throw Error(ErrorCode::Invalid, std::string(field) + ": Required value");
  }
  return wanted;
}

}  // namespace

// What is declared is made or changed.
const Routes::Needs Routes::kWriteApps{{"create", "apps"}, {"patch", "apps"}};
const Routes::Needs Routes::kWriteSecrets{{"create", "secrets"}, {"patch", "secrets"}};
const Routes::Needs Routes::kWriteServers{{"create", "servers"}, {"patch", "servers"}};
const Routes::Needs Routes::kWriteSnapshots{{"create", "snapshots"}, {"patch", "snapshots"}};
const Routes::Needs Routes::kWriteProviders{{"create", "providers"}, {"patch", "providers"}};

void Routes::on(std::string method, std::vector<std::string> segments, Needs needs, Route route) {
  segments.insert(segments.begin(), "infra");
  routes_.push_back({std::move(method), std::move(segments), std::move(needs), std::move(route)});
}

// An operation of the agent's own, on a known Server's.
void Routes::on_agent(std::vector<std::string> operation, Duration limit, std::string query) {
  std::string path;
  for (const auto& word : operation) path += "/" + word;
  path += query;
  operation.insert(operation.begin(), {"agent", "{}"});
  on("POST", std::move(operation), {{"create", "servers/agent"}},
     [this, path, limit](const Call& call) -> Task<api::HttpResponse> {
       co_return json_response(
           json::Object{{"success", true},
                        {"data", co_await service_.ask_agent(call.ns, call.captured[0], path, call.body, limit)}});
     });
}

void Routes::require(const Call& call, const Needs& needs) const {
  for (const auto& [verb, what] : needs) {
    const auto slash = what.find('/');
    const std::string_view resource = what.substr(0, slash);
    const std::string_view sub = slash == std::string_view::npos ? std::string_view() : what.substr(slash + 1);
    const std::string_view group = resource == "secrets" ? "" : "gantry.dev";
    if (api_.authorizer().allow(call.user, {verb, group, resource, sub, call.ns, {}, {}})) continue;
    throw Error(ErrorCode::Forbidden, "forbidden: User \"" + call.user.name + "\" cannot " + std::string(verb) +
                                          " resource \"" + std::string(what) + "\" in the namespace \"" + call.ns +
                                          "\"");
  }
}

// An App, and what is declared with it.
void Routes::require_deploy(const Call& call, const DeployRequest& wanted) const {
  require(call, kWriteApps);
  if (!wanted.env.empty() || !wanted.git_token.empty()) require(call, kWriteSecrets);
  if (wanted.new_servers > 0) require(call, kWriteServers);
}

Service::Run Routes::known_run(const Call& call, const std::string& id) const {
  const Service::Begun* known = service_.find_run(id);
  if (!known || known->ns != call.ns) return nullptr;
  require(call, {{"get", known->resource}});
  return known->run;
}

Routes::Routes(api::Handler& next, Service& service, const api::Api& api) : next_(next), service_(service), api_(api) {
  on("GET", {"setup", "status"}, {{"get", "snapshots"}}, [this](const Call& call) -> Task<api::HttpResponse> {
    co_return json_response(co_await service_.setup_status(call.ns));
  });
  on("POST", {"setup", "init", "stream"}, kWriteSnapshots, [this](const Call& call) -> Task<api::HttpResponse> {
    // It needs nothing to be said.
    const json::Value wanted = call.body.is_null() ? json::Value(json::Object()) : call.body;
    co_return stream_of(call, [&] { return service_.build_image(read_image_build(wanted, kBaseSnapshot), call.ns); });
  });
  on("GET", {"snapshots"}, {{"list", "snapshots"}}, [this](const Call& call) -> Task<api::HttpResponse> {
    co_return json_response(co_await service_.snapshots(call.ns));
  });
  on("POST", {"images", "build", "stream"}, kWriteSnapshots, [this](const Call& call) -> Task<api::HttpResponse> {
    co_return stream_of(call, [&] { return service_.build_image(read_image_build(call.body, {}), call.ns); });
  });
  on("POST", {"snapshots", "{}", "transfer-all"}, {{"patch", "snapshots"}},
     [this](const Call& call) -> Task<api::HttpResponse> {
       co_return json_response(co_await service_.transfer_everywhere(call.ns, call.captured[0]), 202);
     });
  on("DELETE", {"snapshots", "{}"}, {{"delete", "snapshots"}}, [this](const Call& call) -> Task<api::HttpResponse> {
    co_await service_.remove_snapshot(call.ns, call.captured[0], parameter(call.request, "force") == "true");
    co_return json_response(json::Object{{"success", true}});
  });
  on("GET", {"servers"}, {{"list", "servers"}, {"list", "snapshots"}},
     [this](const Call& call) -> Task<api::HttpResponse> {
       co_return json_response(co_await service_.servers(call.ns));
     });
  on("POST", {"servers", "provision"}, kWriteServers, [this](const Call& call) -> Task<api::HttpResponse> {
    const auto run = service_.provision(read_provision(call.body), call.ns);
    co_return json_response(
        json::Object{{"success", true}, {"operation", run->id()}, {"stream", "/infra/operations/" + run->id()}}, 202);
  });
  on("DELETE", {"servers", "{}"}, {{"delete", "servers"}}, [this](const Call& call) -> Task<api::HttpResponse> {
    co_return json_response(co_await service_.remove_server(call.ns, call.captured[0]));
  });
  const auto deploy = [this](const Call& call) -> Task<api::HttpResponse> {
    co_return stream_of(call, [&] {
      DeployRequest wanted = read_deploy(call.body);
      require_deploy(call, wanted);
      return service_.deploy(std::move(wanted), call.ns);
    });
  };
  on("POST", {"deploy"}, {}, deploy);
  on("POST", {"deploy", "unified"}, {}, deploy);
  const auto single = [this](const Call& call) -> Task<api::HttpResponse> {
    json::Value body = call.body;
    if (body.is_object() && !call.captured.empty()) body["server_ip"] = call.captured[0];
    DeployRequest wanted = read_single(std::move(body));
    require_deploy(call, wanted);
    const auto run = service_.deploy(std::move(wanted), call.ns);
    co_await run->wait();
    co_return json_response(run->result());
  };
  on("POST", {"deploy", "single"}, {}, single);
  on("POST", {"deploy", "upload"}, kWriteApps, [this](const Call& call) -> Task<api::HttpResponse> {
    auto code = base64_decode(call.body.string_or("code_tar_b64"));
    if (!code || code->empty())
      throw Error(ErrorCode::Invalid, "code_tar_b64: should be a tar, tar.gz or zip in base64");
    // It is brought to that server as soon as an App there runs from it; a wrong address is told now.
    if (const std::string ip = call.body.string_or("server_ip"); !ip.empty())
      co_await service_.agent_health(call.ns, ip);
    co_return json_response(json::Object{{"success", true}, {"digest", co_await service_.keep_code(std::move(*code))}});
  });
  on("GET", {"operations", "{}"}, {}, [this](const Call& call) -> Task<api::HttpResponse> {
    const auto run = known_run(call, call.captured[0]);
    if (!run) throw Error(ErrorCode::NotFound, "no operation " + call.captured[0] + " is known any more");
    co_return stream_of(call, [&] { return run; });
  });
  on("GET", {"agent", "health"}, {{"list", "servers"}}, [this](const Call& call) -> Task<api::HttpResponse> {
    co_return json_response(co_await service_.agent_health(call.ns, parameter(call.request, "server_ip")));
  });
  on("POST", {"agent", "{}", "containers", "run"}, {}, single);
  on_agent({"build"}, std::chrono::minutes(30), "?wait");
  on_agent({"pull"}, std::chrono::minutes(15));
  on_agent({"git", "clone"}, std::chrono::minutes(10));
}

api::HttpResponse Routes::stream_of(const Call& call, const std::function<Service::Run()>& begin) {
  Service::Run run;
  std::size_t after = 0;
  std::string id;
  if (const std::string* last = call.request.header("last-event-id"); last && read_event_id(*last, id, after)) {
    run = known_run(call, id);
    if (!run) throw Error(ErrorCode::Expired, "the run of event " + *last + " is not known any more");
  } else {
    run = begin();
  }
  api::HttpResponse response;
  response.content_type = "text/event-stream";
  response.headers = {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}};
  response.stream = run->stream(after);
  return response;
}

std::shared_ptr<api::BodySink> Routes::sink(const api::HttpRequest& request) {
  const auto segments = below_infra(request.segments);
  const bool ours = request.user && request.method == "POST" && segments.size() > 1 && segments[1] == "deploy";
  return ours ? std::make_shared<LargeBody>(held_) : next_.sink(request);
}

Task<api::HttpResponse> Routes::handle(api::HttpRequest request) {
  auto segments = below_infra(request.segments);
  if (segments.empty()) co_return co_await next_.handle(std::move(request));
  std::optional<Error> failure;
  try {
    co_return co_await answer(request, std::move(segments));
  } catch (const Error& error) {  // this door's own catch, as the API has one
    failure = error;
  }
  co_return api::status_response(*failure);
}

Task<api::HttpResponse> Routes::answer(const api::HttpRequest& request, std::vector<std::string> segments) {
  if (!request.user) throw Error(ErrorCode::Unauthorized, "Unauthorized");
  const Routed* found = nullptr;
  bool known = false;
  Call call{.request = request,
            .user = *request.user,
            .captured = {},
            .ns = parameter(request, "namespace", "default"),
            .body = {}};
  for (const auto& routed : routes_) {
    if (routed.segments.size() != segments.size()) continue;
    std::vector<std::string> captured;
    bool fits = true;
    for (std::size_t i = 0; i < segments.size() && fits; ++i) {
      if (routed.segments[i] == "{}") {
        captured.push_back(segments[i]);
      } else {
        fits = routed.segments[i] == segments[i];
      }
    }
    known = known || fits;
    if (!fits || routed.method != request.method) continue;
    found = &routed;
    call.captured = std::move(captured);
    break;
  }
  if (!found)
    throw Error(known ? ErrorCode::MethodNotAllowed : ErrorCode::NotFound,
                request.method + " " + request.path + " is not of the Deploy API");
  require(call, found->needs);
  const auto* large = dynamic_cast<const LargeBody*>(request.sink.get());
  if (const std::string& body = large ? large->text() : request.body; !body.empty()) call.body = json::parse(body);
  const std::string* header = request.header("x-cloud-token");
  const std::string* query = request.parameter("do_token");
  if (const std::string* token = header ? header : query; token && !token->empty()) {
    require(call, kWriteProviders);
    require(call, kWriteSecrets);
    co_await service_.use_token(Secret(*token), call.ns);
  }
  api::HttpResponse response = co_await found->route(call);
  // In a URL it ends up in other people's logs.
  if (query)
    response.headers.emplace_back(
        "Warning", "299 - \"do_token in the URL is deprecated: send X-Cloud-Token, or keep a Provider\"");
  co_return response;
}

}  // namespace gantry::deploy
