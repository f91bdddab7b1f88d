#include "tests/process/steady_load.hpp"

#include <algorithm>
#include <atomic>
#include <future>

#include "controller/base/blocking.hpp"
#include "controller/base/error.hpp"
#include "controller/base/http_connection.hpp"
#include "controller/base/tls.hpp"

namespace gantry::process {

// Everything but `stopping` is the load's own thread's until stop() has waited for it.
struct SteadyLoad::State {
  explicit State(Options given) : options(std::move(given)), context(tls::Context::Client{.ca = options.authority}) {}

  Options options;
  Reactor reactor{"load", system_clock()};
  tls::Context context;
  std::atomic<bool> stopping = false;
  int running = 0;
  Result result;
  std::vector<float> times_ms;
  std::promise<void> over;
  ThreadPool pool{"load", 1};

  // One connection: a request, then the pause that keeps the pace, then the next.
  Task<> ask_until_stopped(bool slow, int number) {
    const Duration pace = std::chrono::nanoseconds(1'000'000'000LL * options.connections / options.per_second);
    Instant next = reactor.now() +
                   (slow ? Duration(std::chrono::milliseconds(700)) * number : pace * number / options.connections);
    std::shared_ptr<http::Connection> connection;
    while (!stopping) {
      co_await sleep_until(reactor, std::min(next, reactor.now() + std::chrono::milliseconds(200)));
      if (reactor.now() < next) continue;
      next = slow ? reactor.now() : std::max(next + pace, reactor.now());
      // A server may close an idle connection; a client looks before it uses one, as browsers do.
      if (connection && connection->stale()) {
        connection.reset();
        ++result.reopened;
      }
      const Instant begun = reactor.now();
      std::string failure;
      try {
        if (!connection) connection = co_await open();
        const auto response = co_await connection->exchange({.url = slow ? options.slow_path : options.path,
                                                             .headers = {{"Host", options.host}},
                                                             .timeout = std::chrono::seconds(20)});
        if (response.status != 200) failure = std::to_string(response.status) + " " + response.body.substr(0, 100);
      } catch (const Error& error) {
        failure = error.message();
      }
      note(slow, failure, reactor.now() - begun);
      if (!failure.empty()) connection.reset();
    }
    if (--running == 0) reactor.stop();
  }

  Task<std::shared_ptr<http::Connection>> open() {
    const http::Endpoint endpoint{.kind = http::Endpoint::Kind::Tls,
                                  .host = "127.0.0.1",
                                  .port = static_cast<std::uint16_t>(options.port),
                                  .tls_name = options.host};
    co_return co_await http::Connection::open(reactor, endpoint, &context, reactor.now() + std::chrono::seconds(10));
  }

  void note(bool slow, const std::string& failure, Duration took) {
    if (!failure.empty()) {
      ++result.failed;
      if (result.failures.size() < 10) result.failures.push_back((slow ? "slow: " : "quick: ") + failure);
    } else if (slow) {
      ++result.slow_answered;
    } else {
      ++result.answered;
      times_ms.push_back(std::chrono::duration<float, std::milli>(took).count());
    }
  }
};

SteadyLoad::SteadyLoad(Options options) : state_(std::make_unique<State>(std::move(options))) {
  State& state = *state_;
  state.running = state.options.connections + state.options.slow_connections;
  for (int i = 0; i < state.options.connections; ++i) state.reactor.spawn(state.ask_until_stopped(false, i));
  for (int i = 0; i < state.options.slow_connections; ++i) state.reactor.spawn(state.ask_until_stopped(true, i));
  state.pool.submit([&state] {
    state.reactor.run();
    state.over.set_value();
  });
}

SteadyLoad::~SteadyLoad() {
  if (!state_->stopping) stop();
}

SteadyLoad::Result SteadyLoad::stop() {
  state_->stopping = true;
  state_->over.get_future().wait();
  auto& times = state_->times_ms;
  std::ranges::sort(times);
  if (!times.empty()) {
    state_->result.slowest_ms = times.back();
    state_->result.p99_ms = times[times.size() * 99 / 100];
  }
  return state_->result;
}

}  // namespace gantry::process
