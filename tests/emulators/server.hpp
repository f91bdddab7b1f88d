// An emulator behind a real socket, in real time, on a thread of its own: for whole processes, and to see that what is
// spoken is HTTP. With TLS where it is given.
#pragma once

#include <future>
#include <memory>
#include <thread>

#include "controller/api/http/server.hpp"
#include "tests/emulators/emulator.hpp"

namespace gantry::emulators {

class EmulatorServer {
 public:
  // The emulator must live on `reactor`, and both longer than this.
  EmulatorServer(Reactor& reactor, Emulator& emulator);
  ~EmulatorServer();

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Runs on the emulator's thread, what is due done before; waits for it.
  template <class F>
  auto there(F fn) {
    std::promise<decltype(fn())> promise;
    reactor_.post([&] {
      emulator_.catch_up();
      if constexpr (std::is_void_v<decltype(fn())>) {
        fn();
        promise.set_value();
      } else {
        promise.set_value(fn());
      }
    });
    return promise.get_future().get();
  }

 private:
  class Door;
  Reactor& reactor_;
  Emulator& emulator_;
  api::Authenticator strangers_;
  std::unique_ptr<Door> door_;
  std::unique_ptr<api::http::Server> server_;
  std::thread thread_;
  std::uint16_t port_ = 0;
};

}  // namespace gantry::emulators
