// A world with Apps in it: the real store, API and plane; the machine is a stateful stand-in behind the host's own
// seam, which goes on while controllers come and go.
#pragma once

#include <gmock/gmock.h>

#include "providers/builder.hpp"
#include "providers/sources.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "tests/world/world.hpp"

namespace gantry::reconcilers::app {

using namespace std::chrono_literals;
using providers::Instance;
using world::Fault;
using world::World;

// What runs, whoever controls it.
struct Machine {
  std::map<std::string, Instance> instances;
  std::vector<std::function<void(const std::string&)>> listeners;
  std::map<std::string, int> starts;                     // by id: one is right
  std::map<std::string, providers::InstanceSpec> specs;  // by id
  std::vector<std::string> commands;                     // the first word of each start, in order
  std::map<std::string, providers::AppRoutes> routes;    // by App uid
  std::map<std::string, int> in_flight;                  // by instance
  bool emptied = false;  // the routes led to somebody, and then, although requests are held for it, to nobody
  std::string proxy_down;
  std::string disk_alarm;
  std::string missing;  // why nothing can be started: what it would run is not there
  std::string refuses;  // rules for this host
  std::string refused_hash;
  bool healthy = true;
  std::map<std::string, std::pair<WallTime, Duration>> cpu;  // by id: until when it is counted, and how much
  double cores = 0;                                          // that each instance uses
  std::int64_t memory = 0;
  std::set<std::string> reached;         // Servers whose agents have been heard of
  std::set<std::string> silent;          // of those, the ones that say nothing now
  std::set<std::string> sick;            // Servers on which nothing is healthy
  std::map<std::string, Duration> slow;  // Servers: how long a start takes there
  std::set<std::string> hangs;  // Servers that take a request and never answer: ours gives up, as RemoteHost does
  bool cut_off = false;         // somebody was ended while the routes led there
  std::string log = "the last words\n";
  std::map<std::string, std::string> logs;  // by id, where it is another
  int next_port = 20000;

  void tell(const std::string& uid) {
    for (const auto& listener : listeners) listener(uid);
  }
  std::size_t alive(const std::string& release = {}) const {
    std::size_t count = 0;
    for (const auto& [id, one] : instances)
      count += one.state != Instance::State::Exited && (release.empty() || one.release == release);
    return count;
  }
  // The same slot of the same release twice.
  bool twins() const {
    std::set<std::pair<std::string, int>> seen;
    for (const auto& [id, one] : instances) {
      if (one.state != Instance::State::Exited && !seen.emplace(one.release, one.slot).second) return true;
    }
    return false;
  }
  std::vector<const Instance*> on(const std::string& server) const {
    std::vector<const Instance*> found;
    for (const auto& [id, one] : instances) {
      if (one.server == server && one.state != Instance::State::Exited) found.push_back(&one);
    }
    return found;
  }
  bool serves(const std::string& id) const {
    for (const auto& [uid, app] : routes) {
      for (const auto& [backend, list] : app.upstreams) {
        if (std::ranges::find(list, id, &providers::RouteUpstream::instance) != list.end()) return true;
      }
    }
    return false;
  }
  void end(const std::string& id, int code, WallTime now) {
    auto& one = instances.at(id);
    cut_off = cut_off || serves(id);
    one.state = Instance::State::Exited;
    one.exit_code = code;
    one.exit_reason = "exited with code " + std::to_string(code);
    one.finished = now;
    tell(one.owner_uid);
  }
};

class Host final : public providers::WorkloadHost {
 public:
  Host(World& world, world::Lifeline& line, Machine& machine) : world_(world), line_(line), machine_(machine) {}

