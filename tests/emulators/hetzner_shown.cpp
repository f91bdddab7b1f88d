// How it answers: its things as JSON, pages, refusals, and the count of calls.
#include "tests/emulators/hetzner.hpp"

namespace gantry::emulators {
namespace {

using json::Value;

Value shown_labels(const Hetzner::Labels& labels) {
  json::Object object;
  for (const auto& [key, value] : labels) object.set(key, value);
  return object;
}

}  // namespace

Value Hetzner::shown(const Server& server) const {
  Value ipv4;
  if (!server.address.empty())
    ipv4 = json::Object{{"id", server.id + 100000},
                        {"ip", server.address},
                        {"blocked", false},
                        {"dns_ptr", "static." + server.address + ".example"}};
  json::Array applied;
  for (const auto& [id, firewall] : firewalls) {
    if (protects(firewall, server)) applied.push_back(json::Object{{"id", id}, {"status", "applied"}});
  }
  json::Array inside;
  for (const std::int64_t network : server.networks)
    inside.push_back(json::Object{{"network", network},
                                  {"ip", "10.0.0." + std::to_string(server.id % 250 + 2)},
                                  {"alias_ips", json::Array{}},
                                  {"mac_address", "86:00:ff:2a:7d:e1"}});
  json::Array floating;
  for (const auto& [id, ip] : floating_ips) {
    if (ip.server == server.id) floating.emplace_back(id);
  }
  const auto image = images.find(server.image);
  return json::Object{{"id", server.id},
                      {"name", server.name},
                      {"status", server.status},
                      {"created", server.created},
                      {"public_net", json::Object{{"ipv4", std::move(ipv4)},
                                                  {"ipv6", Value()},
                                                  {"floating_ips", std::move(floating)},
                                                  {"firewalls", std::move(applied)}}},
                      {"private_net", std::move(inside)},
                      {"server_type", hetzner::shown(*hetzner::find_type(server.type))},
                      {"location", hetzner::shown(*hetzner::find_location(server.location))},
                      {"image", image == images.end() ? Value() : shown(image->second)},
                      {"iso", Value()},
                      {"rescue_enabled", false},
                      {"locked", server.locked},
                      {"backup_window", Value()},
                      {"outgoing_traffic", server.outgoing},
                      {"ingoing_traffic", 0},
                      {"included_traffic", 21990232555520},
                      {"protection", json::Object{{"delete", false}, {"rebuild", false}}},
                      {"labels", shown_labels(server.labels)},
                      {"volumes", json::Array{}},
                      {"load_balancers", json::Array{}},
                      {"primary_disk_size", hetzner::find_type(server.type)->disk_gb},
                      {"placement_group", Value()}};
}

Value Hetzner::shown(const Image& image) const {
  const bool snapshot = image.type == "snapshot";
  return json::Object{
      {"id", image.id},
      {"type", image.type},
      {"status", image.status},
      {"name", snapshot ? Value() : Value(image.name)},
      {"description", image.description},
      {"image_size", image.image_size > 0 ? Value(image.image_size) : Value()},
      {"disk_size", image.disk_size},
      {"created", image.created},
      {"created_from", snapshot ? Value(json::Object{{"id", image.made_from}, {"name", "builder"}}) : Value()},
      {"bound_to", Value()},
      {"os_flavor", image.flavor},
      {"os_version", image.version},
      {"rapid_deploy", !snapshot},
      {"protection", json::Object{{"delete", false}}},
      {"deprecated", image.deprecated.empty() ? Value() : Value(image.deprecated)},
      {"deleted", Value()},
      {"labels", shown_labels(image.labels)},
      {"architecture", image.architecture}};
}

Value Hetzner::shown(const Firewall& firewall) const {
  json::Array rules;
  for (Value rule : firewall.rules) {
    for (const char* list : {"source_ips", "destination_ips"}) {
      if (!rule.find(list)) rule[list] = json::Array{};
    }
    if (!rule.find("port")) rule["port"] = Value();
    rules.push_back(std::move(rule));
  }
  json::Array applied;
  for (Value to : firewall.applied_to) {
    json::Array resources;
    if (const Value* selector = to.at({"label_selector", "selector"})) {
      for (const auto& [id, server] : servers) {
        if (hetzner::selects(selector->as_string(), server.labels))
          resources.push_back(json::Object{{"type", "server"}, {"server", json::Object{{"id", id}}}});
      }
    }
    to["applied_to_resources"] = std::move(resources);
    applied.push_back(std::move(to));
  }
  return json::Object{
      {"id", firewall.id},           {"name", firewall.name},     {"labels", shown_labels(firewall.labels)},
      {"created", firewall.created}, {"rules", std::move(rules)}, {"applied_to", std::move(applied)}};
}

Value Hetzner::shown(const Action& action) const {
  json::Array resources;
  for (const auto& [type, id] : action.resources) resources.push_back(json::Object{{"id", id}, {"type", type}});
  return json::Object{{"id", action.id},
                      {"command", action.command},
                      {"status", action.status},
                      {"started", action.started},
                      {"finished", action.finished.empty() ? Value() : Value(action.finished)},
                      {"progress", action.status == "running" ? 50 : 100},
                      {"resources", std::move(resources)},
                      {"error", action.error_code.empty() ? Value()
                                                          : Value(json::Object{{"code", action.error_code},
                                                                               {"message", action.error_message}})}};
}

Value Hetzner::shown(const Key& key) const {
  return json::Object{{"id", key.id},
                      {"name", key.name},
                      {"fingerprint", key.fingerprint},
                      {"public_key", key.public_key},
                      {"labels", shown_labels(key.labels)},
                      {"created", key.created}};
}

Answer Hetzner::with_action(int status, const Action& action) const {
  return {status, json::Object{{"action", shown(action)}}, {}};
}

Answer Hetzner::page(const Call& call, std::string_view name, json::Array all) const {
  const auto asked = [&](const char* parameter, std::int64_t otherwise) {
    const std::string* value = call.find(parameter);
    return value ? std::stoll(*value) : otherwise;
  };
  const std::int64_t size = std::clamp<std::int64_t>(asked("per_page", 25), 1, 50);
  const std::int64_t number = std::max<std::int64_t>(asked("page", 1), 1);
  const auto total = static_cast<std::int64_t>(all.size());
  const std::int64_t last = std::max<std::int64_t>((total + size - 1) / size, 1);
  json::Array part(std::make_move_iterator(all.begin() + std::min((number - 1) * size, total)),
                   std::make_move_iterator(all.begin() + std::min(number * size, total)));
  json::Object body{
      {"meta", json::Object{{"pagination", json::Object{{"page", number},
                                                        {"per_page", size},
                                                        {"previous_page", number > 1 ? Value(number - 1) : Value()},
                                                        {"next_page", number < last ? Value(number + 1) : Value()},
                                                        {"last_page", last},
                                                        {"total_entries", total}}}}}};
  body.set(name, std::move(part));
  return {200, std::move(body), {}};
}

Answer Hetzner::refusal(int status, std::string_view code, std::string_view message) const {
  const std::string_view word = status == 429 ? "rate_limit_exceeded" : status == 401 ? "unauthorized" : code;
  return {status,
          json::Object{{"error", json::Object{{"code", word}, {"message", message}, {"details", json::Object{}}}}},
          {}};
}

bool Hetzner::count(http::Headers& headers) {
  const double passed = std::chrono::duration<double>(now() - std::exchange(counted_, now())).count();
  calls_left_ = std::min(3600.0, calls_left_ + passed);
  const bool fits = calls_left_ >= 1;
  if (fits) calls_left_ -= 1;
  const auto full = wall() + std::chrono::seconds(static_cast<std::int64_t>(3600 - calls_left_));
  headers.emplace_back("RateLimit-Limit", "3600");
  headers.emplace_back("RateLimit-Remaining", std::to_string(static_cast<int>(calls_left_)));
  headers.emplace_back("RateLimit-Reset",
                       std::to_string(std::chrono::floor<std::chrono::seconds>(full.time_since_epoch()).count()));
  return fits;
}

void Hetzner::spoil_total(Value& body) const {
  if (!body.is_object()) return;
  for (auto& [name, value] : body.as_object()) {
    if (value.is_array() && !value.as_array().empty()) value.as_array().pop_back();
  }
}

}  // namespace gantry::emulators
