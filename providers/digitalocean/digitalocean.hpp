// Provider type digitalocean: droplets, snapshots and firewalls of one account. Credentials: "token".
//
// How it is used: https://docs.digitalocean.com/reference/api; the limits and pitfalls that the code names as reasons
// are those of the vendor's own clients (godo, its Terraform provider, its Packer plugin).
#pragma once

#include <memory>

#include "providers/provider.hpp"

namespace gantry::providers::digitalocean {

std::unique_ptr<Provider> make(const ProviderParts& parts, const ProviderSettings& settings);

}  // namespace gantry::providers::digitalocean
