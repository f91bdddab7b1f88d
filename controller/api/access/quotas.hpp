// At most so many objects of a kind in one namespace. Creates beyond that are refused with 403, as a ResourceQuota of
// Kubernetes would; what is there stays. Creates that are under way at the same time are counted once they are stored,
// so a burst may pass the mark by as many as one user may have under way. Front reactor.
#pragma once

#include <map>
#include <string>

#include "controller/api/api.hpp"

namespace gantry::api::access {

// By qualified resource: {"apps.gantry.dev", 100}, {"secrets", 500}.
using Quotas = std::map<std::string, std::size_t>;

// "apps.gantry.dev=100". Throws Error(Invalid).
std::pair<std::string, std::size_t> parse_quota(const std::string& text);

// Throws Error(Invalid) for a resource that is not served. Writers inside the process are not counted out.
void refuse_beyond(Api& api, const Quotas& quotas);

}  // namespace gantry::api::access
