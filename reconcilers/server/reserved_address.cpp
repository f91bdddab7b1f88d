#include "reconcilers/server/reserved_address.hpp"

#include <algorithm>

namespace gantry::reconcilers::server {
namespace {

using providers::CloudServer;
using providers::ReservedAddress;

constexpr std::string_view kField = "spec.reservedAddress: ";

const ReservedAddress* named(const std::vector<ReservedAddress>& there, const std::string& wanted) {
  const auto at = std::ranges::find(there, wanted, &ReservedAddress::address);
  return at == there.end() ? nullptr : &*at;
}

void problem(CloudView& view, std::string reason, const std::string& message, bool of_the_spec = false) {
  view.address.reason = std::move(reason);
  view.address.problem = std::string(kField) + message;
  view.address.refused = of_the_spec;
}

std::string words_of(const CloudServer& holder) {
  return "server " + holder.id + (holder.name.empty() ? "" : " (" + holder.name + ")") +
         (holder.mark ? ", which another Gantry object owns" : ", which no Gantry has made");
}

}  // namespace

std::string holder_of(const std::vector<ReservedAddress>& there, const std::string& wanted) {
  const ReservedAddress* address = named(there, wanted);
  return address ? address->server : "";
}

void judge_address(const std::vector<ReservedAddress>& there, const CloudServer* holder, const std::string& owner,
                   const std::string& taking, CloudView& view) {
  const std::string& wanted = view.spec.reserved_address;
  const ReservedAddress* address = named(there, wanted);
  if (!address) {
    std::string others;
    for (const auto& one : there) others += (others.empty() ? "" : ", ") + one.address;
    return problem(view, "CatalogueMismatch",
                   wanted + " is none that the account has; " +
                       (others.empty() ? "it has none" : "there are " + others) +
                       ". Reserve it there first: Gantry orders none",
                   true);
  }
  const std::string& region = view.machines.empty() ? view.region : view.machines.front().region;
  if (!address->region.empty() && !region.empty() && address->region != region)
    return problem(view, "CatalogueMismatch",
                   wanted + " is in " + address->region + ", and leads to no server in " + region, true);
  view.address.found = *address;
  const bool ours = holder && holder->mark && holder->mark->uid == owner;
  if (holder && !ours && taking != wanted)
    problem(view, "AddressTaken",
            wanted + " leads to " + words_of(*holder) + "; it comes here when it is free, or at once with annotation " +
                "gantry.dev/take-address: " + wanted);
}

void plan_address(const CloudView& view, const CloudServer& machine, runtime::Plan& plan) {
  const CloudView::Address& address = view.address;
  if (!address.found || !address.problem.empty() || machine.state != CloudServer::State::Running) return;
  if (address.found->server == machine.id) return;
  if (address.found->busy || address.tried) {
    plan.look_again = view.can().poll_every;
    return;
  }
  plan.actions.push_back(
      {runtime::Action::Verb::Update,
       "address",
       address.found->address,
       std::string(kField) + "it is to lead to " + view.name,
       address.found->server.empty() ? json::Value() : json::Value(json::Object{{"server", address.found->server}}),
       json::Object{{"server", machine.id}},
       false,
       {}});
}

void report_address(const CloudView& view, runtime::Report& report) {
  if (view.spec.reserved_address.empty()) {
    report.withdrawn.emplace_back("AddressAssigned");
    return;
  }
  if (view.machines.empty()) return;
  const CloudView::Address& address = view.address;
  const std::string& wanted = view.spec.reserved_address;
  if (!address.problem.empty()) {
    report.conditions.push_back(
        {"AddressAssigned", address.unknown ? "Unknown" : "False", address.reason, address.problem});
    if (!address.unknown) report.conditions.push_back({"Synced", "False", address.reason, address.problem});
  } else if (address.found && address.found->server == view.machines.front().id) {
    report.conditions.push_back({"AddressAssigned", "True", "Assigned", wanted + " leads to this machine"});
    const auto& own = view.machines.front().addresses;
    if (std::ranges::find(own, wanted, &providers::CloudAddress::address) == own.end())
      report.status["addresses"].as_array().push_back(json::Object{{"type", "ExternalIP"}, {"address", wanted}});
  } else if (address.found) {
    report.conditions.push_back({"AddressAssigned", "False", "Assigning", wanted + " does not lead to it yet"});
  }
}

}  // namespace gantry::reconcilers::server
