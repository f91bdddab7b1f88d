// What an attempt on an App sees. Private to this folder.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/runtime/reconciler.hpp"
#include "providers/workload_host.hpp"
#include "reconcilers/app/environment.hpp"
#include "reconcilers/app/errands.hpp"
#include "reconcilers/app/health_monitor.hpp"
#include "reconcilers/app/placement.hpp"
#include "reconcilers/app/releases.hpp"
#include "reconcilers/app/rollout.hpp"
#include "reconcilers/app/routes.hpp"
#include "reconcilers/app/scaling.hpp"
#include "reconcilers/app/schedule.hpp"
#include "reconcilers/app/source_seen.hpp"

namespace gantry::reconcilers::app {

struct SeenInstance {
  providers::Instance instance;
  Replica replica;
  Health health;
  bool asked = false;  // its Server was asked to start it, and nothing is seen of it yet
};

// A release that waits for its hook, or whose hook has failed.
struct SeenHook {
  enum class State { Pending, Running, Failed };
  State state = State::Pending;
  const ReleaseView* release = nullptr;    // among AppSeen::releases
  std::string id;                          // of its instance
  std::string why;                         // Failed
  std::optional<Environment> environment;  // when the spec's own is another one
  Duration timeout{};
  WallTime ends_at{};  // Running: no later
  bool stopping = false;
  bool another_runs = false;  // of another release: never two at a time
};

struct SeenSchedule {
  Schedule spec;
  Second since{};   // when it was first seen with this timing
  Second last{};    // the newest run that was begun
  Second missed{};  // the newest that was not
  std::vector<ScheduledRun> runs;
  std::vector<std::string> untold;  // runs that have ended, and nobody was told
  std::optional<StartFailure> start_failure;
  json::Value before;  // what the status says of it
  ScheduleDecision decision;
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
  bool source_ready = false;  // fetched, and built where that is needed
  SourceSeen work;

  std::vector<ServerView> servers;  // of its namespace; only where the App has to do with Servers
  Placement placement;              // of the release that runs
  Placement wanted_placement;       // of the App's own spec: where what is to be released will be needed
  Assignment recorded;              // as it is durable
  std::string placement_problem;    // of what is written
  std::optional<ProvisionDecision> provision;
  std::optional<LoadMemory> server_load;  // of the Servers made for it, where their number follows it
  std::string template_hash;              // of placement.provision.template

  Errands::View errands;
  std::vector<ReleaseView> releases;
  Choice choice;
  std::vector<SeenInstance> instances;
  std::vector<SeenInstance> tasks;  // that run to an end; see tasks.hpp
  std::vector<SeenSchedule> schedules;
  std::optional<SeenHook> hook;
  std::optional<Scaling> scaling;
  LoadMemory load;
  // Per slot of the running release: why its last try could not be started.
  std::map<int, std::string> start_failures;
  bool cannot_start = false;  // that is so of every slot, again and again
  std::map<int, int> kept_ports;
  json::Array failing;        // of the running release: slots that have failed lately, for the status
  std::map<int, int> alarms;  // slots that fail again and again, and how often in a row
  RolloutTarget target;
  RolloutDecision rollout;
  Duration until_deadline{};  // of the rollout; negative once it is over
  SeenAppRoutes routes;
};

// How the parts of the spec are read; defaults come from the schema and are only repeated for objects older than it.
int replicas_of(const json::Value& app);
RolloutTarget rollout_target(const json::Value& app, const std::string& release);
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
