#include "providers/caddy/caddy_config.hpp"

#include <algorithm>
#include <set>

#include "providers/relay/request_head.hpp"

namespace gantry::providers::caddy {
namespace {

using json::Array;
using json::Object;
using json::Value;
using Mode = RouteTls::Mode;

Array words(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }
Array one(Value value) {
  Array array;
  array.push_back(std::move(value));
  return array;
}

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const auto& word : list) text += (text.empty() ? "" : ", ") + word;
  return text;
}

bool everybody(const RouteCors& cors) { return std::ranges::find(cors.origins, "*") != cors.origins.end(); }

Object set_headers(std::initializer_list<std::pair<std::string_view, std::string>> headers) {
  Object set;
  for (const auto& [name, value] : headers) {
    if (!value.empty()) set.set(name, one(value));
  }
  return set;
}

Object origin_matcher(const RouteCors& cors) {
  // A request without an Origin is no cross-origin request; "*" in a header matcher is: present, whatever it says.
  return {{"header", Object{{"Origin", everybody(cors) ? one("*") : words(cors.origins)}}}};
}

// A preflight is answered here and never reaches the App; an answer to a cross-origin request gets its headers. What
// the App says about CORS itself is replaced: two opinions are refused by browsers.
Array cors_handlers(const RouteCors& cors) {
  const std::string origin = everybody(cors) && !cors.credentials ? "*" : "{http.request.header.Origin}";
  const std::string credentials = cors.credentials ? "true" : "";
  Object allowed = set_headers(
      {{"Access-Control-Allow-Origin", origin},
       {"Access-Control-Allow-Methods",
        cors.methods.empty() ? "GET, HEAD, POST, PUT, PATCH, DELETE" : joined(cors.methods)},
       {"Access-Control-Allow-Headers",
        cors.headers.empty() ? "{http.request.header.Access-Control-Request-Headers}" : joined(cors.headers)},
       {"Access-Control-Allow-Credentials", credentials},
       {"Access-Control-Max-Age", "600"},
       {"Vary", "Origin"}});
  Object preflight = origin_matcher(cors);
  preflight.set("method", one("OPTIONS"));
  preflight.find("header")->as_object().set("Access-Control-Request-Method", one("*"));
  Object stranger{{"method", one("OPTIONS")},
                  {"header", Object{{"Access-Control-Request-Method", one("*")}, {"Origin", one("*")}}}};

  Array routes;
  routes.push_back(Object{
      {"match", one(std::move(preflight))},
      {"handle", one(Object{{"handler", "static_response"}, {"status_code", 204}, {"headers", std::move(allowed)}})},
      {"terminal", true}});
  routes.push_back(Object{{"match", one(std::move(stranger))},
                          {"handle", one(Object{{"handler", "static_response"},
                                                {"status_code", 403},
                                                {"headers", set_headers({{"Vary", "Origin"}})},
                                                {"body", "this origin may not use this address\n"}})},
                          {"terminal", true}});
  Object response{{"deferred", true},
                  {"set", set_headers({{"Access-Control-Allow-Origin", origin},
                                       {"Access-Control-Allow-Credentials", credentials}})},
                  {"add", set_headers({{"Vary", "Origin"}})}};
  routes.push_back(Object{{"match", one(origin_matcher(cors))},
                          {"handle", one(Object{{"handler", "headers"}, {"response", std::move(response)}})}});
  return routes;
}

Object proxy(const AppRoutes& app, const RouteRule& rule, const CaddyOptions& options) {
  Object set;
  set.set(relay::kRouteHeader, one(route_key(app, rule)));
  set.set(relay::kClientHeader, one("{http.request.remote.host}"));
  // One connection is one request: see relay.hpp. Should the relay be started anew just now, requests wait for it.
  Object handler{{"handler", "reverse_proxy"},
                 {"upstreams", one(Object{{"dial", "unix/" + options.relay_socket}})},
                 {"headers", Object{{"request", Object{{"set", std::move(set)}}}}},
                 {"load_balancing", Object{{"try_duration", "10s"}, {"try_interval", "50ms"}}},
                 {"transport", Object{{"protocol", "http"}, {"keep_alive", Object{{"enabled", false}}}}}};
  if (options.stream_close_delay) handler.set("stream_close_delay", "24h");
  return handler;
}

