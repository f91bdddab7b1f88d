// The routes' part of an App's attempt: seen before the instances (what serves decides what may stop), planned before
// them (who is taken off the routes goes off first), reported with them.
#include <algorithm>
#include <map>
#include <set>

#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

using runtime::Action;
using runtime::Condition;
using Verb = runtime::Action::Verb;
using Mode = providers::RouteTls::Mode;

std::string hosts_of(const std::vector<providers::RouteRule>& rules) {
  std::vector<std::string> hosts;
  for (const auto& rule : rules) {
    if (std::ranges::find(hosts, rule.host) == hosts.end()) hosts.push_back(rule.host);
  }
  if (hosts.empty()) return "routes";
  return hosts.front() + (hosts.size() > 1 ? " and " + std::to_string(hosts.size() - 1) + " more" : "");
}

json::Value serving_json(const std::map<std::string, std::vector<providers::RouteUpstream>>& upstreams) {
  json::Object value;
  for (const auto& [backend, list] : upstreams) {
    json::Array names;
    for (const auto& one : list) names.emplace_back(one.instance);
    value.set(backend.empty() ? "first port" : backend, std::move(names));
  }
  return value;
}

std::string_view mode_word(Mode mode) {
  switch (mode) {
    case Mode::Acme:
      return "acme";
    case Mode::Internal:
      return "internal";
    case Mode::Files:
      return "secret";
    case Mode::None:
      break;
  }
  return "none";
}

const providers::RouteCheck* check_of(const SeenAppRoutes& routes, const providers::RouteRule& rule) {
  const auto at = std::ranges::find_if(
      routes.served.checks, [&](const auto& check) { return check.host == rule.host && check.path == rule.path; });
  return at == routes.served.checks.end() ? nullptr : &*at;
}

bool is_here(const std::string& address) {
  return address.starts_with("127.") || address == "::1" || address == "localhost";
}

// Where requests leave this machine: what of that is not encrypted, and why. Empty: all is.
std::string in_plain(const AppSeen& seen) {
  std::map<std::string, std::string> ways;
  for (const auto& one : seen.routes.served.upstreams) {
    const std::string& address = one.upstream.address;
    if (one.encrypted || one.draining || is_here(address)) continue;
    std::string why = one.tunnel_problem;
    if (!why.empty())
      why = "its tunnel on port " + std::to_string(one.upstream.tunnel ? one.upstream.tunnel->port : 0) +
            " does not open: " + why;
    for (const auto& known : seen.instances) {
      if (why.empty() && known.instance.id == one.upstream.instance) why = known.instance.plain_because;
    }
    ways[address] = std::move(why);
  }
  std::string words;
  for (const auto& [address, why] : ways)
    words += "; the way from here to " + address + " is not encrypted" + (why.empty() ? "" : " (" + why + ")");
  return words;
}

// A tunnel that has worked and does not any more: nothing goes there in plain instead.
std::string closed_tunnels(const SeenAppRoutes& routes, bool& all) {
  std::map<std::string, std::string> closed;
  all = true;
  for (const auto& one : routes.served.upstreams) {
    if (one.draining) continue;
    const bool shut = one.encrypted && !one.tunnel_problem.empty();
    all = all && shut;
    if (shut) closed[one.upstream.address] = one.tunnel_problem;
  }
  std::string words;
  for (const auto& [address, why] : closed)
    words += (words.empty() ? "" : "; ") + ("the tunnel to " + address + " does not open: ") + why;
  return words;
}

Condition certificates(const SeenAppRoutes& routes) {
  std::string waiting;
  int shown = 0;
  int wanted = 0;
  for (const auto& rule : routes.target.rules) {
    if (rule.tls.mode == Mode::None) continue;
    ++wanted;
    const auto* check = check_of(routes, rule);
    if (!check || !check->certificate) {
      waiting = rule.host;
    } else if (!*check->certificate) {
      return {"CertificateReady", "False", "NoCertificate", rule.host + ": " + check->certificate_message};
    } else {
      ++shown;
    }
  }
  if (wanted == 0) return {};
  if (shown < wanted)
    return {"CertificateReady", "Unknown", "NotAskedYet", "the certificate of " + waiting + " is being looked at"};
  return {"CertificateReady", "True", "CertificateShown",
          "certificates for " + std::to_string(wanted) + (wanted == 1 ? " route are" : " routes are") + " shown"};
}

