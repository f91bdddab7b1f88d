#include "providers/hetzner/catalogue.hpp"

namespace gantry::providers::hetzner {
namespace {

constexpr double kGiB = 1 << 30;

std::string architecture_of(const json::Value& said) {
  return said.string_or("architecture") == "arm" ? "aarch64" : "x86_64";
}

std::optional<WallTime> end_of(const json::Value& said) {
  const json::Value* deprecation = said.find("deprecation");
  return deprecation ? rest::find_time(*deprecation, "unavailable_after") : std::nullopt;
}

SizeOffer read_type(const json::Value& said, WallTime now) {
  SizeOffer size{.name = rest::id_of(said, "name"), .description = said.string_or("description")};
  size.cpus = static_cast<int>(rest::number_or(said, "cores", 0));
  size.memory_bytes = static_cast<std::int64_t>(rest::number_or(said, "memory", 0) * kGiB);
  size.disk_bytes = static_cast<std::int64_t>(rest::number_or(said, "disk", 0) * kGiB);
  size.architecture = architecture_of(said);
  for (const auto& price : rest::rows(said, "prices")) {
    SizeOffer::Place place{.region = price.string_or("location"), .monthly = {}, .hourly = {}, .ends = end_of(said)};
    place.monthly = rest::price_of(price.at({"price_monthly", "net"}), kCurrency);
    place.hourly = rest::price_of(price.at({"price_hourly", "net"}), kCurrency);
    if (const std::int64_t free = price.int_or("included_traffic", 0); free > 0 && !size.traffic_free_bytes)
      size.traffic_free_bytes = free;
    // A type may end in one place only.
    if (const json::Value* locations = said.find("locations"); locations && locations->is_array()) {
      for (const auto& location : locations->as_array()) {
        if (location.string_or("name") != place.region) continue;
        if (const auto ends = end_of(location)) place.ends = ends;
        place.available = location.bool_or("available", true);
      }
    }
    if (place.ends && *place.ends <= now) place.available = false;
    size.places.push_back(std::move(place));
  }
  return size;
}

ImageOffer read_image(const json::Value& said) {
  ImageOffer image{.name = said.string_or("name"),
                   .id = rest::id_of(said),
                   .family = said.string_or("os_flavor"),
                   .version = said.string_or("os_version")};
  image.architecture = architecture_of(said);
  image.min_disk_bytes = static_cast<std::int64_t>(rest::number_or(said, "disk_size", 0) * kGiB);
  image.ends = rest::find_time(said, "deprecated");
  return image;
}

void read_pricing(const json::Value& pricing, Catalogue& catalogue) {
  catalogue.image_gib_month = rest::price_of(pricing.at({"image", "price_per_gb_month", "net"}), kCurrency);
  for (const auto& address : rest::rows(pricing, "primary_ips")) {
    const json::Value* prices = address.find("prices");
    if (address.string_or("type") == "ipv4" && prices && prices->is_array() && !prices->as_array().empty())
      catalogue.address_month = rest::price_of(prices->as_array()[0].at({"price_monthly", "net"}), kCurrency);
  }
  const json::Value* types = pricing.find("server_types");
  if (!types || !types->is_array() || types->as_array().empty()) return;
  if (const json::Value* prices = types->as_array()[0].find("prices");
      prices && prices->is_array() && !prices->as_array().empty())
    catalogue.traffic_tib = rest::price_of(prices->as_array()[0].at({"price_per_tb_traffic", "net"}), kCurrency);
}

}  // namespace

Task<Catalogue> read_catalogue(Api& api) {
  Catalogue catalogue;
  const WallTime now = api.client.reactor().clock().wall();
  for (const auto& location : co_await api.list("/locations", "locations"))
    catalogue.regions.push_back({rest::id_of(location, "name"), location.string_or("city"), true});
  for (const auto& type : co_await api.list("/server_types", "server_types"))
    catalogue.sizes.push_back(read_type(type, now));
  for (const auto& image : co_await api.list("/images?type=system&include_deprecated=true", "images")) {
    if (!image.string_or("name").empty()) catalogue.images.push_back(read_image(image));
  }
  const json::Value body = co_await api.get("/pricing", "/pricing");
  read_pricing(rest::part(body, "pricing"), catalogue);
  co_return catalogue;
}

}  // namespace gantry::providers::hetzner
