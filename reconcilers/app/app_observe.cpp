#include <algorithm>

#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

using providers::Instance;

// "<uid8>-<revision>-<slot>-<attempt>": see AppReconciler::instance_spec().
int attempt_of(const std::string& id) { return std::atoi(id.substr(id.rfind('-') + 1).c_str()); }

std::string spec_text(const json::Value& pod_template, const std::string& source_digest) {
  return json::dump(pod_template) + "\n" + source_digest;
}

std::string environment_text(const Environment& environment) {
  json::Object values;
  for (const auto& [name, value] : environment.values) values.set(name, value.reveal());
  return json::dump(json::Value(std::move(values)));
}

}  // namespace

AppReconciler::AppReconciler(Parts parts)
    : parts_(std::move(parts)),
      health_(parts_.reactor, parts_.probe, [this](const std::string& uid) { wake(uid); }),
      errands_(parts_.reactor, [this](const std::string& uid) { wake(uid); }) {
  const auto changed = [this](const std::string& uid) { wake(uid); };
  parts_.host.on_change(changed);
  parts_.sources.on_change(changed);
  parts_.builder.on_change(changed);
  if (parts_.router) parts_.router->on_change(changed);
}

void AppReconciler::wake(const std::string& uid) {
  if (const auto known = memory_.find(uid); known != memory_.end()) parts_.wake(known->second.key);
}

void AppReconciler::forget(const std::string& uid) {
  memory_.erase(uid);
  health_.keep_only(uid, {});
  errands_.forget(uid);
}

Task<runtime::SeenPtr> AppReconciler::observe(const runtime::Subject& subject) {
  auto seen = std::make_shared<AppSeen>();
  seen->now = parts_.reactor.now();
  seen->wall = parts_.reactor.clock().wall();
  co_await observe_releases(subject, *seen);
  co_await observe_servers(subject, *seen);
  if (!subject.meta().deleting) {
    seen->pod_template = template_of(subject.json);
    seen->environment =
        co_await resolve_environment(parts_.client, parts_.kinds, seen->pod_template, subject.json, subject.key().ns);
    co_await observe_source(subject, *seen);
    const std::string written = spec_text(seen->pod_template, seen->source_digest);
    seen->spec_hash = sha256(written);
    seen->config_hash = hmac_sha256(parts_.hash_key, written + "\n" + environment_text(seen->environment));
    const json::Value* strategy = subject.json.at({"spec", "strategy"});
    seen->choice = choose_release({.spec_hash = seen->spec_hash,
                                   .config_hash = seen->config_hash,
                                   .rollback_to = subject.annotation("gantry.dev/rollback-to"),
                                   .auto_rollback = !strategy || strategy->bool_or("autoRollback", true)},
                                  seen->releases);
    if (const ReleaseView* run = seen->choice.run; run && !(run->pod_template == seen->pod_template)) {
      seen->run_environment =
          co_await resolve_environment(parts_.client, parts_.kinds, run->pod_template, subject.json, subject.key().ns);
    }
  }
  co_await observe_routes(subject, *seen);
  co_await observe_instances(subject, *seen);
  if (subject.meta().deleting) {
    parts_.builder.keep_only_build(subject.meta().uid, "");
    co_return seen;
  }
  co_await observe_build(subject, *seen);
  observe_schedules(subject, *seen);
  co_return seen;
}

Task<> AppReconciler::observe_releases(const runtime::Subject& subject, AppSeen& seen) {
  static const auto kReleases = object::Resource::of("gantry.dev", "releases");
  api::ListOptions options;
  options.ns = subject.key().ns;
  options.label_selector = "gantry.dev/app=" + subject.key().name;
  const api::List list = co_await parts_.client.list(kReleases, options);
  for (const auto& object : list.items) {
    const auto& owners = object->meta().owners;
    const bool ours =
        std::any_of(owners.begin(), owners.end(), [&](const auto& owner) { return owner.uid == subject.meta().uid; });
    if (ours && !object->meta().deleting) seen.releases.push_back(read_release(*object));
  }
  std::sort(seen.releases.begin(), seen.releases.end(),
            [](const auto& a, const auto& b) { return a.revision < b.revision; });
}