Condition cors(const SeenAppRoutes& routes) {
  bool wanted = false;
  bool waiting = false;
  for (const auto& rule : routes.target.rules) {
    if (!rule.cors) continue;
    wanted = true;
    const auto* check = check_of(routes, rule);
    waiting = waiting || !check || !check->cors;
    if (check && check->cors == false)
      return {"CORSVerified", "False", "PreflightFailed", rule.host + rule.path + ": " + check->cors_message};
  }
  if (!wanted) return {};
  if (waiting) return {"CORSVerified", "Unknown", "NotAskedYet", "no preflight has been made yet"};
  return {"CORSVerified", "True", "PreflightAnswered", "real preflights were answered as declared"};
}

}  // namespace

Task<> AppReconciler::observe_routes(const runtime::Subject& subject, AppSeen& seen) {
  if (!parts_.router) co_return;
  SeenAppRoutes& routes = seen.routes;
  routes.served = co_await parts_.router->observe(subject.meta().uid);
  const json::Value* list = subject.json.at({"spec", "routes"});
  routes.wanted = !subject.meta().deleting && list && list->is_array() && !list->as_array().empty();
  if (!routes.wanted) co_return;
  routes.target.app_uid = subject.meta().uid;
  routes.target.app_namespace = subject.key().ns;
  routes.target.app_name = subject.key().name;
  if (const json::Value* created = subject.json.at({"metadata", "creationTimestamp"}))
    routes.target.created = parse_time(created->as_string());
  routes.target.holds = !stopped(subject.json);
  routes.target.rules = co_await rules_of(parts_.client, parts_.kinds, subject.json, subject.key().ns, routes.missing);
}

// What the router knows of each instance. Where nothing can be known, whoever could serve is taken to serve: nobody is
// stopped under a request.
void AppReconciler::mark_served(AppSeen& seen) const {
  const SeenAppRoutes& routes = seen.routes;
  if (!routes.wanted) return;
  seen.target.routed = routes.served.exists || !routes.served.down.empty();
  for (auto& one : seen.instances) {
    if (!routes.served.down.empty()) {
      one.replica.serving = routes.served.exists;
      continue;
    }
    for (const auto& upstream : routes.served.upstreams) {
      if (upstream.upstream.instance != one.instance.id) continue;
      one.replica.serving = one.replica.serving || !upstream.draining;
      one.replica.in_flight += upstream.in_flight;
      one.replica.draining = std::max(one.replica.draining, upstream.draining.value_or(Duration::zero()));
    }
  }
}

void AppReconciler::choose_served(AppSeen& seen) const {
  if (!seen.routes.wanted) return;
  std::vector<const providers::Instance*> serving;
  for (const auto& id : seen.rollout.serve) {
    for (const auto& one : seen.instances) {
      if (one.instance.id == id) serving.push_back(&one.instance);
    }
  }
  seen.routes.target.upstreams = upstreams_of(seen.routes.target.rules, serving);
  // Whoever serves on a host of which nothing is known yet goes on serving.
  const bool all_known = std::ranges::all_of(seen.placement.places, [](const Place& place) {
    return place.known || !place.view || !place.view->ever_reached;
  });
  if (all_known) return;
  for (const auto& served : seen.routes.served.upstreams) {
    const bool visible = std::ranges::any_of(
        seen.instances, [&](const auto& one) { return one.instance.id == served.upstream.instance; });
    if (!visible && !served.draining) seen.routes.target.upstreams[served.backend].push_back(served.upstream);
  }
}

void AppReconciler::plan_routes(const AppSeen& seen, runtime::Plan& plan) {
  const SeenAppRoutes& routes = seen.routes;
  if (!routes.wanted) {
    if (routes.served.exists)
      plan.actions.push_back({Verb::Delete, "route", "routes", "the App has no routes any more", {}, {}, false, {}});
    return;
  }
  if (!routes.served.down.empty()) {
    plan.look_again = std::chrono::seconds(2);
    return;
  }
  if (!routes.served.exists && routes.rules_held()) return;
  const auto reason = difference(routes);
  if (!reason) return;
  Action action{routes.served.exists ? Verb::Update : Verb::Create,
                "route",
                hosts_of(routes.target.rules),
                *reason,
                {},
                serving_json(routes.target.upstreams),
                false,
                {}};
  if (routes.served.exists) {
    std::map<std::string, std::vector<providers::RouteUpstream>> now;
    for (const auto& one : routes.served.upstreams) {
      if (!one.draining) now[one.backend].push_back(one.upstream);
    }
    action.before = serving_json(now);
  }
  plan.actions.push_back(std::move(action));
}

