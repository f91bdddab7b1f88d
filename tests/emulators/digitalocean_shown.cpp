// How it answers: its things as JSON, pages, refusals, and the count of calls.
#include "tests/emulators/digitalocean.hpp"

namespace gantry::emulators {
namespace {

using json::Value;

json::Array texts(const auto& values) {
  json::Array array;
  for (const auto& value : values) array.emplace_back(value);
  return array;
}

}  // namespace

Value DigitalOcean::shown(const Droplet& droplet) const {
  const auto* size = digitalocean::find_size(droplet.size);
  json::Array v4;
  if (!droplet.address.empty()) {
    v4.push_back(json::Object{
        {"ip_address", droplet.address}, {"netmask", "255.255.240.0"}, {"gateway", "203.0.0.1"}, {"type", "public"}});
    v4.push_back(json::Object{{"ip_address", "10.106.0." + std::to_string(droplet.id % 250 + 1)},
                              {"netmask", "255.255.240.0"},
                              {"gateway", "10.106.0.1"},
                              {"type", "private"}});
  }
  const auto region = std::find_if(digitalocean::regions().begin(), digitalocean::regions().end(),
                                   [&](const auto& one) { return one.slug == droplet.region; });
  json::Array snapshots;
  for (const auto& [id, image] : images) {
    if (image.made_from == droplet.id) snapshots.emplace_back(id);
  }
  const auto image = images.find(droplet.image);
  return json::Object{
      {"id", droplet.id},
      {"name", droplet.name},
      {"memory", size->memory_mb},
      {"vcpus", size->vcpus},
      {"disk", size->disk_gb},
      {"locked", droplet.locked},
      {"status", droplet.status},
      {"created_at", droplet.created_at},
      {"features", json::Array{}},
      {"backup_ids", json::Array{}},
      {"next_backup_window", json::Object{}},
      {"snapshot_ids", std::move(snapshots)},
      {"image", image == images.end() ? Value(json::Object{{"id", droplet.image}}) : shown(image->second)},
      {"volume_ids", json::Array{}},
      {"size", digitalocean::shown(*size)},
      {"size_slug", droplet.size},
      {"networks", json::Object{{"v4", std::move(v4)}, {"v6", json::Array{}}}},
      {"region", digitalocean::shown(*region)},
      {"tags", texts(droplet.tags)},
      {"vpc_uuid", droplet.vpc}};
}

Value DigitalOcean::shown(const Image& image) const {
  return json::Object{{"id", image.id},
                      {"name", image.name},
                      {"type", image.slug.empty() ? "snapshot" : "base"},
                      {"distribution", image.distribution},
                      {"slug", image.slug.empty() ? Value() : Value(image.slug)},
                      {"public", !image.slug.empty()},
                      {"regions", texts(image.regions)},
                      {"created_at", image.created_at},
                      {"min_disk_size", image.min_disk_gb},
                      {"size_gigabytes", image.size_gb},
                      {"tags", texts(image.tags)},
                      {"status", image.status}};
}

Value DigitalOcean::shown_snapshot(const Image& image, bool of_droplet) const {
  json::Object snapshot{{"name", image.name},
                        {"created_at", image.created_at},
                        {"regions", texts(image.regions)},
                        {"min_disk_size", image.min_disk_gb},
                        {"size_gigabytes", image.size_gb}};
  if (of_droplet) {
    snapshot.set("id", image.id);
    snapshot.set("type", "snapshot");
  } else {
    snapshot.set("id", std::to_string(image.id));
    snapshot.set("resource_id", std::to_string(image.made_from));
    snapshot.set("resource_type", "droplet");
    snapshot.set("tags", texts(image.tags));
  }
  return snapshot;
}

Value DigitalOcean::shown(const Firewall& firewall) const {
  json::Array droplet_ids;
  json::Array pending;
  for (const auto& [id, droplet] : droplets) {
    const bool selected = std::any_of(firewall.tags.begin(), firewall.tags.end(),
                                      [&](const auto& tag) { return droplet.tags.contains(tag); });
    if (selected && !firewall.settled)
      pending.push_back(json::Object{{"droplet_id", id}, {"removing", false}, {"status", "waiting"}});
  }
  return json::Object{{"id", firewall.id},
                      {"name", firewall.name},
                      {"status", firewall.settled ? "succeeded" : "waiting"},
                      {"created_at", firewall.created_at},
                      {"pending_changes", std::move(pending)},
                      {"droplet_ids", std::move(droplet_ids)},
                      {"tags", texts(firewall.tags)},
                      {"inbound_rules", firewall.inbound},
                      {"outbound_rules", firewall.outbound}};
}

Value DigitalOcean::shown(const Action& action) const {
  return json::Object{{"id", action.id},
                      {"status", action.status},
                      {"type", action.type},
                      {"started_at", action.started_at},
                      {"completed_at", action.completed_at.empty() ? Value() : Value(action.completed_at)},
                      {"resource_id", action.resource},
                      {"resource_type", action.resource_type},
                      {"region_slug", action.region}};
}

Value DigitalOcean::shown(const Key& key) const {
  return json::Object{
      {"id", key.id}, {"name", key.name}, {"fingerprint", key.fingerprint}, {"public_key", key.public_key}};
}

Answer DigitalOcean::page(const Call& call, std::string_view name, json::Array all) const {
  const auto asked = [&](const char* parameter, std::size_t otherwise) {
    const std::string* value = call.find(parameter);
    return value ? static_cast<std::size_t>(std::stoul(*value)) : otherwise;
  };
  const std::size_t size = std::min<std::size_t>(asked("per_page", 20), 200);
  const std::size_t number = std::max<std::size_t>(asked("page", 1), 1);
  const std::size_t total = all.size();
  const std::size_t begin = std::min((number - 1) * size, total);
  const std::size_t end = std::min(begin + size, total);
  json::Array part(std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(begin)),
                   std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(end)));
  json::Object body{{"meta", json::Object{{"total", total}}}};
  const std::string url = "https://api.digitalocean.com" + call.target.substr(0, call.target.find('?'));
  json::Object pages;
  const auto link = [&](std::size_t to) {
    return url + "?page=" + std::to_string(to) + "&per_page=" + std::to_string(size);
  };
  const std::size_t last = std::max<std::size_t>((total + size - 1) / size, 1);
  if (number < last) {
    pages.set("next", link(number + 1));
    pages.set("last", link(last));
  }
  if (number > 1) {
    pages.set("first", link(1));
    pages.set("prev", link(number - 1));
  }
  body.set("links", pages.empty() ? json::Object{} : json::Object{{"pages", std::move(pages)}});
  body.set(name, std::move(part));
  return {200, std::move(body), {}};
}