Task<> AppReconciler::observe_instances(const runtime::Subject& subject, AppSeen& seen) {
  const std::string& uid = subject.meta().uid;
  auto& memory = memory_[uid];
  memory.key = subject.key();
  recall_failures(subject);
  for (auto& one : co_await list_instances(subject, seen)) {
    const Instance& it = one.instance;
    if (parse_task_id(it.id)) {
      one.replica.phase = it.state == Instance::State::Exited ? Replica::Phase::Exited
                          : it.stopping                       ? Replica::Phase::Stopping
                                                              : Replica::Phase::Ready;
      seen.tasks.push_back(std::move(one));
      continue;
    }
    one.replica.id = it.id;
    one.replica.release = it.release;
    one.replica.slot = it.slot;
    one.replica.attempt = attempt_of(it.id);
    auto& slot = memory.slots[{it.release, it.slot}];
    for (const auto& port : it.ports) {
      if (slot.host_port == 0 && it.state != Instance::State::Exited) slot.host_port = port.host_port;
    }
    if (it.state == Instance::State::Exited) {
      one.replica.phase = Replica::Phase::Exited;
      if (one.replica.attempt >= slot.attempt && slot.counted != it.id) {
        slot.counted = it.id;
        if (slot.dismissed != it.id) {
          slot.crashes.failed(it.finished - it.started);
          slot.ladder.failed(it.finished - it.started);
        }
        if (slot.ladder.rung() != FailureLadder::Rung::Restart) slot.host_port = 0;
        slot.retry_at = seen.now + (slot.dismissed == it.id ? Duration::zero() : slot.crashes.delay());
      }
      one.replica.retry_at = slot.retry_at;
    }
    slot.attempt = std::max(slot.attempt, one.replica.attempt);
    const bool runs = it.state != Instance::State::Exited && !one.asked;
    if (runs && one.replica.attempt >= slot.attempt) slot.start_failure.clear();
    seen.instances.push_back(std::move(one));
  }
  watch_health(subject, seen);
  co_await hold_for_hook(subject, seen);

  if (const ReleaseView* run = seen.choice.run) {
    seen.target = rollout_target(subject.json, run->name);
    co_await observe_scaling(subject, seen);
    place(subject, seen);
    mark_served(seen);
    wait_for_firewalls(subject.meta().uid, seen);
    tell_failures(subject, seen);
    std::vector<Replica> replicas;
    for (const auto& one : seen.instances) replicas.push_back(one.replica);
    // A try that could not even be started left no instance; it stands in the slot all the same.
    int given_up = 0;
    for (const auto& [key, slot] : memory.slots) {
      if (key.first != run->name) continue;
      if (key.second < seen.target.replicas && slot.ladder.rung() == FailureLadder::Rung::Alarm)
        seen.alarms[key.second] = slot.ladder.failures;
      seen.kept_ports[key.second] = slot.host_port;
      if (slot.start_failure.empty()) continue;
      seen.start_failures[key.second] = slot.start_failure;
      if (key.second < seen.target.replicas && slot.ladder.rung() != FailureLadder::Rung::Restart) ++given_up;
      replicas.push_back({"", run->name, key.second, slot.attempt, Replica::Phase::Exited, slot.retry_at});
    }
    seen.cannot_start = given_up > 0 && given_up == seen.target.replicas;
    seen.rollout = next_steps(seen.target, replicas, seen.now);
    choose_served(seen);
    measure_progress(subject, seen);
  }
}

// As in Kubernetes, the deadline is for coming further, not for arriving: each replica that becomes ready starts it
// anew, and while an old one finishes its last requests nobody is late.
void AppReconciler::measure_progress(const runtime::Subject& subject, AppSeen& seen) {
  const ReleaseView& run = *seen.choice.run;
  auto& progress = memory_[subject.meta().uid].progress;
  if (progress.release != run.name) {
    // The time that its hook took is not its own.
    progress = {run.name, 0, run.created};
    const auto hook = std::ranges::find(seen.tasks, task_id(subject.meta().uid, kHookTask, run.revision),
                                        [](const auto& task) { return task.instance.id; });
    if (hook != seen.tasks.end()) progress.at = std::max(progress.at, hook->instance.finished);
  }
  if (seen.rollout.ready > progress.ready || seen.rollout.draining > 0) {
    progress.ready = std::max(progress.ready, seen.rollout.ready);
    progress.at = seen.wall;
  }
  const json::Value* deadline = subject.json.at({"spec", "strategy", "progressDeadlineSeconds"});
  const std::chrono::seconds allowed(deadline && deadline->is_int() ? deadline->as_int() : 600);
  seen.until_deadline = progress.at + allowed - seen.wall;
}

void AppReconciler::watch_health(const runtime::Subject& subject, AppSeen& seen) {
  std::vector<std::string> alive;
  for (auto& one : seen.instances) {
    if (one.instance.state == Instance::State::Exited || one.asked) continue;
    alive.push_back(one.instance.id);
    health_.watch(subject.meta().uid, one.instance.id, health_check_of(subject.json, one.instance),
                  seen.routes.leads_to(one.instance.id));
    const auto health = health_.find(one.instance.id);
    one.replica.unknown = !health;
    one.health = health.value_or(Health{});
    one.replica.phase = one.health.ready  ? Replica::Phase::Ready
                        : one.health.sick ? Replica::Phase::Sick
                                          : Replica::Phase::Starting;
    if (one.instance.stopping) one.replica.phase = Replica::Phase::Stopping;
  }
  health_.keep_only(subject.meta().uid, alive);
}

}  // namespace gantry::reconcilers::app
