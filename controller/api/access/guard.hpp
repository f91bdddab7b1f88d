// All that stands between a request and what it asks for, put together: roles (Policy, escalation, aggregation),
// ServiceAccount tokens, flow control and the audit log. One for a process, made right after its Api and hung on it.
// Front reactor.
#pragma once

#include <memory>
#include <optional>

#include "controller/api/access/aggregation.hpp"
#include "controller/api/access/audit.hpp"
#include "controller/api/access/doors.hpp"
#include "controller/api/access/flow_control.hpp"
#include "controller/api/access/policy.hpp"
#include "controller/api/access/quotas.hpp"
#include "controller/api/access/service_accounts.hpp"
#include "controller/api/api.hpp"

namespace gantry::api::access {

struct GuardOptions {
  Authenticator known;  // certificates and static tokens
  Secret signing_key;   // PEM, for ServiceAccount tokens
  FlowControl::Limits flow;
  Quotas quotas;
  std::optional<AuditLog::Options> audit;
};

class Guard {
 public:
  // api and blocking must outlive it; and it the requests under way.
  Guard(Api& api, Blocking& blocking, GuardOptions options);

  // Makes what is always there. Once, before clients are let in and after Api::prepare().
  Task<> prepare();
  // Before the store is closed.
  void close() { aggregation_.close(); }

  // Watches over the doors beside the API, too; the API is behind the last of them. paths: what they answer. Once.
  Handler& watch_doors(Handler& first, std::vector<std::string> paths);

  const Authenticator& authenticator() const { return identities_; }
  AuditLog* audit() { return audit_ ? &*audit_ : nullptr; }

 private:
  Api& api_;
  std::shared_ptr<Policy> policy_;
  Aggregation aggregation_;
  ServiceAccountTokens tokens_;
  Identities identities_;
  FlowControl flow_;
  std::optional<AuditLog> audit_;
  std::optional<Doors> doors_;
};

}  // namespace gantry::api::access
