#include "providers/relay/relay_config.hpp"

#include "controller/base/error.hpp"

namespace gantry::providers::relay {
namespace {

int port_in(const json::Value& json, const std::string& whose) {
  const auto port = json.int_or("port", 0);
  if (port < 1 || port > 65535)
    throw Error(ErrorCode::Invalid, "the port of " + whose + " is not one: " + std::to_string(port));
  return static_cast<int>(port);
}

}  // namespace

std::optional<TunnelWay> read_way(const json::Value* json) {
  if (!json) return std::nullopt;
  TunnelWay way{port_in(*json, "a tunnel"), json->string_or("peer"), json->string_or("ca"), json->string_or("pin"),
                json->bool_or("required", false)};
  // Without either, whoever the system trusts could be that Server.
  if (way.ca.empty() && way.pin.empty())
    throw Error(ErrorCode::Invalid, "a tunnel's end is known by ca or pin; this one has neither");
  return way;
}

json::Value to_json(const TunnelWay& way) {
  return json::Object{
      {"port", way.port}, {"peer", way.peer}, {"ca", way.ca}, {"pin", way.pin}, {"required", way.required}};
}

Config read_config(const json::Value& json) {
  const json::Value* routes = json.find("routes");
  const json::Value* backends = json.find("backends");
  if (!routes || !backends) throw Error(ErrorCode::Invalid, "a relay's configuration has routes and backends");
  Config config;
  for (const auto& [key, value] : routes->as_object()) {
    config.routes[key] = {value.string_or("backend"), static_cast<int>(value.int_or("rate", 0)),
                          static_cast<int>(value.int_or("burst", 0))};
  }
  for (const auto& [key, value] : backends->as_object()) {
    Backend& backend = config.backends[key];
    backend.holds = value.bool_or("holds", true);
    const json::Value* upstreams = value.find("upstreams");
    if (!upstreams) continue;
    for (const auto& upstream : upstreams->as_array()) {
      const std::string id = upstream.string_or("id");
      const int port = port_in(upstream, id);
      backend.upstreams.push_back(
          {id, port, upstream.string_or("address", "127.0.0.1"), read_way(upstream.find("tunnel"))});
    }
  }
  if (const json::Value* identity = json.find("identity"))
    config.identity = {identity->string_or("certificate"), identity->string_or("key")};
  return config;
}

json::Value to_json(const Config& config) {
  json::Object routes;
  for (const auto& [key, route] : config.routes) {
    json::Object value{{"backend", route.backend}};
    if (route.rate > 0) {
      value.set("rate", route.rate);
      value.set("burst", route.burst);
    }
    routes.set(key, std::move(value));
  }
  json::Object backends;
  for (const auto& [key, backend] : config.backends) {
    json::Array upstreams;
    for (const auto& upstream : backend.upstreams) {
      json::Object value{{"id", upstream.id}, {"port", upstream.port}, {"address", upstream.address}};
      if (upstream.tunnel) value.set("tunnel", to_json(*upstream.tunnel));
      upstreams.push_back(std::move(value));
    }
    backends.set(key, json::Object{{"upstreams", std::move(upstreams)}, {"holds", backend.holds}});
  }
  json::Object value{{"routes", std::move(routes)}, {"backends", std::move(backends)}};
  if (!config.identity.certificate.empty())
    value.set("identity", json::Object{{"certificate", config.identity.certificate}, {"key", config.identity.key}});
  return value;
}

}  // namespace gantry::providers::relay
