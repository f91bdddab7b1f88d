// What the mains of this folder share: accepting for as long as the place is theirs, and room for many connections.
#pragma once

#include <functional>
#include <memory>

#include "controller/base/reactor.hpp"
#include "providers/relay/relay_place.hpp"

namespace gantry::providers::relay {

void raise_descriptor_limit();

// Both sockets of a place: each connection goes to its function.
class Doors {
 public:
  using Serve = std::function<Task<>(int descriptor)>;
  Doors(Reactor& reactor, Place place, Serve control, Serve request);
  ~Doors();
  // To a newer one, over this connection. False when it was not given; else nothing comes in any more.
  bool give(int connection);

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace gantry::providers::relay
