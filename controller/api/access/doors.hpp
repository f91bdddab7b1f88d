// The doors beside the Kubernetes API (uploads of code, backups, the Deploy API): what the API sees to for its own
// requests happens here for theirs. Who acts as another (--as) is the other from here on, what writes takes its turn,
// and what was done is in the audit log. In front of all of them; every other path passes through. Front reactor.
#pragma once

#include <string>
#include <vector>

#include "controller/api/access/audit.hpp"
#include "controller/api/access/flow_control.hpp"
#include "controller/api/authorizer.hpp"
#include "controller/api/handler.hpp"
#include "controller/base/reactor.hpp"

namespace gantry::api::access {

class Doors final : public Handler {
 public:
  struct Watchers {
    const Authorizer& authorizer;
    FlowControl& flow;
    AuditLog* audit;  // null: nothing is written down
  };
  // next: the first door, the API behind the last of them. paths: what the doors answer, with all below it: "/backup".
  Doors(Handler& next, Reactor& front, Watchers watchers, std::vector<std::string> paths)
      : next_(next), front_(front), watchers_(watchers), paths_(std::move(paths)) {}

  Task<HttpResponse> handle(HttpRequest request) override;
  std::shared_ptr<BodySink> sink(const HttpRequest& request) override { return next_.sink(request); }
  HttpResponse refuse(int status, const Error& error) override { return next_.refuse(status, error); }
  HttpResponse refuse_stranger(const HttpRequest& request) override;

 private:
  bool is_beside(std::string_view path) const;
  Task<HttpResponse> watch(HttpRequest request);
  Task<HttpResponse> pass(HttpRequest request, AuditRecord& record);
  void write_down(AuditRecord record, int code, Instant start);

  Handler& next_;
  Reactor& front_;
  Watchers watchers_;
  std::vector<std::string> paths_;
};

}  // namespace gantry::api::access
