// Reserved IPs: each is of one region, and is assigned to a droplet there by an action of its own.
#pragma once

#include <string>
#include <vector>

#include "providers/digitalocean/api.hpp"

namespace gantry::providers::digitalocean {

Task<std::vector<ReservedAddress>> list_addresses(Api& api);
Task<> assign_address(Api& api, std::string address, std::string droplet);

}  // namespace gantry::providers::digitalocean
