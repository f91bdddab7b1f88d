// What is to be done for a Server at a provider. Pure.
#pragma once

#include "controller/runtime/plan.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {

runtime::Plan plan_cloud(const CloudView& view);

// Why its Apps must leave before what is next done to the machine: reason and words; absent: they need not.
struct WhyLeave {
  std::string reason, words;
};
std::optional<WhyLeave> why_leave(const CloudView& view);
// True, and said in the plan, while they are still there.
bool wait_for_residents(const Drain& drain, runtime::Plan& plan);

// Rules as providers compare them: ports in ranges, networks with their length, sorted, none twice. What the agent
// needs is among them, what Apps publish ("8000/tcp"), and SSH for the networks of an emergency. Throws Error(Invalid)
// for ports or networks that are none.
std::vector<providers::FirewallRule> firewall_rules(const crds::ServerSpec& spec,
                                                    const std::vector<std::string>& published = {},
                                                    const std::vector<std::string>& admins = {});
// Of those ports, the ones that a firewall with these rules lets in.
std::vector<std::string> open_ports(const std::vector<std::string>& published,
                                    const std::vector<providers::FirewallRule>& rules);

}  // namespace gantry::reconcilers::server
