// Goal: an App's whole life ends as declared although any one call of its controller fails, is lost, or is its last.
// Method: the real store, API and plane in one thread; the machine is a stateful stand-in behind the host's own seam,
// which goes on while controllers come and go. The life is played once to count its calls, then once for each call and
// way to fail.
#include <gmock/gmock.h>

#include "reconcilers/app/app_reconciler.hpp"
#include "tests/world/world.hpp"

namespace gantry::reconcilers::app {
namespace {

using namespace std::chrono_literals;
using providers::Instance;
using world::Fault;
using world::World;

// What runs, whoever controls it.
struct Machine {
  std::map<std::string, Instance> instances;
  std::vector<std::function<void(const std::string&)>> listeners;
  std::map<std::string, int> starts;  // by id: one is right
  std::vector<std::string> commands;  // the first word of each start, in order
  bool healthy = true;
  std::string log = "the last words\n";
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
  void end(const std::string& id, int code, WallTime now) {
    auto& one = instances.at(id);
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
      if (uid.empty() || one.owner_uid == uid) found.push_back(one);
    }
    co_return found;
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
  Task<std::string> log_tail(std::string, std::size_t) override { co_return machine_.log; }
  Task<std::string> ensure_image(std::string) override { co_return "sha256:image"; }
  void on_change(OnChange callback) override {
    machine_.listeners.push_back([this, callback](const std::string& uid) {
      if (!line_.is_cut()) callback(uid);
    });
  }

