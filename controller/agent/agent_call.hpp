// A request to the agent on its way through the table of operations. Private to this folder.
#pragma once

#include "controller/agent/agent_api.hpp"

namespace gantry::agent {

struct AgentApi::Call {
  api::HttpRequest request;
  std::string name;  // what stood for the * of the path

  // The body as JSON; null when it is empty. Throws Error(BadRequest).
  json::Value body() const;
  std::string parameter(std::string_view name) const;  // empty when absent
  bool on(std::string_view name) const;                // ?name, ?name=true, ?name=1
  std::optional<std::int64_t> number(std::string_view name) const;
};

struct AgentApi::Operation {
  std::string_view method;
  std::string_view path;  // "/containers/*/stop"
  Task<api::HttpResponse> (AgentApi::*run)(Call);
};

api::HttpResponse answered(json::Object data);
api::HttpResponse answered_with(int status, std::string envelope);

}  // namespace gantry::agent
