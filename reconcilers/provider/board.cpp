#include "reconcilers/provider/board.hpp"

#include <algorithm>

namespace gantry::reconcilers::provider {
namespace {

Usage cost_of(const Posted& posted, const ServerWish& wish) {
  const providers::SizeOffer* size = nullptr;
  std::optional<providers::Money> monthly;
  std::optional<providers::Money> address;
  if (posted.catalogue) {
    address = posted.catalogue->address_month;
    const auto known = std::ranges::find(posted.catalogue->sizes, wish.size, &providers::SizeOffer::name);
    if (known != posted.catalogue->sizes.end()) {
      size = &*known;
      const auto place = std::ranges::find(size->places, wish.region, &providers::SizeOffer::Place::region);
      if (place != size->places.end()) monthly = place->monthly;
    }
  }
  return usage_of(size, monthly, address);
}

// What a change adds to a server that is there.
void subtract(Usage& wish, const Usage& before) {
  wish.servers = 0;
  wish.cpu_millis = std::max<std::int64_t>(0, wish.cpu_millis - before.cpu_millis);
  wish.memory_bytes = std::max<std::int64_t>(0, wish.memory_bytes - before.memory_bytes);
  wish.disk_bytes = std::max<std::int64_t>(0, wish.disk_bytes - before.disk_bytes);
  if (wish.monthly && before.monthly) wish.monthly->micros -= before.monthly->micros;
  if (wish.monthly && wish.monthly->micros <= 0) wish.monthly.reset();
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

std::optional<ServerWish> wish_of(const json::Value& server, const std::string& provider, const std::string& region) {
  const json::Value* spec = server.find("spec");
  const json::Value* name = spec ? spec->at({"providerRef", "name"}) : nullptr;
  if (!name || !name->is_string() || name->as_string() != provider) return std::nullopt;
  const json::Value* metadata = server.find("metadata");
  const auto annotated = [&](std::string_view name) {
    return metadata && metadata->at({"annotations", name}) != nullptr;
  };
  return ServerWish{metadata ? metadata->string_or("uid") : "", spec->string_or("size"),
                    spec->string_or("region", region),
                    annotated("gantry.dev/external-name") && !annotated("gantry.dev/made-from")};
}

std::optional<std::string> refuses(const Posted& posted, const crds::ProviderLimits& limits, const ServerWish& wanted,
                                   const std::optional<ServerWish>& before, const std::vector<ServerWish>& declared) {
  if (wanted.adopts && !before) return std::nullopt;
  Usage wish = cost_of(posted, wanted);
  if (before) {
    subtract(wish, cost_of(posted, *before));
    if (wish.cpu_millis == 0 && wish.memory_bytes == 0 && wish.disk_bytes == 0 && !wish.monthly) return std::nullopt;
  }
  Usage coming;
  for (const auto& other : declared) {
    if (other.uid != wanted.uid && !other.adopts && !posted.owners.contains(other.uid))
      coming.add(cost_of(posted, other));
  }
  return passes(limits, posted.usage, coming, wish);
}

}  // namespace gantry::reconcilers::provider
