// Which tunnels a relay has, and when a request goes through one.
#include <algorithm>

#include "providers/relay/relay.hpp"
#include "providers/relay/relay_instance.hpp"

namespace gantry::providers::relay {
namespace {

bool leads(const Tunnel& tunnel, const Upstream& upstream) {
  const TunnelWay& is = tunnel.way();
  const TunnelWay& wanted = *upstream.tunnel;
  return tunnel.address() == upstream.address && is.port == wanted.port && is.peer == wanted.peer &&
         is.ca == wanted.ca && is.pin == wanted.pin;
}

}  // namespace

std::shared_ptr<Tunnel> Relay::tunnel_of(const Upstream& upstream) const {
  if (!upstream.tunnel) return nullptr;
  const auto at = std::ranges::find_if(tunnels_, [&](const auto& one) { return leads(*one, upstream); });
  return at == tunnels_.end() ? nullptr : *at;
}

// Those that stay keep their connections, also when this relay has another certificate from now on. Throws
// Error(Invalid) before anything has changed.
void Relay::use_tunnels(const Config& config) {
  std::vector<std::shared_ptr<Tunnel>> next;
  std::vector<std::shared_ptr<Tunnel>> fresh;
  for (const auto& [name, backend] : config.backends) {
    for (const auto& upstream : backend.upstreams) {
      if (!upstream.tunnel) continue;
      const auto known = std::ranges::find_if(next, [&](const auto& one) { return leads(*one, upstream); });
      auto tunnel = known == next.end() ? tunnel_of(upstream) : *known;
      if (!tunnel) {
        tunnel = std::make_shared<Tunnel>(reactor_, upstream.address, *upstream.tunnel, Tunnel::Options{});
        if (!config.identity.certificate.empty()) tunnel->show(config.identity);
        fresh.push_back(tunnel);
      }
      if (upstream.tunnel->required) tunnel->require();
      if (known == next.end()) next.push_back(std::move(tunnel));
    }
  }
  if (config.identity != config_.identity && !config.identity.certificate.empty()) {
    for (const auto& tunnel : next) tunnel->show(config.identity);
  }
  for (const auto& one : tunnels_) {
    if (std::ranges::find(next, one) == next.end()) one->close();
  }
  for (const auto& one : fresh) one->open();
  tunnels_ = std::move(next);
}

std::shared_ptr<Line> Relay::line_to(const Instance& instance) {
  if (instance.tunnel && encrypts(*instance.tunnel)) return instance.tunnel->line(instance.id, instance.port);
  return std::make_shared<PlainLine>(reactor_, instance.address, instance.port);
}

json::Value Relay::tunnels_json() const {
  json::Array told;
  for (const auto& one : tunnels_) {
    told.push_back(json::Object{{"address", one->address()},
                                {"port", one->way().port},
                                {"worked", one->worked()},
                                {"problem", one->problem()},
                                {"idle", static_cast<std::int64_t>(one->idle())},
                                {"handshakes", static_cast<std::int64_t>(one->handshakes())},
                                {"resumed", static_cast<std::int64_t>(one->resumed())}});
  }
  return told;
}

}  // namespace gantry::providers::relay
