#include "reconcilers/server/server_reconciler.hpp"

#include "controller/base/base64.hpp"
#include "controller/base/error.hpp"
#include "controller/base/reactor.hpp"
#include "reconcilers/server/cloud_plan.hpp"
#include "reconcilers/server/server_seen.hpp"

namespace gantry::reconcilers::server {

using runtime::Condition;
using Verb = runtime::Action::Verb;
using Where = ServerSeen::Where;

namespace {

std::string name_of(const runtime::Subject& subject) { return subject.key().ns + "/" + subject.key().name; }

const json::Value& spec_of(const runtime::Subject& subject) {
  static const json::Value none{json::Object{}};
  const json::Value* spec = subject.json.find("spec");
  return spec ? *spec : none;
}

Where where_is(const json::Value& spec, bool clouds) {
  const json::Value* provider = spec.at({"providerRef", "name"});
  if (!provider || *provider == json::Value("local"))
    return spec.string_or("address").empty() ? Where::Nowhere : Where::Local;
  return clouds ? Where::Cloud : Where::Nowhere;
}

std::string decoded(const json::Value& secret, std::string_view key) {
  const json::Value* value = secret.at({"data", key});
  if (!value || !value->is_string()) return {};
  std::string text = base64_decode(value->as_string()).value_or("");
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

json::Value amount(const json::Value& health, std::string_view part) {
  const json::Value* from = health.find(part);
  if (!from || !from->is_object()) return {};
  return json::Object{{"cpu", std::to_string(from->int_or("cpuMillis", 0)) + "m"},
                      {"memory", std::to_string(from->int_or("memoryBytes", 0) >> 20) + "Mi"},
                      {"disk", std::to_string(from->int_or("diskBytes", 0) >> 30) + "Gi"}};
}

}  // namespace

ServerReconciler::ServerReconciler(Parts parts) : parts_(std::move(parts)) {
  const auto wake = [this](const std::string& uid) {
    if (const auto known = memory_.find(uid); known != memory_.end()) parts_.wake(known->second.key);
  };
  parts_.hosts.on_contact([this, wake](const std::string& server) {
    if (const auto known = uid_of_.find(server); known != uid_of_.end()) wake(known->second);
  });
  if (parts_.accounts) parts_.accounts->on_change(wake);
}

ServerReconciler::Memory& ServerReconciler::memory_of(const runtime::Subject& subject) {
  Memory& memory = memory_[subject.meta().uid];
  memory.key = subject.key();
  uid_of_[name_of(subject)] = subject.meta().uid;
  return memory;
}

void ServerReconciler::forget(const std::string& uid) {
  memory_.erase(uid);
  std::erase_if(uid_of_, [&](const auto& entry) { return entry.second == uid; });
}

Task<runtime::SeenPtr> ServerReconciler::observe(const runtime::Subject& subject) {
  auto seen = std::make_shared<ServerSeen>();
  seen->now = parts_.reactor.now();
  seen->where = where_is(spec_of(subject), parts_.accounts != nullptr);
  const std::string name = name_of(subject);
  seen->contact = parts_.hosts.contact(name);
  if (seen->where == Where::Nowhere) co_return seen;
  seen->keep_awake = spec_of(subject).bool_or("keepAwake", false);
  memory_of(subject);
  if (seen->where == Where::Local) {
    seen->endpoint.address = spec_of(subject).string_or("address");
    co_await observe_endpoint(subject, *seen);
    co_await observe_residents(name, subject, *seen);
    std::optional<WhyLeave> why;
    if (subject.annotation("gantry.dev/drain") == "true")
      why = {"Requested", "annotation gantry.dev/drain asks for it"};
    if (subject.meta().deleting) why = {"Deleting", "it is being deleted"};
    observe_drain(subject, std::move(why), *seen);
  } else {
    co_await observe_cloud(subject, *seen);
  }
  seen->kept = !seen->endpoint.url.empty() && parts_.hosts.keeps(name, seen->endpoint);
  memory_of(subject).follows = seen->cloud.wants_firewall || seen->cloud.drain.waits();
  if (subject.meta().deleting) co_return seen;
  co_await observe_health(subject.meta().uid, *seen);
  co_return seen;
}

Task<> ServerReconciler::observe_health(const std::string& uid, ServerSeen& seen) {
  Memory& before = memory_[uid];
  const std::string name = before.key.ns + "/" + before.key.name;
  if (seen.contact && seen.contact->connected &&
      (before.health_at == Instant{} || seen.now - before.health_at >= parts_.look)) {
    try {
      json::Value health = co_await parts_.hosts.health(name);
      Memory& memory = memory_[uid];
      memory.health = std::move(health);
      memory.health_at = seen.now;
    } catch (const Error&) {  // tidy: the contact itself says how it is; the figures are of the last time
    }
  }
  seen.health = memory_[uid].health;
}

// Where the agent is, from seen.endpoint.address, and what opens it.
Task<> ServerReconciler::observe_endpoint(const runtime::Subject& subject, ServerSeen& seen) {
  const json::Value& spec = spec_of(subject);
  const json::Value* agent = spec.find("agent");
  const json::Value none{json::Object{}};
  if (!agent) agent = &none;
  providers::AgentEndpoint& endpoint = seen.endpoint;
  const std::string& address = endpoint.address;
  const std::string host = address.find(':') == std::string::npos ? address : "[" + address + "]";
  if (!address.empty())
    endpoint.url = std::string(agent->bool_or("http", false) ? "http" : "https") + "://" + host + ":" +
                   std::to_string(agent->int_or("port", 9999));
  endpoint.key = parts_.agent_key;
  endpoint.ca = parts_.authority;
  endpoint.relays = parts_.authority;
  const json::Value* ref = agent->at({"secretRef", "name"});
  const bool ours = !ref && seen.where == Where::Cloud;
  if (!ref && !ours) co_return;
  const std::string name = ours ? subject.key().name + "-agent" : ref->as_string();
  const auto object = co_await parts_.client.find({object::Resource::of("", "secrets"), subject.key().ns, name});
  seen.cloud.needs_secret = ours && agent->bool_or("enabled", true);
  seen.cloud.secret_ready = object != nullptr;
  if (!object) {
    if (ours) co_return;
    seen.problem_reason = "ReferenceNotFound";
    seen.problem = "Secret \"" + name + "\" of spec.agent.secretRef does not exist";
    co_return;
  }
  const json::Value secret = object->decode();
  std::string key = decoded(secret, "key");
  if (const std::string token = decoded(secret, "token"); key.empty() && !token.empty())
    key = providers::derived_agent_key(token, decoded(secret, "userId"));
  if (!key.empty()) endpoint.key = Secret(key);
  std::string previous = decoded(secret, "previousKey");
  // A key that is derived from a token changes with it; the agent knows the one of before.
  if (const std::string token = decoded(secret, "previousToken"); previous.empty() && !token.empty())
    previous = providers::derived_agent_key(token, decoded(secret, "userId"));
  endpoint.previous_key = Secret(std::move(previous));
  if (std::string ca = decoded(secret, "ca.crt"); !ca.empty()) endpoint.ca = std::move(ca);
  if (std::string pin = decoded(secret, "fingerprint"); !pin.empty()) {
    endpoint.pin = std::move(pin);
    endpoint.ca.clear();
  }
}

runtime::Plan ServerReconciler::plan(const runtime::Subject& subject, const runtime::Seen& what) {
  const auto& seen = static_cast<const ServerSeen&>(what);
  runtime::Plan plan;
  if (subject.meta().deleting && wait_for_residents(seen.cloud.drain, plan)) {
    // After a restart it is not known who is there before the agent was asked.
    if (!seen.kept && !seen.endpoint.url.empty()) plan_contact(subject, seen, plan);
    return plan;
  }
  if (subject.meta().deleting || seen.where == Where::Nowhere) {
    if (seen.contact)
      plan.actions.push_back({Verb::Delete,
                              "contact",
                              name_of(subject),
                              "the agent is spoken to no more; what runs there goes on",
                              {},
                              {},
                              false,
                              {}});
    if (seen.where != Where::Cloud) return plan;
    runtime::Plan rest = plan_cloud(seen.cloud);
    rest.actions.insert(rest.actions.begin(), plan.actions.begin(), plan.actions.end());
    return rest;
  }
  if (!seen.problem.empty()) {
    plan.blocked = true;
    plan.blocked_reason = seen.problem_reason;
    plan.blocked_message = seen.problem;
    return plan;
  }
  if (seen.where == Where::Cloud) {
    plan = plan_cloud(seen.cloud);
    if (!plan.actions.empty() || seen.cloud.machines.empty() || plan.look_again) return plan;
    // Where it leads to is looked at again although nothing here changes.
    if (!seen.cloud.address.problem.empty()) plan.look_again = parts_.look;
    if (!seen.cloud.spec.agent.enabled || seen.endpoint.url.empty()) return plan;  // no address yet
  }
  plan_contact(subject, seen, plan);
  if (seen.cloud.silent > Duration{}) {
    const Duration left = std::chrono::seconds(seen.cloud.spec.repair->unreachable_seconds) - seen.cloud.silent;
    if (left > Duration{}) plan.look_again = std::min(plan.look_again.value_or(left), left);
  }
  return plan;
}

void ServerReconciler::plan_contact(const runtime::Subject& subject, const ServerSeen& seen,
                                    runtime::Plan& plan) const {
  if (!seen.kept) {
    plan.actions.push_back({Verb::Run,
                            "contact",
                            name_of(subject),
                            "the agent at " + seen.endpoint.url + " is to be spoken to",
                            {},
                            {},
                            false,
                            {}});
  } else if (seen.contact && !seen.contact->connected) {
    const Duration away = seen.now - seen.contact->silent_since;
    if (away < parts_.grace) plan.look_again = parts_.grace - away + std::chrono::milliseconds(100);
  } else {
    plan.look_again = parts_.look;
    if (const json::Value awake = seen.awake(); awake.is_object() && awake.bool_or("wanted", false) != seen.keep_awake)
      plan.actions.push_back({Verb::Run,
                              "awake",
                              name_of(subject),
                              seen.keep_awake ? "spec.keepAwake: it must not fall asleep while something runs there"
                                              : "spec.keepAwake is gone",
                              {},
                              {},
                              false,
                              {}});
  }
}

Task<> ServerReconciler::act(const runtime::Subject& subject, const runtime::Seen& what, const runtime::Action& action,
                             runtime::Notes& notes) {
  const auto& seen = static_cast<const ServerSeen&>(what);
  const std::string name = name_of(subject);
  if (action.type == "awake") {
    co_await keep_awake(subject, seen.keep_awake, notes);
  } else if (action.type != "contact") {
    co_await act_on_cloud(subject, seen, action, notes);
  } else if (action.verb == Verb::Delete) {
    memory_of(subject).empty = true;
    parts_.hosts.forget(name);
  } else {
    parts_.hosts.keep(name, seen.endpoint);
    follow_residents(name, subject.meta().uid);
  }
}

runtime::Report ServerReconciler::report(const runtime::Subject& subject, const runtime::Seen& what,
                                         const runtime::Plan& plan) {
  const auto& seen = static_cast<const ServerSeen&>(what);
  if (seen.where == Where::Nowhere) return others_.report(subject, what, plan);
  runtime::Report report;
  // That an agent was there is known for as long as its machine is, also to a controller that has not heard it yet.
  const json::Value* agent = subject.json.at({"status", "agent"});
  if (agent && (seen.where == Where::Local || !seen.cloud.machines.empty())) report.status["agent"] = *agent;
  if (seen.where == Where::Cloud) {
    report_cloud(subject, seen, plan, report);
    return report;
  }
  const std::string address = spec_of(subject).string_or("address");
  const bool is_name = address.find_first_not_of("0123456789.:abcdef") != std::string::npos;
  report.status["addresses"] =
      json::Array{json::Object{{"type", is_name ? "Hostname" : "InternalIP"}, {"address", address}}};
  if (plan.blocked && !subject.meta().deleting) {
    report.conditions = {{"AgentReachable", "Unknown", plan.blocked_reason, plan.blocked_message},
                         {"Ready", "False", plan.blocked_reason, plan.blocked_message}};
    return report;
  }
  report_agent(seen, report);
  report_drain(subject, seen, report);
  if (seen.contact && seen.contact->connected) report.status["state"] = "running";
  return report;
}

namespace {

// A refusal is nearly always something that was copied wrongly; where to look is said with it.
std::string how_to_mend(const ServerSeen& seen) {
  const std::string& problem = seen.contact->problem;
  if (problem.contains("X-API-Key")) return "; key in the Secret has to be what agent.key on that machine holds";
  if (!problem.contains("certificate verify failed")) return {};
  if (problem.contains("expired") || problem.contains("not yet valid"))
    return "; look at the clocks of both machines, then at the agent's certificate";
  if (!seen.endpoint.pin.empty())
    return "; it is another certificate than fingerprint in the Secret names (" + seen.endpoint.pin +
           "); agent.json on that machine says the agent's own";
  return "; the authority that is trusted (ca.crt in the Secret, else this controller's own) did not sign it: put the "
         "fingerprint that agent.json on that machine says into the Secret of spec.agent.secretRef";
}

}  // namespace

void ServerReconciler::report_agent(const ServerSeen& seen, runtime::Report& report) const {
  report_awake(seen, report);
  const auto both = [&](std::string status, std::string reason, std::string message) {
    report.conditions.push_back({"AgentReachable", status, reason, message});
    report.conditions.push_back({"Ready", status, reason, message});
  };
  if (!seen.contact) {
    both("Unknown", "NotAsked", "the agent has not been asked yet");
    return;
  }
  const auto& contact = *seen.contact;
  if (contact.ever) {
    report.status["agent"]["version"] = contact.version;
    // To the minute: a heartbeat is no reason to write.
    report.status["agent"]["lastSeen"] = format_time(std::chrono::floor<std::chrono::minutes>(contact.last_heard));
    report.status["capacity"] = amount(seen.health, "capacity");
    report.status["usage"] = amount(seen.health, "usage");
    report.conditions.push_back(
        contact.version == parts_.version
            ? Condition{"AgentCurrent", "True", "SameVersion", "version " + contact.version}
            : Condition{"AgentCurrent", "False", "VersionDiffers",
                        "the agent is of version " + contact.version + ", this controller of " + parts_.version});
  }
  if (contact.connected) {
    both("True", "AgentAnswers", "the agent answers");
  } else if (contact.refused) {
    both("False", "AgentRefuses", contact.problem + how_to_mend(seen));
  } else if (seen.now - contact.silent_since < parts_.grace) {
    if (contact.ever || seen.where == Where::Local) {
      both("Unknown", "HeartbeatLost",
           contact.problem + "; what runs there is left as it is, and nothing is decided before " +
               human_duration(parts_.grace) + " of silence");
    } else {
      both("False", "WaitingForAgent", "the machine runs, and its agent has not answered yet: " + contact.problem);
    }
  } else {
    both("False", "Unreachable", contact.problem);
  }
}

}  // namespace gantry::reconcilers::server
