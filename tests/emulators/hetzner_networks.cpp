// Private networks, and addresses that are a project's whichever server they lead to.
#include "tests/emulators/hetzner.hpp"

namespace gantry::emulators {

using json::Value;

void Hetzner::route_networks() {
  on("GET /v1/networks", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, network] : networks) {
      const std::string* name = call.find("name");
      if (!name || *name == network.name) all.push_back(shown(network));
    }
    return page(call, "networks", std::move(all));
  });
  on("GET /v1/floating_ips", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, ip] : floating_ips) all.push_back(shown(ip));
    return page(call, "floating_ips", std::move(all));
  });
  on("POST /v1/floating_ips/{}/actions/assign", [this](const Call& call) { return assign_address(call); });
}

Answer Hetzner::assign_address(const Call& call) {
  const auto found = floating_ips.find(call.number(0));
  if (found == floating_ips.end()) return missing("floating IP");
  const std::int64_t id = found->first;
  const std::int64_t to = call.body.int_or("server", 0);
  if (!servers.contains(to)) return missing("server");
  if (found->second.server == to) return refusal(422, "floating_ip_assigned", "the floating IP is already assigned");
  const auto zone = [](const std::string& location) { return hetzner::find_location(location)->zone; };
  if (zone(servers.at(to).location) != zone(found->second.home))
    return refusal(422, "invalid_input", "the server is in another network zone than the floating IP");
  const std::int64_t action = begin("assign_floating_ip", {{"floating_ip", id}, {"server", to}}).id;
  after(pace.small, [this, id, to, action, fails = doomed()] {
    if (!servers.contains(to) || fails) return finish(action, "action_failed", "Action failed");
    floating_ips.at(id).server = to;
    finish(action);
  });
  return with_action(201, actions.at(action));
}

Value Hetzner::shown(const Network& network) const {
  json::Array members;
  for (const auto& [id, server] : servers) {
    if (std::ranges::find(server.networks, network.id) != server.networks.end()) members.emplace_back(id);
  }
  return json::Object{
      {"id", network.id},
      {"name", network.name},
      {"ip_range", "10.0.0.0/16"},
      {"subnets",
       json::Array{json::Object{
           {"type", "cloud"}, {"ip_range", "10.0.0.0/24"}, {"network_zone", network.zone}, {"gateway", "10.0.0.1"}}}},
      {"routes", json::Array{}},
      {"servers", std::move(members)},
      {"load_balancers", json::Array{}},
      {"protection", json::Object{{"delete", false}}},
      {"labels", json::Object{}},
      {"created", time()},
      {"expose_routes_to_vswitch", false}};
}

Value Hetzner::shown(const FloatingIp& ip) const {
  return json::Object{{"id", ip.id},
                      {"name", "web"},
                      {"description", ""},
                      {"ip", ip.ip},
                      {"type", ip.ip.contains(':') ? "ipv6" : "ipv4"},
                      {"server", ip.server == 0 ? Value() : Value(ip.server)},
                      {"dns_ptr", json::Array{}},
                      {"home_location", hetzner::shown(*hetzner::find_location(ip.home))},
                      {"blocked", false},
                      {"protection", json::Object{{"delete", false}}},
                      {"labels", json::Object{}},
                      {"created", time()}};
}

}  // namespace gantry::emulators
