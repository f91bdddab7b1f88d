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

std::string counted(std::int64_t number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

// "5 servers, 2 of them not made by Gantry; 3 images"
std::string holdings(const Usage& there) {
  std::string text = counted(there.servers, "server", "servers");
  if (there.unmanaged == 1 && there.servers == 1) {
    text += ", not made by Gantry";
  } else if (there.unmanaged > 0) {
    text += ", " + std::to_string(there.unmanaged) + " of them not made by Gantry";
  }
  if (there.images > 0) text += "; " + counted(there.images, "image", "images");
  return text;
}

struct Terms {
  std::string limit, sum, there, reserved, wish;  // reserved: empty for none
};

// The whole sum, so that whoever reads it can follow it, and what can be done about it.
std::string refusal(const char* name, const Terms& terms, const Usage& there, const Usage& wish) {
  std::string text = "the limit of its Provider is " + terms.limit + " (spec.limits." + name +
                     "), and with this it would be " + terms.sum + ": " + terms.there + " there (" + holdings(there) +
                     ")";
  if (!terms.reserved.empty()) text += " + " + terms.reserved + " asked for already";
  text += " + " + terms.wish + " for this";
  if (!wish.what.empty()) text += " (" + wish.what + ")";
  return text + ". Ask for less, remove something, or raise the limit";
}

using Show = std::string (*)(std::int64_t);

std::optional<std::string> over(const char* name, std::int64_t limit, std::int64_t Usage::* part, const Usage& there,
                                const Usage& reserved, const Usage& wish, Show show) {
  const std::int64_t sum = there.*part + reserved.*part + wish.*part;
  if (wish.*part == 0 || sum <= limit) return std::nullopt;
  return refusal(
      name,
      {show(limit), show(sum), show(there.*part), reserved.*part > 0 ? show(reserved.*part) : "", show(wish.*part)},
      there, wish);
}

}  // namespace

void Usage::add(const Usage& other) {
  servers += other.servers;
  unmanaged += other.unmanaged;
  images += other.images;
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
    one.images = 1;
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

Usage usage_of_image(std::int64_t disk_bytes, const std::optional<Money>& gib_month) {
  Usage usage;
  usage.images = 1;
  constexpr double kGiB = 1 << 30;
  if (gib_month)
    usage.monthly = Money{
        static_cast<std::int64_t>(static_cast<double>(disk_bytes) / kGiB * static_cast<double>(gib_month->micros)),
        gib_month->currency};
  return usage;
}

std::string words_of(std::int64_t servers, const std::string& size, const std::string& region) {
  std::string words = servers > 1 ? std::to_string(servers) + " x " + size : size;
  if (!size.empty() && !region.empty()) words += " in " + region;
  return words;
}

Usage usage_of_build(const providers::SizeOffer* size, const std::optional<Money>& monthly,
                     const providers::Catalogue& catalogue) {
  Usage usage = usage_of(size, monthly, catalogue.address_month);
  // Where nobody knows what the builder costs, its image is not to be taken for the whole.
  if (usage.monthly && size) usage.add(usage_of_image(size->disk_bytes, catalogue.image_gib_month));
  usage.what = "a builder for a while";
  if (size) usage.what += ", " + size->name + ", and an image of up to " + in_gib(size->disk_bytes);
  return usage;
}

std::optional<std::string> passes(const crds::ProviderLimits& limits, const Usage& there, const Usage& reserved,
                                  const Usage& wish) {
  const auto count = [](std::int64_t number) { return std::to_string(number); };
  if (limits.servers) {
    if (auto why = over("servers", *limits.servers, &Usage::servers, there, reserved, wish, count)) return why;
  }
  if (limits.cpu) {
    if (auto why = over("cpu", limits.cpu->milli(), &Usage::cpu_millis, there, reserved, wish, in_cpus)) return why;
  }
  if (limits.memory) {
    if (auto why = over("memory", limits.memory->whole(), &Usage::memory_bytes, there, reserved, wish, in_gib))
      return why;
  }
  if (limits.disk) {
    if (auto why = over("disk", limits.disk->whole(), &Usage::disk_bytes, there, reserved, wish, in_gib)) return why;
  }
  if (limits.egress_per_month && wish.servers > 0 && there.traffic_bytes >= limits.egress_per_month->whole())
    return "the limit of its Provider is " + in_gib(limits.egress_per_month->whole()) +
           " a month to the outside (spec.limits.egressPerMonth), and " + in_gib(there.traffic_bytes) +
           " have gone out since its first day; no more servers before the next month, or raise the limit";
  if (limits.monthly_cost.empty() || (wish.servers == 0 && !wish.monthly)) return std::nullopt;
  const Money limit = providers::parse_money(limits.monthly_cost);
  const std::string shown_limit = to_string(limit) + " a month";
  if (!wish.monthly)
    return "the limit of its Provider is " + shown_limit +
           " (spec.limits.monthlyCost), and what this costs is not told, so nobody can say that it fits";
  Money sum = *wish.monthly;
  if (there.monthly) sum = sum + *there.monthly;
  if (reserved.monthly) sum = sum + *reserved.monthly;
  if (sum.currency != limit.currency)
    return "the limit of its Provider is in " + limit.currency +
           " (spec.limits.monthlyCost), and the provider's prices are in " + sum.currency;
  if (sum.micros <= limit.micros) return std::nullopt;
  return refusal("monthlyCost",
                 {shown_limit, to_string(sum), to_string(there.monthly.value_or(Money{0, limit.currency})),
                  reserved.monthly ? to_string(*reserved.monthly) : "", to_string(*wish.monthly)},
                 there, wish);
}

}  // namespace gantry::reconcilers::provider