  Task<std::vector<Instance>> list(std::string uid) override {
    std::vector<Instance> found;
    for (const auto& [id, one] : machine_.instances) {
      if (!uid.empty() && one.owner_uid != uid) continue;
      if (!one.server.empty() && !machine_.reached.contains(one.server)) continue;
      found.push_back(one);
      if (machine_.silent.contains(one.server)) found.back().in_doubt = one.server + " does not answer";
    }
    co_return found;
  }
  void must_know(const std::string& server) const override {
    if (!machine_.reached.contains(server)) throw Error(ErrorCode::Unavailable, "no agent of " + server + " is known");
  }
  Task<Instance> start(providers::InstanceSpec spec) override {
    return line_.pass<Instance>("start " + spec.id, [this, spec] { return start_here(spec); });
  }
  Task<> stop(std::string id) override {
    return line_.pass<void>("stop " + id, [this, id] { return stop_here(id); });
  }
  Task<> remove(std::string id, bool) override {
    return line_.pass<void>("remove " + id, [this, id] { return remove_here(id); });
  }
  Task<std::unique_ptr<providers::LogReader>> logs(std::string, providers::LogQuery) override { co_return nullptr; }
  Task<std::string> log_tail(std::string id, std::size_t) override {
    co_return machine_.logs.contains(id) ? machine_.logs.at(id) : machine_.log;
  }
  Task<std::string> ensure_image(std::string) override { co_return "sha256:image"; }
  Task<std::vector<providers::InstanceUsage>> usage(std::string uid) override {
    std::vector<providers::InstanceUsage> all;
    for (const auto& [id, one] : machine_.instances) {
      if (one.owner_uid != uid || one.state != Instance::State::Running) continue;
      auto& [until, used] = machine_.cpu.try_emplace(id, one.started, Duration{}).first->second;
      used += std::chrono::duration_cast<Duration>((world_.clock.wall() - until) * machine_.cores);
      until = world_.clock.wall();
      all.push_back({id, used, machine_.memory});
    }
    co_return all;
  }
  void on_change(OnChange callback) override {
    machine_.listeners.push_back([this, callback](const std::string& uid) {
      if (!line_.is_cut()) callback(uid);
    });
  }

 private:
  Task<Instance> start_here(providers::InstanceSpec spec) {
    answers(spec.server);
    co_await hang(spec.server, 90s);
    if (machine_.slow.contains(spec.server)) co_await sleep_for(world_.reactor, machine_.slow.at(spec.server));
    if (!machine_.missing.empty()) throw Error(ErrorCode::NotFound, machine_.missing);
    if (spec.command.front() == "/missing") throw Error(ErrorCode::Invalid, "the command \"/missing\" was not found");
    auto& one = machine_.instances[spec.id];
    if (one.id.empty()) {
      ++machine_.starts[spec.id];
      machine_.commands.push_back(spec.command.front());
      machine_.specs[spec.id] = spec;
      one = {.id = spec.id,
             .owner_uid = spec.owner_uid,
             .owner_namespace = spec.owner_namespace,
             .owner_name = spec.owner_name,
             .release = spec.release,
             .slot = spec.slot,
             .server = spec.server};
      if (!spec.server.empty()) one.address = "10.0.0.5";
      one.state = Instance::State::Running;
      one.started = world_.clock.wall();
      one.ports = spec.ports;
      for (auto& port : one.ports) {
        if (port.host_port == 0) port.host_port = machine_.next_port++;
      }
    }
    co_return one;
  }
  void answers(const std::string& server) const {
    if (!server.empty() && (!machine_.reached.contains(server) || machine_.silent.contains(server)))
      throw Error(ErrorCode::Unavailable, server + " does not answer");
  }
  Task<> hang(std::string server, Duration limit) {
    if (!machine_.hangs.contains(server)) co_return;
    co_await sleep_for(world_.reactor, limit);
    throw Error(ErrorCode::Timeout, "Server " + server + ": no answer within " + human_duration(limit));
  }
  Task<> stop_here(std::string id) {
    if (machine_.instances.contains(id)) {
      const std::string server = machine_.instances.at(id).server;
      answers(server);
      co_await hang(server, 30s);
    }
    if (machine_.instances.contains(id)) machine_.end(id, 143, world_.clock.wall());
    co_return;
  }
  Task<> remove_here(std::string id) {
    machine_.instances.erase(id);
    co_return;
  }

