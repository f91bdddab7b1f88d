#include "controller/deploy/views.hpp"

#include <algorithm>

#include "controller/cli/conditions.hpp"
#include "controller/deploy/objects.hpp"

namespace gantry::deploy {
namespace {

const json::Value& empty_object() {
  static const json::Value one{json::Object{}};
  return one;
}

const json::Value& part(const json::Value& object, std::string_view name) {
  const json::Value* found = object.find(name);
  return found && found->is_object() ? *found : empty_object();
}

const json::Array& array(const json::Value& object, std::string_view name) {
  static const json::Array none;
  const json::Value* found = object.find(name);
  return found && found->is_array() ? found->as_array() : none;
}

// The address that people know it by: the outer one if there is one.
std::string address_of(const json::Value& server) {
  std::string address = part(server, "spec").string_or("address");
  for (const auto& one : array(status_of(server), "addresses")) {
    if (address.empty() || one.string_or("type") == "ExternalIP") address = one.string_or("address");
    if (one.string_or("type") == "ExternalIP") break;
  }
  return address;
}

bool has_address(const json::Value& server, const std::string& ip) {
  if (part(server, "spec").string_or("address") == ip) return true;
  const auto& all = array(status_of(server), "addresses");
  return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.string_or("address") == ip; });
}

// Of the present generation, or none.
const json::Value* said_of(const json::Value& object, std::string_view condition) {
  const json::Value* found = cli::find_condition(object, condition);
  const std::int64_t generation = part(object, "metadata").int_or("generation", 0);
  return found && status_of(object).int_or("observedGeneration", 0) >= generation ? found : nullptr;
}

// Since this run asked for it, where it did; what was said before is no answer.
bool was_looked_at(const json::Value& object) {
  const std::string asked = part(part(object, "metadata"), "annotations").string_or("gantry.dev/reconcile-at");
  return status_of(object).string_or("lastHandledReconcileAt") == asked;
}

}  // namespace

std::string name_of(const json::Value& object) { return part(object, "metadata").string_or("name"); }

const json::Value& status_of(const json::Value& object) { return part(object, "status"); }

bool is_true(const json::Value& object, std::string_view condition) {
  return cli::condition_is(object, condition, "True");
}

std::string progress_text(const json::Value& object) {
  const json::Value* ready = said_of(object, "Ready");
  // Where nothing is known of the thing itself, why it could not be looked at says more.
  if (const json::Value* synced = said_of(object, "Synced");
      ready && synced && ready->string_or("status") == "Unknown" && synced->string_or("status") == "False")
    ready = synced;
  if (!ready) return {};
  const std::string reason = ready->string_or("reason");
  const std::string message = ready->string_or("message");
  return message.empty() ? reason : reason + ": " + message;
}

std::optional<bool> app_is_over(const json::Value& app) {
  const json::Value* ready = said_of(app, "Ready");
  if (!ready || !was_looked_at(app)) return std::nullopt;
  if (ready->string_or("status") == "True") return true;
  return cli::waiting_helps(ready->string_or("reason")) ? std::nullopt : std::optional(false);
}

std::optional<bool> server_is_over(const json::Value& server) {
  const json::Value* ready = said_of(server, "Ready");
  if (!ready || !was_looked_at(server)) return std::nullopt;
  if (ready->string_or("status") == "True") return true;
  // What passes only when somebody changes what was asked for, or the account.
  static constexpr std::string_view kFinal[] = {"Unauthorized", "Forbidden",    "CatalogueMismatch",
                                                "Invalid",      "NotSupported", "BuildFailed"};
  for (const json::Value* said : {ready, said_of(server, "Synced")}) {
    if (said && std::ranges::find(kFinal, said->string_or("reason")) != std::end(kFinal)) return false;
  }
  return std::nullopt;
}

std::optional<bool> snapshot_is_over(const json::Value& snapshot) { return server_is_over(snapshot); }

