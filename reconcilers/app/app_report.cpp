#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/runtime/status_writer.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

using runtime::Condition;

std::string url_host(const std::string& address) {
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

// Why what is said of the App is only what was last known; empty: it is so.
std::string doubt_of(const AppSeen& seen) {
  for (const auto& one : seen.instances) {
    // Who is being replaced elsewhere is waited for no longer.
    if (one.replica.place == Replica::Place::Moving) continue;
    if (one.replica.alive() && !one.instance.in_doubt.empty()) return one.instance.in_doubt;
  }
  return {};
}

json::Value endpoints_of(const AppSeen& seen) {
  json::Array endpoints;
  for (const auto& one : seen.instances) {
    if (!one.replica.alive()) continue;
    for (const auto& port : one.instance.ports) {
      endpoints.push_back(json::Object{{"name", port.name},
                                       {"slot", one.replica.slot},
                                       {"address", one.instance.address},
                                       {"port", port.host_port},
                                       {"ready", one.replica.phase == Replica::Phase::Ready}});
    }
  }
  std::stable_sort(endpoints.begin(), endpoints.end(),
                   [](const auto& a, const auto& b) { return a.int_or("slot", 0) < b.int_or("slot", 0); });
  return endpoints;
}

json::Value urls_of(const AppSeen& seen) {
  std::vector<std::pair<int, std::string>> urls;
  for (const auto& one : seen.instances) {
    if (one.replica.phase != Replica::Phase::Ready || one.instance.ports.empty()) continue;
    urls.emplace_back(one.replica.slot, "http://" + url_host(one.instance.address) + ":" +
                                            std::to_string(one.instance.ports.front().host_port));
  }
  std::sort(urls.begin(), urls.end());
  json::Array list;
  for (auto& [slot, url] : urls) list.push_back(std::move(url));
  return list;
}

// "nginx:1.27", "./shop", "https://git.example.org/shop#main".
std::string source_words(const json::Value& pod_template) {
  const json::Value* source = pod_template.find("source");
  if (!source) return {};
  if (const json::Value* image = source->find("image")) return image->string_or("ref");
  if (const json::Value* code = source->find("code")) return code->string_or("path");
  const json::Value* git = source->find("git");
  if (!git) return {};
  const std::string ref = git->string_or("ref");
  return git->string_or("url") + (ref.empty() ? "" : "#" + ref);
}

// "local", or "web-1,web-2".
std::string server_words(const Placement& placement) {
  std::string words;
  for (const auto& place : placement.places)
    words += (words.empty() ? "" : ",") + place.server.substr(place.server.find('/') + 1);
  return placement.declared ? words : "local";
}

bool runs_here(const AppSeen& seen) {
  return std::ranges::any_of(seen.instances, [](const auto& one) { return one.instance.server.empty(); });
}

// A replica has nowhere to start now: what it was meant for does not exist, or is not there yet.
Condition waiting_for_server(const AppSeen& seen) {
  const int slot = *seen.target.held.begin();
  const auto to = seen.placement.assignment.find(slot);
  const Place* place = to == seen.placement.assignment.end() ? nullptr : seen.placement.find(to->second);
  if (!place && to != seen.placement.assignment.end())
    return {"Synced", "False", "DataElsewhere",
            "replica " + std::to_string(slot) + ": " + seen.placement.pinned(to->second)};
  const std::string text =
      "replica " + std::to_string(slot) + " waits: " + (place ? place->problem() : seen.placement.problem());
  if (!place || !place->view) return {"Synced", "False", "ReferenceNotFound", text};
  return {"Synced", "Unknown", "ServerNotReady", text};
}

// Why the running release is not complete, most telling first.
Condition not_ready(const AppSeen& seen) {
  if (!seen.start_failures.empty()) {
    const auto& [slot, why] = *seen.start_failures.begin();
    return {"Ready", "False", why.find("already in use") != std::string::npos ? "PortInUse" : "StartFailed",
            "replica " + std::to_string(slot) + ": " + why};
  }
  for (const auto& one : seen.instances) {
    if (one.asked && one.replica.stalled) return {"Ready", "False", "ServerSlow", one.health.message};
  }
  for (const auto& one : seen.instances) {
    const bool current = one.replica.release == seen.target.release && one.replica.slot < seen.target.replicas;
    if (!current) continue;
    if (one.replica.phase == Replica::Phase::Exited && one.replica.retry_at > seen.now) {
      return {"Ready", "False", "CrashLooping",
              "replica " + std::to_string(one.replica.slot) + " " + one.instance.exit_reason + "; tried " +
                  std::to_string(one.replica.attempt) + " times, again in " +
                  human_duration(one.replica.retry_at - seen.now + std::chrono::milliseconds(999))};
    }
    if (one.replica.phase == Replica::Phase::Sick ||
        (one.replica.phase == Replica::Phase::Starting && !one.health.message.empty())) {
      return {"Ready", "False", "Unhealthy",
              "replica " + std::to_string(one.replica.slot) + ": health check: " + one.health.message};
    }
  }
  if (!seen.target.held.empty()) {
    return {"Ready", "False", "ServerNotReady",
            std::to_string(seen.rollout.ready) + " of " + std::to_string(seen.target.replicas) +
                " replicas are ready; " + waiting_for_server(seen).message};
  }
  return {"Ready", "False", "RolloutInProgress",
          std::to_string(seen.rollout.ready) + " of " + std::to_string(seen.target.replicas) + " replicas of " +
              seen.target.release + " are ready"};
}

}  // namespace

