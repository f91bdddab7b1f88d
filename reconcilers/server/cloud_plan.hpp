// What is to be done for a Server at a provider. Pure.
#pragma once

#include "controller/runtime/plan.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {

runtime::Plan plan_cloud(const CloudView& view);

// Rules as providers compare them: ports in ranges, networks with their length, sorted, none twice. What the agent
// needs is among them. Throws Error(Invalid) for ports or networks that are none.
std::vector<providers::FirewallRule> firewall_rules(const crds::ServerSpec& spec);

}  // namespace gantry::reconcilers::server