 private:
  Task<Instance> start_here(providers::InstanceSpec spec) {
    if (spec.command.front() == "/missing") throw Error(ErrorCode::Invalid, "the command \"/missing\" was not found");
    auto& one = machine_.instances[spec.id];
    if (one.id.empty()) {
      ++machine_.starts[spec.id];
      machine_.commands.push_back(spec.command.front());
      one = {.id = spec.id,
             .owner_uid = spec.owner_uid,
             .owner_namespace = spec.owner_namespace,
             .owner_name = spec.owner_name,
             .release = spec.release,
             .slot = spec.slot};
      one.state = Instance::State::Running;
      one.started = world_.clock.wall();
      one.ports = spec.ports;
      for (auto& port : one.ports) {
        if (port.host_port == 0) port.host_port = machine_.next_port++;
      }
    }
    co_return one;
  }
  Task<> stop_here(std::string id) {
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

struct Code final : CodeFolders {
  Task<std::string> digest(std::string) override { co_return "sha256:code"; }
  std::string staged(const std::string&) const override { return "/code"; }
  Task<> stage(std::string, std::string) override { co_return; }
};

// What each controller process has of its own; the machine is shared. Kept until the world is gone, as the dead ones'
// memory is.
struct Parts {
  std::vector<std::unique_ptr<Host>> hosts;
  Code code;
};

world::WorldOptions with_apps(Machine& machine, Parts& parts, std::optional<Fault> fault = {}) {
  world::WorldOptions options;
  options.fault = fault;
  options.setup = [&machine, &parts](World& world, world::Process& process) {
    parts.hosts.push_back(std::make_unique<Host>(world, process.line, machine));
    auto reconciler = std::make_shared<AppReconciler>(AppReconciler::Parts{
        .reactor = world.reactor,
        .client = process.client,
        .kinds = world.kinds,
        .host = *parts.hosts.back(),
        .code = parts.code,
        .probe = [&machine](providers::ProbeSpec) -> Task<providers::ProbeResult> {
          co_return providers::ProbeResult{machine.healthy, 200, machine.healthy ? "" : "503: not today"};
        },
        .hash_key = "key",
        .wake = [plane = process.plane.get()](const object::Key& key) { plane->poke(key); }});
    process.plane->serve(object::Resource::of("gantry.dev", "apps"), *reconciler);
    process.plane->leave_alone(object::Resource::of("gantry.dev", "releases"));
    process.reconcilers.push_back(reconciler);
  };
  return options;
}

std::string hello(const std::string& command, int replicas) {
  return "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: hello, namespace: default}\nspec:\n  runtime: "
         "process\n  source: {code: {path: /code}}\n  command: [" +
         command + "]\n  replicas: " + std::to_string(replicas) + "\n  ports: [{name: http, port: 8080}]\n";
}

void until_ready(World& world) {
  for (int i = 0; i < 60 && world.condition("App/hello", "Ready") != "True"; ++i) world.advance(5s);
}

// Made, killed, changed, scaled, deleted; what is declared is true after each.
void live(World& world, Machine& machine) {
  world.apply(hello("/one", 2));
  until_ready(world);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  EXPECT_EQ(machine.alive("hello-1"), 2U);

  machine.end(std::find_if(machine.instances.begin(), machine.instances.end(),
                           [](const auto& one) { return one.second.state == Instance::State::Running; })
                  ->first,
              1, world.clock.wall());
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-1"), 2U) << "a replica that died is started again";

  world.apply(hello("/two", 2));
  world.advance(1s);
  until_ready(world);
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-2"), 2U) << world.message("App/hello", "Ready");
  EXPECT_EQ(machine.alive(), 2U) << "the old release is gone";

  world.apply(hello("/two", 3));
  world.advance(1min);
  EXPECT_EQ(machine.alive("hello-2"), 3U) << "more replicas need no new release";
  EXPECT_EQ(world.list("Release").size(), 2U);

  world.remove("App/hello");
  world.advance(3min);
  EXPECT_EQ(world.find("App/hello"), nullptr);
  EXPECT_TRUE(machine.instances.empty());
  EXPECT_TRUE(world.list("Release").empty()) << "releases go with their App";
}

TEST(AppLife, EndsAsDeclaredWhicheverCallFails) {
  std::size_t calls = 0;
  {
    Machine machine;
    Parts parts;
    World world(with_apps(machine, parts));
    live(world, machine);
    calls = world.faults.calls();
  }
  ASSERT_GT(calls, 20U);
  for (const Fault& fault : world::every_fault(calls)) {
    SCOPED_TRACE(fault);
    Machine machine;
    Parts parts;
    World world(with_apps(machine, parts, fault));
    live(world, machine);
    for (const auto& [id, count] : machine.starts) EXPECT_EQ(count, 1) << id << " was started twice";
    EXPECT_FALSE(machine.twins());
    if (testing::Test::HasFailure()) break;
  }
}

class AppWorld : public testing::Test {
 protected:
  Machine machine;
  Parts parts;
  World world{with_apps(machine, parts)};
};

TEST_F(AppWorld, ASettledAppIsLeftAlone) {
  world.apply(hello("/one", 2));
  until_ready(world);
  world.advance(1min);
  const auto revision = world.store().revision();
  const auto starts = machine.commands.size();
  world.advance(60min);
  EXPECT_EQ(world.store().revision(), revision) << "nothing changed, so nothing is written";
  EXPECT_EQ(machine.commands.size(), starts);
}

TEST_F(AppWorld, ARestartedControllerAdoptsWhatRuns) {
  world.apply(hello("/one", 2));
  until_ready(world);
  const auto before = machine.instances.size();
  world.restart();
  world.advance(10min);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
  EXPECT_EQ(machine.instances.size(), before);
  EXPECT_EQ(machine.commands.size(), 2U) << "nothing was started anew";
}

TEST_F(AppWorld, AReleaseThatNeverBecomesReadyFailsAndTheLastGoodOneRuns) {
  world.apply(hello("/one", 2));
  until_ready(world);
  world.apply(hello("/missing", 2));
  world.advance(1min);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "StartFailed");
  EXPECT_EQ(world.condition("App/hello", "Available"), "True") << "the old one serves";
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  world.advance(15min);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "RolloutFailed");
  EXPECT_EQ(world.get("Release/hello-2").at({"status", "phase"})->as_string(), "Failed");
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  world.apply(hello("/three", 2));
  world.advance(1min);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
  EXPECT_EQ(machine.alive("hello-3"), 2U);
}

TEST_F(AppWorld, ASickReplicaIsReplacedAndSaysWhy) {
  world.apply(hello("/one", 1));
  until_ready(world);
  machine.healthy = false;
  world.advance(30s);
  EXPECT_NE(world.condition("App/hello", "Ready"), "True");
  EXPECT_THAT(world.message("App/hello", "Ready"), testing::HasSubstr("503: not today"));
  machine.healthy = true;
  world.advance(2min);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
  EXPECT_GT(machine.commands.size(), 1U);
}

TEST_F(AppWorld, ARollbackIsObeyedOnceAlsoWhenTheHistoryHasLostIt) {
  const std::string keep_one = "  revisionHistoryLimit: 1\n";
  world.apply(hello("/one", 1) + keep_one);
  until_ready(world);
  world.apply(hello("/two", 1) + keep_one);
  world.advance(30s);
  world.patch("App/hello", R"({"metadata":{"annotations":{"gantry.dev/rollback-to":"1"}}})");
  world.advance(30s);
  EXPECT_EQ(machine.commands.back(), "/one");
  for (const char* command : {"/three", "/four", "/five"}) {
    world.apply(hello(command, 1) + keep_one);
    world.advance(1min);
  }
  EXPECT_EQ(machine.commands.back(), "/five");
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  EXPECT_EQ(world.list("Release").size(), 2U);
}

TEST_F(AppWorld, AReleaseThatNeverBecameReadyHasFailedOnceAnotherTakesItsPlace) {
  machine.healthy = false;
  world.apply(hello("/one", 1));
  world.advance(10s);
  EXPECT_EQ(world.get("Release/hello-1").at({"status", "phase"})->as_string(), "Progressing");
  machine.healthy = true;
  machine.log = std::string(3'000'000, 'x') + "\nthe last \xFF words\n";
  world.apply(hello("/two", 1));
  until_ready(world);
  const json::Value first = world.get("Release/hello-1");
  EXPECT_EQ(first.at({"status", "phase"})->as_string(), "Failed") << "it is none to go back to";
  EXPECT_EQ(first.at({"status", "evidence", "log"})->as_string(), "the last \xEF\xBF\xBD words\n");
  EXPECT_EQ(world.get("Release/hello-2").at({"status", "phase"})->as_string(), "Active");
}

TEST_F(AppWorld, AnObstacleIsToldOnceAlsoOverARestart) {
  world.apply(hello("/one", 1) + "  env: [{name: KEY, valueFrom: {secretKeyRef: {name: later, key: k}}}]\n");
  world.advance(5min);
  world.restart();
  world.advance(30min);
  const auto told = world.events("ReferenceNotFound");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].int_or("count", 0), 1);
}

