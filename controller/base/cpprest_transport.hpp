// HTTP and HTTPS to anywhere, by cpprestsdk: what providers speak to their clouds through.
#pragma once

#include <cstddef>

#include "controller/base/http.hpp"
#include "controller/base/reactor.hpp"

namespace gantry::http {

// cpprestsdk's threads (two for the whole process) start with the first request. A redirect is followed only within the
// same scheme, host and port, so that a token never goes elsewhere; any other is an answer like each else.
class CpprestTransport final : public Transport {
 public:
  explicit CpprestTransport(Reactor& reactor) : reactor_(reactor) {}
  Task<Response> send(Request request) override;

 private:
  Reactor& reactor_;
};

}  // namespace gantry::http
