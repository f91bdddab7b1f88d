// Private networks, and addresses that are an account's whichever droplet they lead to.
#include "tests/emulators/digitalocean.hpp"

namespace gantry::emulators {

using json::Value;

void DigitalOcean::route_networks() {
  on("GET /v2/reserved_ips", [this](const Call& call) {
    json::Array all;
    for (const auto& [ip, one] : reserved_ips) all.push_back(shown(one));
    return page(call, "reserved_ips", std::move(all));
  });
  on("POST /v2/reserved_ips", [this](const Call& call) {
    const std::int64_t droplet = call.body.int_or("droplet_id", 0);
    if (droplet != 0 && !droplets.contains(droplet)) return missing();
    ReservedIp one{.ip = "192.0.2." + std::to_string(next_id() % 250 + 1),
                   .region = droplet != 0 ? droplets.at(droplet).region : call.body.string_or("region"),
                   .droplet = droplet};
    reserved_ips[one.ip] = one;
    return Answer{202,
                  json::Object{{"reserved_ip", shown(one)},
                               {"links", json::Object{{"droplets", json::Array{}}, {"actions", json::Array{}}}}},
                  {}};
  });
  on("POST /v2/reserved_ips/{}/actions", [this](const Call& call) { return act_on_address(call); });
  on("GET /v2/vpcs", [this](const Call& call) {
    json::Array all;
    for (const auto& vpc : vpcs) all.push_back(shown(vpc));
    return page(call, "vpcs", std::move(all));
  });
}

Answer DigitalOcean::act_on_address(const Call& call) {
  const auto found = reserved_ips.find(call.captured[0]);
  if (found == reserved_ips.end()) return missing();
  ReservedIp& address = found->second;
  if (address.locked) return unprocessable("The reserved IP already has a pending event.");
  const bool assigns = call.body.string_or("type") == "assign";
  const std::int64_t droplet = assigns ? call.body.int_or("droplet_id", 0) : 0;
  if (assigns) {
    const auto to = droplets.find(droplet);
    if (to == droplets.end()) return missing();
    if (to->second.region != address.region)
      return unprocessable("The reserved IP must be in the same region as the Droplet.");
    if (to->second.status == "new") return unprocessable("Droplet already has a pending event.");
  }
  address.locked = true;
  const std::int64_t action = begin(assigns ? "assign_ip" : "unassign_ip", "reserved_ip", next_id(), address.region).id;
  after(pace.small, [this, action, ip = address.ip, droplet, fails = doomed()] {
    ReservedIp& one = reserved_ips.at(ip);
    one.locked = false;
    const bool there = droplet == 0 || droplets.contains(droplet);
    finish(action, there && !fails);
    if (there && !fails) one.droplet = droplet;
  });
  return {201, json::Object{{"action", shown(actions.at(action))}}, {}};
}

Value DigitalOcean::shown(const Vpc& vpc) const {
  return json::Object{
      {"id", vpc.id},         {"urn", "do:vpc:" + vpc.id},   {"name", vpc.name},          {"description", ""},
      {"region", vpc.region}, {"ip_range", "10.106.0.0/20"}, {"default", vpc.is_default}, {"created_at", time()}};
}

Value DigitalOcean::shown(const ReservedIp& one) const {
  const auto region = std::ranges::find(digitalocean::regions(), one.region, &digitalocean::Region::slug);
  json::Object ip{{"ip", one.ip}, {"locked", one.locked}, {"droplet", Value()}};
  if (region != digitalocean::regions().end()) ip.set("region", digitalocean::shown(*region));
  if (one.droplet != 0) ip.set("droplet", shown(droplets.at(one.droplet)));
  return ip;
}

}  // namespace gantry::emulators
