// Incus, and the LXD it came from: system containers of a host of one's own, through the daemon's socket. A server is a
// container (its name is its id), an image one that was published or imported. What they are attached to (root disk,
// network) is the default profile's business.
// endpoint: unix:///path/to/unix.socket; empty: Incus' own place, else LXD's.
#pragma once

#include "providers/provider.hpp"

namespace gantry::providers::incus {

std::unique_ptr<Provider> make(const ProviderParts& parts, const ProviderSettings& settings);

}  // namespace gantry::providers::incus
