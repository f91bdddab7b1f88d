// A Server: a machine at a provider, made, kept as its spec says and removed; or one that exists already and runs the
// agent (provider local with an address), with which only the contact is kept. What is reported is how it is: reached,
// lately lost (Unknown), or away for longer than it may be (False).
// The decisions for machines at a provider are in cloud_plan.hpp; here is the doing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "controller/api/client.hpp"
#include "controller/base/random.hpp"
#include "controller/runtime/no_reconciler.hpp"
#include "controller/runtime/reconciler.hpp"
#include "providers/host_directory.hpp"
#include "reconcilers/provider/accounts.hpp"
#include "reconcilers/provider/user_data.hpp"

namespace gantry::reconcilers::server {

struct ServerSeen;
struct CloudView;
struct WhyLeave;

class ServerReconciler final : public runtime::Reconciler {
 public:
  struct AgentCertificate {
    std::string certificate;  // PEM
    Secret key;
    std::string fingerprint;
  };
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
    // For Servers at a provider; absent: there are none here. Outlive this.
    provider::Accounts* accounts = nullptr;
    Random* random = nullptr;
    std::function<AgentCertificate(const std::string& name)> issue;
    std::function<provider::AgentSource()> agent_source;
  };
  explicit ServerReconciler(Parts parts);

  Task<runtime::SeenPtr> observe(const runtime::Subject& subject) override;
  runtime::Plan plan(const runtime::Subject& subject, const runtime::Seen& seen) override;
  Task<> act(const runtime::Subject& subject, const runtime::Seen& seen, const runtime::Action& action,
             runtime::Notes& notes) override;
  runtime::Report report(const runtime::Subject& subject, const runtime::Seen& seen,
                         const runtime::Plan& plan) override;
  void forget(const std::string& uid) override;

 private:
  Task<> observe_endpoint(const runtime::Subject& subject, ServerSeen& seen);
  Task<> observe_health(const std::string& name, ServerSeen& seen);
  Task<> observe_cloud(const runtime::Subject& subject, ServerSeen& seen);
  Task<> observe_machines(const runtime::Subject& subject, ServerSeen& seen);
  Task<> observe_wish(const runtime::Subject& subject, CloudView& view);
  void observe_address(const runtime::Subject& subject, ServerSeen& seen);
  Task<> observe_reserved_address(const runtime::Subject& subject, ServerSeen& seen);
  Task<> observe_operation(const runtime::Subject& subject, CloudView& view);

  Task<> observe_residents(const std::string& name, const runtime::Subject& subject, ServerSeen& seen);
  void observe_silence(const runtime::Subject& subject, ServerSeen& seen) const;
  // Since when, and for how long still, its Apps are waited for.
  void observe_drain(const runtime::Subject& subject, std::optional<WhyLeave> why, ServerSeen& seen) const;
  void report_drain(const runtime::Subject& subject, const ServerSeen& seen, runtime::Report& report) const;
  // What comes and goes on the machine is news to its firewall, and to who waits for it to be empty.
  void follow_residents(const std::string& name, const std::string& uid);

  void plan_contact(const runtime::Subject& subject, const ServerSeen& seen, runtime::Plan& plan) const;

  Task<> act_on_cloud(const runtime::Subject& subject, const ServerSeen& seen, const runtime::Action& action,
                      runtime::Notes& notes);
  Task<> create(const runtime::Subject& subject, const CloudView& view, runtime::Notes& notes);
  Task<> record(const runtime::Subject& subject, const CloudView& view, const std::string& id);
  Task<> make_secret(const runtime::Subject& subject, const std::string& name);
  Task<> annotate(const runtime::Subject& subject, json::Object annotations);
  Task<providers::ServerOrder> order(const runtime::Subject& subject, const CloudView& view);

  void report_agent(const ServerSeen& seen, runtime::Report& report) const;
  Task<> keep_awake(const runtime::Subject& subject, bool keep, runtime::Notes& notes);
  static void report_awake(const ServerSeen& seen, runtime::Report& report);
  void report_cloud(const runtime::Subject& subject, const ServerSeen& seen, const runtime::Plan& plan,
                    runtime::Report& report) const;

  // What is not worth keeping over a restart: after one, everything is looked at anew.
  struct Memory {
    object::Key key;
    json::Value health;
    Instant health_at{};
    Instant unaddressed{};  // since then it runs and has no address
    Instant acted{};        // sweeps that began before do not show what was done
    bool hurry = false;     // something is on its way
    std::optional<providers::Operation> operation;
    Instant shutdown_at{};
    std::shared_ptr<const void> follows_addresses;  // of its account
    Instant assigned{};                             // its reserved address, the last time
    bool follows = false;                           // who comes and goes there is news
    bool empty = false;                             // nobody was left, and so the contact was ended
    struct Refusal {
      Error error;
      std::int64_t generation = 0;
      Instant until{};
    };
    std::optional<Refusal> refusal;
  };
  Memory& memory_of(const runtime::Subject& subject);

  Parts parts_;
  runtime::NoReconciler others_{"Server"};
  std::map<std::string, Memory> memory_;       // by uid
  std::map<std::string, std::string> uid_of_;  // by "namespace/name"
};

}  // namespace gantry::reconcilers::server
