#include "controller/deploy/service.hpp"

#include <algorithm>

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
  // One that is there already may be of another vendor; the token is for that one then.
  const auto there = co_await parts_.client.find(key_of("providers", ns, std::string(kProvider)));
  const json::Value provider = there ? there->decode() : json::Value();
  const json::Value* type = provider.at({"spec", "type"});
  for (const auto& declared : account_of(token, ns, type ? type->as_string() : "digitalocean"))
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
  std::optional<Error> refused;
  std::vector<object::Key> servers;
  try {
    for (const auto& declared : objects) {
      co_await parts_.client.patch(declared.key, api::PatchType::Apply, declared.object,
                                   {.field_manager = std::string(kManager), .force = true});
      log.say("📄 " + declared.object.string_or("kind") + " " + declared.key.name + " declared", {{"step", "declare"}});
      if (declared.key.resource.plural() == "servers") servers.push_back(declared.key);
    }
  } catch (const Error& error) {  // tidy: thrown again below
    refused = error;
  }
  if (!refused) co_return;
  // The Servers are new with this run, and would cost money for nothing.
  for (const auto& server : servers) {
    co_await parts_.client.remove(server);
    log.say("🧹 Server " + server.name + " taken back", {{"step", "declare"}});
  }
  throw *std::move(refused);
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
  co_await wait_for_agents(log, request, ns);
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
  bool success = false;
  std::string failure;
  try {
    success = co_await follow(log, keys, app_is_over);
  } catch (const Error& error) {  // tidy: each server's outcome is told all the same
    failure = error.message();
  }
  co_await tell_outcome(log, places, app, success, std::move(failure));
}

Task<> Service::wait_for_agents(EventLog& log, const DeployRequest& request, const std::string& ns) {
  const Duration patience =
      request.agent_timeout > 0 ? Duration(std::chrono::seconds(request.agent_timeout)) : parts_.agents;
  const Instant give_up = parts_.reactor.now() + patience;
  for (const auto& ip : request.server_ips) {
    for (bool told = false;; told = true) {
      const auto servers = co_await list("servers", ns);
      const json::Value* server = server_at(servers, ip);
      if (!server)
        throw Error(ErrorCode::NotFound, "server_ips: no Server of namespace " + ns + " has the address " + ip);
      if (is_true(*server, "AgentReachable")) break;
      const std::string who = "the agent of " + name_of(*server) + " (" + ip + ")";
      if (parts_.reactor.now() >= give_up)
        throw Error(ErrorCode::Timeout, "server_ips: " + who + " does not answer within " + human_duration(patience) +
                                            ": " + agent_view(*server).string_or("message"));
      if (!told) log.say("⏳ Waiting for " + who, {{"step", "agents"}, {"server", name_of(*server)}});
      co_await sleep_for(parts_.reactor, parts_.glance);
    }
  }
}

Task<Places> Service::places_of(const DeployRequest& request, const std::string& ns) {
  Places places;
  const auto servers = co_await list("servers", ns);
  for (const auto& ip : request.server_ips) {
    const json::Value* server = server_at(servers, ip);
    if (!server)
      throw Error(ErrorCode::NotFound, "server_ips: no Server of namespace " + ns + " has the address " + ip);
    places.existing.push_back(name_of(*server));
  }
  if (request.new_servers > 0) {
    const json::Value snapshot = co_await named("snapshots", ns, request.snapshot);
    places.snapshot = name_of(snapshot);
    for (int i = 0; i < request.new_servers; ++i) places.fresh.push_back(fresh_name(request.app(), servers));
  }
  // Nothing said: it stays where it is.
  if (places.existing.empty() && places.fresh.empty()) {
    if (const auto object = co_await parts_.client.find(key_of("apps", ns, request.app())))
      places.existing = placed_on(object->decode());
  }
  co_return places;
}

// After the App that it is made for. One that is taken would change the Server that has it.
std::string Service::fresh_name(const std::string& beginning, const std::vector<json::Value>& servers) {
  for (;;) {
    std::string name = beginning + "-" + parts_.random.suffix(6);
    if (std::ranges::none_of(servers, [&](const auto& server) { return name_of(server) == name; })) return name;
  }
}

Task<> Service::tell_outcome(EventLog& log, const Places& places, const object::Key& app, bool success,
                             std::string failure) {
  const auto object = co_await parts_.client.find(app);
  const json::Value value = object ? object->decode() : json::Value();
  const auto servers = co_await list("servers", app.ns);
  json::Array all;
  for (const auto* names : {&places.existing, &places.fresh}) {
    for (const auto& name : *names) all.push_back(server_outcome(name, servers, value, success));
  }
  if (all.empty()) {
    json::Object here{{"name", "local"}, {"success", success}};
    if (!success) here.set("error", failure.empty() ? progress_text(value) : failure);
    all.push_back(std::move(here));
  }
  if (success) {
    log.say("✅ " + app.name + " serves", {{"level", "info"}});
    co_return log.done(true, std::move(all));
  }
  if (failure.empty()) failure = progress_text(value);
  log.say("❌ " + app.name + " does not serve: " + failure, {{"level", "error"}});
  log.done(false, std::move(all), {{"error", failure}});
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
      const auto server = co_await parts_.client.find(key);
      const auto images = co_await list("snapshots", ns);
      if (server) servers.push_back(server_view(server->decode(), images));
    }
    log.done(success, std::move(servers));
  });
}

Service::Run Service::build_image(ImageBuild build, std::string ns) {
  return begin(ns, "snapshots", [this, build = std::move(build), ns](EventLog& log) -> Task<> {
    log.say("🚀 Building " + build.name, {{"step", "begin"}});
    const Declared snapshot = snapshot_of(build, ns, log.id());
    // Somebody may make it in half an hour; whoever asks here waits for an answer.
    if (const std::string base = starts_from(snapshot.object);
        !base.empty() && !co_await parts_.client.find(key_of("snapshots", ns, base)))
      throw Error(ErrorCode::NotFound, "there is no snapshot " + base + " to build it from" +
                                           (base == kBaseSnapshot ? "; POST /infra/setup/init/stream makes it" : ""));
    co_await apply(log, {snapshot});
    const bool success = co_await follow(log, {snapshot.key}, snapshot_is_over);
    const auto object = co_await parts_.client.find(snapshot.key);
    const json::Value value = object ? object->decode() : json::Value();
    json::Object more{{"snapshot", object ? snapshot_view(value) : json::Value()}};
    if (!success) more.set("error", progress_text(value));
    log.done(success, {}, std::move(more));
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
  std::map<std::string, std::string> regions;
  for (const auto& provider : co_await list("providers", ns))
    regions[name_of(provider)] = provider.text_at({"spec", "region"});
  json::Array all;
  for (const auto& object : co_await list("servers", ns))
    all.push_back(server_view(object, images, regions[object.text_at({"spec", "providerRef", "name"})]));
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
