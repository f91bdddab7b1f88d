// The way to an emulator inside one process: no socket, and in the time of the reactor's clock.
#pragma once

#include <map>
#include <string>

#include "controller/base/error.hpp"
#include "tests/emulators/emulator.hpp"

namespace gantry::emulators {

class EmulatorTransport final : public http::Transport {
 public:
  explicit EmulatorTransport(Emulator& emulator, Duration latency = std::chrono::milliseconds(50))
      : emulator_(emulator), latency_(latency) {}

  Task<http::Response> send(http::Request request) override {
    Reactor& reactor = emulator_.reactor();
    const Instant begun = reactor.now();
    co_await sleep_for(reactor, latency_);
    auto response = emulator_.exchange(request);
    if (response) co_return std::move(*response);
    co_await sleep_until(reactor, begun + request.timeout);
    throw Error(ErrorCode::Timeout, request.url.substr(0, request.url.find('?')) + ": no answer in time");
  }

 private:
  Emulator& emulator_;
  Duration latency_;
};

}  // namespace gantry::emulators
