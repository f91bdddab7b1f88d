// What an account has beside droplets and images: keys, tags, firewalls, addresses, figures, and what is sold.
#include "controller/base/digest.hpp"
#include "tests/emulators/digitalocean.hpp"

namespace gantry::emulators {
namespace {

using json::Value;

}  // namespace

void DigitalOcean::route_rest() {
  on("GET /v2/account", [this](const Call&) {
    return Answer{
        200,
        json::Object{{"account", json::Object{{"droplet_limit", droplet_limit},
                                              {"floating_ip_limit", 5},
                                              {"email", "ops@example.org"},
                                              {"uuid", "b6fr89dbf6d9156cace5f3c78dc9851d957381ef"},
                                              {"email_verified", true},
                                              {"status", account_status},
                                              {"status_message", account_status == "active" ? "" : "payment failed"},
                                              {"team", json::Object{{"uuid", team_uuid}, {"name", "Ops"}}}}}},
        {}};
  });
  on("GET /v2/account/keys", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, key] : keys) all.push_back(shown(key));
    return page(call, "ssh_keys", std::move(all));
  });
  on("POST /v2/account/keys", [this](const Call& call) {
    Key key{.id = next_id(),
            .name = call.body.string_or("name"),
            .fingerprint = {},
            .public_key = call.body.string_or("public_key")};
    key.fingerprint = sha256_hex(key.public_key).substr(0, 32);
    for (const auto& [id, one] : keys) {
      if (one.fingerprint == key.fingerprint) return unprocessable("SSH Key is already in use on your account");
    }
    keys[key.id] = key;
    return Answer{201, json::Object{{"ssh_key", shown(key)}}, {}};
  });
  on("GET /v2/actions", [this](const Call& call) {
    json::Array all;  // newest first
    for (auto at = actions.rbegin(); at != actions.rend(); ++at) all.push_back(shown(at->second));
    return page(call, "actions", std::move(all));
  });
  on("GET /v2/actions/{}", [this](const Call& call) {
    const auto found = actions.find(call.number(0));
    return found == actions.end() ? missing() : Answer{200, json::Object{{"action", shown(found->second)}}, {}};
  });
  on("GET /v2/regions", [this](const Call& call) {
    json::Array all;
    for (const auto& region : digitalocean::regions()) all.push_back(digitalocean::shown(region));
    return page(call, "regions", std::move(all));
  });
  on("GET /v2/sizes", [this](const Call& call) {
    json::Array all;
    for (const auto& size : digitalocean::sizes()) all.push_back(digitalocean::shown(size));
    return page(call, "sizes", std::move(all));
  });
  on("POST /v2/tags", [this](const Call& call) {
    tags.insert(call.body.string_or("name"));
    return Answer{201,
                  json::Object{{"tag", json::Object{{"name", call.body.string_or("name")},
                                                    {"resources", json::Object{{"count", 0}}}}}},
                  {}};
  });
  on("DELETE /v2/tags/{}", [this](const Call& call) {
    if (tags.erase(call.captured[0]) == 0) return missing();
    for (auto& [id, droplet] : droplets) droplet.tags.erase(call.captured[0]);
    for (auto& [id, image] : images) image.tags.erase(call.captured[0]);
    for (auto& [id, firewall] : firewalls) firewall.tags.erase(call.captured[0]);
    return Answer{204, {}, {}};
  });
  on("POST /v2/tags/{}/resources", [this](const Call& call) { return tag_resources(call, true); });
  on("DELETE /v2/tags/{}/resources", [this](const Call& call) { return tag_resources(call, false); });
  on("GET /v2/firewalls", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, firewall] : firewalls) all.push_back(shown(firewall));
    return page(call, "firewalls", std::move(all));
  });
  on("POST /v2/firewalls", [this](const Call& call) { return put_firewall(call, nullptr); });
  on("PUT /v2/firewalls/{}", [this](const Call& call) {
    const auto found = firewalls.find(call.captured[0]);
    return found == firewalls.end() ? missing() : put_firewall(call, &found->second);
  });
  on("DELETE /v2/firewalls/{}",
     [this](const Call& call) { return firewalls.erase(call.captured[0]) > 0 ? Answer{204, {}, {}} : missing(); });
  on("GET /v2/customers/my/balance", [this](const Call&) {
    return Answer{200,
                  json::Object{{"month_to_date_balance", "23.44"},
                               {"account_balance", "12.23"},
                               {"month_to_date_usage", "11.21"},
                               {"generated_at", time()}},
                  {}};
  });
  const auto figures = [this](const Call& call) {
    const auto found = droplets.find(std::stoll(*call.find("host_id")));
    json::Array series;
    if (found != droplets.end() && found->second.monitoring)
      series.push_back(json::Object{{"metric", json::Object{{"host_id", *call.find("host_id")}}},
                                    {"values", json::Array{json::Array{std::stoll(*call.find("start")), "0.25"}}}});
    return Answer{200,
                  json::Object{{"status", "success"},
                               {"data", json::Object{{"resultType", "matrix"}, {"result", std::move(series)}}}},
                  {}};
  };
  on("GET /v2/monitoring/metrics/droplet/bandwidth", [this](const Call& call) { return bandwidth(call); });
  on("GET /v2/monitoring/metrics/droplet/cpu", figures);
}

