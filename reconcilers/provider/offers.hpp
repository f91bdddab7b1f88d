// Whether what a Server asks for can be had, and what is nearest when it cannot. Pure.
#pragma once

#include <optional>
#include <string>

#include "providers/provider.hpp"

namespace gantry::reconcilers::provider {

struct Wish {
  std::string size;
  std::string region;
  std::string image;         // empty: an image of one's own, whose needs follow
  std::string architecture;  // of that image; empty: any
  std::int64_t min_disk_bytes = 0;
  bool retired_is_fine = false;  // annotation gantry.dev/allow-retired
};

struct Offer {
  const providers::SizeOffer* size = nullptr;  // null: the provider names no sizes
  std::optional<providers::Money> monthly;
  std::string problem_field;  // spec.size; empty: it can be had
  std::string problem;        // with what to do about it
  std::string notice;         // it can be had, but not for long
};

// Pointers go into the catalogue.
Offer find_offer(const providers::Catalogue& catalogue, const providers::Capabilities& can, const Wish& wish,
                 WallTime now);

// The size that costs least in that region now; null: none has a price there.
const providers::SizeOffer* cheapest(const providers::Catalogue& catalogue, const std::string& region, WallTime now);

// "cx23" (2 vCPU, 4 GB, 40 GB, 3.49 EUR a month)
std::string describe(const providers::SizeOffer& size, const std::string& region);

}  // namespace gantry::reconcilers::provider
