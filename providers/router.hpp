// What brings requests from outside to the instances of Apps: names, certificates, CORS, limits, and who serves.
// One for a machine, shared by all its Apps. What was set is durable, and served on without us; a router that is killed
// comes back with it.
// Runs on the loop's reactor; every call may be repeated; throws Error.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"
#include "controller/base/secret.hpp"
#include "controller/base/task.hpp"
#include "providers/tunnel_way.hpp"

namespace gantry::providers {

struct RouteTls {
  enum class Mode { Acme, Internal, Files, None };
  Mode mode = Mode::Acme;
  std::string certificate;  // Files: PEM, the chain
  Secret key;               // Files: PEM
};

struct RouteCors {
  std::vector<std::string> origins;  // "*": everybody
  std::vector<std::string> methods;
  std::vector<std::string> headers;
  bool credentials = false;
};

struct RouteRule {
  std::string host;        // api.example.org or *.example.org
  std::string path = "/";  // a prefix, whole segments
  std::string backend;     // which of the App's backends: the name of a port
  RouteTls tls;
  std::optional<RouteCors> cors;
  int rate = 0;  // requests a second and client; 0: no limit
  int burst = 0;
};

struct RouteUpstream {
  std::string instance;
  int port = 0;
  std::string address = "127.0.0.1";
  std::optional<TunnelWay> tunnel = {};  // requests go through it once it has worked
  bool operator==(const RouteUpstream&) const = default;
};

struct AppRoutes {
  std::string app_uid;
  std::string app_namespace;
  std::string app_name;
  WallTime created{};  // of two Apps that ask for the same route the older one has it
  std::vector<RouteRule> rules;
  // The rules of before go on, whatever is in `rules`: only who serves is new.
  bool keep_rules = false;
  std::map<std::string, std::vector<RouteUpstream>> upstreams;  // by backend
  // Requests wait a moment while no instance is there. False: the App is meant to be down.
  bool holds = true;
};

// The rules alone, without who serves: changes when the outside would see a change. Secrets go in as a digest.
std::string rules_hash(const AppRoutes& routes);

struct SeenUpstream {
  std::string backend;
  RouteUpstream upstream;
  int in_flight = 0;
  std::optional<Duration> draining;  // since when it gets no new requests
  bool encrypted = false;            // requests go through a tunnel, or not at all
  std::string tunnel_problem = {};   // why the tunnel does not open
};

struct RouteCheck {
  std::string host;
  std::string path;
  std::optional<bool> certificate;  // the proxy shows one for the name; absent: not known yet, or none is asked for
  std::string certificate_message;
  std::optional<bool> cors;  // a real preflight was answered as it should be; absent: not asked
  std::string cors_message;
};

struct SeenRoutes {
  bool exists = false;     // rules of this App are loaded
  bool holds = true;       // as AppRoutes::holds
  std::string rules_hash;  // of those that are loaded
  std::vector<SeenUpstream> upstreams;
  std::vector<RouteCheck> checks;
  // Why the newest rules are not served although they were set; what was served before goes on. problem_hash are
  // theirs.
  std::string problem;
  std::string problem_hash;
  // Why nothing can be served at all (no Caddy here, a port is taken); empty when all is well.
  std::string down;
};

class Router {
 public:
  virtual ~Router() = default;

  virtual Task<SeenRoutes> observe(std::string app_uid) = 0;
  // Nothing happens for rules that are to be kept when there are none.
  // Error(Invalid) when the proxy refuses these rules, or an older App has one of the routes: those before go on, but
  // who serves is as asked all the same.
  virtual Task<> set(AppRoutes routes) = 0;
  virtual Task<> remove(std::string app_uid) = 0;

  // Where a rule is reached: https://api.example.org:8443/v1.
  virtual std::string url_of(const RouteRule& rule) const = 0;
  // What limits rates here, for status: people must know what they rely on.
  virtual std::string rate_limiter() const = 0;

  // Called on the loop's reactor after something about an App's routes changed by itself.
  using OnChange = std::function<void(const std::string& app_uid)>;
  virtual void on_change(OnChange callback) = 0;
};

}  // namespace gantry::providers
