// Makes an App run on this machine: its source made ready, a Release for each configuration, an instance for each
// replica, each asked for its health for ever after. The decisions are in releases.hpp and rollout.hpp; here is the
// doing.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "controller/api/client.hpp"
#include "controller/base/random.hpp"
#include "controller/object/kind.hpp"
#include "controller/runtime/informer.hpp"
#include "controller/runtime/reconciler.hpp"
#include "providers/builder.hpp"
#include "providers/router.hpp"
#include "providers/sources.hpp"
#include "providers/workload_host.hpp"
#include "reconcilers/app/errands.hpp"
#include "reconcilers/app/health_monitor.hpp"
#include "reconcilers/app/placement.hpp"
#include "reconcilers/app/rollout.hpp"
#include "reconcilers/app/scaling.hpp"
#include "reconcilers/app/schedule.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {

struct AppSeen;
struct SeenInstance;

class AppReconciler final : public runtime::Reconciler {
 public:
  struct Parts {
    Reactor& reactor;
    api::Client& client;
    const object::KindTable& kinds;
    providers::WorkloadHost& host;
    providers::Sources& sources;
    providers::Builder& builder;
    HealthMonitor::Probe probe;
    // Keys the hash over environment values, so that a Release does not let anybody guess a Secret.
    std::string hash_key;
    // Asks for a look at this App.
    std::function<void(const object::Key&)> wake;
    // Brings requests from outside; null where nothing does. Outlives this.
    providers::Router* router = nullptr;
    // Why this machine's disk is a worry, for people; empty, or absent: it is none.
    std::function<std::string()> disk_alarm = {};
  };
  explicit AppReconciler(Parts parts);

  Task<runtime::SeenPtr> observe(const runtime::Subject& subject) override;
  runtime::Plan plan(const runtime::Subject& subject, const runtime::Seen& seen) override;
  Task<> act(const runtime::Subject& subject, const runtime::Seen& seen, const runtime::Action& action,
             runtime::Notes& notes) override;
  runtime::Report report(const runtime::Subject& subject, const runtime::Seen& seen,
                         const runtime::Plan& plan) override;
  void forget(const std::string& uid) override;
  // A Server of the namespace came, went, or is another to those who are placed on it.
  void servers_changed(const std::string& ns);
  std::size_t remembered() const { return memory_.size(); }

