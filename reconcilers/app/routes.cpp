#include "reconcilers/app/routes.hpp"

#include <algorithm>
#include <set>

#include "controller/base/base64.hpp"
#include "controller/base/log.hpp"
#include "reconcilers/app/admission.hpp"
#include "reconcilers/app/environment.hpp"

namespace gantry::reconcilers::app {
namespace {

using providers::RouteRule;
using providers::RouteTls;
using providers::RouteUpstream;

std::vector<std::string> words_of(const json::Value& value, std::string_view field) {
  std::vector<std::string> words;
  const json::Value* list = value.find(field);
  if (!list || !list->is_array()) return words;
  for (const auto& word : list->as_array()) words.push_back(word.as_string());
  return words;
}

// "": the first.
std::string port_text(const json::Value* port) {
  if (!port) return {};
  return port->is_string() ? port->as_string() : std::to_string(port->as_int());
}

RouteTls::Mode mode_of(const json::Value& route) {
  const json::Value* mode = route.at({"tls", "mode"});
  const std::string word = mode && mode->is_string() ? mode->as_string() : "acme";
  if (word == "internal") return RouteTls::Mode::Internal;
  if (word == "secret") return RouteTls::Mode::Files;
  if (word == "none") return RouteTls::Mode::None;
  return RouteTls::Mode::Acme;
}

std::string decoded(const json::Value& secret, std::string_view key) {
  const json::Value* value = secret.at({"data", key});
  if (!value || !value->is_string()) return {};
  return base64_decode(value->as_string()).value_or(std::string());
}

Task<> read_certificate(api::Client& client, std::string ns, std::string name, RouteTls& tls, std::string& missing) {
  static const auto kSecrets = object::Resource::of("", "secrets");
  const auto stored = co_await client.find({kSecrets, ns, name});
  if (!stored) {
    missing = "Secret \"" + name + "\" does not exist (spec.routes, tls)";
    co_return;
  }
  const json::Value secret = stored->decode();
  tls.certificate = decoded(secret, "tls.crt");
  std::string key = decoded(secret, "tls.key");
  log::redact(key);
  tls.key = Secret(std::move(key));
  if (tls.certificate.empty() || tls.key.empty())
    missing = "Secret \"" + name + "\" has no tls.crt and tls.key (spec.routes, tls)";
}

// As an environment variable's value is found: that reads every kind of reference already.
Task<> read_origins(api::Client& client, const object::KindTable& kinds, const json::Value& app, std::string ns,
                    const json::Value& cors, std::vector<std::string>& origins, std::string& missing) {
  const json::Value* sources = cors.find("allowOriginsFrom");
  if (!sources || !sources->is_array()) co_return;
  for (const auto& source : sources->as_array()) {
    json::Array variables;
    variables.push_back(json::Object{{"name", "spec.routes, cors"}, {"valueFrom", source}});
    const json::Value asked = json::Object{{"env", std::move(variables)}};
    const Environment found = co_await resolve_environment(client, kinds, asked, app, ns);
    if (!found.missing.empty()) missing = found.missing.front();
    for (const auto& [name, value] : found.values) {
      if (is_origin(value.reveal())) {
        origins.push_back(value.reveal());
      } else {
        missing = "an allowed origin (" + name + ") is none: it must look like https://example.org";
      }
    }
  }
}

int port_of(const providers::Instance& instance, const std::string& backend) {
  for (const auto& port : instance.ports) {
    if (port.protocol != "TCP") continue;
    if (backend.empty() || port.name == backend || std::to_string(port.port) == backend) return port.host_port;
  }
  return 0;
}

std::set<std::string> names_of(const std::vector<RouteUpstream>& upstreams) {
  std::set<std::string> names;
  for (const auto& one : upstreams) names.insert(one.instance);
  return names;
}

}  // namespace

bool SeenAppRoutes::leads_to(const std::string& instance) const {
  return std::ranges::any_of(served.upstreams, [&](const providers::SeenUpstream& one) {
    return one.upstream.instance == instance && !one.draining;
  });
}

Task<std::vector<RouteRule>> rules_of(api::Client& client, const object::KindTable& kinds, const json::Value& app,
                                      std::string ns, std::string& missing) {
  std::vector<RouteRule> rules;
  const json::Value* routes = app.at({"spec", "routes"});
  if (!routes || !routes->is_array()) co_return rules;
  for (const auto& route : routes->as_array()) {
    RouteRule rule;
    rule.host = route.string_or("host");
    rule.path = route.string_or("path", "/");
    rule.backend = port_text(route.find("port"));
    rule.tls.mode = mode_of(route);
    if (const json::Value* name = route.at({"tls", "secretRef", "name"});
        name && rule.tls.mode == RouteTls::Mode::Files)
      co_await read_certificate(client, ns, name->as_string(), rule.tls, missing);
    if (const json::Value* cors = route.find("cors")) {
      rule.cors = providers::RouteCors{words_of(*cors, "allowOrigins"), words_of(*cors, "allowMethods"),
                                       words_of(*cors, "allowHeaders"), cors->bool_or("allowCredentials", false)};
      co_await read_origins(client, kinds, app, ns, *cors, rule.cors->origins, missing);
    }
    if (const json::Value* limit = route.find("rateLimit")) {
      rule.rate = static_cast<int>(limit->int_or("requestsPerSecond", 0));
      rule.burst = static_cast<int>(limit->int_or("burst", 0));
    }
    rules.push_back(std::move(rule));
  }
  co_return rules;
}

std::map<std::string, std::vector<RouteUpstream>> upstreams_of(const std::vector<RouteRule>& rules,
                                                               const std::vector<const providers::Instance*>& serving) {
  std::map<std::string, std::vector<RouteUpstream>> upstreams;
  for (const auto& rule : rules) {
    auto& list = upstreams[rule.backend];
    if (!list.empty()) continue;
    for (const providers::Instance* instance : serving) {
      if (const int port = port_of(*instance, rule.backend); port != 0)
        list.push_back({instance->id, port, instance->address, instance->tunnel});
    }
  }
  return upstreams;
}

std::optional<std::string> difference(const SeenAppRoutes& routes) {
  if (!routes.served.exists) return "the routes are not served yet";
  if (routes.rules_differ() && !routes.rules_held()) return "the routes have changed";
  if (routes.served.holds != routes.target.holds) return routes.target.holds ? "it is started" : "it is stopped";
  std::map<std::string, std::vector<RouteUpstream>> now;
  for (const auto& one : routes.served.upstreams) {
    if (!one.draining) now[one.backend].push_back(one.upstream);
  }
  const auto order = [](const RouteUpstream& a, const RouteUpstream& b) {
    return std::tie(a.instance, a.port, a.address) < std::tie(b.instance, b.port, b.address);
  };
  for (const auto& [backend, list] : routes.target.upstreams) {
    auto wanted = list;
    auto& have = now[backend];
    std::ranges::sort(wanted, order);
    std::ranges::sort(have, order);
    if (wanted == have) continue;
    std::string text;
    const auto add = [&](const std::string& words) { text += (text.empty() ? "" : ", ") + words; };
    const auto old_names = names_of(have);
    const auto new_names = names_of(wanted);
    for (const auto& name : new_names) {
      if (!old_names.contains(name)) add(name + " serves");
    }
    for (const auto& name : old_names) {
      if (!new_names.contains(name)) add(name + " gets no more requests");
    }
    if (!text.empty()) return text;
    for (auto* upstreams : {&wanted, &have}) {
      for (auto& one : *upstreams) one.tunnel.reset();
    }
    return wanted == have ? "the way to its Server has changed" : "a port has changed";
  }
  return std::nullopt;
}

}  // namespace gantry::reconcilers::app