// A sample every two minutes, of what was sent since the one before, as the examples of the description have them.
Answer DigitalOcean::bandwidth(const Call& call) const {
  constexpr std::int64_t kStep = 120;
  const auto at_second = [](std::int64_t second) { return WallTime(std::chrono::seconds(second)); };
  const auto found = droplets.find(std::stoll(*call.find("host_id")));
  json::Array values;
  if (found != droplets.end() && found->second.monitoring) {
    const bool counts = *call.find("interface") == "public" && *call.find("direction") == "outbound";
    const WallTime from = std::max(at_second(std::stoll(*call.find("start"))), parse_time(found->second.created_at));
    const WallTime to = std::min(at_second(std::stoll(*call.find("end"))), wall());
    const auto& sends = found->second.sends;
    const std::int64_t first = std::chrono::ceil<std::chrono::seconds>(from.time_since_epoch()).count();
    for (std::int64_t second = (first + kStep - 1) / kStep * kStep; at_second(second) <= to; second += kStep) {
      const auto change = sends.lower_bound(at_second(second));
      const std::optional<double> rate = change == sends.begin() ? 0 : std::prev(change)->second;
      if (rate) values.push_back(json::Array{second, std::to_string(counts ? *rate : 0.0)});
    }
  }
  json::Array series;
  if (!values.empty())
    series.push_back(json::Object{{"metric", json::Object{{"host_id", *call.find("host_id")},
                                                          {"interface", *call.find("interface")},
                                                          {"direction", *call.find("direction")}}},
                                  {"values", std::move(values)}});
  return {200,
          json::Object{{"status", "success"},
                       {"data", json::Object{{"resultType", "matrix"}, {"result", std::move(series)}}}},
          {}};
}

Answer DigitalOcean::tag_resources(const Call& call, bool add) {
  const std::string& tag = call.captured[0];
  if (!tags.contains(tag)) return missing();
  for (const auto& resource : call.body.find("resources")->as_array()) {
    const std::string type = resource.string_or("resource_type");
    const std::int64_t id = std::stoll(resource.string_or("resource_id", "0"));
    std::set<std::string>* tagged = nullptr;
    if (type == "droplet" && droplets.contains(id)) tagged = &droplets.at(id).tags;
    if (type == "image" && images.contains(id)) tagged = &images.at(id).tags;
    if (!tagged) return missing();
    if (add) {
      tagged->insert(tag);
    } else {
      tagged->erase(tag);
    }
  }
  return {204, {}, {}};
}

Answer DigitalOcean::put_firewall(const Call& call, Firewall* existing) {
  const auto rules = [&](const char* name) {
    const Value* given = call.body.find(name);
    return given && given->is_array() ? given->as_array() : json::Array{};
  };
  Firewall firewall{.id = existing ? existing->id : SeededRandom(static_cast<std::uint64_t>(next_id())).uuid(),
                    .name = call.body.string_or("name")};
  firewall.tags = digitalocean::text_set(call.body.find("tags"));
  for (const auto& tag : firewall.tags) {
    if (!tags.contains(tag)) return refusal(400, "bad_request", "tag " + tag + " does not exist");
  }
  for (const auto& [id, one] : firewalls) {
    if (one.name == firewall.name && id != firewall.id) return refusal(409, "conflict", "duplicate name");
  }
  firewall.inbound = rules("inbound_rules");
  firewall.outbound = rules("outbound_rules");
  if (firewall.inbound.empty() && firewall.outbound.empty()) return unprocessable("at least one rule is required");
  if (existing) firewall.in_force = existing->in_force;
  firewall.created_at = existing ? existing->created_at : time();
  firewalls[firewall.id] = firewall;
  after(pace.small, [this, id = firewall.id] {
    const auto found = firewalls.find(id);
    if (found == firewalls.end()) return;
    found->second.settled = true;
    found->second.in_force = found->second.inbound;
  });
  return {existing ? 200 : 202, json::Object{{"firewall", shown(firewall)}}, {}};
}

Wall DigitalOcean::wall_of(std::int64_t server) const {
  const std::set<std::string>& of = droplets.at(server).tags;
  Wall wall;
  for (const auto& [id, firewall] : firewalls) {
    const bool selects =
        std::any_of(firewall.tags.begin(), firewall.tags.end(), [&](const auto& tag) { return of.contains(tag); });
    if (!selects || (!firewall.settled && firewall.in_force.empty())) continue;
    if (!wall) wall.emplace();
    for (const auto& rule : firewall.in_force) {
      Opening opening{.protocol = rule.string_or("protocol")};
      const std::string ports = rule.string_or("ports", "0");
      if (opening.protocol != "icmp") read_ports(ports == "0" || ports == "all" ? "1-65535" : ports, opening);
      for (const auto& from : digitalocean::text_set(rule.at({"sources", "addresses"}))) opening.from.push_back(from);
      wall->push_back(std::move(opening));
    }
  }
  return wall;
}

}  // namespace gantry::emulators
