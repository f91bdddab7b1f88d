// What an attempt on a Server sees. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/runtime/reconciler.hpp"
#include "crds/server.hpp"
#include "providers/host_directory.hpp"
#include "providers/provider.hpp"
#include "reconcilers/provider/accounts.hpp"
#include "reconcilers/provider/offers.hpp"
#include "reconcilers/provider/steps.hpp"

namespace gantry::reconcilers::server {

// What is kept on the object about its real thing, as annotations: durable before the first call is made.
struct Record {
  std::string external_name;  // gantry.dev/external-name
  std::string made_from;      // gantry.dev/made-from: what its disk began as, "image:..." or "snapshot:..."
  std::string network;        // gantry.dev/made-in: spec.network as it was when it was made
  std::optional<provider::Pending> pending;  // a call that makes it may have been sent, with this token
  // It was named by the user, and nothing of ours has touched it.
  bool to_adopt() const { return !external_name.empty() && made_from.empty() && !pending; }
  bool nothing_made() const { return external_name.empty() && !pending; }
};

// Whose instances are on the machine.
struct Residents {
  bool known = true;               // false: the agent has been there once, and has not been heard of since this began
  std::vector<std::string> alive;  // "hello (2)", sorted
  std::vector<std::string> ports;  // "8000/tcp": of all that are there, sorted; absent ones were closed
};

// Apps leave before their machine goes, or stops for a while.
struct Drain {
  std::string reason;  // for programs; empty: nobody needs to leave
  std::string why;     // for people: "it is being deleted"
  std::string who;     // has not left yet; empty: nobody
  WallTime until{};    // then it is done all the same
  bool over = false;   // that time has come
  bool waits() const { return !reason.empty() && !who.empty() && !over; }
};

// A Server at a provider: everything that the decision needs.
struct CloudView {
  bool deleting = false;
  std::string name;            // at the provider; with the namespace in it where that is another than "default"
  std::string agent_secret;    // that is made for the agent
  std::string problem_reason;  // nothing can be done until something else changes
  std::string problem;
  crds::ServerSpec spec;
  std::string region;
  std::string wanted_from;  // as Record::made_from
  Record record;
  provider::AccountRef ref;
  provider::SweepPtr sweep;
  provider::CataloguePtr catalogue;

  std::vector<providers::CloudServer> machines;  // ours; the first is the one, others are twins
  std::optional<providers::CloudFirewall> firewall;
  // Something was done since what is seen here was looked at.
  bool stale = false;
  bool just_acted = false;  // within the last minute: worth a closer look
  provider::Offer offer;
  std::string limit_refusal;
  // The provider itself would not make it: why, and how long until it is asked again.
  std::string refusal_reason;
  std::string refusal;
  Duration refusal_lasts{};
  provider::Usage usage;  // of the one that would be made, or of what a resize adds
  std::string image;
  bool own_image = false;
  bool snapshot_current = true;
  bool snapshot_used = false;
  bool wants_firewall = false;
  std::vector<providers::FirewallRule> rules;
  bool needs_secret = false;  // that holds the agent's key and certificate
  bool secret_ready = false;
  bool shutdown_overdue = false;  // it was asked to shut down, and did not
  bool address_due = false;       // it runs, and its address should be there any moment
  Duration brake{};
  WallTime now{};
  Drain drain;
  bool drain_requested = false;
  Duration silent{};  // for so long the agent of this very machine, which was there, has said nothing
  bool many_silent = false;
  struct Address {
    std::optional<providers::ReservedAddress> found;  // spec.reservedAddress, as the account has it
    std::string reason;                               // why it cannot lead here; empty: it can, or does
    std::string problem;
    bool unknown = false;  // the account does not say
    bool refused = false;  // because of what is written: nothing is made for it
    bool tried = false;    // it was assigned a moment ago, and does not show yet
  };
  Address address;
  std::vector<std::string> published;  // ports of Apps that the firewall is to let in

  const providers::Capabilities& can() const { return ref.account->can(); }
};

struct ServerSeen final : runtime::Seen {
  enum class Where { Nowhere, Local, Cloud };
  Where where = Where::Nowhere;
  Instant now{};
  std::string problem;  // of what is written: nothing can be done until it changes
  std::string problem_reason;
  providers::AgentEndpoint endpoint;  // without url: it is not known yet where it will be
  bool kept = false;                  // the directory speaks to exactly that endpoint
  std::optional<providers::AgentContact> contact;
  json::Value health;
  bool keep_awake = false;
  // What the agent does about it; null: it is too old for that.
  json::Value awake() const {
    const json::Value* known = health.find("awake");
    return known ? *known : json::Value();
  }
  Residents residents;
  CloudView cloud;
};

}  // namespace gantry::reconcilers::server