Value route(const AppRoutes& app, const RouteRule& rule, const CaddyOptions& options) {
  Object match{{"host", one(rule.host)}};
  if (rule.path != "/") {
    const std::string path = rule.path.ends_with('/') ? rule.path.substr(0, rule.path.size() - 1) : rule.path;
    match.set("path", words({path, path + "/*"}));
  }
  Array handle;
  if (rule.cors) handle.push_back(Object{{"handler", "subroute"}, {"routes", cors_handlers(*rule.cors)}});
  handle.push_back(proxy(app, rule, options));
  return Object{{"match", one(std::move(match))}, {"handle", std::move(handle)}, {"terminal", true}};
}

struct Placed {
  const AppRoutes* app;
  const RouteRule* rule;
};

// Whole names before wildcards, long paths before short ones; the rest only so that the order is always the same.
std::vector<Placed> in_order(const AllRoutes& apps) {
  std::vector<Placed> all;
  for (const auto& [uid, app] : apps) {
    for (const auto& rule : app.rules) all.push_back({&app, &rule});
  }
  std::stable_sort(all.begin(), all.end(), [](const Placed& a, const Placed& b) {
    const bool a_wild = a.rule->host.starts_with('*');
    const bool b_wild = b.rule->host.starts_with('*');
    if (a_wild != b_wild) return b_wild;
    if (a_wild && a.rule->host.size() != b.rule->host.size()) return a.rule->host.size() > b.rule->host.size();
    if (a.rule->host != b.rule->host) return a.rule->host < b.rule->host;
    if (a.rule->path.size() != b.rule->path.size()) return a.rule->path.size() > b.rule->path.size();
    return a.rule->path < b.rule->path;
  });
  return all;
}

Value nobody() {
  return Object{{"handle", one(Object{{"handler", "static_response"},
                                      {"status_code", 404},
                                      {"body", "no App is served under this name\n"}})}};
}

Value redirect(const std::set<std::string>& hosts, int https_port) {
  const std::string port = https_port == 443 ? "" : ":" + std::to_string(https_port);
  return Object{{"match", one(Object{{"host", words({hosts.begin(), hosts.end()})}})},
                {"handle", one(Object{{"handler", "static_response"},
                                      {"status_code", 308},
                                      {"headers", set_headers({{"Location", "https://{http.request.host}" + port +
                                                                                "{http.request.uri}"}})}})},
                {"terminal", true}};
}

Value issuer(Mode mode, const CaddyOptions& options) {
  if (mode == Mode::Internal) return Object{{"module", "internal"}};
  Object acme{{"module", "acme"}};
  if (!options.acme_email.empty()) acme.set("email", options.acme_email);
  if (!options.acme_directory.empty()) acme.set("ca", options.acme_directory);
  if (!options.acme_trusted_ca_file.empty()) acme.set("trusted_roots_pem_files", one(options.acme_trusted_ca_file));
  // Caddy answers challenges where it listens; the CA always comes to 80 and 443.
  acme.set("challenges", Object{{"http", Object{{"alternate_port", options.http_port}}},
                                {"tls-alpn", Object{{"alternate_port", options.https_port}}}});
  return acme;
}

