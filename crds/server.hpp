// The typed view of a Server's spec; crds/server.yaml says what each field means.
#pragma once

#include <array>

#include "crds/common.hpp"

namespace gantry::crds {

enum class FirewallProtocol { Tcp, Udp, Icmp };
inline constexpr std::array<std::string_view, 3> kFirewallProtocolWords{"tcp", "udp", "icmp"};
inline std::span<const std::string_view> words(FirewallProtocol) { return kFirewallProtocolWords; }

struct FirewallRule {
  std::string ports;  // "80,443" or "8000-8010"; empty: all
  FirewallProtocol protocol = FirewallProtocol::Tcp;
  std::vector<std::string> from;
};
template <class Visitor>
void fields(Visitor& visit, FirewallRule& part) {
  visit("ports", part.ports);
  visit("protocol", part.protocol);
  visit("from", part.from);
}

struct Firewall {
  std::vector<FirewallRule> inbound;
  std::vector<std::string> published_from{"0.0.0.0/0", "::/0"};
};
template <class Visitor>
void fields(Visitor& visit, Firewall& part) {
  visit("inbound", part.inbound);
  visit("publishedFrom", part.published_from);
}

struct ServerAgent {
  bool enabled = true;
  int port = 9999;
  std::optional<NameRef> secret_ref;  // absent: the controller's own key and authority
  bool http = false;
};
template <class Visitor>
void fields(Visitor& visit, ServerAgent& part) {
  visit("enabled", part.enabled);
  visit("port", part.port);
  visit("secretRef", part.secret_ref);
  visit("http", part.http);
}

struct ServerRepair {
  int unreachable_seconds = 600;
};
template <class Visitor>
void fields(Visitor& visit, ServerRepair& part) {
  visit("unreachableSeconds", part.unreachable_seconds);
}

struct ServerSpec {
  std::optional<NameRef> provider_ref;  // absent: local
  std::string size;
  std::string region;
  std::string image;
  std::optional<NameRef> snapshot_ref;
  std::vector<std::string> ssh_keys;
  std::optional<Firewall> firewall;
  std::string network;           // name or id of one that is there; empty: what the provider does by itself
  std::string reserved_address;  // of the account; empty: none
  std::string user_data;
  ServerAgent agent;
  int drain_seconds = 300;
  std::optional<ServerRepair> repair;  // absent: never
  bool keep_awake = false;
  std::string address;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, ServerSpec& spec) {
  visit("providerRef", spec.provider_ref);
  visit("size", spec.size);
  visit("region", spec.region);
  visit("image", spec.image);
  visit("snapshotRef", spec.snapshot_ref);
  visit("sshKeys", spec.ssh_keys);
  visit("firewall", spec.firewall);
  visit("network", spec.network);
  visit("reservedAddress", spec.reserved_address);
  visit("userData", spec.user_data);
  visit("agent", spec.agent);
  visit("drainSeconds", spec.drain_seconds);
  visit("repair", spec.repair);
  visit("keepAwake", spec.keep_awake);
  visit("address", spec.address);
  visit("dependsOn", spec.depends_on);
}

ServerSpec decode_server_spec(const json::Value& object);

}  // namespace gantry::crds
