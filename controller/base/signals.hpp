// SIGTERM and SIGINT as something a coroutine can wait for. One reactor's thread.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdlib>

#include <boost/asio/basic_signal_set.hpp>

#include "controller/base/signal.hpp"

namespace gantry {

class Signals {
 public:
  explicit Signals(Reactor& reactor) : set_(reactor.executor(), SIGTERM, SIGINT), arrived_(reactor) { listen(); }

  // Returns at once when a signal came already. A second one ends the process: whoever presses Ctrl-C twice means it.
  Task<> wait() {
    while (count_ == 0) co_await arrived_.wait();
  }
  bool came() const { return count_ > 0; }

 private:
  void listen() {
    set_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      if (++count_ > 1) std::_Exit(130);
      arrived_.notify_all();
      listen();
    });
  }

  asio::basic_signal_set<Executor> set_;
  Signal arrived_;
  std::atomic<int> count_ = 0;  // came() is asked from the loop too
};

}  // namespace gantry
