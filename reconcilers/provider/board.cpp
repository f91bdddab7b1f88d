#include "reconcilers/provider/board.hpp"

#include <algorithm>

#include "reconcilers/provider/offers.hpp"

namespace gantry::reconcilers::provider {
namespace {

// A builder is gone before what waits for its image begins, so for others only the image counts: what are there at once
// all the same is held against the limit before each is made.
enum class Part { Whole, Lasting };

// Of all that it asks for.
Usage cost_of(const Posted& posted, const Claim& wish, Part part = Part::Whole) {
  static const providers::Catalogue kUnknown;
  const providers::Catalogue& catalogue = posted.catalogue ? *posted.catalogue : kUnknown;
  const bool build = wish.kind == Claim::Kind::Build;
  const auto known = std::ranges::find(catalogue.sizes, wish.size, &providers::SizeOffer::name);
  const providers::SizeOffer* size = known == catalogue.sizes.end() ? nullptr : &*known;
  if (build && wish.size.empty()) size = cheapest(catalogue, wish.region, posted.at);
  std::optional<providers::Money> monthly;
  if (size) {
    const auto place = std::ranges::find(size->places, wish.region, &providers::SizeOffer::Place::region);
    if (place != size->places.end()) monthly = place->monthly;
  }
  if (build && part == Part::Lasting)
    return size ? usage_of_image(size->disk_bytes, catalogue.image_gib_month) : Usage{};
  if (build) return usage_of_build(size, monthly, catalogue);
  Usage usage;
  const Usage one = usage_of(size, monthly, catalogue.address_month);
  for (std::int64_t i = 0; i < wish.servers; ++i) usage.add(one);
  usage.what = words_of(wish.servers, wish.size, wish.region);
  return usage;
}

// Of what cannot be had the plan says what is wrong and what is nearest, and makes nothing: no limit hides that.
bool cannot_be_had(const Posted& posted, const Claim& claim) {
  if (!posted.catalogue || posted.catalogue->sizes.empty() || claim.size.empty()) return false;
  const auto size = std::ranges::find(posted.catalogue->sizes, claim.size, &providers::SizeOffer::name);
  return size == posted.catalogue->sizes.end() ||
         std::ranges::find(size->places, claim.region, &providers::SizeOffer::Place::region) == size->places.end();
}

// What a change adds to what is there or was counted already.
void subtract(Usage& wish, const Usage& before) {
  const auto less = [](std::int64_t& part, std::int64_t by) { part = std::max<std::int64_t>(0, part - by); };
  less(wish.servers, before.servers);
  less(wish.images, before.images);
  less(wish.cpu_millis, before.cpu_millis);
  less(wish.memory_bytes, before.memory_bytes);
  less(wish.disk_bytes, before.disk_bytes);
  if (wish.monthly && before.monthly) wish.monthly->micros -= before.monthly->micros;
  if (wish.monthly && wish.monthly->micros <= 0) wish.monthly.reset();
  if (!before.what.empty()) wish.what += " in place of " + before.what;
}

bool adds_nothing(const Usage& wish) {
  return wish.servers == 0 && wish.cpu_millis == 0 && wish.memory_bytes == 0 && wish.disk_bytes == 0 && !wish.monthly;
}

// What of it is neither there nor, as a Server of an App, declared by itself.
Claim to_come(Claim wish, const Posted& posted, const std::map<std::string, std::int64_t>& servers_of) {
  if (wish.kind == Claim::Kind::Servers) {
    const auto made = servers_of.find(wish.uid);
    wish.servers = std::max<std::int64_t>(0, wish.servers - (made == servers_of.end() ? 0 : made->second));
  } else if (wish.adopts || posted.owners.contains(wish.uid)) {
    wish.servers = 0;
  }
  return wish;
}

std::int64_t count_of(const json::Value& provision) {
  const std::int64_t count = provision.int_or("count", 1);
  const json::Value* scaling = provision.find("scaling");
  if (!scaling || !scaling->is_object()) return count;
  const std::int64_t least = scaling->int_or("minServers", 1);
  return std::clamp(count, least, std::max(least, scaling->int_or("maxServers", least)));
}

// A Server's spec or what stands for one: an App's template of it. Null: it makes none.
const json::Value* server_spec(const json::Value& object) {
  const json::Value* made_of = object.at({"spec", "placement", "provision", "template"});
  return made_of ? made_of : object.find("spec");
}

std::string owner_of(const json::Value& metadata) {
  const json::Value* owners = metadata.find("ownerReferences");
  if (!owners || !owners->is_array()) return {};
  for (const auto& owner : owners->as_array()) {
    if (owner.bool_or("controller", false)) return owner.string_or("uid");
  }
  return {};
}

}  // namespace

void Board::post(const std::string& provider, PostedPtr posted) {
  const std::lock_guard lock(mutex_);
  if (posted) {
    posted_.insert_or_assign(provider, std::move(posted));
  } else {
    posted_.erase(provider);
  }
}

PostedPtr Board::find(const std::string& provider) const {
  const std::lock_guard lock(mutex_);
  const auto found = posted_.find(provider);
  return found == posted_.end() ? nullptr : found->second;
}

std::string provider_of(const json::Value& object) {
  const json::Value* spec = server_spec(object);
  const json::Value* name = spec ? spec->at({"providerRef", "name"}) : nullptr;
  return name && name->is_string() ? name->as_string() : std::string();
}

std::optional<Claim> claim_of(const json::Value& object, const std::string& provider, const std::string& region) {
  if (provider_of(object) != provider) return std::nullopt;
  static const json::Value kNothing = json::Object{};
  const json::Value* found = object.find("metadata");
  const json::Value& metadata = found ? *found : kNothing;
  const auto annotated = [&](std::string_view name) { return metadata.at({"annotations", name}) != nullptr; };
  const json::Value& spec = *server_spec(object);
  Claim wish{
      .uid = metadata.string_or("uid"), .size = spec.string_or("size"), .region = spec.string_or("region", region)};
  const std::string kind = object.string_or("kind");
  if (kind == "Snapshot") {
    if (spec.at({"from", "serverRef"})) return std::nullopt;  // nobody knows yet how large that server is
    const json::Value* builder = spec.find("builder");
    wish.kind = Claim::Kind::Build;
    wish.size = builder ? builder->string_or("size") : "";
    wish.region = builder ? builder->string_or("region", region) : region;
    wish.adopts = annotated("gantry.dev/external-name");
  } else if (const json::Value* provision = object.at({"spec", "placement", "provision"}); kind == "App") {
    if (!provision) return std::nullopt;
    wish.kind = Claim::Kind::Servers;
    wish.servers = count_of(*provision);
  } else {
    wish.owner = owner_of(metadata);
    wish.adopts = annotated("gantry.dev/external-name") && !annotated("gantry.dev/made-from");
  }
  return wish;
}

std::optional<std::string> refuses(const Posted& posted, const crds::ProviderLimits& limits, const Claim& wanted,
                                   const std::optional<Claim>& before, const std::vector<Claim>& declared) {
  if ((wanted.adopts && !before) || cannot_be_had(posted, wanted)) return std::nullopt;
  Usage wish = cost_of(posted, wanted);
  if (before) {
    subtract(wish, cost_of(posted, *before));
    if (adds_nothing(wish)) return std::nullopt;
  }
  std::map<std::string, std::int64_t> servers_of;  // by uid of their App
  if (!before && !wanted.owner.empty()) ++servers_of[wanted.owner];
  for (const auto& other : declared) {
    if (!other.owner.empty() && other.uid != wanted.uid) ++servers_of[other.owner];
  }
  Usage coming;
  const auto count = [&](const Claim& one) {
    if (const Claim rest = to_come(one, posted, servers_of); rest.servers > 0)
      coming.add(cost_of(posted, rest, Part::Lasting));
  };
  if (before) count(*before);
  for (const auto& other : declared) {
    if (other.uid != wanted.uid) count(other);
  }
  return passes(limits, posted.usage, coming, wish);
}

}  // namespace gantry::reconcilers::provider
