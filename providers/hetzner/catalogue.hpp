// What Hetzner sells: locations, server types with the price and the end date in each, system images, and what the rest
// costs.
#pragma once

#include "providers/hetzner/api.hpp"

namespace gantry::providers::hetzner {

Task<Catalogue> read_catalogue(Api& api);

}  // namespace gantry::providers::hetzner
