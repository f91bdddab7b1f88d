// GET /agent/<sha256>.tar.gz, in front of the Kubernetes API: the agent for machines that have nothing yet, no key
// either. There is nothing secret in it, and whoever fetches it was told its checksum by another way.
#pragma once

#include "controller/api/handler.hpp"
#include "controller/app/agent_archive.hpp"

namespace gantry::app {

class AgentRoutes final : public api::Handler {
 public:
  AgentRoutes(api::Handler& next, const AgentArchive& archive) : next_(next), archive_(archive) {}
  Task<api::HttpResponse> handle(api::HttpRequest request) override;
  std::shared_ptr<api::BodySink> sink(const api::HttpRequest& request) override { return next_.sink(request); }
  api::HttpResponse refuse(int status, const Error& error) override { return next_.refuse(status, error); }

 private:
  Task<api::HttpResponse> answer(api::HttpRequest request);
  api::Handler& next_;
  const AgentArchive& archive_;
};

}  // namespace gantry::app
