#include "providers/caddy/route_conflict.hpp"

#include <algorithm>
#include <tuple>

namespace gantry::providers::caddy {
namespace {

using Mode = RouteTls::Mode;

std::string path_of(const RouteRule& rule) {
  std::string path = rule.path;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

bool same_route(const RouteRule& a, const RouteRule& b) { return a.host == b.host && path_of(a) == path_of(b); }

// A name has one kind of certificate.
bool other_certificate(const RouteRule& a, const RouteRule& b) {
  return a.host == b.host && a.tls.mode != Mode::None && b.tls.mode != Mode::None && a.tls.mode != b.tls.mode;
}

}  // namespace

bool is_older(const AppRoutes& a, const AppRoutes& b) {
  return std::tie(a.created, a.app_uid) < std::tie(b.created, b.app_uid);
}

std::optional<std::string> find_conflict(const AppRoutes& mine, const AppRoutes& theirs) {
  const std::string name = "App " + theirs.app_namespace + "/" + theirs.app_name + ", which is older, ";
  for (const auto& rule : mine.rules) {
    for (const auto& other : theirs.rules) {
      if (same_route(rule, other))
        return name + "has " + rule.host + path_of(rule) + " already; take another path or name";
      if (other_certificate(rule, other))
        return name + "serves " + rule.host + " with another kind of certificate; a name has one";
    }
  }
  return std::nullopt;
}

bool yield_rules(AppRoutes& theirs, const AppRoutes& mine) {
  return std::erase_if(theirs.rules, [&](const RouteRule& rule) {
           return std::ranges::any_of(mine.rules, [&](const RouteRule& other) {
             return same_route(rule, other) || other_certificate(rule, other);
           });
         }) > 0;
}

}  // namespace gantry::providers::caddy
