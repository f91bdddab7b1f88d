#include "controller/deploy/service.hpp"

#include "controller/base/log.hpp"
#include "controller/deploy/views.hpp"

namespace gantry::deploy {
namespace {

constexpr Duration kRunKept = std::chrono::hours(1);
constexpr std::size_t kRunsKept = 200;

std::string_view word_of(DeployRequest::Source source) {
  switch (source) {
    case DeployRequest::Source::Code:
      return "code";
    case DeployRequest::Source::Git:
      return "git";
    case DeployRequest::Source::Image:
      break;
  }
  return "image";
}

}  // namespace

Task<> Service::use_token(Secret token, std::string ns) {
  log::redact(token.reveal());
  for (const auto& declared : account_of(token, ns))
    co_await parts_.client.patch(declared.key, api::PatchType::Apply, declared.object,
                                 {.field_manager = std::string(kManager), .force = true});
}

// ---- runs

Service::Run Service::begin(std::string ns, std::string resource, Steps steps) {
  std::erase_if(runs_, [&](const auto& one) {
    return one.second.run->over() && one.second.run->ended() + kRunKept < parts_.reactor.now();
  });
  if (runs_.size() >= kRunsKept) {
    std::erase_if(runs_, [](const auto& one) { return one.second.run->over(); });
    if (runs_.size() >= kRunsKept) {
      Error error(ErrorCode::RateLimited, std::to_string(runs_.size()) + " deploys are under way");
      error.retry_after = std::chrono::seconds(30);
      throw error;
    }
  }
  auto run = std::make_shared<EventLog>(parts_.reactor, parts_.random.hex(8));
  runs_.emplace(run->id(), Begun{run, std::move(ns), std::move(resource)});
  parts_.reactor.spawn(carry_out(run, std::move(steps)));
  return run;
}

const Service::Begun* Service::find_run(const std::string& id) const {
  const auto found = runs_.find(id);
  return found == runs_.end() ? nullptr : &found->second;
}

// Whatever happens, the stream ends with one event of type done.
Task<> Service::carry_out(Run run, Steps steps) {
  std::string failure;
  try {
    co_await steps(*run);
  } catch (const std::exception& error) {  // tidy: a run's end, like a request's
    failure = error.what();
  }
  if (!failure.empty()) run->say("❌ " + failure, {{"level", "error"}});
  run->done(false, {}, {{"error", failure.empty() ? "it ended without a result" : failure}});
}

Task<> Service::apply(EventLog& log, const std::vector<Declared>& objects) {
  for (const auto& declared : objects) {
    co_await parts_.client.patch(declared.key, api::PatchType::Apply, declared.object,
                                 {.field_manager = std::string(kManager), .force = true});
    log.say("📄 " + declared.object.string_or("kind") + " " + declared.key.name + " declared", {{"step", "declare"}});
  }
}

Task<bool> Service::follow(EventLog& log, std::vector<object::Key> keys,
                           std::function<std::optional<bool>(const json::Value&)> over) {
  std::map<std::string, std::string> said;
  const Instant give_up = parts_.reactor.now() + parts_.patience;
  while (parts_.reactor.now() < give_up) {
    for (const auto& key : keys) {
      const auto object = co_await parts_.client.find(key);
      if (!object) throw Error(ErrorCode::NotFound, key.name + " was deleted meanwhile");
      const json::Value value = object->decode();
      const std::string text = progress_text(value);
      if (!text.empty() && said[key.name] != text) {
        log.say(key.name + ": " + text, {{"step", "follow"}, {"object", value.string_or("kind") + "/" + key.name}});
        said[key.name] = text;
      }
      if (&key != &keys.back()) continue;
      if (const auto answer = over(value)) co_return *answer;
    }
    co_await sleep_for(parts_.reactor, parts_.glance);
  }
  std::string last;
  for (const auto& [name, text] : said) last += "; " + name + ": " + text;
  throw Error(ErrorCode::Timeout, "not done within " + human_duration(parts_.patience) + last);
}

// ---- deploy

Service::Run Service::deploy(DeployRequest request, std::string ns) {
  return begin(ns, "apps",
               [this, request = std::move(request), ns](EventLog& log) { return deploy_steps(log, request, ns); });
}

Task<> Service::deploy_steps(EventLog& log, DeployRequest request, std::string ns) {
  log.say("🚀 Deploying " + request.app() + " from " + std::string(word_of(request.source)), {{"step", "begin"}});
  const Places places = co_await places_of(request, ns);
  std::string digest;
  if (request.source == DeployRequest::Source::Code) {
    digest = co_await parts_.keep_code(std::move(request.code));
    log.say("📦 Code received", {{"step", "upload"}, {"digest", digest}});
  }
  const auto objects = objects_of(request, ns, places, digest, log.id());
  co_await apply(log, objects);
  std::vector<object::Key> keys;
  for (const auto& name : places.fresh) keys.push_back(key_of("servers", ns, name));
  const object::Key app = objects.back().key;
  keys.push_back(app);
  const bool success = co_await follow(log, keys, app_is_over);
  log.say(success ? "✅ " + request.app() + " serves" : "❌ " + request.app() + " does not serve",
          {{"level", success ? "info" : "error"}});
  log.done(success, co_await outcome(places, app, success));
}

Task<Places> Service::places_of(const DeployRequest& request, const std::string& ns) {
  Places places;
  const auto servers = co_await list("servers", ns);
  for (const auto& ip : request.server_ips) {
    const json::Value* server = server_at(servers, ip);
    if (!server)
      throw Error(ErrorCode::NotFound, "server_ips: no Server of namespace " + ns + " has the address " + ip);
    if (!is_true(*server, "AgentReachable"))
      throw Error(ErrorCode::Conflict, "server_ips: the agent of " + name_of(*server) + " (" + ip +
                                           ") does not answer: " + progress_text(*server));
    places.existing.push_back(name_of(*server));
  }
  if (request.new_servers > 0) {
    const json::Value snapshot = co_await named("snapshots", ns, request.snapshot);
    places.snapshot = name_of(snapshot);
    for (int i = 0; i < request.new_servers; ++i) places.fresh.push_back(request.app() + "-" + parts_.random.suffix(6));
  }
  // Nothing said: it stays where it is.
  if (places.existing.empty() && places.fresh.empty()) {
    if (const auto object = co_await parts_.client.find(key_of("apps", ns, request.app())))
      places.existing = placed_on(object->decode());
  }
  co_return places;
}

Task<json::Array> Service::outcome(const Places& places, const object::Key& app, bool success) {
  const auto object = co_await parts_.client.find(app);
  const json::Value value = object ? object->decode() : json::Value();
  const auto servers = co_await list("servers", app.ns);
  json::Array all;
  for (const auto* names : {&places.existing, &places.fresh}) {
    for (const auto& name : *names) all.push_back(server_outcome(name, servers, value, success));
  }
  if (all.empty()) all.push_back(json::Object{{"name", "local"}, {"success", success}});
  co_return all;
}

Service::Run Service::provision(DeployRequest wanted, std::string ns) {
  return begin(ns, "servers", [this, wanted = std::move(wanted), ns](EventLog& log) -> Task<> {
    const Places places = co_await places_of(wanted, ns);
    std::vector<Declared> objects;
    std::vector<object::Key> keys;
    for (const auto& name : places.fresh) {
      objects.push_back(server_of(name, ns, places.snapshot, wanted.region, wanted.size, wanted.tags));
      keys.push_back(objects.back().key);
    }
    co_await apply(log, objects);
    bool success = true;
    json::Array servers;
    // One after the other is enough: they are made side by side, and each is waited for.
    for (const auto& key : keys) {
      const bool ready = co_await follow(log, {key}, server_is_over);
      success = success && ready;
      servers.push_back(server_view((co_await parts_.client.find(key))->decode(), {}));
    }
    log.done(success, std::move(servers));
  });
}

Service::Run Service::build_image(ImageBuild build, std::string ns) {
  return begin(ns, "snapshots", [this, build = std::move(build), ns](EventLog& log) -> Task<> {
    log.say("🚀 Building " + build.name, {{"step", "begin"}});
    const Declared snapshot = snapshot_of(build, ns);
    co_await apply(log, {snapshot});
    const bool success = co_await follow(log, {snapshot.key}, snapshot_is_over);
    const auto object = co_await parts_.client.find(snapshot.key);
    log.done(success, {}, {{"snapshot", object ? snapshot_view(object->decode()) : json::Value()}});
  });
}

// ---- what is there

Task<std::vector<json::Value>> Service::list(std::string_view plural, std::string ns) {
  std::vector<json::Value> all;
  const auto found = co_await parts_.client.list(key_of(plural, ns, "").resource, {.ns = ns});
  for (const auto& object : found.items) all.push_back(object->decode());
  co_return all;
}

Task<json::Value> Service::named(std::string_view plural, std::string ns, std::string id) {
  for (auto& object : co_await list(plural, ns)) {
    if (name_of(object) == id || status_of(object).string_or("id") == id) co_return std::move(object);
  }
  throw Error(ErrorCode::NotFound,
              std::string(plural) + ": nothing in namespace " + ns + " has the name or id \"" + id + "\"");
}

Task<json::Value> Service::setup_status(std::string ns) {
  const auto object = co_await parts_.client.find(key_of("snapshots", ns, std::string(kBaseSnapshot)));
  const json::Value value = object ? object->decode() : json::Value();
  co_return json::Object{{"name", kBaseSnapshot},
                         {"exists", object && is_true(value, "Ready")},
                         {"current", object && is_true(value, "Current")},
                         {"message", object ? progress_text(value) : "it was not made yet"}};
}

Task<json::Value> Service::snapshots(std::string ns) {
  json::Array all;
  for (const auto& object : co_await list("snapshots", ns)) all.push_back(snapshot_view(object));
  co_return all;
}

Task<json::Value> Service::servers(std::string ns) {
  const auto images = co_await list("snapshots", ns);
  json::Array all;
  for (const auto& object : co_await list("servers", ns)) all.push_back(server_view(object, images));
  co_return all;
}

Task<json::Value> Service::server_with(std::string ns, std::string ip) {
  const auto servers = co_await list("servers", ns);
  const json::Value* server = server_at(servers, ip);
  if (!server) throw Error(ErrorCode::NotFound, "no Server of namespace " + ns + " has the address " + ip);
  co_return *server;
}

Task<json::Value> Service::agent_health(std::string ns, std::string ip) {
  co_return agent_view(co_await server_with(std::move(ns), std::move(ip)));
}

Task<json::Value> Service::ask_agent(std::string ns, std::string ip, std::string path, json::Value body,
                                     Duration limit) {
  const std::string name = name_of(co_await server_with(ns, std::move(ip)));
  co_return co_await parts_.ask_agent(ns + "/" + name, std::move(path), std::move(body), limit);
}

Task<json::Value> Service::transfer_everywhere(std::string ns, std::string id) {
  const json::Value snapshot = co_await named("snapshots", ns, std::move(id));
  const json::Value patch = json::Object{{"spec", json::Object{{"regions", json::Array{"*"}}}}};
  const auto after = co_await parts_.client.patch(key_of("snapshots", ns, name_of(snapshot)), api::PatchType::Merge,
                                                  patch, {.field_manager = std::string(kManager)});
  co_return snapshot_view(after->decode());
}

Task<> Service::remove_snapshot(std::string ns, std::string id, bool force) {
  const std::string name = name_of(co_await named("snapshots", ns, std::move(id)));
  std::string users;
  for (const char* plural : {"servers", "snapshots"}) {
    for (const auto& object : co_await list(plural, ns)) {
      if (starts_from(object) == name)
        users += (users.empty() ? "" : ", ") + object.string_or("kind") + " " + name_of(object);
    }
  }
  if (!users.empty() && !force)
    throw Error(ErrorCode::Conflict,
                "snapshot " + name + " is needed by " + users + "; ?force=true deletes it all the same");
  co_await parts_.client.remove(key_of("snapshots", ns, name));
}

Task<json::Value> Service::remove_server(std::string ns, std::string id) {
  std::string name;
  try {
    name = name_of(co_await named("servers", ns, std::move(id)));
  } catch (const Error& error) {  // tidy: gone is what was asked for
    if (error.code() != ErrorCode::NotFound) throw;
  }
  json::Array apps;
  if (name.empty()) co_return json::Object{{"success", true}, {"apps", std::move(apps)}};
  for (const auto& app : co_await list("apps", ns)) {
    const auto names = placed_on(app);
    if (std::find(names.begin(), names.end(), name) != names.end()) apps.emplace_back(name_of(app));
  }
  co_await parts_.client.remove(key_of("servers", ns, name));
  co_return json::Object{{"success", true}, {"name", name}, {"apps", std::move(apps)}};
}

}  // namespace gantry::deploy
