#include "tests/emulators/hetzner.hpp"

#include "controller/base/digest.hpp"

namespace gantry::emulators {
namespace {

using json::Value;

Hetzner::Labels labels_of(const Call& call) {
  Hetzner::Labels labels;
  if (const Value* given = call.body.find("labels")) {
    for (const auto& [key, value] : given->as_object()) labels[key] = value.as_string();
  }
  return labels;
}

bool wanted(const Call& call, const std::string& name, const Hetzner::Labels& labels) {
  const std::string* by_name = call.find("name");
  const std::string* by_label = call.find("label_selector");
  return (!by_name || *by_name == name) && (!by_label || hetzner::selects(*by_label, labels));
}

bool among(const std::vector<std::string>& words, const std::string& word) {
  return words.empty() || std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Hetzner::Hetzner(Reactor& reactor, std::string with_token) : Emulator(reactor, "hetzner", std::move(with_token)) {
  counted_ = now();
  for (const auto& [name, flavor, version, deprecated] :
       {std::tuple("ubuntu-24.04", "ubuntu", "24.04", ""), std::tuple("debian-12", "debian", "12", ""),
        std::tuple("ubuntu-20.04", "ubuntu", "20.04", "2025-05-31T00:00:00Z")}) {
    Image image{.id = next_id(), .type = "system", .name = name, .description = name, .status = "available"};
    image.flavor = flavor;
    image.version = version;
    image.deprecated = deprecated;
    image.disk_size = 5;
    image.created = time();
    images[image.id] = image;
  }
  route_servers();
  route_images();
  route_firewalls();
  route_rest();
  route_networks();
}

// The real API refuses a body for a field that it does not know.
Answer Hetzner::unknown_field(const Call& call, std::initializer_list<std::string_view> known) const {
  if (!call.body.is_object()) return {0, {}, {}};
  for (const auto& [name, value] : call.body.as_object()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      return refusal(422, "invalid_input", "unknown field name: " + name);
  }
  return {0, {}, {}};
}

// ---- servers

Hetzner::Server* Hetzner::find_server(const Call& call) {
  const auto found = servers.find(call.number(0));
  return found == servers.end() || !visible(found->second) ? nullptr : &found->second;
}

void Hetzner::route_servers() {
  on("GET /v1/servers", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, server] : servers) {
      if (visible(server) && wanted(call, server.name, server.labels) && among(call.all("status"), server.status))
        all.push_back(shown(server));
    }
    return page(call, "servers", std::move(all));
  });
  on("POST /v1/servers", [this](const Call& call) { return create_server(call); });
  on("GET /v1/servers/{}", [this](const Call& call) {
    const Server* server = find_server(call);
    return server ? Answer{200, json::Object{{"server", shown(*server)}}, {}} : missing("server");
  });
  on("PUT /v1/servers/{}", [this](const Call& call) {
    Server* server = find_server(call);
    if (!server) return missing("server");
    if (auto refused = unknown_field(call, {"name", "labels"}); refused.status) return refused;
    if (call.body.find("labels")) server->labels = labels_of(call);
    if (const std::string name = call.body.string_or("name"); !name.empty()) server->name = name;
    return Answer{200, json::Object{{"server", shown(*server)}}, {}};
  });
  on("DELETE /v1/servers/{}", [this](const Call& call) {
    Server* server = find_server(call);
    if (!server) return missing("server");
    if (server->locked) return refusal(423, "locked", "server is locked");
    server->deleting = true;
    server->locked = true;
    server->status = "deleting";
    const std::int64_t id = server->id;
    const std::int64_t action = begin("delete_server", {{"server", id}}).id;
    after(pace.remove, [this, id, action] {
      if (hardware) hardware->remove(id);
      servers.erase(id);
      for (auto& [key, ip] : floating_ips) {
        if (ip.server == id) ip.server = 0;
      }
      finish(action);
    });
    return with_action(200, actions.at(action));
  });
  for (const char* command : {"shutdown", "poweroff", "poweron", "reboot", "reset", "rebuild", "change_type"})
    on(std::string("POST /v1/servers/{}/actions/") + command,
       [this, name = std::string(command)](const Call& call) { return act_on_server(call, name); });
  on("POST /v1/servers/{}/actions/create_image", [this](const Call& call) { return create_image(call); });
  on("GET /v1/servers/{}/metrics", [this](const Call& call) {
    if (!find_server(call)) return missing("server");
    return Answer{
        200,
        json::Object{
            {"metrics",
             json::Object{
                 {"start", *call.find("start")},
                 {"end", *call.find("end")},
                 {"step", 60},
                 {"time_series",
                  json::Object{{"cpu", json::Object{{"values", json::Array{json::Array{1435781470.622, "42"}}}}}}}}}},
        {}};
  });
}

