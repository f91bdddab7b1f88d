#include "reconcilers/server/server_reconciler.hpp"

#include "controller/base/base64.hpp"
#include "controller/base/error.hpp"
#include "controller/base/reactor.hpp"

namespace gantry::reconcilers::server {

using runtime::Condition;
using Verb = runtime::Action::Verb;

struct ServerSeen final : runtime::Seen {
  bool ours = false;
  Instant now{};
  std::string problem;  // of what is written: nothing can be done until it changes
  std::string problem_reason;
  providers::AgentEndpoint endpoint;
  bool kept = false;  // the directory speaks to exactly that endpoint
  std::optional<providers::AgentContact> contact;
  json::Value health;
};

namespace {

std::string name_of(const runtime::Subject& subject) { return subject.key().ns + "/" + subject.key().name; }

const json::Value& spec_of(const runtime::Subject& subject) {
  static const json::Value none{json::Object{}};
  const json::Value* spec = subject.json.find("spec");
  return spec ? *spec : none;
}

bool is_ours(const json::Value& spec) {
  const json::Value* provider = spec.at({"providerRef", "name"});
  return (!provider || *provider == json::Value("local")) && !spec.string_or("address").empty();
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
  parts_.hosts.on_contact([this](const std::string& server) {
    if (const auto known = memory_.find(server); known != memory_.end()) parts_.wake(known->second.key);
  });
}

Task<runtime::SeenPtr> ServerReconciler::observe(const runtime::Subject& subject) {
  auto seen = std::make_shared<ServerSeen>();
  seen->now = parts_.reactor.now();
  seen->ours = is_ours(spec_of(subject));
  const std::string name = name_of(subject);
  seen->contact = parts_.hosts.contact(name);
  if (subject.meta().deleting || !seen->ours) co_return seen;
  memory_[name].key = subject.key();
  co_await observe_endpoint(subject, *seen);
  seen->kept = parts_.hosts.keeps(name, seen->endpoint);
  if (seen->contact && seen->contact->connected) {
    const Instant last = memory_[name].health_at;
    if (last == Instant{} || seen->now - last >= parts_.look) {
      try {
        json::Value health = co_await parts_.hosts.health(name);
        memory_[name].health = std::move(health);
        memory_[name].health_at = seen->now;
      } catch (const Error&) {  // tidy: the contact itself says how it is; the figures are of the last time
      }
    }
  }
  seen->health = memory_[name].health;
  co_return seen;
}

Task<> ServerReconciler::observe_endpoint(const runtime::Subject& subject, ServerSeen& seen) {
  const json::Value& spec = spec_of(subject);
  const json::Value* agent = spec.find("agent");
  const json::Value none{json::Object{}};
  if (!agent) agent = &none;
  const std::string address = spec.string_or("address");
  const std::string host = address.find(':') == std::string::npos ? address : "[" + address + "]";
  providers::AgentEndpoint& endpoint = seen.endpoint;
  endpoint.address = address;
  endpoint.url = std::string(agent->bool_or("http", false) ? "http" : "https") + "://" + host + ":" +
                 std::to_string(agent->int_or("port", 9999));
  endpoint.key = parts_.agent_key;
  endpoint.ca = parts_.authority;
  if (const json::Value* ref = agent->at({"secretRef", "name"})) {
    const auto object =
        co_await parts_.client.find({object::Resource::of("", "secrets"), subject.key().ns, ref->as_string()});
    if (!object) {
      seen.problem_reason = "ReferenceNotFound";
      seen.problem = "Secret \"" + ref->as_string() + "\" of spec.agent.secretRef does not exist";
      co_return;
    }
    const json::Value secret = object->decode();
    std::string key = decoded(secret, "key");
    if (const std::string token = decoded(secret, "token"); key.empty() && !token.empty())
      key = providers::derived_agent_key(token, decoded(secret, "userId"));
    if (!key.empty()) endpoint.key = Secret(key);
    endpoint.previous_key = Secret(decoded(secret, "previousKey"));
    if (std::string ca = decoded(secret, "ca.crt"); !ca.empty()) endpoint.ca = std::move(ca);
    if (std::string pin = decoded(secret, "fingerprint"); !pin.empty()) {
      endpoint.pin = std::move(pin);
      endpoint.ca.clear();
    }
  }
}

runtime::Plan ServerReconciler::plan(const runtime::Subject& subject, const runtime::Seen& what) {
  const auto& seen = static_cast<const ServerSeen&>(what);
  runtime::Plan plan;
  const auto step = [&](Verb verb, std::string reason) {
    plan.actions.push_back({verb, "contact", name_of(subject), std::move(reason), {}, {}, false, {}});
  };
  if (subject.meta().deleting || !seen.ours) {
    if (seen.contact) step(Verb::Delete, "the agent is spoken to no more; what runs there goes on");
    return plan;
  }
  if (!seen.problem.empty()) {
    plan.blocked = true;
    plan.blocked_reason = seen.problem_reason;
    plan.blocked_message = seen.problem;
    return plan;
  }
  if (!seen.kept) {
    step(Verb::Run, "the agent at " + seen.endpoint.url + " is to be spoken to");
  } else if (seen.contact && !seen.contact->connected) {
    const Duration away = seen.now - seen.contact->silent_since;
    if (away < parts_.grace) plan.look_again = parts_.grace - away + std::chrono::milliseconds(100);
  } else {
    plan.look_again = parts_.look;
  }
  return plan;
}

Task<> ServerReconciler::act(const runtime::Subject& subject, const runtime::Seen& what, const runtime::Action& action,
                             runtime::Notes&) {
  const auto& seen = static_cast<const ServerSeen&>(what);
  const std::string name = name_of(subject);
  if (action.verb == Verb::Delete) {
    parts_.hosts.forget(name);
    memory_.erase(name);
  } else {
    parts_.hosts.keep(name, seen.endpoint);
  }
  co_return;
}

runtime::Report ServerReconciler::report(const runtime::Subject& subject, const runtime::Seen& what,
                                         const runtime::Plan& plan) {
  const auto& seen = static_cast<const ServerSeen&>(what);
  if (!seen.ours) return others_.report(subject, what, plan);
  runtime::Report report;
  const std::string address = spec_of(subject).string_or("address");
  const bool is_name = address.find_first_not_of("0123456789.:abcdef") != std::string::npos;
  report.status["addresses"] =
      json::Array{json::Object{{"type", is_name ? "Hostname" : "InternalIP"}, {"address", address}}};
  if (plan.blocked) {
    report.conditions = {{"AgentReachable", "Unknown", plan.blocked_reason, plan.blocked_message},
                         {"Ready", "False", plan.blocked_reason, plan.blocked_message}};
    return report;
  }
  const auto both = [&](std::string status, std::string reason, std::string message) {
    report.conditions.push_back({"AgentReachable", status, reason, message});
    report.conditions.push_back({"Ready", status, reason, message});
  };
  if (!seen.contact) {
    both("Unknown", "NotAsked", "the agent has not been asked yet");
    return report;
  }
  const auto& contact = *seen.contact;
  if (contact.ever) {
    report.status["agent"]["version"] = contact.version;
    // To the minute: a heartbeat is no reason to write.
    report.status["agent"]["lastSeen"] = format_time(std::chrono::floor<std::chrono::minutes>(contact.last_heard));
    report.status["capacity"] = amount(seen.health, "capacity");
    report.status["usage"] = amount(seen.health, "usage");
    report.conditions.push_back(contact.version == parts_.version
                                    ? Condition{"AgentCurrent", "True", "SameVersion", "version " + contact.version}
                                    : Condition{"AgentCurrent", "False", "VersionDiffers",
                                                "the agent is of version " + contact.version +
                                                    ", this controller of " + parts_.version});
  }
  if (contact.connected) {
    report.status["state"] = "running";
    both("True", "AgentAnswers", "the agent answers");
  } else if (contact.refused) {
    both("False", "AgentRefuses", contact.problem);
  } else if (seen.now - contact.silent_since < parts_.grace) {
    both("Unknown", "HeartbeatLost",
         contact.problem + "; what runs there is left as it is, and nothing is decided before " +
             human_duration(parts_.grace) + " of silence");
  } else {
    both("False", "Unreachable", contact.problem);
  }
  return report;
}

}  // namespace gantry::reconcilers::server
