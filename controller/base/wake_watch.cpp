#include "controller/base/wake_watch.hpp"

namespace gantry {

WakeWatch::WakeWatch(Reactor& reactor, OnWake on_wake, Duration look, Duration least)
    : reactor_(reactor), on_wake_(std::move(on_wake)), look_(look), least_(least), lead_(wall_lead(reactor)) {
  arm();
}

WakeWatch::~WakeWatch() { reactor_.clock().cancel(timer_); }

Duration wall_lead(const Reactor& reactor) {
  return reactor.clock().wall().time_since_epoch() - reactor.now().time_since_epoch();
}

void WakeWatch::arm() {
  timer_ = reactor_.clock().call_at(reactor_, reactor_.now() + look_, [this] {
    const Duration now = wall_lead(reactor_);
    const Duration slept = now - std::exchange(lead_, now);
    arm();
    if (slept >= least_) on_wake_(slept);
  });
}

}  // namespace gantry
