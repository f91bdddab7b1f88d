// Notices that this machine slept: the wall clock has gone on meanwhile, and the monotonic one has not. (A wall clock
// that was set forward looks the same; whoever looks at everything once more has lost nothing.) One reactor's thread.
#pragma once

#include <functional>
#include <memory>

#include "controller/base/reactor.hpp"

namespace gantry {

class WakeWatch {
 public:
  using OnWake = std::function<void(Duration slept)>;
  // Looks every `look`; a shorter absence than `least` is none.
  WakeWatch(Reactor& reactor, OnWake on_wake, Duration look = std::chrono::seconds(5),
            Duration least = std::chrono::seconds(10));
  ~WakeWatch();
  WakeWatch(const WakeWatch&) = delete;
  WakeWatch& operator=(const WakeWatch&) = delete;

 private:
  void arm();
  // How far the two clocks are apart.
  Duration lead() const;

  Reactor& reactor_;
  OnWake on_wake_;
  Duration look_;
  Duration least_;
  Duration lead_;
  Clock::TimerId timer_ = 0;
};

}  // namespace gantry
