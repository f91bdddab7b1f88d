// Template parts of reactor.hpp; include that instead.
#pragma once

#include <memory>
#include <optional>
#include <variant>

namespace gantry {
namespace detail {

struct Unit {};
template <class T>
using Stored = std::conditional_t<std::is_void_v<T>, Unit, T>;

template <class T>
struct CallbackState {
  Reactor* reactor = nullptr;
  std::variant<std::monostate, std::exception_ptr, Stored<T>> outcome;
  std::move_only_function<void()> resume;
};

}  // namespace detail

// The promise side of from_callback(). Copies share one outcome; the first to speak wins. Speaking through an rvalue
// hands the share over with the word: a helper thread that stays on does not destroy what it gave to the reactor.
template <class T>
class Done {
 public:
  explicit Done(std::shared_ptr<detail::CallbackState<T>> state) : state_(std::move(state)) {}

  template <class Self>
  void operator()(this Self&& self, std::exception_ptr failure) {
    settle(std::forward<Self>(self).state_, std::move(failure));
  }
  template <class Self, class U = T>
    requires(!std::is_void_v<U>)
  void operator()(this Self&& self, U value) {
    settle(std::forward<Self>(self).state_, std::move(value));
  }
  template <class Self>
  void operator()(this Self&& self)
    requires(std::is_void_v<T>)
  {
    settle(std::forward<Self>(self).state_, detail::Unit{});
  }

 private:
  template <class V>
  static void settle(std::shared_ptr<detail::CallbackState<T>> state, V value) {
    if (!state) return;  // has spoken
    Reactor& reactor = *state->reactor;
    reactor.post([state = std::move(state), value = std::move(value)]() mutable {
      if (state->outcome.index() != 0) return;
      state->outcome = std::move(value);
      if (state->resume) std::exchange(state->resume, {})();
    });
  }

  std::shared_ptr<detail::CallbackState<T>> state_;
};

template <class T, class Start>
Task<T> from_callback(Reactor& reactor, Start start) {
  auto state = std::make_shared<detail::CallbackState<T>>();
  state->reactor = &reactor;
  start(Done<T>(state));
  if (state->outcome.index() == 0) {
    co_await asio::async_initiate<const asio::use_awaitable_t<Executor>&, void()>(
        [state](auto handler) { state->resume = [handler = std::move(handler)]() mutable { std::move(handler)(); }; },
        use_task);
  }
  if (auto* failure = std::get_if<std::exception_ptr>(&state->outcome)) std::rethrow_exception(*failure);
  if constexpr (!std::is_void_v<T>) co_return std::move(std::get<detail::Stored<T>>(state->outcome));
}

namespace detail {

// A free function, so that the closure it runs lives in its frame.
template <class T, class F>
Task<> run_and_tell(F make_task, Done<T> done) {
  std::exception_ptr failure;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await make_task();
      std::move(done)();
    } else {
      std::move(done)(co_await make_task());
    }
  } catch (...) {
    failure = std::current_exception();
  }
  // Here and not in the catch, which would hold on to the exception until after it is said.
  if (failure) std::move(done)(std::move(failure));
}

template <class F>
auto run_here(F make_task) -> std::invoke_result_t<F> {
  co_return co_await make_task();
}

template <class F>
auto run_there(Reactor& there, Reactor& here, F make_task) -> std::invoke_result_t<F> {
  using T = typename std::invoke_result_t<F>::value_type;
  co_return co_await from_callback<T>(here, [&there, make_task = std::move(make_task)](Done<T> done) mutable {
    there.spawn(run_and_tell<T>(std::move(make_task), std::move(done)));
  });
}

}  // namespace detail

template <class F>
auto Reactor::call(Reactor& caller, F make_task) -> std::invoke_result_t<F> {
  if (this == &caller) return detail::run_here(std::move(make_task));
  return detail::run_there(*this, caller, std::move(make_task));
}

}  // namespace gantry
