// What a relay knows of each instance that it sends requests to. Private to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "providers/relay/relay.hpp"

namespace gantry::providers::relay {

struct Relay::Instance {
  std::string id;
  int port = 0;
  std::string address;
  std::shared_ptr<Tunnel> tunnel;  // null: it is on this machine, or its Server has none
  int in_flight = 0;
  int inherited = 0;  // the same at the relay before
  std::uint64_t requests = 0;
  Instant avoid_until{};
  std::optional<Instant> removed;  // since when it takes no new requests

  int busy() const { return in_flight + inherited; }
  bool is(const std::string& other_id, int other_port, const std::string& other_address) const {
    return id == other_id && port == other_port && address == other_address;
  }
};

struct Relay::Serving {
  std::vector<InstancePtr> instances;
  std::vector<InstancePtr> draining;
  bool holds = true;
};

}  // namespace gantry::providers::relay
