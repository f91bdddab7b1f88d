// Where calls that block (fsync, files, child programs' output) are sent, so that no reactor's thread ever waits for
// them.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controller/base/reactor.hpp"

namespace gantry {

class Blocking {
 public:
  virtual ~Blocking() = default;
  // Runs fn soon, on a thread that may block. fn must not throw.
  virtual void submit(std::move_only_function<void()> fn) = 0;

  // co_await blocking.run(reactor, [] { return read_file(...); }): runs fn there, comes back here with its result.
  template <class F>
  Task<std::invoke_result_t<F>> run(Reactor& reactor, F fn) {
    using T = std::invoke_result_t<F>;
    return from_callback<T>(reactor, [this, fn = std::move(fn)](Done<T> done) mutable {
      submit([fn = std::move(fn), done = std::move(done)]() mutable {
        std::exception_ptr failure;
        try {
          if constexpr (std::is_void_v<T>) {
            fn();
            std::move(done)();
          } else {
            std::move(done)(fn());
          }
        } catch (...) {  // carried back to the caller's thread
          failure = std::current_exception();
        }
        // Here and not in the catch, which would hold on to the exception until after it is said.
        if (failure) std::move(done)(std::move(failure));
      });
    });
  }
};

// Threads are started when first needed. The destructor finishes what was submitted.
class ThreadPool final : public Blocking {
 public:
  ThreadPool(std::string name, std::size_t threads_max);
  ~ThreadPool() override;
  void submit(std::move_only_function<void()> fn) override;

 private:
  void work();
  std::string name_;
  std::size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> queue_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

// For deterministic tests: runs fn at once, on the caller's thread.
class InlineBlocking final : public Blocking {
 public:
  void submit(std::move_only_function<void()> fn) override { fn(); }
};

}  // namespace gantry
