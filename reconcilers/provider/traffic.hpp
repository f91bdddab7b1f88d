// What goes out of an account in a month: so far, and by its end if it goes on like that. Pure.
#pragma once

#include <optional>
#include <string>

#include "controller/base/clock.hpp"
#include "controller/runtime/reconciler.hpp"
#include "crds/provider.hpp"
#include "providers/provider.hpp"

namespace gantry::reconcilers::provider {

// Bytes, of the calendar month in UTC. What left servers that are gone by now is not told by any vendor.
struct Traffic {
  std::int64_t used = 0;
  std::int64_t projected = 0;
  std::int64_t included = 0;  // in the prices of the servers that are there
  int servers = 0;
  int untold = 0;  // of them, who tell nothing, or nothing yet: then `used` is a part
  int partly = 0;  // who tell nothing of more than a tenth of the month so far
};

// Absent: no server tells. A server is expected to tell once it is an hour old. The first day counts as a whole one, so
// that an hour's burst is not taken for the month's way.
std::optional<Traffic> traffic_of(const providers::Inventory& inventory, WallTime now);

// TrafficWithinLimits: against spec.limits.egressPerMonth where there is one, else against what is included. Unknown
// while it might be more than is told; False as soon as what is told is too much.
runtime::Condition traffic_condition(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits);

// Once in a month: what somebody should hear when 80 % of spec.limits.egressPerMonth are used, whatever is projected.
std::optional<std::string> traffic_warning(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits);

// Where there is a limit of traffic, servers, and nobody who tells how much has gone out: that it cannot be held.
std::optional<runtime::Condition> untold_traffic(const providers::Inventory& inventory,
                                                 const std::optional<crds::ProviderLimits>& limits);

}  // namespace gantry::reconcilers::provider
