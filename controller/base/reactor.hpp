// A reactor is one thread with an event loop of its own. What it owns is touched by that thread only, so code between
// two co_awaits is atomic. Gantry has two: the front (network, admission, store) and the loop (informers, reconcilers).
// In a test both are one reactor, driven by hand: poll() instead of run(), and a ManualClock.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>

#include <boost/asio/executor_work_guard.hpp>

#include "controller/base/clock.hpp"
#include "controller/base/task.hpp"

namespace gantry {

class Reactor {
 public:
  Reactor(std::string name, Clock& clock);
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  const std::string& name() const { return name_; }
  Clock& clock() const { return clock_; }
  Instant now() const { return clock_.now(); }
  asio::io_context& context() { return context_; }
  Executor executor() { return context_.get_executor(); }

  // From any thread. The order of posts from one thread is kept.
  void post(std::move_only_function<void()> fn);
  // From any thread. A task that lets an exception escape is a bug: it is logged and the process ends.
  void spawn(Task<> task);

  // Runs until stop(). The caller's thread becomes the reactor's thread.
  void run();
  void stop();
  // Runs what is ready and returns how many handlers that was; for tests.
  std::size_t poll();

  bool is_here() const { return std::this_thread::get_id() == thread_.load(std::memory_order_relaxed); }

  // Calls a coroutine function on this reactor and brings its result (or exception) back to the caller's.
  // With one reactor for both it is a plain call.
  template <class F>
  auto call(Reactor& caller, F make_task) -> std::invoke_result_t<F>;

 private:
  std::string name_;
  Clock& clock_;
  asio::io_context context_{1};
  asio::executor_work_guard<Executor> work_{context_.get_executor()};
  std::atomic<std::thread::id> thread_{};
};

// co_await sleep(reactor, 5s). Ends early, quietly, only when the reactor is destroyed.
Task<> sleep_until(Reactor& reactor, Instant when);
Task<> sleep_for(Reactor& reactor, Duration duration);

// Turns a callback API into a Task. start is called at once with a `done` that may be called once, from any thread:
// done(std::exception_ptr) or done(value). The coroutine goes on upon `reactor`.
template <class T>
class Done;
template <class T, class Start>
Task<T> from_callback(Reactor& reactor, Start start);

}  // namespace gantry

#include "controller/base/reactor_inline.hpp"