Answer Hetzner::create_server(const Call& call) {
  if (auto refused = unknown_field(
          call, {"name", "location", "server_type", "start_after_create", "image", "placement_group", "ssh_keys",
                 "volumes", "networks", "firewalls", "user_data", "labels", "automount", "public_net"});
      refused.status)
    return refused;
  const std::string name = call.body.string_or("name");
  const bool taken =
      std::any_of(servers.begin(), servers.end(), [&](const auto& one) { return one.second.name == name; });
  if (taken) return refusal(409, "uniqueness_error", "server name is already used");
  if (static_cast<int>(servers.size()) >= server_limit)
    return refusal(403, "resource_limit_exceeded", "server limit exceeded");
  const auto* type = hetzner::find_type(call.body.string_or("server_type"));
  if (!type) return refusal(422, "invalid_input", "invalid input in field 'server_type'");
  if (!type->ends.empty() && time() >= type->ends)
    return refusal(422, "invalid_input", "server type " + type->name + " is deprecated and can no longer be ordered");
  const std::string location = call.body.string_or("location", type->locations.front());
  if (!hetzner::find_location(location)) return refusal(422, "invalid_input", "invalid input in field 'location'");
  if (!among(type->locations, location)) return refusal(422, "invalid_input", "unsupported location for server type");
  const Image* image = image_named(call.body.string_or("image"));
  if (!image || image->status != "available") return refusal(404, "not_found", "image not found");
  if (image->architecture != type->architecture && image->type == "snapshot")
    return refusal(422, "invalid_input", "image architecture does not match server type");
  if (image->disk_size > type->disk_gb)
    return refusal(422, "invalid_input", "image disk is bigger than server type disk");
  if (const Value* wanted_keys = call.body.find("ssh_keys")) {
    for (const auto& word : wanted_keys->as_array()) {
      const bool known = std::any_of(keys.begin(), keys.end(), [&](const auto& one) {
        return one.second.name == word.as_string() || std::to_string(one.first) == word.as_string();
      });
      if (!known) return refusal(422, "invalid_input", "SSH key '" + word.as_string() + "' not found");
    }
  }
  Server server{.id = next_id(), .name = name, .type = type->name, .location = location, .image = image->id};
  server.labels = labels_of(call);
  if (const Value* wanted_networks = call.body.find("networks")) {
    for (const auto& id : wanted_networks->as_array()) {
      const auto network = networks.find(id.as_int());
      if (network == networks.end()) return refusal(404, "not_found", "network not found");
      if (network->second.zone != hetzner::find_location(location)->zone)
        return refusal(422, "invalid_input", "network has no subnet in the network zone of the server");
      server.networks.push_back(id.as_int());
    }
  }
  server.user_data = call.body.string_or("user_data");
  if (server.user_data.size() > 32U << 10) return refusal(422, "invalid_input", "user_data is too long");
  server.created = time();
  server.visible = now() + pace.visible;
  const std::int64_t id = server.id;
  const std::int64_t action = begin("create_server", {{"server", id}}).id;
  const std::int64_t start = begin("start_server", {{"server", id}}).id;
  const bool fails = doomed();
  servers.emplace(id, std::move(server));
  count_creation();
  after(pace.create, [this, id, action, start, fails] {
    const auto made = servers.find(id);
    if (made == servers.end()) return;
    if (fails) {
      servers.erase(made);
      finish(action, "resource_unavailable", "error during placement");
      finish(start, "action_failed", "Action failed");
      return;
    }
    made->second.status = "running";
    made->second.locked = false;
    made->second.address = switch_on(id, made->second.image, made->second.user_data);
    finish(action);
    finish(start);
  });
  const bool has_keys = call.body.find("ssh_keys") && !call.body.find("ssh_keys")->as_array().empty();
  return {201,
          json::Object{{"server", shown(servers.at(id))},
                       {"action", shown(actions.at(action))},
                       {"next_actions", json::Array{shown(actions.at(start))}},
                       {"root_password", has_keys ? Value() : Value("YItygq1v3GYjjMomLaKc")}},
          {}};
}

std::string* Hetzner::status_of(std::int64_t server) {
  const auto found = servers.find(server);
  return found == servers.end() ? nullptr : &found->second.status;
}

