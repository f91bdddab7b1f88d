// Asks the proxy what a browser would ask: is there a certificate for this name, and is a preflight answered as
// declared? From this machine, through the real listener.
#pragma once

#include "controller/base/reactor.hpp"
#include "providers/router.hpp"

namespace gantry::providers::caddy {

struct CheckTarget {
  int http_port = 80;
  int https_port = 443;
  // PEM of the authority that must have signed: Caddy's own for internal ones. Empty with `verify`: the system's trust.
  std::string authority;
  bool verify = false;
};

// Does not throw: whatever goes wrong is a finding.
Task<RouteCheck> check_route(Reactor& reactor, RouteRule rule, CheckTarget target);

}  // namespace gantry::providers::caddy
