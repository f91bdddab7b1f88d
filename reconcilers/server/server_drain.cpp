// Who is on a Server's machine: its firewall lets their ports in, and they leave before the machine goes. The Apps do
// the moving (reconcilers/app/placement.hpp), told by the condition Draining; here it is only waited for, and not for
// ever.
#include <algorithm>
#include <map>
#include <set>

#include "controller/runtime/status_writer.hpp"
#include "reconcilers/server/cloud_plan.hpp"
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {
namespace {

using providers::CloudServer;
using providers::Instance;

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

WallTime last_seen(const json::Value& server) {
  const json::Value* agent = server.at({"status", "agent", "lastSeen"});
  return agent && agent->is_string() ? parse_time(agent->as_string()) : WallTime{};
}

}  // namespace

Task<> ServerReconciler::observe_residents(const std::string& name, const runtime::Subject& subject, ServerSeen& seen) {
  Residents& residents = seen.residents;
  const auto host = parts_.hosts.find_host(name);
  const bool heard = seen.contact && seen.contact->ever;
  residents.known = heard || last_seen(subject.json) == WallTime{};
  if (!residents.known) {
    // What was let in stays so, until it is known that nobody needs it.
    const json::Value* open = subject.json.at({"status", "openPorts"});
    for (const auto& port : open && open->is_array() ? open->as_array() : json::Array())
      residents.ports.push_back(port.as_string());
  }
  if (!host || !heard) co_return;
  std::map<std::string, int> alive;
  std::set<std::string> ports;
  for (const Instance& instance : co_await host->list("")) {
    if (instance.state != Instance::State::Exited) ++alive[instance.owner_name];
    // Of one that has ended too: it is most likely started again, where it was.
    for (const auto& port : instance.ports) {
      if (port.host_port > 0) ports.insert(port.published());
    }
  }
  for (const auto& [app, count] : alive) residents.alive.push_back(app + " (" + std::to_string(count) + ")");
  residents.ports.assign(ports.begin(), ports.end());
}

void ServerReconciler::observe_silence(const runtime::Subject& subject, ServerSeen& seen) const {
  CloudView& view = seen.cloud;
  if (!view.spec.repair || view.machines.empty() || !seen.contact || seen.contact->connected || seen.contact->refused ||
      subject.annotation("gantry.dev/skip-remediation") == "true")
    return;
  // Of this machine: one that was made since and has never been heard of is not lost, it has not come yet.
  const WallTime heard = seen.contact->ever ? seen.contact->last_heard : last_seen(subject.json);
  if (heard == WallTime{} || heard < view.machines.front().created) return;
  view.silent = seen.now - seen.contact->silent_since;
  std::size_t all = 0;
  std::size_t silent = 0;
  for (const auto& [server, uid] : uid_of_) {
    const auto contact = parts_.hosts.contact(server);
    if (!contact) continue;
    ++all;
    if (!contact->connected) ++silent;
  }
  view.many_silent = all > 1 && silent * 2 > all;
}

void ServerReconciler::observe_drain(const runtime::Subject& subject, std::optional<WhyLeave> why,
                                     ServerSeen& seen) const {
  if (!why) return;
  Drain& drain = seen.cloud.drain;
  drain.reason = why->reason;
  drain.why = why->words;
  drain.who = joined(seen.residents.alive);
  if (!seen.residents.known) drain.who = "whoever its agent would tell of, which has not been heard of yet";
  // A machine that is not there is left already, and nobody can be asked to leave one that has been silent for long.
  const auto& machines = seen.cloud.machines;
  const bool off =
      seen.where == ServerSeen::Where::Cloud && (machines.empty() || machines.front().state == CloudServer::State::Off);
  const bool gone = seen.contact && !seen.contact->connected && seen.contact->ever &&
                    seen.now - seen.contact->silent_since >= parts_.grace;
  const auto memory = memory_.find(subject.meta().uid);
  const bool empty = memory != memory_.end() && memory->second.empty;
  if (off || gone || empty || drain.reason == "Repairing") drain.who.clear();
  // Counted from when it was first said, whoever controls by now.
  const WallTime now = parts_.reactor.clock().wall();
  const json::Value* said = runtime::find_condition(subject.json, "Draining");
  const bool begun = said && said->string_or("status") == "True";
  const WallTime since = begun ? parse_time(said->string_or("lastTransitionTime")) : now;
  const json::Value* seconds = subject.json.at({"spec", "drainSeconds"});
  drain.until = since + std::chrono::seconds(seconds && seconds->is_int() ? seconds->as_int() : 300);
  drain.over = now >= drain.until;
}

void ServerReconciler::report_drain(const runtime::Subject& subject, const ServerSeen& seen,
                                    runtime::Report& report) const {
  const Drain& drain = seen.cloud.drain;
  if (!drain.reason.empty()) {
    report.conditions.push_back({"Draining", "True", drain.reason, drain.why});
    return;
  }
  const json::Value* said = runtime::find_condition(subject.json, "Draining");
  if (!said || said->string_or("status") != "True") return;
  // What it was for is done, and nobody comes back before the machine is.
  const auto& machines = seen.cloud.machines;
  const bool off = seen.where == ServerSeen::Where::Cloud &&
                   (machines.empty() || machines.front().busy || machines.front().state != CloudServer::State::Running);
  const json::Value* enabled = subject.json.at({"spec", "agent", "enabled"});
  const bool has_agent = !enabled || !enabled->is_bool() || enabled->as_bool();
  const bool silent = has_agent && !seen.endpoint.url.empty() && !(seen.contact && seen.contact->connected);
  if (off || silent)
    report.conditions.push_back({"Draining", "True", said->string_or("reason"), said->string_or("message")});
  else
    report.conditions.push_back({"Draining", "False", "Done", ""});
}

void ServerReconciler::follow_residents(const std::string& name, const std::string& uid) {
  const auto host = parts_.hosts.find_host(name);
  if (!host) return;
  host->on_change([this, uid](const std::string&) {
    const auto known = memory_.find(uid);
    if (known != memory_.end() && known->second.follows) parts_.wake(known->second.key);
  });
}

}  // namespace gantry::reconcilers::server