Hetzner::Server& Hetzner::place(std::string name, Labels labels, std::string type, std::string location) {
  Server server{.id = next_id(), .name = std::move(name), .type = std::move(type), .location = std::move(location)};
  server.image = images.begin()->first;
  server.status = "running";
  server.locked = false;
  server.labels = std::move(labels);
  server.created = time();
  server.address = next_address("198.51.");
  const std::int64_t id = server.id;
  return servers.insert_or_assign(id, std::move(server)).first->second;
}

Answer Hetzner::act_on_server(const Call& call, const std::string& command) {
  Server* server = find_server(call);
  if (!server) return missing("server");
  if (server->locked) return refusal(423, "locked", "server is locked");
  const auto* type = command == "change_type" ? hetzner::find_type(call.body.string_or("server_type")) : nullptr;
  if (command == "change_type" && server->status != "off")
    return refusal(422, "server_not_stopped", "server must be stopped to change its type");
  if (command == "change_type" && (!type || !type->ends.empty() || !among(type->locations, server->location)))
    return refusal(422, "invalid_server_type", "invalid server type");
  const Image* image = command == "rebuild" ? image_named(call.body.string_or("image")) : nullptr;
  if (command == "rebuild" && !image) return missing("image");
  const std::int64_t id = server->id;
  const std::int64_t action = begin(command == "shutdown" ? "shutdown_server" : command, {{"server", id}}).id;
  const bool fails = doomed();
  const auto at_the_end = [this, id, action, command, fails, type, image = image ? image->id : 0] {
    const auto found = servers.find(id);
    if (found == servers.end()) return finish(action, "action_failed", "server is gone");
    Server& one = found->second;
    one.locked = one.deleting;
    if (fails) return finish(action, "action_failed", "Action failed");
    if (command == "shutdown" || command == "poweroff") {
      one.status = "off";
      if (hardware) hardware->stop(id);
    }
    if (command == "poweron" || command == "reboot" || command == "reset") {
      one.status = "running";
      if (hardware) switch_on(id, one.image, one.user_data);
    }
    if (command == "change_type") one.type = type->name;
    if (command == "rebuild") {
      one.image = image;
      one.status = "running";
      if (hardware) hardware->remove(id);
      if (hardware) one.address = switch_on(id, image, one.user_data);
    }
    finish(action);
  };
  if (command == "shutdown") {
    // Its action says that the signal was sent, and nothing more.
    after(pace.power, [at_the_end, this, id] {
      if (const auto found = servers.find(id); found != servers.end() && !found->second.locked) at_the_end();
    });
    finish(action);
  } else {
    server->locked = true;
    if (command == "rebuild") server->status = "rebuilding";
    after(command == "rebuild" ? pace.create : pace.power, at_the_end);
  }
  return with_action(201, actions.at(action));
}

Answer Hetzner::create_image(const Call& call) {
  Server* server = find_server(call);
  if (!server) return missing("server");
  if (server->locked) return refusal(423, "locked", "server is locked");
  if (auto refused = unknown_field(call, {"description", "type", "labels"}); refused.status) return refused;
  Image image{.id = next_id(), .type = "snapshot", .name = {}, .description = call.body.string_or("description")};
  const Image& base = images.at(server->image);
  image.flavor = base.flavor;
  image.version = base.version;
  image.architecture = hetzner::find_type(server->type)->architecture;
  image.disk_size = hetzner::find_type(server->type)->disk_gb;
  image.labels = labels_of(call);
  image.created = time();
  image.made_from = server->id;
  const std::int64_t id = image.id;
  images[id] = image;
  server->locked = true;
  const std::int64_t action = begin("create_image", {{"server", server->id}, {"image", id}}).id;
  after(pace.snapshot, [this, id, action, server = server->id, fails = doomed()] {
    if (const auto found = servers.find(server); found != servers.end()) found->second.locked = found->second.deleting;
    const auto made = images.find(id);
    if (made == images.end()) return finish(action, "action_failed", "image is gone");
    if (fails) {
      images.erase(made);
      return finish(action, "action_failed", "Action failed");
    }
    made->second.status = "available";
    made->second.image_size = 2.3;
    if (hardware) hardware->keep_image(server, id);
    finish(action);
  });
  return {201, json::Object{{"image", shown(images.at(id))}, {"action", shown(actions.at(action))}}, {}};
}

// ---- images

Hetzner::Image* Hetzner::image_named(const std::string& name_or_id) {
  for (auto& [id, image] : images) {
    if ((image.type == "system" && image.name == name_or_id) || std::to_string(id) == name_or_id) return &image;
  }
  return nullptr;
}

