// What an attempt on an App sees. Private to this folder.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/runtime/reconciler.hpp"
#include "providers/workload_host.hpp"
#include "reconcilers/app/environment.hpp"
#include "reconcilers/app/health_monitor.hpp"
#include "reconcilers/app/releases.hpp"
#include "reconcilers/app/rollout.hpp"
#include "reconcilers/app/routes.hpp"

namespace gantry::reconcilers::app {

struct SeenInstance {
  providers::Instance instance;
  Replica replica;
  Health health;
};

struct AppSeen final : runtime::Seen {
  Instant now{};
  WallTime wall{};
  json::Value pod_template;
  Environment environment;
  // Of the release that runs, where its template is not the App's: after an undo, or while a new one fails.
  std::optional<Environment> run_environment;
  std::string spec_hash;
  std::string config_hash;

  // The source: a digest when it is known, a problem when it cannot be had.
  std::string source_digest;
  std::string source_problem;
  bool source_ready = false;  // staged, or the image is here

  std::vector<ReleaseView> releases;
  Choice choice;
  std::vector<SeenInstance> instances;
  // Per slot of the running release: why its last try could not be started.
  std::map<int, std::string> start_failures;
  std::map<int, int> kept_ports;
  RolloutTarget target;
  RolloutDecision rollout;
  Duration until_deadline{};  // of the rollout; negative once it is over
  SeenAppRoutes routes;
};

// How the parts of the spec are read; defaults come from the schema and are only repeated for objects older than it.
int replicas_of(const json::Value& app);
RolloutTarget rollout_target(const json::Value& app, const std::string& release);
// "namespace/name" of the Servers it is placed on; none: this machine. Works on an App's spec as on a Release's
// template.
std::vector<std::string> servers_of(const json::Value& pod_template, const std::string& ns);
// Slots go round the Servers, so that each keeps its own.
std::string server_of_slot(const json::Value& pod_template, const std::string& ns, int slot);
// Annotation gantry.dev/stopped: nothing of it runs until it is started again. No manifest says so, so none undoes it.
bool stopped(const json::Value& app);
HealthCheck health_check_of(const json::Value& app, const providers::Instance& instance);
bool is_docker(const json::Value& pod_template);
// Absent: the App can run here. Otherwise reason and message of what this machine cannot do for it.
std::optional<std::pair<std::string, std::string>> unsupported(const json::Value& app);

// "sha256:<hex>"; with a key it is an HMAC.
std::string sha256(const std::string& text);
std::string hmac_sha256(const std::string& key, const std::string& text);

}  // namespace gantry::reconcilers::app
