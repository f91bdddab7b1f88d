#include "reconcilers/provider/limits.hpp"

#include "providers/money.hpp"

namespace gantry::reconcilers::provider {
namespace {

using providers::Money;

std::string in_cpus(std::int64_t millis) {
  if (millis % 1000 == 0) return std::to_string(millis / 1000);
  return std::to_string(millis) + "m";
}

std::string in_gib(std::int64_t bytes) {
  const std::int64_t mib = (bytes + (1 << 20) - 1) >> 20;
  return mib % 1024 == 0 ? std::to_string(mib / 1024) + "Gi" : std::to_string(mib) + "Mi";
}

template <class Show>
std::optional<std::string> over(const char* name, std::int64_t limit, std::int64_t there, std::int64_t reserved,
                                std::int64_t wish, Show show, const std::string& note) {
  if (wish == 0 || there + reserved + wish <= limit) return std::nullopt;
  std::string sum = show(there) + note;
  if (reserved > 0) sum += " + " + show(reserved) + " being made";
  return std::string("spec.limits.") + name + " of the Provider would be passed: " + sum + " + " + show(wish) +
         " for this = " + show(there + reserved + wish) + ", and " + show(limit) + " is the limit";
}

}  // namespace

void Usage::add(const Usage& other) {
  servers += other.servers;
  unmanaged += other.unmanaged;
  cpu_millis += other.cpu_millis;
  memory_bytes += other.memory_bytes;
  disk_bytes += other.disk_bytes;
  traffic_bytes += other.traffic_bytes;
  if (other.monthly) monthly = monthly ? *monthly + *other.monthly : *other.monthly;
  without_price += other.without_price;
  without_size += other.without_size;
}

Usage usage_of(const providers::Inventory& inventory, const std::optional<Money>& address_price) {
  Usage sum;
  for (const auto& server : inventory.servers) {
    Usage one;
    one.servers = 1;
    one.unmanaged = server.mark ? 0 : 1;
    one.cpu_millis = server.cpu_millis.value_or(0);
    one.memory_bytes = server.memory_bytes.value_or(0);
    one.disk_bytes = server.disk_bytes.value_or(0);
    one.traffic_bytes = server.traffic_out_bytes.value_or(0);
    one.monthly = server.monthly;
    for (const auto& address : server.addresses) {
      const bool priced = address.reach == providers::CloudAddress::Reach::Public &&
                          address.address.find(':') == std::string::npos && address_price && one.monthly;
      if (priced) one.monthly = *one.monthly + *address_price;
    }
    one.without_price = server.monthly ? 0 : 1;
    one.without_size = server.cpu_millis && server.memory_bytes ? 0 : 1;
    sum.add(one);
  }
  for (const auto& image : inventory.images) {
    Usage one;
    one.monthly = image.monthly;
    sum.add(one);
  }
  return sum;
}

Usage usage_of(const providers::SizeOffer* size, const std::optional<Money>& monthly,
               const std::optional<Money>& address) {
  Usage usage;
  usage.servers = 1;
  usage.monthly = monthly && address ? *monthly + *address : monthly;
  if (!size) return usage;
  usage.cpu_millis = size->cpus * 1000;
  usage.memory_bytes = size->memory_bytes;
  usage.disk_bytes = size->disk_bytes;
  return usage;
}

std::optional<std::string> passes(const crds::ProviderLimits& limits, const Usage& there, const Usage& reserved,
                                  const Usage& wish) {
  const std::string servers_note =
      " there" + (there.unmanaged > 0 ? " (" + std::to_string(there.unmanaged) + " not Gantry's)" : std::string());
  const auto count = [](std::int64_t number) { return std::to_string(number); };
  if (limits.servers) {
    if (auto why = over("servers", *limits.servers, there.servers, reserved.servers, wish.servers, count, servers_note))
      return why;
  }
  if (limits.cpu) {
    if (auto why =
            over("cpu", limits.cpu->milli(), there.cpu_millis, reserved.cpu_millis, wish.cpu_millis, in_cpus, " there"))
      return why;
  }
  if (limits.memory) {
    if (auto why = over("memory", limits.memory->whole(), there.memory_bytes, reserved.memory_bytes, wish.memory_bytes,
                        in_gib, " there"))
      return why;
  }
  if (limits.disk) {
    if (auto why = over("disk", limits.disk->whole(), there.disk_bytes, reserved.disk_bytes, wish.disk_bytes, in_gib,
                        " there"))
      return why;
  }
  if (limits.egress_per_month && wish.servers > 0 && there.traffic_bytes >= limits.egress_per_month->whole())
    return "spec.limits.egressPerMonth of the Provider is used up: " + in_gib(there.traffic_bytes) +
           " have gone out this month, and " + in_gib(limits.egress_per_month->whole()) + " is the limit";
  if (limits.monthly_cost.empty() || (wish.servers == 0 && !wish.monthly)) return std::nullopt;
  const Money limit = providers::parse_money(limits.monthly_cost);
  if (!wish.monthly)
    return "spec.limits.monthlyCost of the Provider is " + to_string(limit) +
           ", and what this costs is not told, so nobody can say that it fits";
  Money sum = *wish.monthly;
  if (there.monthly) sum = sum + *there.monthly;
  if (reserved.monthly) sum = sum + *reserved.monthly;
  if (sum.currency != limit.currency)
    return "spec.limits.monthlyCost of the Provider is in " + limit.currency + ", and the provider's prices are in " +
           sum.currency;
  if (sum.micros <= limit.micros) return std::nullopt;
  std::string terms = to_string(there.monthly.value_or(Money{0, limit.currency})) + " there";
  if (reserved.monthly) terms += " + " + to_string(*reserved.monthly) + " being made";
  return "spec.limits.monthlyCost of the Provider would be passed: " + terms + " + " + to_string(*wish.monthly) +
         " for this = " + to_string(sum) + " a month, and " + to_string(limit) + " is the limit";
}

}  // namespace gantry::reconcilers::provider