void Hetzner::route_images() {
  on("GET /v1/images", [this](const Call& call) {
    const std::string* deprecated = call.find("include_deprecated");
    json::Array all;
    for (const auto& [id, image] : images) {
      if (!wanted(call, image.name, image.labels) || !among(call.all("type"), image.type)) continue;
      if (!image.deprecated.empty() && !(deprecated && *deprecated == "true")) continue;
      all.push_back(shown(image));
    }
    return page(call, "images", std::move(all));
  });
  on("GET /v1/images/{}", [this](const Call& call) {
    const auto found = images.find(call.number(0));
    return found == images.end() ? missing("image") : Answer{200, json::Object{{"image", shown(found->second)}}, {}};
  });
  on("PUT /v1/images/{}", [this](const Call& call) {
    const auto found = images.find(call.number(0));
    if (found == images.end()) return missing("image");
    if (call.body.find("labels")) found->second.labels = labels_of(call);
    return Answer{200, json::Object{{"image", shown(found->second)}}, {}};
  });
  on("DELETE /v1/images/{}", [this](const Call& call) {
    const auto found = images.find(call.number(0));
    if (found == images.end() || found->second.type == "system") return missing("image");
    if (found->second.status == "creating") return refusal(423, "locked", "image is locked");
    if (hardware) hardware->remove_image(found->first);
    images.erase(found);
    return Answer{204, {}, {}};
  });
}

// ---- firewalls

bool Hetzner::applies(const Firewall& firewall) const { return !firewall.applied_to.empty(); }

bool Hetzner::protects(const Firewall& firewall, const Server& server) {
  return std::any_of(firewall.applied_to.begin(), firewall.applied_to.end(), [&](const Value& to) {
    const Value* selector = to.at({"label_selector", "selector"});
    const Value* id = to.at({"server", "id"});
    return selector ? hetzner::selects(selector->as_string(), server.labels) : id && *id == Value(server.id);
  });
}

Wall Hetzner::wall_of(std::int64_t server) const {
  Wall wall;
  for (const auto& [id, firewall] : firewalls) {
    if (!protects(firewall, servers.at(server))) continue;
    if (!wall) wall.emplace();
    for (const auto& rule : firewall.rules) {
      if (rule.string_or("direction") != "in") continue;
      Opening opening{.protocol = rule.string_or("protocol")};
      const std::string port = rule.string_or("port");
      if (opening.protocol != "icmp") read_ports(port == "any" ? "1-65535" : port, opening);
      for (const auto& from : rule.find("source_ips")->as_array()) opening.from.push_back(from.as_string());
      wall->push_back(std::move(opening));
    }
  }
  return wall;
}

Answer Hetzner::create_firewall(const Call& call) {
  if (auto refused = unknown_field(call, {"name", "labels", "rules", "apply_to"}); refused.status) return refused;
  Firewall firewall{.id = next_id(), .name = call.body.string_or("name"), .labels = labels_of(call)};
  const bool taken = std::any_of(firewalls.begin(), firewalls.end(),
                                 [&](const auto& one) { return one.second.name == firewall.name; });
  if (taken) return refusal(409, "uniqueness_error", "firewall name is already used");
  if (const Value* rules = call.body.find("rules")) firewall.rules = rules->as_array();
  if (const Value* to = call.body.find("apply_to")) firewall.applied_to = to->as_array();
  firewall.created = time();
  firewalls[firewall.id] = firewall;
  json::Array started;
  for (const char* command : {"set_firewall_rules", "apply_firewall"}) {
    const std::int64_t action = begin(command, {{"firewall", firewall.id}}).id;
    after(pace.small, [this, action] { finish(action); });
    started.push_back(shown(actions.at(action)));
  }
  return {201, json::Object{{"firewall", shown(firewall)}, {"actions", std::move(started)}}, {}};
}

