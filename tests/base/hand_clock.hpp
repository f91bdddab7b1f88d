// A clock that stands still until a test moves it.
#pragma once

#include <map>
#include <utility>

#include "controller/base/clock.hpp"
#include "controller/base/reactor.hpp"

namespace gantry {

class HandClock : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return WallTime(now_.time_since_epoch()); }

  TimerId call_at(Reactor&, Instant when, std::move_only_function<void()> fn) override {
    timers_.emplace(std::pair(when, ++last_), std::move(fn));
    return last_;
  }

  void cancel(TimerId id) override {
    std::erase_if(timers_, [&](const auto& timer) { return timer.first.second == id; });
  }

  // Moves on and runs what comes due, in order.
  void advance(Duration by) {
    const Instant until = now_ + by;
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      auto due = timers_.extract(timers_.begin());
      now_ = std::max(now_, due.key().first);
      due.mapped()();
    }
    now_ = until;
  }

  std::size_t waiting() const { return timers_.size(); }

 private:
  Instant now_{};
  TimerId last_ = 0;
  std::map<std::pair<Instant, TimerId>, std::move_only_function<void()>> timers_;
};

}  // namespace gantry
