#include <algorithm>
#include <charconv>

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

}  // namespace

std::vector<FirewallRule> firewall_rules(const crds::ServerSpec& spec) {
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
  // The agent asks for its key over TLS; where the controller calls from may change.
  if (spec.agent.enabled) rules.push_back({"tcp", spec.agent.port, spec.agent.port, {"0.0.0.0/0", "::/0"}});
  std::ranges::sort(rules);
  rules.erase(std::ranges::unique(rules).begin(), rules.end());
  return rules;
}

}  // namespace gantry::reconcilers::server
