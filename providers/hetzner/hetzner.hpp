// Provider type hetzner: servers, snapshots and firewalls of one project of Hetzner Cloud. Credentials: "token".
//
// How it is used: https://docs.hetzner.cloud; the limits and pitfalls that the code names as reasons are those of the
// vendor's own clients (hcloud-go, its Terraform provider, its Packer plugin).
#pragma once

#include <memory>

#include "providers/provider.hpp"

namespace gantry::providers::hetzner {

std::unique_ptr<Provider> make(const ProviderParts& parts, const ProviderSettings& settings);

}  // namespace gantry::providers::hetzner
