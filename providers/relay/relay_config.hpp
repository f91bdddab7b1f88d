// What the relay is told: which backend stands behind a route, and which instances serve it. Data only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::providers::relay {

struct Upstream {
  std::string id;  // of the instance
  int port = 0;
  std::string address = "127.0.0.1";  // a number, not a name: nothing is looked up at a request
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
  bool operator==(const Config&) const = default;
};

// Throws Error(Invalid) when it is not a configuration.
Config read_config(const json::Value& json);
json::Value to_json(const Config& config);

}  // namespace gantry::providers::relay
