#include <algorithm>

#include "providers/money.hpp"
#include "reconcilers/server/cloud_plan.hpp"
#include "reconcilers/server/reserved_address.hpp"
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {
namespace {

using providers::CloudServer;

std::string_view word_of(CloudServer::State state) {
  switch (state) {
    case CloudServer::State::Starting:
      return "starting";
    case CloudServer::State::Running:
      return "running";
    case CloudServer::State::Stopping:
      return "stopping";
    case CloudServer::State::Off:
      return "off";
    case CloudServer::State::New:
      return "new";
    case CloudServer::State::Other:
      break;
  }
  return "unknown";
}

json::Value addresses_of(const CloudServer& machine) {
  json::Array list;
  for (const auto& address : machine.addresses) {
    const bool outside = address.reach == providers::CloudAddress::Reach::Public;
    list.push_back(json::Object{{"type", outside ? "ExternalIP" : "InternalIP"}, {"address", address.address}});
  }
  return list;
}

}  // namespace

void ServerReconciler::report_cloud(const runtime::Subject& subject, const ServerSeen& seen, const runtime::Plan& plan,
                                    runtime::Report& report) const {
  const CloudView& view = seen.cloud;
  report_drain(subject, seen, report);
  // Where nobody may reach them, nobody need wait for their ports to be open.
  if (view.wants_firewall && !view.spec.firewall->published_from.empty()) {
    json::Array open;
    if (view.firewall && view.firewall->applied) {
      // While rules are on their way, only those are open for sure that were before.
      const json::Value* before = subject.json.at({"status", "openPorts"});
      for (auto& port : open_ports(view.published, view.firewall->rules)) {
        json::Value told(std::move(port));
        const bool was =
            before && before->is_array() && std::ranges::find(before->as_array(), told) != before->as_array().end();
        if (view.firewall->settled || was) open.push_back(std::move(told));
      }
    }
    report.status["openPorts"] = std::move(open);
  }
  const auto not_ready = [&](std::string status, std::string reason, std::string message) {
    report.conditions.push_back({"Ready", std::move(status), std::move(reason), std::move(message)});
  };
  if (!view.machines.empty()) {
    const CloudServer& machine = view.machines.front();
    report.status["id"] = machine.id;
    report.status["state"] =
        machine.state == CloudServer::State::Other ? machine.state_text : std::string(word_of(machine.state));
    report.status["addresses"] = addresses_of(machine);
    if (machine.monthly) report.status["cost"]["monthly"] = to_string(*machine.monthly);
    if (machine.cpu_millis && machine.memory_bytes)
      report.status["capacity"] = json::Object{{"cpu", std::to_string(*machine.cpu_millis) + "m"},
                                               {"memory", std::to_string(*machine.memory_bytes >> 20) + "Mi"},
                                               {"disk", std::to_string(machine.disk_bytes.value_or(0) >> 30) + "Gi"}};
    if (view.snapshot_used && !view.snapshot_current) {
      report.conditions.push_back(
          {"SnapshotCurrent", "False", "NewerSnapshot",
           "Snapshot \"" + view.spec.snapshot_ref->name + "\" has a newer image than it started from"});
    } else if (view.snapshot_used) {
      report.conditions.push_back({"SnapshotCurrent", "True", "SameSnapshot", ""});
    } else {
      report.withdrawn.emplace_back("SnapshotCurrent");
    }
  }
  if (!view.deleting) report_address(view, report);
  if (!plan.blocked && !view.deleting && view.address.problem.empty() &&
      (!plan.actions.empty() || memory_.at(subject.meta().uid).hurry))
    report.conditions.push_back({"Synced", "Unknown", "Progressing", "something is on its way at the provider"});

  if (view.machines.empty()) {
    if (plan.blocked) return not_ready("False", plan.blocked_reason, plan.blocked_message);
    return not_ready("False", view.record.pending || view.stale ? "Creating" : "NotCreated", "there is no server yet");
  }
  const CloudServer& machine = view.machines.front();
  if (view.deleting) return not_ready("False", "Deleting", "it is being removed");
  if (machine.state != CloudServer::State::Running)
    return not_ready(
        "False", "NotRunning",
        "the server is " + (machine.state_text.empty() ? std::string(word_of(machine.state)) : machine.state_text));
  if (!view.spec.agent.enabled) {
    report.withdrawn.insert(report.withdrawn.end(), {"AgentReachable", "AgentCurrent"});
    return not_ready("True", "Running", "the server runs");
  }
  if (seen.endpoint.url.empty()) return not_ready("False", "NoAddress", "the server has no address yet");
  report_agent(seen, report);
}

}  // namespace gantry::reconcilers::server
