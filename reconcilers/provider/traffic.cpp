#include "reconcilers/provider/traffic.hpp"

#include <algorithm>

namespace gantry::reconcilers::provider {
namespace {

std::string in_gib(std::int64_t bytes) { return std::to_string(bytes >> 30) + "Gi"; }

}  // namespace

std::optional<Traffic> traffic_of(const providers::Inventory& inventory, WallTime now) {
  Traffic sum;
  bool told = false;
  for (const auto& server : inventory.servers) {
    told = told || server.traffic_out_bytes.has_value();
    sum.used += server.traffic_out_bytes.value_or(0);
    sum.included += server.traffic_free_bytes.value_or(0);
  }
  if (!told) return std::nullopt;
  const auto today = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date{today};
  const std::chrono::sys_days begin{date.year() / date.month() / 1};
  const std::chrono::sys_days end{date.year() / date.month() / std::chrono::last};
  const double month = std::chrono::duration<double>(end + std::chrono::days(1) - begin).count();
  const double passed = std::chrono::duration<double>(now - begin).count();
  constexpr double kDay = 86'400;
  sum.projected = static_cast<std::int64_t>(static_cast<double>(sum.used) * month / std::max(passed, kDay));
  return sum;
}

runtime::Condition traffic_condition(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits) {
  const bool limited = limits && limits->egress_per_month;
  const std::int64_t most = limited ? limits->egress_per_month->whole() : traffic.included;
  const std::string bound = limited ? "the limit is " + in_gib(most) : in_gib(most) + " are included in the price";
  const std::string told = in_gib(traffic.used) + " have gone out this month, which would make " +
                           in_gib(traffic.projected) + " by its end; " + bound;
  if (!limited && most == 0) return {"TrafficWithinLimits", "True", "NoLimit", told};
  if (traffic.used >= most) return {"TrafficWithinLimits", "False", limited ? "LimitReached" : "BeyondIncluded", told};
  if (traffic.projected > most)
    return {"TrafficWithinLimits", "False", limited ? "LimitAhead" : "MoreThanIncludedAhead", told};
  return {"TrafficWithinLimits", "True", "WithinLimits", told};
}

std::optional<runtime::Condition> untold_traffic(const providers::Inventory& inventory,
                                                 const std::optional<crds::ProviderLimits>& limits) {
  if (!limits || !limits->egress_per_month || inventory.servers.empty()) return std::nullopt;
  return runtime::Condition{"TrafficWithinLimits", "Unknown", "NotTold",
                            "this provider does not tell in its listings what has gone out, so nobody can say whether "
                            "spec.limits.egressPerMonth is kept; it is not held against anything"};
}

}  // namespace gantry::reconcilers::provider
