// Signal: wait until somebody says so. Gate: close the door and wait for those inside. Both live on one reactor's
// thread.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "controller/base/reactor.hpp"

namespace gantry {

// Wakes everybody who waits now; remembers nothing. Whoever waits must therefore re-check its condition after waking:
//   while (queue.empty()) co_await signal.wait();
class Signal {
 public:
  explicit Signal(Reactor& reactor) : reactor_(reactor) {}
  ~Signal() { notify_all(); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void notify_all();
  void notify_one();
  Task<> wait();
  // False when the deadline came first.
  Task<bool> wait_until(Instant deadline);

  std::size_t waiting() const { return waiters_.size(); }

 private:
  struct Waiter;
  Reactor& reactor_;
  std::list<std::shared_ptr<Waiter>> waiters_;
};

// Counts work in progress, so that shutting down can wait for it.
class Gate {
 public:
  explicit Gate(Reactor& reactor) : emptied_(reactor) {}

  class Pass {
   public:
    explicit Pass(Gate* gate) : gate_(gate) {}
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_) gate_->leave();
    }

   private:
    Gate* gate_;
  };

  bool closed() const { return closed_; }
  std::size_t inside() const { return inside_; }
  // Throws Error(Cancelled) once the gate is closed.
  [[nodiscard]] Pass enter();
  // Refuses newcomers and waits until the last one has left.
  Task<> close();
  // The same, but gives up waiting at the deadline; false then.
  Task<bool> close_until(Instant deadline);

 private:
  void leave();
  Signal emptied_;
  std::size_t inside_ = 0;
  bool closed_ = false;
};

}  // namespace gantry
