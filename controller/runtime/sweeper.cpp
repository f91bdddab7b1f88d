#include "controller/runtime/sweeper.hpp"

#include "controller/base/log.hpp"

namespace gantry::runtime {

Sweeper::Sweeper(const Context& context, std::string name, std::size_t workers, Look look)
    : context_(context),
      name_(std::move(name)),
      workers_(workers),
      look_(std::move(look)),
      queue_(context.reactor, name_),
      backoff_(context.random),
      gate_(context.reactor) {}

void Sweeper::start() {
  for (std::size_t i = 0; i < workers_; ++i) context_.reactor.spawn(work(gate_.enter()));
}

Task<bool> Sweeper::stop(Instant deadline) {
  queue_.close();
  co_return co_await gate_.close_until(deadline);
}

Task<> Sweeper::work(Gate::Pass pass) {
  while (Queue::Item* item = co_await queue_.get()) {
    const object::Key key = Queue::key_of(item);
    std::optional<Error> failure;
    std::optional<Duration> again;
    try {
      again = co_await look_(key);
    } catch (const Error& error) {
      failure = error;
    } catch (const std::exception& error) {
      failure = Error(ErrorCode::Internal, error.what());
    }
    if (failure) {
      queue_.count_retry();
      queue_.add_after(key, backoff_.next(key, failure->retry_after));
      // A lost race is ordinary; what was read is read anew.
      if (failure->code() != ErrorCode::Conflict && failure->code() != ErrorCode::Cancelled) {
        log::Logger(name_).warn("trying again later", {{"object", key.to_string()}, {"error", failure->message()}});
      }
    } else {
      backoff_.forget(key);
      if (again) queue_.add_after(key, *again, Lane::Change);
    }
    queue_.done(item);
    co_await asio::post(context_.reactor.executor(), use_task);
  }
}

}  // namespace gantry::runtime
