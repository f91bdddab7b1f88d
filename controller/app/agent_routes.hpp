// In front of the Kubernetes API, for machines that have nothing yet, no key either:
//   GET /agent/<sha256>.tar.gz    the agent; there is nothing secret in it, and whoever fetches it was told its
//   checksum
//                                 by another way
//   POST /agent/builds/<token>    what has failed on a machine that builds an image, as text
#pragma once

#include "controller/api/handler.hpp"
#include "controller/app/agent_archive.hpp"
#include "reconcilers/provider/build_reports.hpp"

namespace gantry::app {

class AgentRoutes final : public api::Handler {
 public:
  AgentRoutes(api::Handler& next, const AgentArchive& archive, reconcilers::provider::BuildReports& reports)
      : next_(next), archive_(archive), reports_(reports) {}
  Task<api::HttpResponse> handle(api::HttpRequest request) override;
  std::shared_ptr<api::BodySink> sink(const api::HttpRequest& request) override { return next_.sink(request); }
  api::HttpResponse refuse(int status, const Error& error) override { return next_.refuse(status, error); }

 private:
  Task<api::HttpResponse> answer(api::HttpRequest request);
  api::HttpResponse take_report(api::HttpRequest request);
  api::Handler& next_;
  const AgentArchive& archive_;
  reconcilers::provider::BuildReports& reports_;
};

}  // namespace gantry::app