Answer DigitalOcean::refusal(int status, std::string_view code, std::string_view message) const {
  const std::string_view id = status == 429 ? "too_many_requests" : code;
  return {status,
          json::Object{{"id", id}, {"message", message}, {"request_id", "4d9d8375-3c56-4925-a3e7-eb137fed17e9"}},
          {}};
}

Answer DigitalOcean::missing() const {
  return refusal(404, "not_found", "The resource you were accessing could not be found.");
}

Answer DigitalOcean::no_room() const { return unprocessable("Size is not available in this region."); }

bool DigitalOcean::count(http::Headers& headers) {
  while (!hour_.empty() && hour_.front() + std::chrono::hours(1) <= now()) hour_.pop_front();
  const auto minute = std::lower_bound(hour_.begin(), hour_.end(), now() - std::chrono::minutes(1));
  const bool fits = hour_.size() < 5000 && hour_.end() - minute < 250;
  if (fits) hour_.push_back(now());
  const Instant oldest = hour_.empty() ? now() : hour_.front();
  const auto reset = wall() + (oldest + std::chrono::hours(1) - now());
  const std::size_t used = std::max<std::size_t>(hour_.size(), fits ? 0 : 5000);
  headers.emplace_back("ratelimit-limit", "5000");
  headers.emplace_back("ratelimit-remaining", std::to_string(5000 - std::min<std::size_t>(used, 5000)));
  headers.emplace_back("ratelimit-reset",
                       std::to_string(std::chrono::floor<std::chrono::seconds>(reset.time_since_epoch()).count()));
  return fits;
}

void DigitalOcean::too_many_headers(http::Headers& headers) const { headers.emplace_back("retry-after", "7"); }

void DigitalOcean::spoil_total(Value& body) const {
  if (!body.is_object()) return;
  for (auto& [name, value] : body.as_object()) {
    if (value.is_array() && !value.as_array().empty()) value.as_array().pop_back();
  }
}

}  // namespace gantry::emulators
