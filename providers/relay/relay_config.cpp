#include "providers/relay/relay_config.hpp"

#include "controller/base/error.hpp"

namespace gantry::providers::relay {

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
      const auto port = upstream.int_or("port", 0);
      if (port < 1 || port > 65535) {
        throw Error(ErrorCode::Invalid,
                    "the port of " + upstream.string_or("id") + " is not one: " + std::to_string(port));
      }
      backend.upstreams.push_back(
          {upstream.string_or("id"), static_cast<int>(port), upstream.string_or("address", "127.0.0.1")});
    }
  }
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
    for (const auto& upstream : backend.upstreams)
      upstreams.push_back(json::Object{{"id", upstream.id}, {"port", upstream.port}, {"address", upstream.address}});
    backends.set(key, json::Object{{"upstreams", std::move(upstreams)}, {"holds", backend.holds}});
  }
  return json::Object{{"routes", std::move(routes)}, {"backends", std::move(backends)}};
}

}  // namespace gantry::providers::relay
