// What the relay is told: which backend stands behind a route, and which instances serve it. Data only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "providers/tunnel_way.hpp"

namespace gantry::providers::relay {

// What a relay shows at a tunnel's end: PEM.
struct RelayIdentity {
  std::string certificate;
  std::string key;
  bool operator==(const RelayIdentity&) const = default;
};

struct Upstream {
  std::string id;  // of the instance
  int port = 0;
  std::string address = "127.0.0.1";  // a number, not a name: nothing is looked up at a request
  std::optional<TunnelWay> tunnel = {};
  bool operator==(const Upstream&) const = default;
};

struct Backend {
  std::vector<Upstream> upstreams;
  // Requests wait a while for the first instance, as between the old one and the new one of a Recreate. Not when the
  // App is meant to be down.
  bool holds = true;
  bool operator==(const Backend&) const = default;
};

struct Route {
  std::string backend;
  int rate = 0;   // requests a second and client; 0: no limit
  int burst = 0;  // beyond that at once
  bool operator==(const Route&) const = default;
};

struct Config {
  std::map<std::string, Route> routes;
  std::map<std::string, Backend> backends;
  RelayIdentity identity = {};  // empty: no tunnel opens
  bool operator==(const Config&) const = default;
};

// Throws Error(Invalid) when it is not a configuration.
Config read_config(const json::Value& json);
json::Value to_json(const Config& config);
std::optional<TunnelWay> read_way(const json::Value* json);  // null: none
json::Value to_json(const TunnelWay& way);

}  // namespace gantry::providers::relay
