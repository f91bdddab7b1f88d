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

struct Context {
  Reactor& reactor;
  api::Client& client;
  Random& random;
  const object::KindTable& kinds;
  Informers& informers;
  EventRecorder& events;
  // Set while this process leads: every write then carries it, and the store refuses those of a past leader.
  const std::optional<store::Fence>& fence;
  // Observe, plan and report; act on nothing.
  bool read_only = false;

  api::WriteOptions write_options() const {
    api::WriteOptions options;
    options.field_manager = "gantry-controller";
    options.fence = fence;
    return options;
  }
};

}  // namespace gantry::runtime
