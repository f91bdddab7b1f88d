// One request on its way through Api. Private to api.cpp and resource_calls.cpp.
#pragma once

#include "controller/api/api.hpp"

namespace gantry::api {

struct Api::Call {
  HttpRequest request;
  Route route{};
  Verb verb = Verb::Get;
  Warnings warnings{};
  std::optional<User> impersonator{};  // who asked in request.user's name
  ObjectPtr before{}, after{};         // what was written, for the audit

  const Target& target() const { return route.target; }
  const Served& served() const { return *route.target.served; }
  const std::string* accept() const { return request.header("accept"); }
  void note(const Written& written) {
    before = written.before;
    if (!written.removed) after = written.object;
  }
};

}  // namespace gantry::api
