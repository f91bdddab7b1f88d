#include "tests/emulators/digitalocean.hpp"

namespace gantry::emulators {
namespace {

using json::Value;

}  // namespace

DigitalOcean::DigitalOcean(Reactor& reactor, std::string with_token)
    : Emulator(reactor, "digitalocean", std::move(with_token)) {
  for (const auto& [slug, name, distribution] :
       {std::tuple("ubuntu-24-04-x64", "24.04 (LTS) x64", "Ubuntu"),
        std::tuple("ubuntu-22-04-x64", "22.04 (LTS) x64", "Ubuntu"), std::tuple("debian-12-x64", "12 x64", "Debian")}) {
    Image image{.id = next_id(), .name = name, .slug = slug, .distribution = distribution};
    for (const auto& region : digitalocean::regions()) image.regions.insert(region.slug);
    image.min_disk_gb = 7;
    image.size_gb = 0.6;
    image.created_at = time();
    images[image.id] = image;
  }
  SeededRandom ids(4711);
  for (const auto& region : digitalocean::regions())
    vpcs.push_back({.id = ids.uuid(), .name = "default-" + region.slug, .region = region.slug, .is_default = true});
  route_droplets();
  route_images();
  route_rest();
  route_networks();
}

// ---- droplets

DigitalOcean::Droplet* DigitalOcean::find_droplet(const Call& call) {
  const auto found = droplets.find(call.number(0));
  return found == droplets.end() || !visible(found->second) ? nullptr : &found->second;
}

void DigitalOcean::route_droplets() {
  on("GET /v2/droplets", [this](const Call& call) {
    const std::string* tag = call.find("tag_name");
    const std::string* name = call.find("name");
    json::Array all;
    for (const auto& [id, droplet] : droplets) {
      if (!visible(droplet) || (tag && !droplet.tags.contains(*tag)) || (name && droplet.name != *name)) continue;
      all.push_back(shown(droplet));
    }
    return page(call, "droplets", std::move(all));
  });
  on("POST /v2/droplets", [this](const Call& call) { return create_droplet(call); });
  on("GET /v2/droplets/{}", [this](const Call& call) {
    const Droplet* droplet = find_droplet(call);
    return droplet ? Answer{200, json::Object{{"droplet", shown(*droplet)}}, {}} : missing();
  });
  on("DELETE /v2/droplets/{}", [this](const Call& call) {
    Droplet* droplet = find_droplet(call);
    if (!droplet) return missing();
    take_away(droplet->id);
    return Answer{204, {}, {}};
  });
  on("DELETE /v2/droplets", [this](const Call& call) {
    for (const auto& [id, droplet] : droplets) {
      if (const std::string* tag = call.find("tag_name"); tag && droplet.tags.contains(*tag)) take_away(id);
    }
    return Answer{204, {}, {}};
  });
  on("POST /v2/droplets/{}/actions", [this](const Call& call) { return act_on_droplet(call); });
  on("GET /v2/droplets/{}/snapshots", [this](const Call& call) {
    if (!find_droplet(call)) return missing();
    json::Array all;
    for (const auto& [id, image] : images) {
      if (image.made_from == call.number(0)) all.push_back(shown_snapshot(image, true));
    }
    return page(call, "snapshots", std::move(all));
  });
}

Answer DigitalOcean::create_droplet(const Call& call) {
  if (static_cast<int>(droplets.size()) >= droplet_limit)
    return refusal(422, "unprocessable_entity", "creating this/these droplet(s) will exceed your droplet limit");
  const auto* size = digitalocean::find_size(call.body.string_or("size"));
  if (!size || !size->available) return unprocessable("You specified an invalid size for Droplet creation.");
  const Image* image = image_named(*call.body.find("image"));
  if (!image) return unprocessable("You specified an invalid image for Droplet creation.");
  const std::string region = call.body.string_or("region", "nyc3");
  const auto open = digitalocean::open_regions();
  if (std::find(open.begin(), open.end(), Value(region)) == open.end()) return unprocessable("Region is not available");
  if (!image->regions.contains(region)) return unprocessable("Image is not available in that region.");
  if (image->min_disk_gb > size->disk_gb)
    return unprocessable("The image you specified requires a larger disk than that size has.");
  Droplet droplet{
      .id = next_id(), .name = call.body.string_or("name"), .region = region, .size = size->slug, .image = image->id};
  for (const auto& tag : digitalocean::text_set(call.body.find("tags"))) {
    droplet.tags.insert(tag);
    tags.insert(tag);
  }
  if (const Value* wanted = call.body.find("ssh_keys")) {
    for (const auto& key : wanted->as_array()) {
      const std::string word = key.is_string() ? key.as_string() : std::to_string(key.as_int());
      const bool known = std::any_of(keys.begin(), keys.end(), [&](const auto& one) {
        return std::to_string(one.first) == word || one.second.fingerprint == word;
      });
      if (!known) return unprocessable(word + " are invalid key identifiers for Droplet creation.");
      droplet.ssh_keys.push_back(word);
    }
  }
  const std::string wanted_vpc = call.body.string_or("vpc_uuid");
  const auto vpc = std::ranges::find_if(vpcs, [&](const Vpc& one) {
    return one.region == region && (wanted_vpc.empty() ? one.is_default : one.id == wanted_vpc);
  });
  if (vpc == vpcs.end()) return unprocessable("VPC is not in the same region as the Droplet.");
  droplet.vpc = vpc->id;
  droplet.user_data = call.body.string_or("user_data");
  if (droplet.user_data.size() > 64U << 10) return unprocessable("User data is too long");
  droplet.monitoring = call.body.bool_or("monitoring", false);
  droplet.created_at = time();
  droplet.visible = now() + pace.visible;
  const std::int64_t id = droplet.id;
  const std::int64_t action = begin("create", "droplet", id, region).id;
  const bool fails = doomed();
  droplets.emplace(id, std::move(droplet));
  count_creation();
  after(pace.create, [this, id, action, fails] {
    const auto made = droplets.find(id);
    if (made == droplets.end()) return;
    if (fails) {  // no host took it: it is simply gone
      finish(action, false);
      droplets.erase(made);
      return;
    }
    made->second.status = "active";
    made->second.locked = false;
    made->second.address = switch_on(id, made->second.image, made->second.user_data);
    finish(action);
  });
  return {202,
          json::Object{
              {"droplet", shown(droplets.at(id))},
              {"links",
               json::Object{{"actions", json::Array{json::Object{{"id", action},
                                                                 {"rel", "create"},
                                                                 {"href", "https://api.digitalocean.com/v2/actions/" +
                                                                              std::to_string(action)}}}}}}},
          {}};
}

std::string* DigitalOcean::status_of(std::int64_t server) {
  const auto found = droplets.find(server);
  return found == droplets.end() ? nullptr : &found->second.status;
}

DigitalOcean::Droplet& DigitalOcean::place(std::string name, std::set<std::string> with_tags, std::string size,
                                           std::string region) {
  Droplet droplet{.id = next_id(), .name = std::move(name), .region = std::move(region), .size = std::move(size)};
  droplet.image = images.begin()->first;
  droplet.status = "active";
  droplet.locked = false;
  droplet.created_at = time();
  droplet.address = next_address("198.51.");
  droplet.vpc = std::ranges::find(vpcs, droplet.region, &Vpc::region)->id;
  tags.insert(with_tags.begin(), with_tags.end());
  droplet.tags = std::move(with_tags);
  const std::int64_t id = droplet.id;
  return droplets.insert_or_assign(id, std::move(droplet)).first->second;
}

void DigitalOcean::take_away(std::int64_t id) {
  Droplet& droplet = droplets.at(id);
  if (std::exchange(droplet.deleting, true)) return;
  droplet.locked = true;
  after(pace.remove, [this, id] {
    if (hardware) hardware->remove(id);
    droplets.erase(id);
    for (auto& [ip, reserved] : reserved_ips) {
      if (reserved.droplet == id) reserved.droplet = 0;
    }
  });
}

Answer DigitalOcean::act_on_droplet(const Call& call) {
  Droplet* droplet = find_droplet(call);
  if (!droplet) return missing();
  if (droplet->locked) return unprocessable("Droplet already has a pending event.");
  const std::string type = call.body.string_or("type");
  const std::string& status = droplet->status;
  if ((type == "shutdown" || type == "power_off") && status != "active")
    return unprocessable("Droplet is already powered off.");
  if (type == "power_on" && status != "off") return unprocessable("Droplet is already powered on.");
  const auto* size = type == "resize" ? digitalocean::find_size(call.body.string_or("size")) : nullptr;
  if (type == "resize" && status != "off") return unprocessable("Droplet must be powered off to resize.");
  if (type == "resize" && (!size || !size->available)) return unprocessable("You specified an invalid size.");
  if (type == "resize" && size->disk_gb < digitalocean::find_size(droplet->size)->disk_gb)
    return unprocessable("This size is not available because it has a smaller disk.");
  const Image* image = type == "rebuild" ? image_named(*call.body.find("image")) : nullptr;
  if (type == "rebuild" && !image) return unprocessable("You specified an invalid image.");
  const std::int64_t id = droplet->id;
  const std::int64_t action = begin(type, "droplet", id, droplet->region).id;
  const bool fails = doomed();
  droplet->locked = true;
  const Duration lasts = type == "snapshot" ? pace.snapshot : type == "rebuild" ? pace.create : pace.power;
  after(lasts,
        [this, id, action, type, fails, name = call.body.string_or("name"), size, image = image ? image->id : 0] {
          const auto found = droplets.find(id);
          if (found == droplets.end()) return finish(action, false);
          Droplet& one = found->second;
          one.locked = one.deleting;
          finish(action, !fails);
          if (fails) return;
          if (type == "shutdown" || type == "power_off") {
            one.status = "off";
            if (hardware) hardware->stop(id);
          }
          if (type == "power_on" || type == "reboot" || type == "power_cycle") {
            one.status = "active";
            if (hardware) switch_on(id, one.image, one.user_data);
          }
          if (type == "resize") one.size = size->slug;
          if (type == "rebuild") {
            one.image = image;
            one.status = "active";
            if (hardware) hardware->remove(id);
            if (hardware) one.address = switch_on(id, image, one.user_data);
          }
          if (type == "snapshot") {
            Image made{.id = next_id(), .name = name, .slug = {}, .distribution = images.at(one.image).distribution};
            made.regions = {one.region};
            made.min_disk_gb = digitalocean::find_size(one.size)->disk_gb;
            made.size_gb = 2.3;
            made.created_at = time();
            made.made_from = id;
            images[made.id] = made;
            if (hardware) hardware->keep_image(id, made.id);
          }
        });
  return {201, json::Object{{"action", shown(actions.at(action))}}, {}};
}

// ---- images

DigitalOcean::Image* DigitalOcean::find_image(const Call& call) {
  const auto found = images.find(call.number(0));
  return found == images.end() ? nullptr : &found->second;
}

DigitalOcean::Image* DigitalOcean::image_named(const Value& id_or_slug) {
  for (auto& [id, image] : images) {
    if (id_or_slug.is_int() ? id == id_or_slug.as_int() : image.slug == id_or_slug.as_string() && !image.slug.empty())
      return &image;
  }
  return nullptr;
}

void DigitalOcean::route_images() {
  on("GET /v2/images", [this](const Call& call) {
    const std::string* only_private = call.find("private");
    const std::string* type = call.find("type");
    const std::string* tag = call.find("tag_name");
    json::Array all;
    for (const auto& [id, image] : images) {
      if (only_private && *only_private == "true" && !image.slug.empty()) continue;
      if (type && image.slug.empty()) continue;
      if (tag && !image.tags.contains(*tag)) continue;
      all.push_back(shown(image));
    }
    return page(call, "images", std::move(all));
  });
  on("GET /v2/images/{}", [this](const Call& call) {
    const Image* image = find_image(call);
    return image ? Answer{200, json::Object{{"image", shown(*image)}}, {}} : missing();
  });
  on("DELETE /v2/images/{}", [this](const Call& call) {
    const Image* image = find_image(call);
    if (!image || !image->slug.empty()) return missing();
    if (image->copies_under_way > 0) return unprocessable("Image already has a pending event.");
    if (hardware) hardware->remove_image(image->id);
    images.erase(image->id);
    return Answer{204, {}, {}};
  });
  on("POST /v2/images/{}/actions", [this](const Call& call) { return act_on_image(call); });
  on("GET /v2/images/{}/actions/{}", [this](const Call& call) {
    const auto found = actions.find(call.number(1));
    if (found == actions.end() || found->second.resource != call.number(0)) return missing();
    return Answer{200, json::Object{{"action", shown(found->second)}}, {}};
  });
  on("GET /v2/snapshots", [this](const Call& call) {
    json::Array all;
    for (const auto& [id, image] : images) {
      if (image.slug.empty()) all.push_back(shown_snapshot(image, false));
    }
    return page(call, "snapshots", std::move(all));
  });
  on("GET /v2/snapshots/{}", [this](const Call& call) {
    const Image* image = find_image(call);
    if (!image || !image->slug.empty()) return missing();
    return Answer{200, json::Object{{"snapshot", shown_snapshot(*image, false)}}, {}};
  });
}

Answer DigitalOcean::act_on_image(const Call& call) {
  Image* image = find_image(call);
  if (!image || !image->slug.empty()) return missing();
  const std::string region = call.body.string_or("region");
  const auto open = digitalocean::open_regions();
  if (std::find(open.begin(), open.end(), Value(region)) == open.end())
    return unprocessable("The region you specified is not available.");
  if (image->regions.contains(region)) return unprocessable("Image is already in that region.");
  ++image->copies_under_way;
  const std::int64_t id = image->id;
  const std::int64_t action = begin("transfer", "image", id, region).id;
  const bool fails = doomed();
  after(pace.transfer, [this, id, action, region, fails] {
    const auto found = images.find(id);
    finish(action, found != images.end() && !fails);
    if (found == images.end()) return;
    --found->second.copies_under_way;
    if (!fails) found->second.regions.insert(region);
  });
  return {201, json::Object{{"action", shown(actions.at(action))}}, {}};
}

// ---- actions

DigitalOcean::Action& DigitalOcean::begin(std::string type, std::string resource_type, std::int64_t resource,
                                          const std::string& region) {
  Action action{.id = next_id(), .type = std::move(type)};
  action.started_at = time();
  action.resource = resource;
  action.resource_type = std::move(resource_type);
  action.region = region;
  return actions.insert_or_assign(action.id, action).first->second;
}

void DigitalOcean::finish(std::int64_t id, bool well) {
  Action& action = actions.at(id);
  action.status = well ? "completed" : "errored";
  action.completed_at = time();
}

}  // namespace gantry::emulators
