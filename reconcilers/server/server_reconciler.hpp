// A Server of provider local with an address: a machine that exists already and runs the agent. Nothing is made or
// removed; what is kept is the contact, and what is reported is how it is: reached, lately lost (Unknown), or away for
// longer than it may be (False). Other Servers are somebody else's, and this says so.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "controller/api/client.hpp"
#include "controller/runtime/no_reconciler.hpp"
#include "controller/runtime/reconciler.hpp"
#include "providers/host_directory.hpp"

namespace gantry::reconcilers::server {

struct ServerSeen;

class ServerReconciler final : public runtime::Reconciler {
 public:
  struct Parts {
    Reactor& reactor;
    api::Client& client;
    providers::HostDirectory& hosts;
    // For Servers without a secretRef: the controller's own key for agents, and its authority.
    Secret agent_key;
    std::string authority;
    std::string version;  // ours: agents of another are not current
    std::function<void(const object::Key&)> wake;
    // A host that was heard of so lately may only have slept, or lost its network for a moment.
    Duration grace = std::chrono::minutes(10);
    Duration look = std::chrono::minutes(1);  // at capacity and usage
  };
  explicit ServerReconciler(Parts parts);

  Task<runtime::SeenPtr> observe(const runtime::Subject& subject) override;
  runtime::Plan plan(const runtime::Subject& subject, const runtime::Seen& seen) override;
  Task<> act(const runtime::Subject& subject, const runtime::Seen& seen, const runtime::Action& action,
             runtime::Notes& notes) override;
  runtime::Report report(const runtime::Subject& subject, const runtime::Seen& seen,
                         const runtime::Plan& plan) override;

 private:
  Task<> observe_endpoint(const runtime::Subject& subject, ServerSeen& seen);

  Parts parts_;
  runtime::NoReconciler others_{"Server"};
  struct Memory {
    object::Key key;
    json::Value health;
    Instant health_at{};
  };
  std::map<std::string, Memory> memory_;  // by "namespace/name"
};

}  // namespace gantry::reconcilers::server
