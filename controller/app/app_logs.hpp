// GET .../apps/NAME/log: what an App's instances write, as text; followed when asked for.
#pragma once

#include "controller/api/subresource.hpp"
#include "controller/base/reactor.hpp"
#include "providers/builder.hpp"
#include "providers/workload_host.hpp"

namespace gantry::app {

class AppLogs final : public api::Subresource {
 public:
  AppLogs(Reactor& front, Reactor& loop, providers::WorkloadHost& host, providers::Builder& builder)
      : front_(front), loop_(loop), host_(host), builder_(builder) {}

  std::vector<std::string> verbs() const override { return {"get"}; }
  std::string response_kind() const override { return "App"; }
  // tailLines, sinceSeconds, timestamps, follow; slot or instance choose one replica, previous the try before its last;
  // build: what its newest build wrote instead.
  Task<api::HttpResponse> handle(api::SubresourceRequest request) override;

 private:
  Reactor& front_;
  Reactor& loop_;
  providers::WorkloadHost& host_;
  providers::Builder& builder_;
};

}  // namespace gantry::app
