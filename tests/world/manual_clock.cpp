#include "tests/world/manual_clock.hpp"

namespace gantry::world {

Clock::TimerId ManualClock::call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) {
  const TimerId id = ++last_;
  timers_.emplace(std::pair(when, id), Timer{&reactor, std::move(fn)});
  due_.emplace(id, when);
  if (when <= now_) reactor.post([this, id] { fire(id); });
  return id;
}

void ManualClock::fire(TimerId id) {
  const auto due = due_.find(id);
  if (due == due_.end()) return;  // cancelled between being posted and now
  const auto timer = timers_.find({due->second, id});
  auto fn = std::move(timer->second.fn);
  timers_.erase(timer);
  due_.erase(due);
  fn();
}

void ManualClock::cancel(TimerId id) {
  const auto due = due_.find(id);
  if (due == due_.end()) return;
  timers_.erase({due->second, id});
  due_.erase(due);
}

void ManualClock::advance(Duration duration, const std::function<void()>& settle) {
  const Instant end = now_ + duration;
  settle();
  while (!timers_.empty() && timers_.begin()->first.first <= end) {
    const Instant due = std::max(now_, timers_.begin()->first.first);
    wall_ += due - now_;
    now_ = due;
    for (const auto& [at, timer] : timers_) {
      if (at.first > now_) break;
      timer.reactor->post([this, id = at.second] { fire(id); });
    }
    settle();
  }
  wall_ += end - now_;
  now_ = end;
}

}  // namespace gantry::world
