#include "providers/hetzner/firewalls.hpp"

#include <algorithm>

#include "controller/base/percent.hpp"
#include "providers/rest/ports.hpp"

namespace gantry::providers::hetzner {
namespace {

json::Array rules_of(const std::vector<FirewallRule>& rules) {
  json::Array said;
  for (const auto& rule : rules) {
    json::Array from;
    for (const auto& network : rule.from) from.emplace_back(network);
    json::Object one{{"direction", "in"}, {"protocol", rule.protocol}, {"source_ips", std::move(from)}};
    if (rule.protocol != "icmp") one.set("port", rest::ports_text(rule));
    said.emplace_back(std::move(one));
  }
  return said;
}

FirewallRule read_rule(const json::Value& said) {
  FirewallRule rule{.protocol = said.string_or("protocol"), .first_port = 0, .last_port = 0, .from = {}};
  const std::string port = said.string_or("port");
  if (port == "any") {
    rule.first_port = 1;
    rule.last_port = 65535;
  } else if (rule.protocol == "tcp" || rule.protocol == "udp") {
    if (!rest::read_ports(port, rule)) rule.protocol = "unreadable " + port;  // differs from any that is wanted
  }
  rule.from = rest::texts(said.find("source_ips"));
  std::sort(rule.from.begin(), rule.from.end());
  return rule;
}

bool applies(const json::Value& said, const Mark& mark) {
  const json::Value* to = said.find("applied_to");
  if (!to || !to->is_array()) return false;
  return std::any_of(to->as_array().begin(), to->as_array().end(), [&](const auto& one) {
    const json::Value* selector = one.at({"label_selector", "selector"});
    return selector && selector->is_string() && selector->as_string() == selector_of(mark);
  });
}

CloudFirewall read_firewall(const json::Value& said) {
  CloudFirewall firewall{.id = rest::id_of(said), .mark = mark_of(said), .rules = {}};
  for (const auto& rule : rest::rows(said, "rules")) {
    if (rule.string_or("direction") == "in") firewall.rules.push_back(read_rule(rule));
  }
  std::sort(firewall.rules.begin(), firewall.rules.end());
  firewall.applied = firewall.mark && applies(said, *firewall.mark);
  return firewall;
}

json::Value target_of(const Mark& mark) {
  return json::Object{{"type", "label_selector"}, {"label_selector", json::Object{{"selector", selector_of(mark)}}}};
}

}  // namespace

Task<std::vector<CloudFirewall>> Firewalls::list(int* calls) {
  std::vector<CloudFirewall> firewalls;
  for (const auto& said : co_await api_.list("/firewalls", "firewalls", "id", calls))
    firewalls.push_back(read_firewall(said));
  co_return firewalls;
}

Task<> Firewalls::put(Mark mark, std::string name, std::vector<FirewallRule> rules) {
  std::sort(rules.begin(), rules.end());
  const json::Array found = co_await api_.list("/firewalls?label_selector=" + encoded_selector_of(mark), "firewalls");
  if (found.empty()) {
    co_await api_.send("POST", "/firewalls", "/firewalls",
                       json::Object{{"name", name},
                                    {"labels", labels_of(mark)},
                                    {"rules", rules_of(rules)},
                                    {"apply_to", json::Array{target_of(mark)}}},
                       mark.uid);
    co_return;
  }
  const CloudFirewall existing = read_firewall(found.front());
  const std::string path = "/firewalls/" + percent_encode(existing.id) + "/actions/";
  if (existing.rules != rules)
    co_await api_.send("POST", path + "set_rules", "/firewalls/{id}/actions/set_rules",
                       json::Object{{"rules", rules_of(rules)}}, existing.id);
  if (!existing.applied)
    co_await api_.send("POST", path + "apply_to_resources", "/firewalls/{id}/actions/apply_to_resources",
                       json::Object{{"apply_to", json::Array{target_of(mark)}}}, existing.id);
}

Task<json::Value> Firewalls::find(std::string id) {
  const json::Value body = co_await api_.find("/firewalls/" + percent_encode(id), "/firewalls/{id}", id);
  if (body.is_null()) co_return json::Value{};
  co_return rest::part(body, "firewall");
}

Task<> Firewalls::remove(std::string id) {
  const json::Value said = co_await find(id);
  if (said.is_null()) co_return;
  json::Array targets;
  if (const json::Value* to = said.find("applied_to"); to && to->is_array()) {
    for (const auto& one : to->as_array()) {
      json::Object target{{"type", one.string_or("type")}};
      for (const char* by : {"server", "label_selector"}) {
        if (const json::Value* what = one.find(by); what && one.string_or("type") == by) target.set(by, *what);
      }
      targets.emplace_back(std::move(target));
    }
  }
  const std::string path = "/firewalls/" + percent_encode(id);
  if (!targets.empty())
    co_await api_.send("POST", path + "/actions/remove_from_resources", "/firewalls/{id}/actions/remove_from_resources",
                       json::Object{{"remove_from", std::move(targets)}}, id);
  try {
    co_await api_.send("DELETE", path, "/firewalls/{id}", {}, id);
  } catch (const Error& error) {  // tidy: gone is what was asked for
    if (error.code() != ErrorCode::NotFound) throw;
  }
}

}  // namespace gantry::providers::hetzner
