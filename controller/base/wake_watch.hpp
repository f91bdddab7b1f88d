// Notices that this machine slept: the wall clock has gone on meanwhile, and the monotonic one has not. (A wall clock
// that was set forward looks the same; whoever looks at everything once more has lost nothing.) One reactor's thread.
#pragma once

#include <functional>
#include <memory>

#include "controller/base/reactor.hpp"

namespace gantry {

// How far the wall clock is ahead of the monotonic one: what this machine sleeps is added to it.
Duration wall_lead(const Reactor& reactor);
inline constexpr Duration kLeastSleep = std::chrono::seconds(10);  // a shorter absence is none

class WakeWatch {
 public:
  using OnWake = std::function<void(Duration slept)>;
  // Looks every `look`; a shorter absence than `least` is none.
  WakeWatch(Reactor& reactor, OnWake on_wake, Duration look = std::chrono::seconds(5), Duration least = kLeastSleep);
  ~WakeWatch();
  WakeWatch(const WakeWatch&) = delete;
  WakeWatch& operator=(const WakeWatch&) = delete;

 private:
  void arm();

  Reactor& reactor_;
  OnWake on_wake_;
  Duration look_;
  Duration least_;
  Duration lead_;
  Clock::TimerId timer_ = 0;
};

}  // namespace gantry