  World& world_;
  world::Lifeline& line_;
  Machine& machine_;
};

// Serves what it is told, at once. An instance that was taken off drains for as long as the test says it has requests.
class Proxy final : public providers::Router {
 public:
  Proxy(world::Lifeline& line, Machine& machine) : line_(line), machine_(machine) {}

  Task<providers::SeenRoutes> observe(std::string uid) override {
    providers::SeenRoutes seen;
    seen.down = machine_.proxy_down;
    if (!machine_.refused_hash.empty()) seen.problem = "Caddy refuses";
    seen.problem_hash = machine_.refused_hash;
    const auto at = machine_.routes.find(uid);
    if (at == machine_.routes.end()) co_return seen;
    seen.exists = true;
    seen.holds = at->second.holds;
    seen.rules_hash = providers::rules_hash(at->second);
    std::set<std::string> serving;
    for (const auto& [backend, list] : at->second.upstreams) {
      for (const auto& one : list) {
        serving.insert(one.instance);
        seen.upstreams.push_back({backend, one, machine_.in_flight[one.instance], {}});
      }
    }
    for (const auto& [id, count] : machine_.in_flight) {
      if (count > 0 && !serving.contains(id)) seen.upstreams.push_back({"http", {id, 1}, count, 1s});
    }
    co_return seen;
  }
  Task<> set(providers::AppRoutes routes) override {
    return line_.pass<void>("route " + routes.app_name, [this, routes] { return set_here(routes); });
  }
  Task<> remove(std::string uid) override {
    return line_.pass<void>("unroute", [this, uid] { return remove_here(uid); });
  }
  std::string url_of(const providers::RouteRule& rule) const override { return "https://" + rule.host; }
  std::string rate_limiter() const override { return "the test's"; }
  void on_change(OnChange) override {}

 private:
  Task<> set_here(providers::AppRoutes routes) {
    auto& now = machine_.routes[routes.app_uid];
    const bool refused = !routes.keep_rules && !machine_.refuses.empty() && routes.rules[0].host == machine_.refuses;
    if (refused) machine_.refused_hash = providers::rules_hash(routes);
    if (routes.keep_rules || refused) routes.rules = now.rules;
    routes.keep_rules = false;
    const auto leads = [](const providers::AppRoutes& to) {
      return std::ranges::any_of(to.upstreams, [](const auto& backend) { return !backend.second.empty(); });
    };
    machine_.emptied = machine_.emptied || (leads(now) && !leads(routes) && routes.holds);
    now = routes;
    if (refused) throw Error(ErrorCode::Invalid, "Caddy refuses");
    co_return;
  }
  Task<> remove_here(std::string uid) {
    machine_.routes.erase(uid);
    co_return;
  }
  world::Lifeline& line_;
  Machine& machine_;
};

// Code that lies ready; what it is can be changed.
struct Code final : providers::Sources {
  Task<providers::CodeFound> look(providers::CodeSource source) override {
    last = source;
    providers::CodeFound found = now;
    co_return found;
  }
  std::string staged(const std::string& digest) const override { return digest.empty() ? "" : "/code"; }
  Task<> stage(providers::CodeSource, std::string) override { co_return; }
  void on_change(OnChange callback) override { listeners.push_back(std::move(callback)); }

