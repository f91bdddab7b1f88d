// Seam: HTTP to the outside. One request, one response, both whole. Implementations: CpprestTransport (http and https
// to anywhere), UnixTransport (a daemon's socket, such as Docker's), and the fakes of tests/world.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/task.hpp"

namespace gantry::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method = "GET";
  std::string url;  // http://host:port/path?query; for UnixTransport only the path counts
  Headers headers;
  std::string body;
  // What follows the body, piece by piece until an empty one: for what is too large to be held. Such a request is sent
  // once only. Connection and Pool alone can do it.
  std::function<Task<std::string>()> more;
  Duration timeout = std::chrono::seconds(30);  // for the whole exchange
  std::size_t body_max = 64 << 20;              // of the response; more is Error(TooLarge)
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
  // Empty when absent. Names are compared without case.
  std::string header(std::string_view name) const;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Any status is an answer. Throws Error(Unavailable) when no answer came (the message says at which stage),
  // Error(Timeout) when time was up: the request may have had its effect then. Call from the reactor's thread.
  virtual Task<Response> send(Request request) = 0;
};

}  // namespace gantry::http
