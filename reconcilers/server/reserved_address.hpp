// Whether spec.reservedAddress of a Server leads to its machine, may lead there, and if not, why. Pure.
#pragma once

#include "controller/runtime/plan.hpp"
#include "controller/runtime/reconciler.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {

// Into view.address, from what the account has. The holder is its server that the address leads to; null: it leads to
// none, or that one is gone. owner: this Server's uid; taking: what annotation gantry.dev/take-address says.
void judge_address(const std::vector<providers::ReservedAddress>& there, const providers::CloudServer* holder,
                   const std::string& owner, const std::string& taking, CloudView& view);

// The id of the server that the wanted address leads to; empty: none.
std::string holder_of(const std::vector<providers::ReservedAddress>& there, const std::string& wanted);

// What is done about it, once nothing else is to be done to the machine.
void plan_address(const CloudView& view, const providers::CloudServer& machine, runtime::Plan& plan);

void report_address(const CloudView& view, runtime::Report& report);

}  // namespace gantry::reconcilers::server
