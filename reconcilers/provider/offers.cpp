#include "reconcilers/provider/offers.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "providers/money.hpp"

namespace gantry::reconcilers::provider {
namespace {

using providers::Catalogue;
using providers::ImageOffer;
using providers::SizeOffer;

const SizeOffer::Place* place_of(const SizeOffer& size, const std::string& region) {
  const auto at = std::ranges::find(size.places, region, &SizeOffer::Place::region);
  return at == size.places.end() ? nullptr : &*at;
}

bool over(const std::optional<WallTime>& end, WallTime now) { return end && *end <= now; }

std::string day(WallTime time) { return format_time(time).substr(0, 10); }

// How many letters must change: for names that the catalogue no longer knows at all.
std::size_t letters_apart(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t corner = row[0]++;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = corner + (a[i] == b[j] ? 0 : 1);
      corner = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

double ratio_apart(double a, double b) { return a > 0 && b > 0 ? std::abs(std::log2(a / b)) : 8; }

// Smaller is nearer. What has less than was asked for counts three times.
double apart(const SizeOffer& wanted, const SizeOffer& other) {
  const auto one = [](double want, double have) { return ratio_apart(want, have) * (have < want ? 3 : 1); };
  return one(wanted.cpus, other.cpus) +
         one(static_cast<double>(wanted.memory_bytes), static_cast<double>(other.memory_bytes)) +
         one(static_cast<double>(wanted.disk_bytes), static_cast<double>(other.disk_bytes)) / 2;
}

const SizeOffer* nearest(const Catalogue& catalogue, const Wish& wish, const SizeOffer* known, WallTime now) {
  const SizeOffer* best = nullptr;
  double best_apart = 0;
  for (const auto& size : catalogue.sizes) {
    const auto* place = place_of(size, wish.region);
    if (!place || !place->available || over(place->ends, now) || size.name == wish.size) continue;
    if (known && size.architecture != known->architecture) continue;
    if (!wish.architecture.empty() && !size.architecture.empty() && size.architecture != wish.architecture) continue;
    if (size.disk_bytes < wish.min_disk_bytes) continue;
    double distance = known ? apart(*known, size) : static_cast<double>(letters_apart(wish.size, size.name)) * 100;
    if (place->monthly) distance += static_cast<double>(place->monthly->micros) / 1e9;  // of equals the cheaper
    if (!best || distance < best_apart) {
      best = &size;
      best_apart = distance;
    }
  }
  return best;
}

std::string nearest_text(const Catalogue& catalogue, const Wish& wish, const SizeOffer* known, WallTime now) {
  const SizeOffer* other = nearest(catalogue, wish, known, now);
  return other ? "; the nearest is " + describe(*other, wish.region) : "";
}

std::string regions_text(const Catalogue& catalogue) {
  std::string text;
  for (const auto& region : catalogue.regions) {
    if (region.available) text += (text.empty() ? "" : ", ") + region.name;
  }
  return text;
}

Offer refuse(std::string field, std::string problem) {
  Offer offer;
  offer.problem_field = std::move(field);
  offer.problem = std::move(problem);
  return offer;
}

std::optional<Offer> refuse_image(const Catalogue& catalogue, const Wish& wish, WallTime now, std::string& notice) {
  if (wish.image.empty() || catalogue.images.empty()) return std::nullopt;
  const auto named = [&](const ImageOffer& image) { return image.name == wish.image || image.id == wish.image; };
  const auto at = std::ranges::find_if(catalogue.images, named);
  const auto fits = [&](const ImageOffer& image) { return !over(image.ends, now) && !named(image); };
  const auto quoted = [&] { return "spec.image: \"" + wish.image + "\" "; };
  if (at == catalogue.images.end()) {
    const ImageOffer* best = nullptr;
    for (const auto& image : catalogue.images) {
      if (fits(image) && (!best || letters_apart(wish.image, image.name) < letters_apart(wish.image, best->name)))
        best = &image;
    }
    return refuse("spec.image", quoted() + "is no image that the provider has" +
                                    (best ? "; the nearest is \"" + best->name + "\"" : std::string()));
  }
  if (at->ends && !over(at->ends, now)) notice = quoted() + "can be had until " + day(*at->ends) + " only";
  if (!over(at->ends, now) || wish.retired_is_fine) return std::nullopt;
  const ImageOffer* newest = nullptr;
  for (const auto& image : catalogue.images) {
    if (!fits(image) || image.family != at->family || image.architecture != at->architecture) continue;
    if (!newest || image.version > newest->version) newest = &image;
  }
  return refuse("spec.image", quoted() + "can no longer be had (retired " + day(*at->ends) + ")" +
                                  (newest ? "; the nearest is \"" + newest->name + "\"" : std::string()) +
                                  ". Set it, or annotate gantry.dev/allow-retired");
}

}  // namespace

std::string describe(const SizeOffer& size, const std::string& region) {
  const auto gib = [](std::int64_t bytes) {
    return bytes % (1 << 30) == 0 ? std::to_string(bytes >> 30) + " GB" : std::to_string(bytes >> 20) + " MB";
  };
  std::string text = "\"" + size.name + "\" (" + std::to_string(size.cpus) + " vCPU, " + gib(size.memory_bytes) + ", " +
                     gib(size.disk_bytes);
  if (const auto* place = place_of(size, region); place && place->monthly)
    text += ", " + to_string(*place->monthly) + " a month";
  return text + ")";
}

const SizeOffer* cheapest(const Catalogue& catalogue, const std::string& region, WallTime now) {
  const SizeOffer* best = nullptr;
  std::int64_t least = 0;
  for (const auto& size : catalogue.sizes) {
    const auto* place = place_of(size, region);
    if (!place || !place->available || over(place->ends, now) || !place->monthly) continue;
    if (best && least <= place->monthly->micros) continue;
    best = &size;
    least = place->monthly->micros;
  }
  return best;
}

Offer find_offer(const Catalogue& catalogue, const providers::Capabilities& can, const Wish& wish, WallTime now) {
  Offer offer;
  if (auto refused = refuse_image(catalogue, wish, now, offer.notice)) return *refused;
  if (catalogue.sizes.empty() || (wish.size.empty() && !can.sizes_required)) return offer;
  if (wish.size.empty()) return refuse("spec.size", "spec.size: is needed here");
  if (!catalogue.regions.empty()) {
    if (wish.region.empty())
      return refuse("spec.region", "spec.region: is needed, here or in the Provider: " + regions_text(catalogue));
    const auto region = std::ranges::find(catalogue.regions, wish.region, &providers::RegionOffer::name);
    if (region == catalogue.regions.end() || !region->available)
      return refuse("spec.region",
                    "spec.region: \"" + wish.region + "\" is " +
                        (region == catalogue.regions.end() ? "no region of the provider" : "closed to new servers") +
                        "; there are " + regions_text(catalogue));
  }
  const auto known = std::ranges::find(catalogue.sizes, wish.size, &SizeOffer::name);
  const std::string quoted = "spec.size: \"" + wish.size + "\" ";
  if (known == catalogue.sizes.end())
    return refuse("spec.size",
                  quoted + "is no size that the provider has" + nearest_text(catalogue, wish, nullptr, now));
  const SizeOffer& size = *known;
  const auto* place = place_of(size, wish.region);
  if (!place)
    return refuse("spec.size", quoted + "cannot be had in " + wish.region + nearest_text(catalogue, wish, &size, now));
  if (over(place->ends, now) && !wish.retired_is_fine)
    return refuse("spec.size", quoted + "can no longer be ordered in " + wish.region + " (retired " +
                                   day(*place->ends) + ")" + nearest_text(catalogue, wish, &size, now) +
                                   ". Set it, or annotate gantry.dev/allow-retired");
  if (!wish.architecture.empty() && !size.architecture.empty() && size.architecture != wish.architecture)
    return refuse("spec.size", quoted + "is " + size.architecture + ", and the image is " + wish.architecture +
                                   nearest_text(catalogue, wish, &size, now));
  if (size.disk_bytes < wish.min_disk_bytes)
    return refuse("spec.size", quoted + "has a smaller disk than the image needs (" +
                                   std::to_string(wish.min_disk_bytes >> 30) + " GB)" +
                                   nearest_text(catalogue, wish, &size, now));
  if (place->ends) offer.notice = quoted + "can be ordered until " + day(*place->ends) + " only";
  offer.size = &size;
  offer.monthly = place->monthly;
  return offer;
}

}  // namespace gantry::reconcilers::provider
