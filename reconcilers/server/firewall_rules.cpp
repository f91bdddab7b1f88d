#include <algorithm>
#include <charconv>
#include <iterator>

#include "controller/base/error.hpp"
#include "reconcilers/server/cloud_plan.hpp"

namespace gantry::reconcilers::server {
namespace {

using providers::FirewallRule;

constexpr int kPortMax = 65535;

int port_of(std::string_view text, std::string_view whole) {
  int port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc() || end != text.data() + text.size() || port < 1 || port > kPortMax)
    throw Error(ErrorCode::Invalid, "spec.firewall: \"" + std::string(whole) + "\" are no ports between 1 and 65535");
  return port;
}

std::vector<std::pair<int, int>> ranges_of(std::string_view text) {
  if (text.empty()) return {{1, kPortMax}};
  std::vector<std::pair<int, int>> ranges;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string_view one = text.substr(at, comma - at);
    const std::size_t dash = one.find('-');
    const int first = port_of(one.substr(0, dash), text);
    const int last = dash == std::string_view::npos ? first : port_of(one.substr(dash + 1), text);
    if (last < first)
      throw Error(ErrorCode::Invalid, "spec.firewall: \"" + std::string(one) + "\" ends before it begins");
    ranges.emplace_back(first, last);
    at = comma + 1;
  }
  return ranges;
}

std::vector<std::string> networks_of(std::vector<std::string> from) {
  for (auto& network : from) {
    if (network.find('/') == std::string::npos) network += network.find(':') == std::string::npos ? "/32" : "/128";
  }
  std::ranges::sort(from);
  from.erase(std::ranges::unique(from).begin(), from.end());
  return from;
}

// "8000/tcp"
FirewallRule rule_of(std::string_view published) {
  const std::size_t slash = published.find('/');
  const int port = port_of(published.substr(0, slash), published);
  return {std::string(published.substr(slash + 1)), port, port, {}};
}

constexpr int kSsh = 22;

}  // namespace

std::vector<std::string> open_ports(const std::vector<std::string>& published, const std::vector<FirewallRule>& rules) {
  std::vector<std::string> open;
  std::ranges::copy_if(published, std::back_inserter(open), [&](const std::string& text) {
    const FirewallRule wanted = rule_of(text);
    return std::ranges::any_of(rules, [&](const FirewallRule& rule) {
      return rule.protocol == wanted.protocol && rule.first_port <= wanted.first_port &&
             wanted.first_port <= rule.last_port;
    });
  });
  return open;
}

std::vector<FirewallRule> firewall_rules(const crds::ServerSpec& spec, const std::vector<std::string>& published,
                                         const std::vector<std::string>& admins) {
  std::vector<FirewallRule> rules;
  if (!spec.firewall) return rules;
  for (const auto& rule : spec.firewall->inbound) {
    const auto from = networks_of(rule.from);
    if (from.empty()) continue;  // from nowhere
    if (rule.protocol == crds::FirewallProtocol::Icmp) {
      rules.push_back({"icmp", 0, 0, from});
      continue;
    }
    for (const auto& [first, last] : ranges_of(rule.ports))
      rules.push_back({std::string(crds::to_string(rule.protocol)), first, last, from});
  }
  const auto from = networks_of(spec.firewall->published_from);
  for (const auto& port : from.empty() ? std::vector<std::string>() : published) {
    rules.push_back(rule_of(port));
    rules.back().from = from;
  }
  if (!admins.empty()) rules.push_back({"tcp", kSsh, kSsh, networks_of(admins)});
  // The agent asks for its key over TLS; where the controller calls from may change.
  // The tunnel's end beside it lets in nobody but this controller's relays.
  if (spec.agent.enabled) {
    rules.push_back({"tcp", spec.agent.port, spec.agent.port, {"0.0.0.0/0", "::/0"}});
    const int tunnel = providers::tunnel_port_beside(spec.agent.port);
    if (!spec.agent.http) rules.push_back({"tcp", tunnel, tunnel, {"0.0.0.0/0", "::/0"}});
  }
  std::ranges::sort(rules);
  rules.erase(std::ranges::unique(rules).begin(), rules.end());
  return rules;
}

}  // namespace gantry::reconcilers::server
