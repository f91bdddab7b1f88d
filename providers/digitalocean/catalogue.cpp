#include "providers/digitalocean/catalogue.hpp"

namespace gantry::providers::digitalocean {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGiB = 1 << 30;
constexpr double kTiB = static_cast<double>(std::int64_t{1} << 40);

SizeOffer read_size(const json::Value& said) {
  SizeOffer size{.name = rest::id_of(said, "slug"), .description = said.string_or("description")};
  size.cpus = static_cast<int>(said.int_or("vcpus", 0));
  size.memory_bytes = said.int_or("memory", 0) * kMiB;
  size.disk_bytes = said.int_or("disk", 0) * kGiB;
  size.architecture = "x86_64";
  size.traffic_free_bytes = static_cast<std::int64_t>(rest::number_or(said, "transfer", 0) * kTiB);
  for (const auto& region : rest::texts(said.find("regions")))
    size.places.push_back({.region = region,
                           .monthly = rest::price_of(said.find("price_monthly"), kCurrency),
                           .hourly = rest::price_of(said.find("price_hourly"), kCurrency),
                           .ends = {},  // it names no dates: a size that ended is in no region any more
                           .available = said.bool_or("available", false)});
  return size;
}

ImageOffer read_image(const json::Value& said) {
  ImageOffer image{.name = said.string_or("slug"), .id = rest::id_of(said)};
  for (const char c : said.string_or("distribution"))
    image.family += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const std::string name = said.string_or("name");  // "24.04 (LTS) x64"
  image.version = name.substr(0, name.find(' '));
  image.architecture = "x86_64";
  image.regions = rest::texts(said.find("regions"));
  image.min_disk_bytes = said.int_or("min_disk_size", 0) * kGiB;
  return image;
}

}  // namespace

Task<Catalogue> read_catalogue(Api& api) {
  Catalogue catalogue;
  for (const auto& region : co_await api.list("/v2/regions", "regions", "slug"))
    catalogue.regions.push_back(
        {rest::id_of(region, "slug"), region.string_or("name"), region.bool_or("available", false)});
  for (const auto& size : co_await api.list("/v2/sizes", "sizes", "slug")) catalogue.sizes.push_back(read_size(size));
  for (const auto& image : co_await api.list("/v2/images?type=distribution", "images")) {
    // Without a slug it cannot be asked for by name.
    if (!image.string_or("slug").empty() && image.string_or("status") != "retired")
      catalogue.images.push_back(read_image(image));
  }
  // Not in the API; the vendor's price list of 2026: 0.06 USD a GiB of snapshot and month, 0.01 USD a GiB of traffic.
  catalogue.image_gib_month = Money{60'000, std::string(kCurrency)};
  catalogue.traffic_tib = Money{10'240'000, std::string(kCurrency)};
  co_return catalogue;
}

}  // namespace gantry::providers::digitalocean
