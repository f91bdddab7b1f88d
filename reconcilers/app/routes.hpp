// From an App's spec.routes and its instances to what the router is asked to serve: pure, but for the certificates.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/object/kind.hpp"
#include "providers/router.hpp"
#include "providers/workload_host.hpp"

namespace gantry::reconcilers::app {

struct SeenAppRoutes {
  bool wanted = false;           // the spec has routes, and there is a router
  providers::AppRoutes target;   // as the spec says; the upstreams as the rollout says
  providers::SeenRoutes served;  // as the router says
  std::string missing;           // 'Secret "tls" does not exist': the rules of before stay
  bool leads_to(const std::string& instance) const;
  bool rules_differ() const { return served.rules_hash != providers::rules_hash(target); }
  // The newest rules cannot be served, and it is known why: only who serves is kept right.
  bool rules_held() const {
    return !missing.empty() || (!served.problem.empty() && served.problem_hash == providers::rules_hash(target));
  }
};

// The rules of spec.routes, certificates and origins read from where they are; missing tells what is not there.
Task<std::vector<providers::RouteRule>> rules_of(api::Client& client, const object::KindTable& kinds,
                                                 const json::Value& app, std::string ns, std::string& missing);

// For each backend that the rules name, where these instances serve it. Instances that have no such port are left out.
std::map<std::string, std::vector<providers::RouteUpstream>> upstreams_of(
    const std::vector<providers::RouteRule>& rules, const std::vector<const providers::Instance*>& serving);

// What differs between what is served and what should be, for people; nothing when they agree.
std::optional<std::string> difference(const SeenAppRoutes& routes);

}  // namespace gantry::reconcilers::app
