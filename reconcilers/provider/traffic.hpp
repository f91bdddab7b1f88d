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
};

// Absent: no server tells. The first day counts as a whole one, so that an hour's burst is not taken for the month's
// way.
std::optional<Traffic> traffic_of(const providers::Inventory& inventory, WallTime now);

// TrafficWithinLimits: against spec.limits.egressPerMonth where there is one, else against what is included.
runtime::Condition traffic_condition(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits);

// Where there is a limit of traffic, servers, and nobody who tells how much has gone out: that it cannot be held.
std::optional<runtime::Condition> untold_traffic(const providers::Inventory& inventory,
                                                 const std::optional<crds::ProviderLimits>& limits);

}  // namespace gantry::reconcilers::provider
