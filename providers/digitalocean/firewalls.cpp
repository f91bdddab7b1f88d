#include "providers/digitalocean/firewalls.hpp"

#include <algorithm>

#include "controller/base/percent.hpp"
#include "providers/rest/ports.hpp"

namespace gantry::providers::digitalocean {
namespace {

json::Array everywhere() { return {"0.0.0.0/0", "::/0"}; }

// The vendor says "0" for all ports.
json::Value ports_of(const FirewallRule& rule) {
  const bool all = rule.protocol == "icmp" || (rule.first_port <= 1 && rule.last_port >= 65535);
  return all ? "0" : rest::ports_text(rule);
}

FirewallRule read_rule(const json::Value& said) {
  FirewallRule rule{.protocol = said.string_or("protocol"), .first_port = 0, .last_port = 0, .from = {}};
  const std::string ports = said.string_or("ports");
  if (rule.protocol != "icmp") {
    if (ports == "0" || ports == "all") {
      rule.first_port = 1;
      rule.last_port = 65535;
    } else if (!rest::read_ports(ports, rule)) {
      rule.protocol = "unreadable " + ports;  // differs from any that is wanted
    }
  }
  rule.from = rest::texts(said.at({"sources", "addresses"}));
  std::sort(rule.from.begin(), rule.from.end());
  return rule;
}

CloudFirewall read_firewall(const json::Value& said) {
  const std::string name = said.string_or("name");
  CloudFirewall firewall{.id = rest::id_of(said), .mark = mark_of_tag(name), .rules = {}};
  if (const json::Value* rules = said.find("inbound_rules"); rules && rules->is_array()) {
    for (const auto& rule : rules->as_array()) firewall.rules.push_back(read_rule(rule));
  }
  std::sort(firewall.rules.begin(), firewall.rules.end());
  const auto tags = rest::texts(said.find("tags"));
  firewall.applied = std::find(tags.begin(), tags.end(), name) != tags.end() && said.string_or("status") != "failed";
  const json::Value* pending = said.find("pending_changes");
  firewall.settled =
      said.string_or("status") != "waiting" || !pending || !pending->is_array() || pending->as_array().empty();
  return firewall;
}

json::Value body_of(const std::string& tag, const std::vector<FirewallRule>& rules) {
  json::Array inbound;
  for (const auto& rule : rules) {
    json::Array from;
    for (const auto& network : rule.from) from.emplace_back(network);
    inbound.push_back(json::Object{{"protocol", rule.protocol},
                                   {"ports", ports_of(rule)},
                                   {"sources", json::Object{{"addresses", std::move(from)}}}});
  }
  // What is not listed may not go out either.
  json::Array outbound;
  for (const char* protocol : {"tcp", "udp", "icmp"})
    outbound.push_back(json::Object{
        {"protocol", protocol}, {"ports", "0"}, {"destinations", json::Object{{"addresses", everywhere()}}}});
  return json::Object{{"name", tag},
                      {"tags", json::Array{tag}},
                      {"inbound_rules", std::move(inbound)},
                      {"outbound_rules", std::move(outbound)}};
}

}  // namespace

Firewalls::Firewalls(Api& api)
    : api_(api), listing_(api.client.reactor(), kGather, [this](std::vector<int>) -> Task<std::map<int, All>> {
        std::map<int, All> found;
        found.emplace(0, co_await list());
        co_return found;
      }) {}

Task<std::vector<CloudFirewall>> Firewalls::list(int* calls) {
  All firewalls;
  for (const auto& said : co_await api_.list("/v2/firewalls", "firewalls", "id", calls))
    firewalls.push_back(read_firewall(said));
  co_return firewalls;
}

Task<Firewalls::All> Firewalls::all() {
  auto found = co_await listing_.ask(0);
  co_return std::move(*found);
}

Task<> Firewalls::put(Mark mark, std::vector<FirewallRule> rules) {
  std::sort(rules.begin(), rules.end());
  const std::string tag = tag_of(mark);
  const All firewalls = co_await all();
  const auto existing =
      std::find_if(firewalls.begin(), firewalls.end(), [&](const auto& one) { return one.mark == mark; });
  if (existing != firewalls.end() && existing->rules == rules && existing->applied) co_return;
  // A firewall that names a tag nobody has made is refused.
  if (!tags_.contains(tag)) {
    co_await api_.send("POST", "/v2/tags", "/v2/tags", json::Object{{"name", tag}}, tag);
    tags_.insert(tag);
  }
  if (existing == firewalls.end()) {
    co_await api_.send("POST", "/v2/firewalls", "/v2/firewalls", body_of(tag, rules), tag);
  } else {
    co_await api_.send("PUT", "/v2/firewalls/" + percent_encode(existing->id), "/v2/firewalls/{id}",
                       body_of(tag, rules), tag);
  }
}

Task<std::optional<Mark>> Firewalls::mark_of(std::string id) {
  for (const auto& firewall : co_await all()) {
    if (firewall.id == id) co_return firewall.mark;
  }
  co_return std::nullopt;
}

Task<> Firewalls::remove(std::string id) {
  try {
    co_await api_.send("DELETE", "/v2/firewalls/" + percent_encode(id), "/v2/firewalls/{id}", {}, id);
  } catch (const Error& error) {  // tidy: gone is what was asked for
    if (error.code() != ErrorCode::NotFound) throw;
  }
}

}  // namespace gantry::providers::digitalocean