 private:
  void wake(const std::string& uid);
  Task<> observe_source(const runtime::Subject& subject, AppSeen& seen);
  Task<std::optional<providers::CodeSource>> code_source(const runtime::Subject& subject);
  Task<> observe_build(const runtime::Subject& subject, AppSeen& seen);
  bool artifact_is_gone(const AppSeen& seen) const;
  Task<> observe_releases(const runtime::Subject& subject, AppSeen& seen);
  Task<> observe_servers(const runtime::Subject& subject, AppSeen& seen);
  void learn_hosts(Placement& placement) const;
  // How many Servers are to be made for the App, where `count` is declared.
  int observe_server_scaling(const runtime::Subject& subject, AppSeen& seen, int count);
  bool plan_server_scaling(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void act_on_server_scaling(const runtime::Subject& subject, const runtime::Action& action, runtime::Notes& notes);
  void report_server_scaling(const runtime::Subject& subject, const AppSeen& seen, runtime::Report& report) const;
  // Which Server each slot of the release that runs is for, and who must leave where it is.
  void place(const runtime::Subject& subject, AppSeen& seen);
  // Whoever the outside cannot reach yet is not ready.
  void wait_for_firewalls(const std::string& uid, AppSeen& seen);
  void recall_placement(const runtime::Subject& subject);
  Task<> observe_instances(const runtime::Subject& subject, AppSeen& seen);
  // What is there, and what Servers have been asked for.
  Task<std::vector<SeenInstance>> list_instances(const runtime::Subject& subject, AppSeen& seen);
  // While the release to run waits for its hook, the one before takes its place.
  Task<> hold_for_hook(const runtime::Subject& subject, AppSeen& seen);
  Task<> observe_scaling(const runtime::Subject& subject, AppSeen& seen);
  Task<> measure(const runtime::Subject& subject, const AppSeen& seen, LoadMemory& memory);
  void observe_schedules(const runtime::Subject& subject, AppSeen& seen);
  void watch_health(const runtime::Subject& subject, AppSeen& seen);
  Task<> observe_routes(const runtime::Subject& subject, AppSeen& seen);
  void mark_served(AppSeen& seen) const;
  // How often slots have failed in a row is kept in the status, so that it is known to the next controller too.
  void recall_failures(const runtime::Subject& subject);
  void tell_failures(const runtime::Subject& subject, AppSeen& seen);
  void measure_progress(const runtime::Subject& subject, AppSeen& seen);
  void choose_served(AppSeen& seen) const;

  bool plan_source(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_rebuild(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_release(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_servers(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_placement(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_server_removal(const AppSeen& seen, runtime::Plan& plan);
  void plan_instances(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_release_phases(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  // What Servers have answered comes first, and nothing more is asked of one that has not.
  void plan_answers(const AppSeen& seen, runtime::Plan& plan) const;
  void leave_busy_alone(const AppSeen& seen, runtime::Plan& plan) const;
  void plan_routes(const AppSeen& seen, runtime::Plan& plan);
  void plan_hook(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_scaling(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  void plan_schedules(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan);
  runtime::Plan plan_removal(const AppSeen& seen);

  Task<> act_on_source(const AppSeen& seen, const runtime::Action& action, runtime::Notes& notes);
  runtime::Condition built_condition(const AppSeen& seen) const;
  Task<> make_release(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                      runtime::Notes& notes);
  Task<> set_release_phase(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                           runtime::Notes& notes);
  Task<json::Object> evidence_of(const AppSeen& seen, std::string release);
  Task<> act_on_server(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                       runtime::Notes& notes);
  Task<> record_placement(const runtime::Subject& subject, const AppSeen& seen);
  json::Value placements_of(const runtime::Subject& subject, const AppSeen& seen) const;
  // The Servers of what runs to an end; absent: none can be asked now.
  std::optional<std::string> hook_server(const AppSeen& seen) const;
  std::optional<std::string> run_server(const AppSeen& seen) const;
  Task<> start_instance(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                        runtime::Notes& notes);
  // Starts it on this machine, or asks its Server to. The outcome is told by conclude_start(), now or later.
  Task<> start(const runtime::Subject& subject, Errand tried, providers::InstanceSpec spec, runtime::Notes& notes);
  Task<> stop_or_remove(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                        Errand::What what);
  void act_on_answer(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                     runtime::Notes& notes);
  // Throws what is worth another try of the whole attempt.
  void conclude_start(const runtime::Subject& subject, const Errand& tried, runtime::Notes& notes);
  void conclude_replica(const runtime::Subject& subject, const Errand& tried, runtime::Notes& notes);
  void conclude_hook(const runtime::Subject& subject, const Errand& tried, runtime::Notes& notes);
  void conclude_run(const runtime::Subject& subject, const TaskId& task, const Errand& tried, runtime::Notes& notes);
  Task<> act_on_routes(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                       runtime::Notes& notes);
  // Its condition RouteReady; empty without routes.
  runtime::Condition report_routes(const AppSeen& seen, runtime::Report& report) const;
  Task<> act_on_run(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                    runtime::Notes& notes);
  static void count_run(const runtime::Subject& subject, const std::string& task, std::string_view result);
  static void note_success(const runtime::Subject& subject, const std::string& task, WallTime when);
  Task<> start_hook(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                    runtime::Notes& notes);
  void act_on_scaling(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action& action,
                      runtime::Notes& notes);
  // Its condition ScalingActive; absent without spec.scaling.
  std::optional<runtime::Condition> report_scaling(const runtime::Subject& subject, const AppSeen& seen,
                                                   runtime::Report& report) const;
  // Its condition SchedulesActive; absent without schedules.
  std::optional<runtime::Condition> report_schedules(const AppSeen& seen, runtime::Report& report) const;
  providers::InstanceSpec instance_spec(const runtime::Subject& subject, const AppSeen& seen, int slot,
                                        int attempt) const;

  // What is known of one slot's tries and is not worth keeping over a restart.
  struct SlotMemory {
    CrashCount crashes;
    FailureLadder ladder;
    std::string counted;    // the last instance whose end was counted
    std::string dismissed;  // the last one that we have ended for another reason than its health: no failure of its own
    int attempt = 0;        // the last try, also when it could not even be started
    Instant retry_at{};
    std::string start_failure;  // why the last try could not be started; empty when it was
    int host_port = 0;          // the slot's address is kept over restarts
  };
  using SlotKey = std::pair<std::string, int>;  // release, slot
  // How far the newest rollout has come, and since when it has come no further.
  struct ProgressMemory {
    std::string release;
    int ready = 0;
    WallTime at{};
  };
  struct AppMemory {
    object::Key key;
    bool recalled = false;  // what the status says of failures has been read
    ProgressMemory progress;
    LoadMemory load;
    LoadMemory servers;  // the same of the Servers that are made for it
    bool has_placement = false;
    bool placement_recalled = false;
    Assignment placed;             // as it is durable
    std::map<int, int> tries;      // by slot, as it is durable
    std::map<int, int> first_try;  // since it was placed anew while nobody could see where it was
    std::optional<Instant> held_since;
    std::set<std::string> reachable;                      // ids that a firewall has let in, or had no need to
    std::pair<std::int64_t, std::string> server_refused;  // generation, and why
    std::map<SlotKey, SlotMemory> slots;
    // By schedule; and the ids of ended runs that were told.
    std::map<std::string, StartFailure> failed_runs;
    std::map<std::string, Second> missed_runs;
    std::set<std::string> told_runs;
    std::map<std::string, std::string> failed_hooks;  // that could not be started, by release: why
  };

  Parts parts_;
  HealthMonitor health_;
  Errands errands_;
  std::map<std::string, AppMemory> memory_;  // by App uid
};

// The metadata of what an App makes: in its namespace, labelled with its name, owned and removed with it.
json::Object owned_metadata(const runtime::Subject& subject, const std::string& name);

// Which Apps run where follows the Servers. Before the informers start; the reconciler outlives them.
void follow_servers(runtime::Informers& informers, AppReconciler& apps);

}  // namespace gantry::reconcilers::app