Task<> AppReconciler::act_on_routes(const runtime::Subject& subject, const AppSeen& seen, const Action& action,
                                    runtime::Notes& notes) {
  if (action.verb == Verb::Delete) {
    co_await parts_.router->remove(subject.meta().uid);
    notes.note({.warning = false, .reason = "RouteRemoved", .message = "its routes are served no more"});
    co_return;
  }
  providers::AppRoutes target = seen.routes.target;
  target.keep_rules = seen.routes.rules_held();
  std::optional<Error> failure;
  try {
    co_await parts_.router->set(std::move(target));
  } catch (const Error& error) {
    // The next look says what it means for the routes; the instances are looked after all the same.
    failure = error;
  }
  if (!failure) {
    notes.note({.warning = false, .reason = "RouteSwitched", .message = action.target + ": " + action.reason});
    co_return;
  }
  if (failure->code() != ErrorCode::Invalid && failure->code() != ErrorCode::Unavailable) throw *failure;
  notes.note({.warning = true,
              .reason = failure->code() == ErrorCode::Invalid ? "RouteRefused" : "ProxyDown",
              .message = action.target + ": " + failure->message()});
}

// Ready speaks of the routes too: an App that nobody can reach does not work.
runtime::Condition AppReconciler::report_routes(const AppSeen& seen, runtime::Report& report) const {
  const SeenAppRoutes& routes = seen.routes;
  if (!routes.wanted) {
    if (parts_.router) report.withdrawn = {"RouteReady", "CertificateReady", "CORSVerified"};
    return {};
  }
  json::Array list;
  json::Array urls;
  for (const auto& rule : routes.target.rules) {
    const std::string url = parts_.router->url_of(rule);
    json::Object one{{"url", url}, {"tls", mode_word(rule.tls.mode)}};
    if (const auto* check = check_of(routes, rule)) {
      if (!check->certificate_message.empty()) one.set("certificate", check->certificate_message);
      if (!check->cors_message.empty()) one.set("cors", check->cors_message);
    }
    if (rule.rate > 0) one.set("rateLimit", parts_.router->rate_limiter());
    list.push_back(std::move(one));
    if (std::ranges::find(urls, json::Value(url)) == urls.end()) urls.emplace_back(url);
  }
  report.status["routes"] = std::move(list);
  report.status["urls"] = std::move(urls);

  const Condition certificate = certificates(routes);
  const Condition verified = cors(routes);
  for (const auto& [type, condition] :
       {std::pair("CertificateReady", certificate), std::pair("CORSVerified", verified)}) {
    if (condition.type.empty()) {
      report.withdrawn.emplace_back(type);
    } else {
      report.conditions.push_back(condition);
    }
  }

  Condition ready{"RouteReady", "True", "Serving", {}};
  const auto refuse = [&](std::string reason, std::string message) {
    ready.status = "False";
    ready.reason = std::move(reason);
    ready.message = std::move(message);
  };
  std::size_t behind = 0;
  for (const auto& one : routes.served.upstreams) behind += one.draining ? 0 : 1;
  bool all_shut = false;
  if (!routes.served.down.empty()) {
    refuse("ProxyDown", "the proxy does not run: " + routes.served.down);
  } else if (!routes.missing.empty()) {
    refuse("ReferenceNotFound", routes.missing + (routes.served.exists ? "; the routes of before are served" : ""));
  } else if (routes.rules_held()) {
    refuse("RouteRefused", routes.served.problem + (routes.served.exists ? "; the routes of before are served" : ""));
  } else if (!routes.served.exists || routes.rules_differ()) {
    refuse("Pending", "the routes are being set up");
  } else if (!routes.target.holds) {
    refuse("Stopped", "the App is stopped; requests are answered with 503");
  } else if (behind == 0) {
    refuse("NoInstance", "no instance is ready to serve; requests wait a moment, then get 503");
  } else if (const std::string shut = closed_tunnels(routes, all_shut); !shut.empty() && all_shut) {
    refuse("TunnelClosed", shut);
  } else if (certificate.status == "False") {
    refuse("CertificateNotReady", certificate.message);
  } else {
    ready.message = std::to_string(routes.target.rules.size()) +
                    (routes.target.rules.size() == 1 ? " route leads to " : " routes lead to ") +
                    std::to_string(behind) + (behind == 1 ? " instance" : " instances");
    if (seen.rollout.draining > 0)
      ready.message += "; " + std::to_string(seen.rollout.draining) + " more finish their last requests";
    if (!shut.empty()) ready.message += "; " + shut;
    ready.message += in_plain(seen);
  }
  report.conditions.push_back(ready);
  return ready;
}

}  // namespace gantry::reconcilers::app