void Hetzner::route_firewalls() {
  on("GET /v1/firewalls", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, firewall] : firewalls) {
      if (wanted(call, firewall.name, firewall.labels)) all.push_back(shown(firewall));
    }
    return page(call, "firewalls", std::move(all));
  });
  on("GET /v1/firewalls/{}", [this](const Call& call) {
    const auto found = firewalls.find(call.number(0));
    return found == firewalls.end() ? missing("firewall")
                                    : Answer{200, json::Object{{"firewall", shown(found->second)}}, {}};
  });
  on("POST /v1/firewalls", [this](const Call& call) { return create_firewall(call); });
  on("DELETE /v1/firewalls/{}", [this](const Call& call) {
    const auto found = firewalls.find(call.number(0));
    if (found == firewalls.end()) return missing("firewall");
    if (applies(found->second)) return refusal(422, "resource_in_use", "firewall is still in use");
    firewalls.erase(found);
    return Answer{204, {}, {}};
  });
  const auto change = [this](const char* command, std::function<void(Firewall&, const Call&)> effect) {
    on(std::string("POST /v1/firewalls/{}/actions/") + command,
       [this, command, effect = std::move(effect)](const Call& call) {
         const auto found = firewalls.find(call.number(0));
         if (found == firewalls.end()) return missing("firewall");
         effect(found->second, call);
         const std::int64_t action = begin(command, {{"firewall", found->first}}).id;
         after(pace.small, [this, action] { finish(action); });
         return Answer{201, json::Object{{"actions", json::Array{shown(actions.at(action))}}}, {}};
       });
  };
  change("set_rules",
         [](Firewall& firewall, const Call& call) { firewall.rules = call.body.find("rules")->as_array(); });
  change("apply_to_resources", [](Firewall& firewall, const Call& call) {
    for (const auto& one : call.body.find("apply_to")->as_array()) firewall.applied_to.push_back(one);
  });
  change("remove_from_resources", [](Firewall& firewall, const Call& call) {
    for (const auto& one : call.body.find("remove_from")->as_array())
      std::erase_if(firewall.applied_to, [&](const Value& applied) {
        return applied.at({"label_selector", "selector"}) && one.at({"label_selector", "selector"}) &&
               *applied.at({"label_selector", "selector"}) == *one.at({"label_selector", "selector"});
      });
  });
}

// ---- the rest

void Hetzner::route_rest() {
  on("GET /v1/server_types", [this](const Call& call) {
    json::Array all;
    for (const auto& type : hetzner::types()) {
      if (wanted(call, type.name, {})) all.push_back(hetzner::shown(type));
    }
    return page(call, "server_types", std::move(all));
  });
  on("GET /v1/locations", [this](const Call& call) {
    json::Array all;
    for (const auto& location : hetzner::locations()) all.push_back(hetzner::shown(location));
    return page(call, "locations", std::move(all));
  });
  on("GET /v1/pricing", [](const Call&) { return Answer{200, json::Object{{"pricing", hetzner::pricing()}}, {}}; });
  on("GET /v1/ssh_keys", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, key] : keys) {
      if (wanted(call, key.name, key.labels)) all.push_back(shown(key));
    }
    return page(call, "ssh_keys", std::move(all));
  });
  on("POST /v1/ssh_keys", [this](const Call& call) {
    Key key{.id = next_id(),
            .name = call.body.string_or("name"),
            .fingerprint = {},
            .public_key = call.body.string_or("public_key"),
            .labels = labels_of(call)};
    key.fingerprint = sha256_hex(key.public_key).substr(0, 32);
    key.created = time();
    for (const auto& [id, one] : keys) {
      if (one.fingerprint == key.fingerprint)
        return refusal(409, "uniqueness_error", "SSH key with the same fingerprint already exists");
    }
    keys[key.id] = key;
    return Answer{201, json::Object{{"ssh_key", shown(key)}}, {}};
  });
  on("GET /v1/actions", [this](const Call& call) {
    json::Array all;
    for (const auto& id : call.all("id")) {
      if (const auto found = actions.find(std::stoll(id)); found != actions.end()) all.push_back(shown(found->second));
    }
    return Answer{200, json::Object{{"actions", std::move(all)}}, {}};
  });
  on("GET /v1/actions/{}", [this](const Call& call) {
    const auto found = actions.find(call.number(0));
    return found == actions.end() ? missing("action") : Answer{200, json::Object{{"action", shown(found->second)}}, {}};
  });
  on("GET /v1/primary_ips", [this](const Call& call) { return page(call, "primary_ips", {}); });
}

Hetzner::Action& Hetzner::begin(std::string command, std::vector<std::pair<std::string, std::int64_t>> resources) {
  Action action{.id = next_id(), .command = std::move(command)};
  action.started = time();
  action.resources = std::move(resources);
  return actions.insert_or_assign(action.id, action).first->second;
}

void Hetzner::finish(std::int64_t id, std::string_view error_code, std::string_view error) {
  Action& action = actions.at(id);
  action.status = error_code.empty() ? "success" : "error";
  action.error_code = error_code;
  action.error_message = error;
  action.finished = time();
}

}  // namespace gantry::emulators
