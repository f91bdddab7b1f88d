// What one client may cost.
#pragma once

#include <chrono>
#include <cstddef>

namespace gantry::api::http {

struct Limits {
  std::size_t head_bytes = 32 << 10;  // request line and headers; more is 431
  std::size_t headers = 100;          // their number; more is 431
  std::size_t body_bytes = 3 << 20;   // as kube-apiserver; more is 413
  std::size_t streamed_bytes = 0;     // of a body that goes to a sink; 0: there are none
  std::size_t connections = 8192;     // more get 503

  // Counted in whole seconds by a sweep; each is exceeded by up to one.
  std::chrono::seconds handshake{10};
  std::chrono::seconds head{10};   // from a request's first byte to the end of its headers; longer is 408
  std::chrono::seconds body{60};   // from there to the end of its body; longer is 408
  std::chrono::seconds idle{180};  // between two requests
  std::chrono::seconds stuck{30};  // a write that makes no progress
  std::chrono::seconds linger{2};  // for the client to read a refusal before the connection goes
};

}  // namespace gantry::api::http
