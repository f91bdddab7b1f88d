#include "reconcilers/server/cloud_plan.hpp"

#include <algorithm>

#include "providers/money.hpp"
#include "reconcilers/server/reserved_address.hpp"

namespace gantry::reconcilers::server {
namespace {

using provider::block;
using providers::CloudServer;
using runtime::Action;
using runtime::Plan;
using Verb = Action::Verb;

// As provider::add_step(), with its parts in a row.
void step(Plan& plan, Verb verb, std::string type, std::string target, std::string reason, json::Value before = {},
          json::Value after = {}, bool destructive = false) {
  provider::add_step(plan, verb, std::move(type), std::move(target),
                     {std::move(reason), std::move(before), std::move(after), destructive});
}

json::Value wish_of(const CloudView& view) {
  json::Object wish{{"size", view.spec.size}, {"region", view.region}, {"image", view.wanted_from}};
  if (!view.spec.network.empty()) wish.set("network", view.spec.network);
  if (view.offer.monthly) wish.set("monthly", to_string(*view.offer.monthly));
  return wish;
}

json::Value shown(const std::vector<providers::FirewallRule>& rules) {
  json::Array list;
  for (const auto& rule : rules) {
    std::string text = rule.protocol;
    if (rule.first_port > 0) text += " " + std::to_string(rule.first_port);
    if (rule.last_port > rule.first_port) text += "-" + std::to_string(rule.last_port);
    text += " from";
    for (const auto& from : rule.from) text += " " + from;
    list.emplace_back(text);
  }
  return json::Object{{"inbound", std::move(list)}};
}

// A create whose answer was lost may stay invisible for a while.
std::optional<Duration> still_invisible(const CloudView& view) {
  return provider::still_invisible(view.record.pending, view.can(), view.now);
}

bool has_firewall(const CloudView& view) {
  return view.firewall && view.firewall->applied && view.firewall->rules == view.rules;
}

void plan_firewall(const CloudView& view, Plan& plan) {
  if (!view.wants_firewall) {
    if (view.firewall)
      step(plan, Verb::Delete, "firewall", view.firewall->id, "spec.firewall is gone", shown(view.firewall->rules));
    return;
  }
  if (has_firewall(view)) return;
  step(plan, view.firewall ? Verb::Update : Verb::Create, "firewall", view.name,
       view.firewall ? "it differs from spec.firewall" : "spec.firewall asks for one",
       view.firewall ? shown(view.firewall->rules) : json::Value(), shown(view.rules));
}

// False when nothing may be removed now.
bool may_remove(const CloudView& view, Plan& plan) {
  if (view.brake <= Duration{} || view.ref.mass_deletes) return true;
  block(plan, "MassDeleteBrake",
        "many servers of this account were removed in the last minutes; this one follows in " +
            human_duration(view.brake) + ". To go on at once annotate the Provider gantry.dev/mass-deletes: allow");
  plan.look_again = view.brake;
  return false;
}

void plan_removal(const CloudView& view, Plan& plan) {
  if (!view.ref.account) {
    if (view.record.nothing_made()) return;
    block(plan, view.problem_reason,
          view.problem + "; without it " + view.name +
              " cannot be removed there (or annotate gantry.dev/deletion-policy: "
              "Retain to leave it)");
    return;
  }
  if (view.stale) {
    plan.look_again = view.can().poll_every;
    return;
  }
  if (wait_for_residents(view.drain, plan)) return;
  for (const CloudServer& machine : view.machines) {
    if (!machine.mark) continue;  // named by the user and never taken over: not ours to remove
    if (!may_remove(view, plan)) return;
    if (machine.busy) {
      plan.look_again = view.can().poll_every;
      return;
    }
    step(plan, Verb::Delete, "server", machine.id, "the Server is deleted", {}, {}, true);
  }
  if (!plan.actions.empty()) return;
  if (const auto wait = still_invisible(view)) {
    plan.look_again = *wait;
    return;
  }
  if (view.firewall) step(plan, Verb::Delete, "firewall", view.firewall->id, "the Server is deleted");
}

bool differs_in_disk(const CloudView& view) { return view.record.made_from != view.wanted_from; }
bool differs_in_size(const CloudView& view, const CloudServer& machine) {
  return !view.spec.size.empty() && machine.size != view.spec.size;
}
bool in_another_region(const CloudView& view, const CloudServer& machine) {
  return !view.region.empty() && !machine.region.empty() && machine.region != view.region;
}
// By the name that it was made with, or by the provider's id.
bool in_another_network(const CloudView& view, const CloudServer& machine) {
  const std::string& wanted = view.spec.network;
  return !wanted.empty() && wanted != view.record.network &&
         std::ranges::find(machine.networks, wanted) == machine.networks.end();
}
bool is_lost(const CloudView& view) {
  return view.spec.repair && view.silent >= std::chrono::seconds(view.spec.repair->unreachable_seconds);
}

bool refuse_unsupported(const CloudView& view, Plan& plan) {
  if (!view.spec.network.empty() && !view.can().networks) {
    block(plan, "NotSupported", "spec.network: this provider has no networks to make servers in");
  } else if (!view.spec.reserved_address.empty() && !view.can().reserved_addresses) {
    block(plan, "NotSupported", "spec.reservedAddress: this provider has no reserved addresses");
  }
  return plan.blocked;
}

// What keeps a new one from being made, in the order in which people can do something about it.
bool refuse_new(const CloudView& view, Plan& plan) {
  if (refuse_unsupported(view, plan)) return true;
  if (view.record.to_adopt()) {
    block(plan, "ExternalNameNotFound",
          "annotation gantry.dev/external-name says \"" + view.record.external_name +
              "\", and the provider has no such server; set another, or take it away to have one made");
  } else if (view.wants_firewall && !view.can().firewall) {
    block(plan, "NotSupported", "spec.firewall: this provider has no firewalls for servers");
  } else if (!view.offer.problem.empty()) {
    block(plan, "CatalogueMismatch", view.offer.problem);
  } else if (view.address.refused) {
    block(plan, view.address.reason, view.address.problem);
    plan.look_again = std::chrono::minutes(1);  // somebody may reserve it
  } else if (!view.limit_refusal.empty()) {
    block(plan, "LimitExceeded", view.limit_refusal);
    plan.look_again = std::chrono::minutes(1);  // others may go
  } else if (!view.refusal.empty()) {
    block(plan, view.refusal_reason, view.refusal);
    plan.look_again = view.refusal_lasts;
  }
  return plan.blocked;
}

void plan_new(const CloudView& view, Plan& plan) {
  if (view.stale) {
    plan.look_again = view.can().poll_every;
    return;
  }
  if (const auto wait = still_invisible(view)) {
    plan.look_again = *wait;
    return;
  }
  if (refuse_new(view, plan)) return;
  if (view.needs_secret && !view.secret_ready)
    step(plan, Verb::Create, "secret", view.agent_secret, "the agent needs a key and a certificate");
  plan_firewall(view, plan);
  step(plan, Verb::Create, "server", view.name,
       view.record.external_name.empty() ? "it does not exist"
                                         : "\"" + view.record.external_name + "\" is gone from the provider",
       {}, wish_of(view));
}

void plan_resize(const CloudView& view, const CloudServer& machine, Plan& plan) {
  const std::string reason = "spec.size is " + view.spec.size;
  const json::Value before = json::Object{{"size", machine.size}};
  json::Object after{{"size", view.spec.size}};
  if (view.offer.monthly) after.set("monthly", to_string(*view.offer.monthly));
  if (view.can().resize_needs_off && machine.state != CloudServer::State::Off)
    step(plan, Verb::Run, view.shutdown_overdue ? "power-off" : "shutdown", machine.id,
         reason + ", and it must be off for that");
  step(plan, Verb::Replace, "size", machine.id, reason, before, std::move(after));
  if (view.can().resize_needs_off) step(plan, Verb::Run, "power-on", machine.id, "it is off");
}

// What the spec says and the machine is not. True when something is to be done, or nothing can be.
bool plan_difference(const CloudView& view, const CloudServer& machine, Plan& plan) {
  if (refuse_unsupported(view, plan)) return true;
  if (in_another_region(view, machine)) {
    block(plan, "ImmutableField",
          "spec.region: the server is in " + machine.region + " and cannot move to " + view.region +
              "; set it back, or delete this Server and make another");
    return true;
  }
  if (in_another_network(view, machine)) {
    block(plan, "ImmutableField",
          "spec.network: the server was not made in \"" + view.spec.network +
              "\" and is not moved there; set it back, or delete this Server and make another. One that was taken over "
              "names its network by id");
    return true;
  }
  if (differs_in_disk(view)) {
    const json::Value before = json::Object{{"image", view.record.made_from}};
    const json::Value after = json::Object{{"image", view.wanted_from}};
    if (!view.can().rebuild) {
      block(plan, "NotSupported",
            "it was made from " + view.record.made_from + " and this provider cannot put " + view.wanted_from +
                " in its place; set it back, or delete this Server and make another");
    } else if (!view.offer.problem.empty()) {
      block(plan, "CatalogueMismatch", view.offer.problem);
    } else if (!wait_for_residents(view.drain, plan)) {
      step(plan, Verb::Replace, "disk", machine.id, "what it starts from has changed; what is on its disk goes", before,
           after, true);
    }
    return true;
  }
  if (differs_in_size(view, machine)) {
    if (!view.can().resize) {
      block(plan, "NotSupported",
            "spec.size: the server is " + machine.size +
                ", and this provider does not resize; set it back, or delete this Server and make another");
    } else if (!view.offer.problem.empty()) {
      block(plan, "CatalogueMismatch", view.offer.problem);
    } else if (!view.limit_refusal.empty()) {
      block(plan, "LimitExceeded", view.limit_refusal);
      plan.look_again = std::chrono::minutes(1);
    } else if (!wait_for_residents(view.drain, plan)) {
      plan_resize(view, machine, plan);
    }
    return true;
  }
  return false;
}

// A machine whose agent stays silent is made anew: removed here, and missing from then on.
bool plan_repair(const CloudView& view, const CloudServer& machine, Plan& plan) {
  if (!is_lost(view)) return false;
  if (view.many_silent) {
    block(plan, "RepairBrake",
          "its agent is silent, but so are those of more than half of all Servers: that is hardly the machines' fault, "
          "and none is made anew");
    plan.look_again = std::chrono::minutes(1);
    return true;
  }
  if (wait_for_residents(view.drain, plan) || !may_remove(view, plan)) return true;
  step(plan, Verb::Delete, "server", machine.id,
       "its agent has been silent for " + human_duration(view.silent) + "; spec.repair asks for a new machine", {}, {},
       true);
  return true;
}

void plan_existing(const CloudView& view, Plan& plan) {
  const CloudServer& machine = view.machines.front();
  if (!machine.mark && view.record.to_adopt()) {
    if (view.stale) {
      plan.look_again = view.can().poll_every;
      return;
    }
    step(plan, Verb::Update, "mark", machine.id, "gantry.dev/external-name names it: it is taken over");
  }
  if (view.record.external_name != machine.id || view.record.pending || view.record.made_from.empty())
    step(plan, Verb::Run, "record", machine.id, "the provider's id is noted");
  if (!plan.actions.empty()) return;
  if (view.stale || machine.busy) {
    plan.look_again = view.can().poll_every;
    return;
  }
  for (std::size_t i = 1; i < view.machines.size(); ++i) {
    if (!may_remove(view, plan)) return;
    step(plan, Verb::Delete, "server", view.machines[i].id, "a twin: two were made where one was meant", {}, {}, true);
  }
  if (!plan.actions.empty()) return;
  if (plan_repair(view, machine, plan)) return;
  if (plan_difference(view, machine, plan)) {
    if (plan.blocked || !plan.actions.empty()) return;
  }
  plan_firewall(view, plan);
  if (machine.state == CloudServer::State::Off || machine.state == CloudServer::State::New)
    step(plan, Verb::Run, "power-on", machine.id, machine.state == CloudServer::State::Off ? "it is off" : "it is new");
  if (plan.actions.empty()) plan_address(view, machine, plan);
  if (plan.actions.empty() && (machine.state != CloudServer::State::Running || view.address_due))
    plan.look_again = view.can().poll_every;
  const bool travels = view.wants_firewall && view.firewall && !view.firewall->settled && view.just_acted;
  if (plan.actions.empty() && !plan.look_again && travels) plan.look_again = view.can().poll_every;
}

}  // namespace

std::optional<WhyLeave> why_leave(const CloudView& view) {
  if (!view.ref.account || view.machines.empty()) return std::nullopt;
  const CloudServer& machine = view.machines.front();
  if (view.deleting && machine.mark) return WhyLeave{"Deleting", "it is being deleted"};
  if (view.deleting || !view.problem.empty()) return std::nullopt;
  if (is_lost(view) && !view.many_silent) return WhyLeave{"Repairing", "its agent is silent, and it is made anew"};
  const bool refused =
      !view.offer.problem.empty() || in_another_region(view, machine) || in_another_network(view, machine);
  if (differs_in_disk(view) && view.can().rebuild && !refused && !view.record.made_from.empty())
    return WhyLeave{"Rebuilding", "its disk is made anew, from " + view.wanted_from};
  if (!differs_in_disk(view) && differs_in_size(view, machine) && view.can().resize && !refused &&
      view.limit_refusal.empty())
    return WhyLeave{"Resizing", "it is resized to " + view.spec.size};
  if (view.drain_requested) return WhyLeave{"Requested", "annotation gantry.dev/drain asks for it"};
  return std::nullopt;
}

bool wait_for_residents(const Drain& drain, Plan& plan) {
  if (!drain.waits()) return false;
  block(plan, "Draining",
        drain.why + "; its Apps are to leave first, and there is still " + drain.who + "; at " +
            format_time(drain.until) + " it is done all the same");
  plan.look_again = std::chrono::seconds(1);
  return true;
}

Plan plan_cloud(const CloudView& view) {
  Plan plan;
  if (view.deleting) {
    plan_removal(view, plan);
  } else if (!view.problem.empty()) {
    block(plan, view.problem_reason, view.problem);
  } else if (view.machines.empty()) {
    plan_new(view, plan);
  } else {
    plan_existing(view, plan);
  }
  return plan;
}

}  // namespace gantry::reconcilers::server
