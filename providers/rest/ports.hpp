// Ports as both clouds' firewalls write them: "80", "8000-8010".
#pragma once

#include <string>
#include <string_view>

#include "providers/provider.hpp"

namespace gantry::providers::rest {

std::string ports_text(const FirewallRule& rule);
// Into rule; false when text is neither a port nor a range.
bool read_ports(std::string_view text, FirewallRule& rule);

}  // namespace gantry::providers::rest
