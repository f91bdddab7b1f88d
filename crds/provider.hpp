// The typed view of a Provider's spec; crds/provider.yaml says what each field means.
#pragma once

#include <array>

#include "crds/common.hpp"

namespace gantry::crds {

enum class ProviderType { Local, Incus, Digitalocean, Hetzner, Oci, Proxmox, Aws, Cloudflare, Vercel };
inline constexpr std::array<std::string_view, 9> kProviderTypeWords{
    "local", "incus", "digitalocean", "hetzner", "oci", "proxmox", "aws", "cloudflare", "vercel"};
inline std::span<const std::string_view> words(ProviderType) { return kProviderTypeWords; }

struct ProviderCredentials {
  NameRef secret_ref;
};
template <class Visitor>
void fields(Visitor& visit, ProviderCredentials& part) {
  visit("secretRef", part.secret_ref);
}

struct ProviderLimits {
  std::string monthly_cost;  // "20 EUR"; empty: no limit
  std::optional<int> servers;
  std::optional<Quantity> cpu;
  std::optional<Quantity> memory;
  std::optional<Quantity> disk;
  std::optional<Quantity> egress_per_month;
};
template <class Visitor>
void fields(Visitor& visit, ProviderLimits& part) {
  visit("monthlyCost", part.monthly_cost);
  visit("servers", part.servers);
  visit("cpu", part.cpu);
  visit("memory", part.memory);
  visit("disk", part.disk);
  visit("egressPerMonth", part.egress_per_month);
}

struct ProviderSpec {
  ProviderType type = ProviderType::Local;
  std::string endpoint;  // empty: the provider's public one
  std::optional<ProviderCredentials> credentials;
  std::string region;
  std::vector<std::string> admin_cidrs;  // that may sign in over SSH
  std::optional<ProviderLimits> limits;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, ProviderSpec& spec) {
  visit("type", spec.type);
  visit("endpoint", spec.endpoint);
  visit("credentials", spec.credentials);
  visit("region", spec.region);
  visit("adminCIDRs", spec.admin_cidrs);
  visit("limits", spec.limits);
  visit("dependsOn", spec.depends_on);
}

ProviderSpec decode_provider_spec(const json::Value& object);

}  // namespace gantry::crds
