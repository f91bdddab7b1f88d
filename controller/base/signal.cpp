#include "controller/base/signal.hpp"

#include "controller/base/error.hpp"

namespace gantry {

struct Signal::Waiter {
  std::move_only_function<void()> resume;
  bool woken = false;
  bool timed_out = false;
  Clock::TimerId timer = 0;
};

namespace {

template <class W>
void wake(Reactor& reactor, const std::shared_ptr<W>& waiter) {
  if (std::exchange(waiter->woken, true)) return;
  // Resumed from the event loop, never from inside notify(): the notifier finishes its own turn first.
  reactor.post([waiter] {
    if (waiter->resume) std::exchange(waiter->resume, {})();
  });
}

}  // namespace

void Signal::notify_all() {
  for (auto& waiter : std::exchange(waiters_, {})) {
    if (waiter->timer) reactor_.clock().cancel(waiter->timer);
    wake(reactor_, waiter);
  }
}

void Signal::notify_one() {
  if (waiters_.empty()) return;
  auto waiter = std::move(waiters_.front());
  waiters_.pop_front();
  if (waiter->timer) reactor_.clock().cancel(waiter->timer);
  wake(reactor_, waiter);
}

Task<> Signal::wait() {
  auto waiter = std::make_shared<Waiter>();
  waiters_.push_back(waiter);
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(
      [waiter](auto handler) { waiter->resume = [handler = std::move(handler)]() mutable { std::move(handler)(); }; },
      use_task);
}

Task<bool> Signal::wait_until(Instant deadline) {
  auto waiter = std::make_shared<Waiter>();
  auto at = waiters_.insert(waiters_.end(), waiter);
  waiter->timer = reactor_.clock().call_at(reactor_, deadline, [this, waiter, at] {
    if (waiter->woken) return;
    waiter->timed_out = true;
    waiters_.erase(at);
    wake(reactor_, waiter);
  });
  co_await asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(
      [waiter](auto handler) { waiter->resume = [handler = std::move(handler)]() mutable { std::move(handler)(); }; },
      use_task);
  co_return !waiter->timed_out;
}

Gate::Pass Gate::enter() {
  if (closed_) throw Error(ErrorCode::Cancelled, "shutting down");
  ++inside_;
  return Pass(this);
}

void Gate::leave() {
  if (--inside_ == 0) emptied_.notify_all();
}

Task<> Gate::close() {
  closed_ = true;
  while (inside_ > 0) co_await emptied_.wait();
}

Task<bool> Gate::close_until(Instant deadline) {
  closed_ = true;
  while (inside_ > 0) {
    if (!co_await emptied_.wait_until(deadline)) co_return inside_ == 0;
  }
  co_return true;
}

}  // namespace gantry
