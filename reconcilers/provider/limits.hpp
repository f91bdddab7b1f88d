// How much of an account is used, and whether more may be. Pure.
#pragma once

#include <optional>
#include <string>

#include "crds/provider.hpp"
#include "providers/provider.hpp"

namespace gantry::reconcilers::provider {

struct Usage {
  std::int64_t servers = 0;
  int unmanaged = 0;  // of them, what no Gantry made
  std::int64_t images = 0;
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t disk_bytes = 0;
  std::int64_t traffic_bytes = 0;           // out, this month
  std::optional<providers::Money> monthly;  // absent: nothing has a price
  // How many of them do not tell: then nobody can say that a limit is kept.
  int without_price = 0;
  int without_size = 0;
  std::string what;  // of a wish, for people: cx23 in fsn1

  void add(const Usage& other);
};

// Everything in the account, managed or not; images by what they cost. address: what each public IPv4 costs beside its
// server, where that is told.
Usage usage_of(const providers::Inventory& inventory, const std::optional<providers::Money>& address);

// Of one more server of that size (null: nobody knows) and its address.
Usage usage_of(const providers::SizeOffer* size, const std::optional<providers::Money>& monthly,
               const std::optional<providers::Money>& address);

// Of one more image, of a disk of that size: as much as it can come to, since nobody knows before how much is on it.
Usage usage_of_image(std::int64_t disk_bytes, const std::optional<providers::Money>& gib_month);

// "cx23 in fsn1"; several: "3 x cx23 in fsn1".
std::string words_of(std::int64_t servers, const std::string& size, const std::string& region);

// Of a builder and of the image that is taken of it: for a while both are there.
Usage usage_of_build(const providers::SizeOffer* size, const std::optional<providers::Money>& monthly,
                     const providers::Catalogue& catalogue);

// Which limit `wish` would pass on top of what is there and what is already asked for, with the sum; absent: none.
std::optional<std::string> passes(const crds::ProviderLimits& limits, const Usage& there, const Usage& reserved,
                                  const Usage& wish);

}  // namespace gantry::reconcilers::provider
