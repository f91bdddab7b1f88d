// The typed view of a Tunnel's spec; crds/tunnel.yaml says what each field means.
#pragma once

#include <array>

#include "crds/common.hpp"

namespace gantry::crds {

enum class TunnelDns { Managed, External };
inline constexpr std::array<std::string_view, 2> kTunnelDnsWords{"Managed", "External"};
inline std::span<const std::string_view> words(TunnelDns) { return kTunnelDnsWords; }

struct TunnelConnector {
  std::optional<NameRef> server_ref;  // absent: the controller's own machine
  int replicas = 1;
};
template <class Visitor>
void fields(Visitor& visit, TunnelConnector& part) {
  visit("serverRef", part.server_ref);
  visit("replicas", part.replicas);
}

struct TunnelAppRef {
  std::string name;
  std::optional<IntOrString> port;  // absent: the first
};
template <class Visitor>
void fields(Visitor& visit, TunnelAppRef& part) {
  visit("name", part.name);
  visit("port", part.port);
}

// Either app_ref or service is set.
struct TunnelIngress {
  std::string hostname;
  std::optional<TunnelAppRef> app_ref;
  std::string service;
};
template <class Visitor>
void fields(Visitor& visit, TunnelIngress& part) {
  visit("hostname", part.hostname);
  visit("appRef", part.app_ref);
  visit("service", part.service);
}

struct TunnelSpec {
  NameRef provider_ref;
  TunnelConnector connector;
  std::vector<TunnelIngress> ingress;
  TunnelDns dns = TunnelDns::Managed;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, TunnelSpec& spec) {
  visit("providerRef", spec.provider_ref);
  visit("connector", spec.connector);
  visit("ingress", spec.ingress);
  visit("dns", spec.dns);
  visit("dependsOn", spec.depends_on);
}

TunnelSpec decode_tunnel_spec(const json::Value& object);

}  // namespace gantry::crds