runtime::Report AppReconciler::report(const runtime::Subject& subject, const runtime::Seen& what,
                                      const runtime::Plan& plan) {
  const auto& seen = static_cast<const AppSeen&>(what);
  runtime::Report report;
  int alive = 0;
  int updated = 0;
  for (const auto& one : seen.instances) {
    if (!one.replica.alive()) continue;
    ++alive;
    if (one.replica.release == seen.target.release) ++updated;
  }
  report.status["replicas"] = alive;
  report.status["desiredReplicas"] = seen.choice.run ? seen.target.replicas : replicas_of(subject.json);
  report.status["updatedReplicas"] = updated;
  report.status["readyReplicas"] = seen.rollout.ready;
  report.status["availableReplicas"] = seen.rollout.available;
  report.status["endpoints"] = endpoints_of(seen);
  report.status["urls"] = urls_of(seen);
  report.status["selector"] = "gantry.dev/app=" + subject.key().name;
  if (seen.choice.run) {
    report.status["release"] = seen.choice.run->name;
    report.status["sourceDigest"] = seen.choice.run->source_digest;
    report.status["source"] = source_words(seen.choice.run->pod_template);
    report.status["lastDeployTime"] = format_time(seen.choice.run->created);
    report.status["servers"] = server_words(seen.placement);
  }
  if (json::Value placements = placements_of(subject, seen); !placements.as_array().empty())
    report.status["placements"] = std::move(placements);
  report_server_scaling(subject, seen, report);
  if (subject.meta().deleting) {
    report.conditions.push_back(
        {"Ready", "False", "Deleting", plan.blocked ? plan.blocked_message : "its instances are being stopped"});
    return report;
  }

  const int needed = std::max(1, seen.target.replicas - seen.target.unavailable_max);
  const bool serves = seen.choice.run && (seen.target.replicas == 0 || seen.rollout.available >= needed);
  report.conditions.push_back(
      serves
          ? Condition{"Available", "True", "EnoughReplicas", std::to_string(seen.rollout.available) + " replicas serve"}
          : Condition{"Available", "False", "TooFewReplicas",
                      std::to_string(seen.rollout.available) + " of " + std::to_string(needed) + " replicas serve"});

  report.conditions.push_back(built_condition(seen));

  // Stored and shown, and honest about it: what other parts of the house will act upon.
  if (!parts_.router && subject.json.at({"spec", "routes"})) {
    report.conditions.push_back(
        {"RouteReady", "Unknown", "NoReconciler", "spec.routes is stored, but nothing here brings requests"});
  }

  const Condition routes = report_routes(seen, report);
  if (seen.choice.run && !seen.choice.run->held_for.empty()) {
    report.status["hold"] = json::Object{{"release", seen.choice.run->name}, {"until", "the spec changes"}};
  }
  if (!seen.failing.empty()) report.status["failing"] = seen.failing;
  if (!seen.alarms.empty()) {
    const int slot = seen.alarms.begin()->first;
    report.conditions.push_back(
        {"Degraded", "True", "KeepsFailing",
         "replica " + std::to_string(slot) + " ends again and again; it is tried on, but somebody must look at it"});
  } else if (seen.rollout.braked > 0) {
    report.conditions.push_back({"Degraded", "True", "ManySick",
                                 "most replicas are sick at once, so they are replaced a few at a time; what do they "
                                 "all depend on?"});
  } else if (const std::string alarm = parts_.disk_alarm && runs_here(seen) ? parts_.disk_alarm() : "";
             !alarm.empty()) {
    report.conditions.push_back({"Degraded", "True", "DiskAlmostFull", alarm});
  } else if (runtime::find_condition(subject.json, "Degraded")) {
    report.conditions.push_back({"Degraded", "False", "AsExpected", ""});
  }
  if (const auto& refused = memory_.at(subject.meta().uid).server_refused;
      refused.first == subject.meta().generation && !plan.blocked) {
    report.conditions.push_back({"Synced", "False", "ServerRefused", log::redacted(refused.second)});
  } else if (!seen.target.held.empty() && !plan.blocked) {
    report.conditions.push_back(waiting_for_server(seen));
  }
  if (auto scaling = report_scaling(subject, seen, report)) report.conditions.push_back(std::move(*scaling));
  if (auto schedules = report_schedules(seen, report)) report.conditions.push_back(std::move(*schedules));

  const bool failed = std::any_of(seen.releases.begin(), seen.releases.end(), [&](const auto& release) {
    return release.phase == "Failed" && release.name == seen.releases.back().name;
  });
  if (plan.blocked) {
    report.conditions.push_back({"Ready", "False", plan.blocked_reason, plan.blocked_message});
    report.conditions.push_back({"Progressing", "False", plan.blocked_reason, plan.blocked_message});
  } else if (failed) {
    const ReleaseView& newest = seen.releases.back();
    const bool hook = newest.reason.starts_with("its pre-deploy hook");
    const std::string text = "release " + newest.name + " has failed: " +
                             (newest.reason.empty() ? "not complete within its progress deadline" : newest.reason) +
                             (seen.choice.run && seen.choice.run->name != seen.releases.back().name
                                  ? "; " + seen.choice.run->name + " runs instead"
                                  : "");
    report.conditions.push_back({"Ready", "False", "RolloutFailed", text});
    report.conditions.push_back({"Progressing", "False", hook ? "HookFailed" : "ProgressDeadlineExceeded", text});
  } else if (stopped(subject.json)) {
    const std::string text = alive == 0 ? "it is stopped; gantry start " + subject.key().name + " starts it again"
                                        : "it is being stopped; " + std::to_string(alive) + " instances are left";
    report.conditions.push_back({"Ready", "False", "Stopped", text});
    report.conditions.push_back({"Progressing", alive == 0 ? "False" : "True", "Stopped", text});
  } else if (seen.hook && seen.hook->state != SeenHook::State::Failed) {
    const std::string text = "release " + seen.hook->release->name + " waits for its pre-deploy hook";
    report.conditions.push_back({"Ready", "False", "PreDeployHook", text});
    report.conditions.push_back({"Progressing", "True", "PreDeployHook", text});
  } else if (const std::string doubt = doubt_of(seen); !doubt.empty()) {
    const std::string text = doubt + "; last known: " + std::to_string(seen.rollout.ready) + " of " +
                             std::to_string(seen.target.replicas) + " replicas ready";
    report.conditions.push_back({"Ready", "Unknown", "HostUnreachable", text});
    report.conditions.push_back({"Progressing", "Unknown", "HostUnreachable", text});
  } else if (seen.choice.run && seen.rollout.complete && routes.status == "False") {
    report.conditions.push_back({"Ready", "False", routes.reason, routes.message});
    report.conditions.push_back({"Progressing", "True", "RolloutComplete", "release " + seen.target.release});
  } else if (seen.choice.run && seen.rollout.complete) {
    report.conditions.push_back(
        {"Ready", "True", "AllReplicasReady",
         std::to_string(seen.rollout.ready) + " of " + std::to_string(seen.target.replicas) + " replicas are ready"});
    report.conditions.push_back({"Progressing", "True", "RolloutComplete", "release " + seen.target.release});
  } else if (seen.choice.run) {
    report.conditions.push_back(not_ready(seen));
    report.conditions.push_back({"Progressing", "True", "RolloutInProgress",
                                 "release " + seen.target.release + ", " + std::to_string(updated) + " of " +
                                     std::to_string(seen.target.replicas) + " replicas are of it"});
  } else {
    report.conditions.push_back({"Ready", "False", "RolloutInProgress", "the first release is being made"});
    report.conditions.push_back({"Progressing", "True", "RolloutInProgress", "the first release is being made"});
  }
  return report;
}

}  // namespace gantry::reconcilers::app
