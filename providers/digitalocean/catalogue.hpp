// What DigitalOcean sells: regions, sizes with their prices, public images.
#pragma once

#include "providers/digitalocean/api.hpp"

namespace gantry::providers::digitalocean {

Task<Catalogue> read_catalogue(Api& api);

}  // namespace gantry::providers::digitalocean
