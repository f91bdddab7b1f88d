// What is at an account and nobody has declared, as manifests: applied, they take over what exists instead of making
// something new. Pure.
#pragma once

#include <string>

#include "controller/base/json.hpp"
#include "providers/provider.hpp"

namespace gantry::reconcilers::provider {

// One Server for each server without an owner's mark, and one Snapshot for each such image, of that Provider ("cloud"
// in namespace ns). Each keeps its real thing when it is deleted; Servers have no agent, until somebody decides
// otherwise. What is in the catalogue is offered to everybody, and the vendor's own backups come and go: neither is
// written.
json::Array manifests_of(const providers::Inventory& inventory, const providers::Catalogue& catalogue,
                         const std::string& ns, const std::string& provider);

}  // namespace gantry::reconcilers::provider
