// Does something when time is up, unless it is over before: most often closes a stream, which wakes whoever waits.
#pragma once

#include "controller/base/reactor.hpp"

namespace gantry::providers::relay {

class Deadline {
 public:
  Deadline(Reactor& reactor, Duration after, std::move_only_function<void()> then) : clock_(reactor.clock()) {
    id_ = clock_.call_at(reactor, reactor.now() + after, std::move(then));
  }
  ~Deadline() { clock_.cancel(id_); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  Clock& clock_;
  Clock::TimerId id_ = 0;
};

}  // namespace gantry::providers::relay
