// What everything that runs in one plane shares. Owned by the plane; one reactor's thread.
#pragma once

#include <optional>

#include "controller/api/client.hpp"
#include "controller/base/random.hpp"
#include "controller/base/reactor.hpp"
#include "controller/object/kind.hpp"

namespace gantry::runtime {

class EventRecorder;
class Informers;

// Whether this process may act. Without an election it always may.
struct Leadership {
  // Every write carries it, so the store refuses those of a past leader. Stays what it was after the lease is lost.
  std::optional<store::Fence> fence;
  // By the monotonic clock: after that somebody else may lead, whatever we believe.
  std::optional<Instant> until;

  bool may_act(Instant now) const { return !fence || (until && now < *until); }
};

struct Context {
  Reactor& reactor;
  api::Client& client;
  Random& random;
  const object::KindTable& kinds;
  Informers& informers;
  EventRecorder& events;
  const Leadership& leadership;
  // Observe, plan and report; act on nothing.
  bool read_only = false;

  api::WriteOptions write_options() const {
    api::WriteOptions options;
    options.field_manager = "gantry-controller";
    options.fence = leadership.fence;
    return options;
  }
};

}  // namespace gantry::runtime
