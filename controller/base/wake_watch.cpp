#include "controller/base/wake_watch.hpp"

namespace gantry {

WakeWatch::WakeWatch(Reactor& reactor, OnWake on_wake, Duration look, Duration least)
    : reactor_(reactor), on_wake_(std::move(on_wake)), look_(look), least_(least), lead_(lead()) {
  arm();
}

WakeWatch::~WakeWatch() { reactor_.clock().cancel(timer_); }

Duration WakeWatch::lead() const {
  return reactor_.clock().wall().time_since_epoch() - reactor_.now().time_since_epoch();
}

void WakeWatch::arm() {
  timer_ = reactor_.clock().call_at(reactor_, reactor_.now() + look_, [this] {
    const Duration now = lead();
    const Duration slept = now - std::exchange(lead_, now);
    arm();
    if (slept >= least_) on_wake_(slept);
  });
}

}  // namespace gantry