Value tls(const std::vector<Placed>& all, const CaddyOptions& options) {
  std::map<Mode, std::set<std::string>> hosts;
  Array files;
  for (const auto& [app, rule] : all) {
    if (!hosts[rule->tls.mode].insert(rule->host).second || rule->tls.mode != Mode::Files) continue;
    files.push_back(Object{{"certificate", rule->tls.certificate}, {"key", rule->tls.key.reveal()}});
  }
  Array policies;
  std::vector<std::string> automatic;
  for (const Mode mode : {Mode::Acme, Mode::Internal}) {
    if (hosts[mode].empty()) continue;
    const std::vector<std::string> names(hosts[mode].begin(), hosts[mode].end());
    automatic.insert(automatic.end(), names.begin(), names.end());
    policies.push_back(Object{{"subjects", words(names)}, {"issuers", one(issuer(mode, options))}});
  }
  Object certificates;
  if (!automatic.empty()) certificates.set("automate", words(automatic));
  if (!files.empty()) certificates.set("load_pem", std::move(files));
  Object app{{"certificates", std::move(certificates)}};
  if (!policies.empty()) app.set("automation", Object{{"policies", std::move(policies)}});
  return app;
}

}  // namespace

std::string route_key(const AppRoutes& app, const RouteRule& rule) { return app.app_uid + "/" + rule.host + rule.path; }

Value render_caddy(const AllRoutes& apps, const CaddyOptions& options) {
  const auto all = in_order(apps);
  Array plain;
  Array encrypted;
  std::set<std::string> redirected;
  for (const auto& [app, rule] : all) {
    if (rule->tls.mode != Mode::None) redirected.insert(rule->host);
  }
  // A name that has both is served plainly only where a rule says so; everything else of it is sent to HTTPS.
  for (const auto& [app, rule] : all) {
    (rule->tls.mode == Mode::None ? plain : encrypted).push_back(route(*app, *rule, options));
  }
  if (!redirected.empty()) plain.push_back(redirect(redirected, options.https_port));
  plain.push_back(nobody());
  const Array protocols = words({"h1", "h2"});
  Object servers;
  servers.set("http", Object{{"listen", one(":" + std::to_string(options.http_port))},
                             {"automatic_https", Object{{"disable", true}}},
                             {"protocols", protocols},
                             {"routes", std::move(plain)}});
  if (!encrypted.empty()) {
    encrypted.push_back(nobody());
    servers.set("https", Object{{"listen", one(":" + std::to_string(options.https_port))},
                                {"automatic_https", Object{{"disable", true}}},
                                {"tls_connection_policies", one(Object{})},
                                {"protocols", protocols},
                                {"routes", std::move(encrypted)}});
  }
  Object http{{"http_port", options.http_port}, {"https_port", options.https_port}, {"servers", std::move(servers)}};
  Object logs{{"default", Object{{"level", "INFO"}, {"exclude", words({"admin", "http.stdlib"})}}}};
  return Object{
      {"admin", Object{{"listen", "unix/" + options.admin_socket},
                       {"origins", one("localhost")},
                       {"config", Object{{"persist", false}}}}},
      {"logging", Object{{"logs", std::move(logs)}}},
      {"storage", Object{{"module", "file_system"}, {"root", options.storage_folder}}},
      {"apps", Object{{"http", std::move(http)},
                      {"tls", tls(all, options)},
                      {"pki", Object{{"certificate_authorities",
                                      Object{{"local", Object{{"name", "Gantry"}, {"install_trust", false}}}}}}}}}};
}

relay::Config render_relay(const AllRoutes& apps) {
  relay::Config config;
  for (const auto& [uid, app] : apps) {
    for (const auto& rule : app.rules)
      config.routes[route_key(app, rule)] = {uid + "/" + rule.backend, rule.rate, rule.burst};
    for (const auto& [name, upstreams] : app.upstreams) {
      relay::Backend& backend = config.backends[uid + "/" + name];
      backend.holds = app.holds;
      for (const auto& upstream : upstreams)
        backend.upstreams.push_back({upstream.instance, upstream.port, upstream.address, upstream.tunnel});
    }
    // A backend that nobody serves yet is there all the same: its requests wait.
    for (const auto& rule : app.rules) config.backends[uid + "/" + rule.backend].holds = app.holds;
  }
  return config;
}

}  // namespace gantry::providers::caddy
