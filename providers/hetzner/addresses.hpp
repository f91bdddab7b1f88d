// Floating IPs: each has a home, and may be assigned to any server in the same network zone.
#pragma once

#include <string>
#include <vector>

#include "providers/hetzner/api.hpp"

namespace gantry::providers::hetzner {

Task<std::vector<ReservedAddress>> list_addresses(Api& api);
Task<> assign_address(Api& api, std::string id, std::string server);

}  // namespace gantry::providers::hetzner
