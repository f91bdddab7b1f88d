// Caddy's whole configuration from the routes of all Apps: pure, and the same text for the same routes. Also the
// relay's, and the form in which an App's routes are kept in a file.
#pragma once

#include <map>
#include <string>

#include "providers/relay/relay_config.hpp"
#include "providers/router.hpp"

namespace gantry::providers::caddy {

struct CaddyOptions {
  int http_port = 80;
  int https_port = 443;
  std::string admin_socket;    // absolute path
  std::string relay_socket;    // absolute path
  std::string storage_folder;  // certificates and accounts
  std::string acme_email;
  std::string acme_directory;        // empty: Let's Encrypt
  std::string acme_trusted_ca_file;  // for a directory whose own certificate nobody else trusts
  bool stream_close_delay = false;   // this Caddy knows it (2.7 and later)
};

// By App uid.
using AllRoutes = std::map<std::string, AppRoutes>;

json::Value render_caddy(const AllRoutes& apps, const CaddyOptions& options);
relay::Config render_relay(const AllRoutes& apps);

// The name under which Caddy tells the relay what a request is for.
std::string route_key(const AppRoutes& app, const RouteRule& rule);

json::Value to_json(const AppRoutes& routes);
// Throws Error(Invalid).
AppRoutes read_routes(const json::Value& json);

}  // namespace gantry::providers::caddy
