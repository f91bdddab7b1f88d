#include <openssl/evp.h>

#include <array>

#include "controller/base/error.hpp"
#include "providers/caddy/caddy_config.hpp"

namespace gantry::providers {
namespace {

using Mode = RouteTls::Mode;
constexpr std::array<std::pair<Mode, std::string_view>, 4> kModes{
    {{Mode::Acme, "acme"}, {Mode::Internal, "internal"}, {Mode::Files, "files"}, {Mode::None, "none"}}};

json::Array words(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }

std::vector<std::string> texts(const json::Value& value, std::string_view field) {
  std::vector<std::string> out;
  const json::Value* list = value.find(field);
  if (!list) return out;
  for (const auto& word : list->as_array()) out.push_back(word.as_string());
  return out;
}

std::string digest(const std::string& text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(text.data(), text.size(), bytes, &length, EVP_sha256(), nullptr);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    hex += kHex[bytes[i] >> 4];
    hex += kHex[bytes[i] & 15];
  }
  return hex;
}

json::Value rule_json(const RouteRule& rule) {
  json::Object tls;
  for (const auto& [mode, word] : kModes) {
    if (rule.tls.mode == mode) tls.set("mode", word);
  }
  if (rule.tls.mode == Mode::Files) {
    tls.set("certificate", rule.tls.certificate);
    tls.set("key", rule.tls.key.reveal());
  }
  json::Object value{{"host", rule.host}, {"path", rule.path}, {"backend", rule.backend}, {"tls", std::move(tls)}};
  if (rule.cors) {
    value.set("cors", json::Object{{"origins", words(rule.cors->origins)},
                                   {"methods", words(rule.cors->methods)},
                                   {"headers", words(rule.cors->headers)},
                                   {"credentials", rule.cors->credentials}});
  }
  if (rule.rate > 0) {
    value.set("rate", rule.rate);
    value.set("burst", rule.burst);
  }
  return value;
}

json::Array rules_json(const AppRoutes& routes) {
  json::Array rules;
  for (const auto& rule : routes.rules) rules.push_back(rule_json(rule));
  return rules;
}

RouteRule read_rule(const json::Value& value) {
  RouteRule rule;
  rule.host = value.string_or("host");
  rule.path = value.string_or("path", "/");
  rule.backend = value.string_or("backend");
  if (const json::Value* tls = value.find("tls")) {
    for (const auto& [mode, word] : kModes) {
      if (tls->string_or("mode") == word) rule.tls.mode = mode;
    }
    rule.tls.certificate = tls->string_or("certificate");
    rule.tls.key = Secret(tls->string_or("key"));
  }
  if (const json::Value* cors = value.find("cors")) {
    rule.cors = RouteCors{texts(*cors, "origins"), texts(*cors, "methods"), texts(*cors, "headers"),
                          cors->bool_or("credentials", false)};
  }
  rule.rate = static_cast<int>(value.int_or("rate", 0));
  rule.burst = static_cast<int>(value.int_or("burst", 0));
  return rule;
}

}  // namespace

std::string rules_hash(const AppRoutes& routes) { return digest(json::dump(rules_json(routes))); }

namespace caddy {

json::Value to_json(const AppRoutes& routes) {
  json::Object upstreams;
  for (const auto& [backend, list] : routes.upstreams) {
    json::Array array;
    for (const auto& one : list) {
      json::Object value{{"instance", one.instance}, {"port", one.port}, {"address", one.address}};
      if (one.tunnel) value.set("tunnel", relay::to_json(*one.tunnel));
      array.push_back(std::move(value));
    }
    upstreams.set(backend, std::move(array));
  }
  return json::Object{{"uid", routes.app_uid},       {"namespace", routes.app_namespace},
                      {"name", routes.app_name},     {"created", format_time(routes.created)},
                      {"rules", rules_json(routes)}, {"upstreams", std::move(upstreams)},
                      {"holds", routes.holds}};
}

AppRoutes read_routes(const json::Value& json) {
  AppRoutes routes;
  routes.app_uid = json.string_or("uid");
  routes.app_namespace = json.string_or("namespace");
  routes.app_name = json.string_or("name");
  if (const std::string created = json.string_or("created"); !created.empty()) routes.created = parse_time(created);
  routes.holds = json.bool_or("holds", true);
  const json::Value* rules = json.find("rules");
  const json::Value* upstreams = json.find("upstreams");
  if (routes.app_uid.empty() || !rules || !upstreams)
    throw Error(ErrorCode::Invalid, "an App's route file has uid, rules and upstreams");
  for (const auto& rule : rules->as_array()) routes.rules.push_back(read_rule(rule));
  for (const auto& [backend, list] : upstreams->as_object()) {
    auto& into = routes.upstreams[backend];
    for (const auto& one : list.as_array())
      into.push_back({one.string_or("instance"), static_cast<int>(one.int_or("port", 0)),
                      one.string_or("address", "127.0.0.1"), relay::read_way(one.find("tunnel"))});
  }
  return routes;
}

}  // namespace caddy
}  // namespace gantry::providers
