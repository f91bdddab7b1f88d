// Many calls, a few at a time, on one reactor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>

#include "controller/base/reactor.hpp"

namespace gantry {

namespace detail {

struct ParallelState {
  std::size_t next = 0;
  std::size_t running = 0;
  std::exception_ptr failure;
  std::function<Task<>(std::size_t)> call;
};

inline Task<> parallel_worker(std::shared_ptr<ParallelState> state, std::size_t count, Done<void> done) {
  while (state->next < count && !state->failure) {
    const std::size_t index = state->next++;
    try {
      co_await state->call(index);
    } catch (...) {  // the first failure ends the whole and is thrown to the caller
      if (!state->failure) state->failure = std::current_exception();
    }
  }
  if (--state->running > 0) co_return;
  if (state->failure) {
    done(state->failure);
  } else {
    done();
  }
}

}  // namespace detail

// Calls call(0) ... call(count - 1), at most `limit` of them at a time, and returns when all are done. The first that
// throws lets those under way finish and no other begin; its exception goes on.
inline Task<> for_each_at_most(Reactor& reactor, std::size_t limit, std::size_t count,
                               std::function<Task<>(std::size_t)> call) {
  if (count == 0) co_return;
  auto state = std::make_shared<detail::ParallelState>();
  state->call = std::move(call);
  state->running = std::min(limit, count);
  co_await from_callback<void>(reactor, [&reactor, state, count](Done<void> done) {
    const std::size_t workers = state->running;
    for (std::size_t i = 0; i < workers; ++i) reactor.spawn(detail::parallel_worker(state, count, done));
  });
}

}  // namespace gantry