TEST_F(AppWorld, ADeletedAppIsForgotten) {
  auto& reconciler = dynamic_cast<AppReconciler&>(*world.process().reconcilers.front());
  for (int i = 0; i < 3; ++i) {
    world.apply(hello("/one", 1));
    until_ready(world);
    world.remove("App/hello");
    world.advance(1min);
  }
  EXPECT_EQ(reconciler.remembered(), 0U);
}

TEST_F(AppWorld, AMissingSecretBlocksAndItsArrivalUnblocks) {
  world.apply(hello("/one", 1) + "  env: [{name: KEY, valueFrom: {secretKeyRef: {name: later, key: k}}}]\n");
  world.advance(10s);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "ReferenceNotFound");
  EXPECT_EQ(machine.alive(), 0U);
  world.apply(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: later, namespace: default}\ndata: {k: aGVsbG8gd29ybGQ=}\n");
  const auto told = world.events("ReferenceNotFound");
  ASSERT_EQ(told.size(), 1U) << "an Event says so too";
  EXPECT_EQ(told[0].string_or("type"), "Warning");
  EXPECT_THAT(told[0].string_or("message"), testing::HasSubstr("later"));
  EXPECT_EQ(told[0].int_or("count", 0), 1);
  world.advance(10s);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  // A rotated Secret is a new release.
  world.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: later, namespace: default}\ndata: {k: Z29vZGJ5ZQ==}\n");
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-2"), 1U);
}

TEST_F(AppWorld, ItsStatusSaysWhatRunsWhereAndSinceWhen) {
  world.apply(hello("/one", 1));
  until_ready(world);
  const json::Value status = *world.get("App/hello").find("status");
  EXPECT_EQ(status.string_or("source"), "/code");
  EXPECT_EQ(status.string_or("servers"), "local");
  EXPECT_EQ(status.string_or("lastDeployTime"),
            world.get("Release/hello-1").at({"metadata", "creationTimestamp"})->as_string());
}

}  // namespace
}  // namespace gantry::reconcilers::app