  providers::CodeFound now{.digest = "sha256:code", .staged = true};
  providers::CodeSource last;
  std::vector<OnChange> listeners;
};

// Builds end when the test says so.
struct Shop final : providers::Builder {
  using Phase = providers::BuildState::Phase;
  Task<providers::BuildState> look(providers::BuildSpec spec) override {
    const std::string key = providers::key_of(spec);
    co_return builds.contains(key) ? builds[key] : providers::BuildState{.key = key};
  }
  Task<> begin(providers::BuildSpec spec) override {
    const std::string key = providers::key_of(spec);
    builds[key] = {.phase = Phase::Running, .key = key, .message = "building"};
    last = spec;
    ++begun;
    co_return;
  }
  void end(Phase phase, std::string message = {}) {
    for (auto& [key, state] : builds) {
      if (state.phase != Phase::Running) continue;
      state.phase = phase;
      state.message = message;
      state.image = "sha256:built";
      if (phase == Phase::Failed) state.retry_in = 60s;
    }
    for (const auto& listener : listeners) listener(last.owner_uid);
  }
  std::string built_folder(const std::string& key) const override { return "/built/" + key; }
  void keep_only_build(const std::string&, const std::string&) override {}
  // Looks whether it is still there.
  void forget(const std::string& key) override {
    if (std::exchange(lost, false)) builds.erase(key);
  }
  Task<std::unique_ptr<providers::LogReader>> build_log(std::string, bool) override { co_return nullptr; }
  Task<> sweep(providers::Needed, Duration, Duration) override { co_return; }
  void on_change(OnChange callback) override { listeners.push_back(std::move(callback)); }

  std::map<std::string, providers::BuildState> builds;
  providers::BuildSpec last;
  int begun = 0;
  bool lost = false;  // what was built is not there any more
  std::vector<OnChange> listeners;
};

// What each controller process has of its own; the machine is shared. Kept until the world is gone, as the dead ones'
// memory is.
struct Parts {
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<std::unique_ptr<Proxy>> proxies;
  Code code;
  Shop shop;
};

inline void serve_apps(Machine& machine, Parts& parts, World& world, world::Process& process) {
  parts.hosts.push_back(std::make_unique<Host>(world, process.line, machine));
  parts.proxies.push_back(std::make_unique<Proxy>(process.line, machine));
  auto reconciler = std::make_shared<AppReconciler>(
      AppReconciler::Parts{.reactor = world.reactor,
                           .client = process.client,
                           .kinds = world.kinds,
                           .host = *parts.hosts.back(),
                           .sources = parts.code,
                           .builder = parts.shop,
                           .probe = [&machine](providers::ProbeSpec spec) -> Task<providers::ProbeResult> {
                             if (machine.silent.contains(spec.server)) co_return providers::ProbeResult{.asked = false};
                             const bool healthy = machine.healthy && !machine.sick.contains(spec.server);
                             co_return providers::ProbeResult{healthy, 200, healthy ? "" : "503: not today"};
                           },
                           .hash_key = "key",
                           .wake = [plane = process.plane.get()](const object::Key& key) { plane->poke(key); },
                           .router = parts.proxies.back().get(),
                           .disk_alarm = [&machine] { return machine.disk_alarm; }});
  follow_servers(process.plane->informers(), *reconciler);
  process.plane->serve(object::Resource::of("gantry.dev", "apps"), *reconciler);
  process.plane->leave_alone(object::Resource::of("gantry.dev", "releases"));
  process.reconcilers.push_back(reconciler);
}

inline world::WorldOptions with_apps(Machine& machine, Parts& parts, std::optional<Fault> fault = {}) {
  world::WorldOptions options;
  options.fault = fault;
  options.setup = [&machine, &parts](World& world, world::Process& process) {
    serve_apps(machine, parts, world, process);
  };
  return options;
}

inline std::string hello(const std::string& command, int replicas) {
  return "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: hello, namespace: default}\nspec:\n  runtime: "
         "process\n  source: {code: {path: /code}}\n  command: [" +
         command + "]\n  replicas: " + std::to_string(replicas) + "\n  ports: [{name: http, port: 8080}]\n";
}

inline const std::string kRoute = "  routes: [{host: hello.test, port: http, tls: {mode: internal}}]\n";

inline void until_ready(World& world) {
  for (int i = 0; i < 60 && world.condition("App/hello", "Ready") != "True"; ++i) world.advance(5s);
}

class AppWorld : public testing::Test {
 protected:
  Machine machine;
  Parts parts;
  World world{with_apps(machine, parts)};
};

}  // namespace gantry::reconcilers::app
