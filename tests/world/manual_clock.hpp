// Time that stands still until a test moves it. Timers fire in the order of their time, each at its own instant.
#pragma once

#include <map>

#include "controller/base/reactor.hpp"

namespace gantry::world {

class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  TimerId call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) override;
  void cancel(TimerId id) override;

  // The machine slept: the wall clock has gone on, and nothing else has.
  void sleep(Duration duration) { wall_ += duration; }
  // Moves on and posts what is due, instant by instant; settle() runs after each and must run what was posted.
  void advance(Duration duration, const std::function<void()>& settle);
  std::size_t timers() const { return timers_.size(); }

 private:
  struct Timer {
    Reactor* reactor;
    std::move_only_function<void()> fn;
  };
  void fire(TimerId id);

  Instant now_{std::chrono::hours(1)};
  WallTime wall_{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} + std::chrono::hours(10)};
  TimerId last_ = 0;
  std::map<std::pair<Instant, TimerId>, Timer> timers_;
  std::map<TimerId, Instant> due_;
};

}  // namespace gantry::world