const json::Value* server_at(const std::vector<json::Value>& servers, const std::string& ip) {
  const auto found =
      std::find_if(servers.begin(), servers.end(), [&](const auto& one) { return has_address(one, ip); });
  return found == servers.end() ? nullptr : &*found;
}

std::vector<std::string> placed_on(const json::Value& app) {
  std::vector<std::string> names;
  for (const auto& server : array(part(part(app, "spec"), "placement"), "servers"))
    names.push_back(server.string_or("name"));
  return names;
}

std::string starts_from(const json::Value& object) {
  const json::Value& spec = part(object, "spec");
  const std::string direct = part(spec, "snapshotRef").string_or("name");
  return direct.empty() ? part(part(spec, "from"), "snapshotRef").string_or("name") : direct;
}

json::Value server_view(const json::Value& server, const std::vector<json::Value>& snapshots,
                        const std::string& region) {
  const json::Value& spec = part(server, "spec");
  const json::Value& status = status_of(server);
  json::Object image{{"name", spec.string_or("image")}};
  if (const std::string base = starts_from(server); !base.empty()) {
    image.set("name", base);
    for (const auto& snapshot : snapshots) {
      if (name_of(snapshot) == base) image.set("id", status_of(snapshot).string_or("id"));
    }
  }
  json::Array tags;
  for (const auto& [name, value] : part(part(server, "metadata"), "labels").as_object()) {
    if (name.starts_with(kTag)) tags.emplace_back(name.substr(kTag.size()));
  }
  return json::Object{{"id", status.string_or("id")},      {"name", name_of(server)},
                      {"ip", address_of(server)},          {"region", spec.string_or("region", region)},
                      {"size", spec.string_or("size")},    {"status", status.string_or("state")},
                      {"ready", is_true(server, "Ready")}, {"message", progress_text(server)},
                      {"image", std::move(image)},         {"agent", part(status, "agent")},
                      {"tags", std::move(tags)},           {"cost", part(status, "cost")}};
}

json::Value snapshot_view(const json::Value& snapshot) {
  const json::Value& status = status_of(snapshot);
  return json::Object{{"id", status.string_or("id")},        {"name", name_of(snapshot)},
                      {"regions", array(status, "regions")}, {"agent_version", status.string_or("agentVersion")},
                      {"ready", is_true(snapshot, "Ready")}, {"current", is_true(snapshot, "Current")},
                      {"message", progress_text(snapshot)}};
}

json::Value agent_view(const json::Value& server) {
  const json::Value& status = status_of(server);
  const bool reachable = is_true(server, "AgentReachable");
  return json::Object{{"success", reachable},           {"server", name_of(server)},
                      {"agent", part(status, "agent")}, {"capacity", part(status, "capacity")},
                      {"usage", part(status, "usage")}, {"message", cli::condition_text(server, "AgentReachable")}};
}

json::Value server_outcome(const std::string& name, const std::vector<json::Value>& servers, const json::Value& app,
                           bool success) {
  json::Object outcome{{"name", name}, {"success", success}};
  const auto server =
      std::find_if(servers.begin(), servers.end(), [&](const auto& one) { return name_of(one) == name; });
  if (server == servers.end()) {
    outcome.set("success", false);
    outcome.set("error", "there is no such Server");
    return outcome;
  }
  outcome.set("ip", address_of(*server));
  if (success) return outcome;
  // It did not go well everywhere; here it did if an instance answers here.
  const auto& endpoints = array(status_of(app), "endpoints");
  const bool answers = std::any_of(endpoints.begin(), endpoints.end(), [&](const auto& one) {
    return one.bool_or("ready", false) && has_address(*server, one.string_or("address"));
  });
  outcome.set("success", answers);
  if (!answers) outcome.set("error", is_true(*server, "Ready") ? progress_text(app) : progress_text(*server));
  return outcome;
}

}  // namespace gantry::deploy
