#include "reconcilers/provider/traffic.hpp"

#include <algorithm>

#include "providers/month.hpp"

namespace gantry::reconcilers::provider {
namespace {

constexpr const char* kType = "TrafficWithinLimits";
constexpr double kNear = 0.8;
// A server that has just been made has hardly sent anything that should keep anybody from an answer.
constexpr Duration kNew = std::chrono::hours(1);

std::string in_gib(std::int64_t bytes) { return std::to_string(bytes >> 30) + "Gi"; }

bool has_limit(const std::optional<crds::ProviderLimits>& limits) { return limits && limits->egress_per_month; }

bool near_limit(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits) {
  return has_limit(limits) &&
         static_cast<double>(traffic.used) >= kNear * static_cast<double>(limits->egress_per_month->whole());
}

// "at least 150Gi have gone out this month, ...; the limit is 300Gi; of 1 of 3 servers nothing is known yet"
std::string words_of(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits) {
  const std::string bound = has_limit(limits) ? "the limit is " + in_gib(limits->egress_per_month->whole())
                                              : in_gib(traffic.included) + " are included in the price";
  std::string told = traffic.untold + traffic.partly > 0 ? "at least " : "";
  told += in_gib(traffic.used) + " have gone out this month, which would make " + in_gib(traffic.projected) +
          " by its end; " + bound;
  const auto of_them = [&](int some) {
    return "; of " + std::to_string(some) + " of " + std::to_string(traffic.servers) + " servers ";
  };
  if (traffic.untold > 0) told += of_them(traffic.untold) + "nothing is known, or nothing yet";
  if (traffic.partly > 0) told += of_them(traffic.partly) + "a part of the month is not known";
  return told;
}

}  // namespace

std::optional<Traffic> traffic_of(const providers::Inventory& inventory, WallTime now) {
  Traffic sum;
  const providers::Month month = providers::month_of(now);
  for (const auto& server : inventory.servers) {
    ++sum.servers;
    sum.included += server.traffic_free_bytes.value_or(0);
    if (!server.traffic_out_bytes) {
      sum.untold += now - server.created >= kNew ? 1 : 0;
      continue;
    }
    sum.used += *server.traffic_out_bytes;
    sum.partly += server.traffic_unseen * 10 > now - month.begin ? 1 : 0;
  }
  const bool told =
      std::ranges::any_of(inventory.servers, [](const auto& server) { return server.traffic_out_bytes.has_value(); });
  if (!told) return std::nullopt;
  const auto seconds = [](Duration duration) { return std::chrono::duration<double>(duration).count(); };
  constexpr double kDay = 86'400;
  sum.projected = static_cast<std::int64_t>(static_cast<double>(sum.used) * seconds(month.end - month.begin) /
                                            std::max(seconds(now - month.begin), kDay));
  return sum;
}

runtime::Condition traffic_condition(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits) {
  const bool limited = has_limit(limits);
  const std::int64_t most = limited ? limits->egress_per_month->whole() : traffic.included;
  std::string told = words_of(traffic, limits);
  if (!limited && most == 0) return {kType, "True", "NoLimit", std::move(told)};
  if (traffic.used >= most) return {kType, "False", limited ? "LimitReached" : "BeyondIncluded", std::move(told)};
  if (traffic.projected > most)
    return {kType, "False", limited ? "LimitAhead" : "MoreThanIncludedAhead", std::move(told)};
  const std::string status = traffic.untold > 0 ? "Unknown" : "True";
  if (near_limit(traffic, limits)) return {kType, status, "LimitNear", std::move(told)};
  return {kType, status, traffic.untold > 0 ? "NotAllTold" : "WithinLimits", std::move(told)};
}

std::optional<std::string> traffic_warning(const Traffic& traffic, const std::optional<crds::ProviderLimits>& limits) {
  if (!near_limit(traffic, limits)) return std::nullopt;
  return words_of(traffic, limits);
}

std::optional<runtime::Condition> untold_traffic(const providers::Inventory& inventory,
                                                 const std::optional<crds::ProviderLimits>& limits) {
  if (!has_limit(limits) || inventory.servers.empty()) return std::nullopt;
  return runtime::Condition{kType, "Unknown", "NotTold",
                            "this provider does not tell what has gone out, or not yet, so nobody can say whether "
                            "spec.limits.egressPerMonth is kept; it is not held against anything"};
}

}  // namespace gantry::reconcilers::provider
