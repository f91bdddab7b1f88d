#include "controller/base/reactor.hpp"

#include <pthread.h>

#include <cstdlib>

#include "controller/base/error.hpp"
#include "controller/base/log.hpp"

namespace gantry {

Reactor::Reactor(std::string name, Clock& clock) : name_(std::move(name)), clock_(clock) {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
}

Reactor::~Reactor() = default;

void Reactor::post(std::move_only_function<void()> fn) {
  // Asio 1.74 accepts move-only handlers in post(), so no shared_ptr is needed around fn.
  asio::post(context_, [fn = std::move(fn)]() mutable { fn(); });
}

void Reactor::spawn(Task<> task) {
  asio::co_spawn(context_.get_executor(), std::move(task), [this](std::exception_ptr failure) {
    if (!failure) return;
    std::string what = "unknown exception";
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      what = error.what();
    } catch (...) {  // tidy: the last stop before abort()
    }
    log::Logger("reactor").error("a background task failed; this is a bug, so the process ends",
                                 {{"reactor", name_}, {"error", what}});
    log::flush();
    std::abort();
  });
}

void Reactor::run() {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  context_.run();
}

void Reactor::stop() { context_.stop(); }

std::size_t Reactor::poll() {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  context_.restart();
  return context_.poll();
}

Task<> sleep_until(Reactor& reactor, Instant when) {
  co_await from_callback<void>(reactor, [&reactor, when](Done<void> done) {
    reactor.clock().call_at(reactor, when, [done = std::move(done)] { done(); });
  });
}

Task<> sleep_for(Reactor& reactor, Duration duration) { co_await sleep_until(reactor, reactor.now() + duration); }

}  // namespace gantry
