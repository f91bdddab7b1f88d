// Goal: what must happen before a release happens once, and what fails there touches nothing that serves.
#include "tests/reconcilers/app_world.hpp"

#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class Hooks : public AppWorld {
 protected:
  std::string with_hook(const std::string& command, const std::string& hook = "/migrate") const {
    return hello(command, 2) + "  hooks: {preDeploy: {command: [" + hook + "], timeoutSeconds: 60}}\n";
  }
  std::vector<std::string> running_hooks() const {
    std::vector<std::string> ids;
    for (const auto& [id, one] : machine.instances) {
      if (parse_task_id(id) && one.state != Instance::State::Exited) ids.push_back(id);
    }
    return ids;
  }
  void finish(int code) {
    for (const auto& id : running_hooks()) machine.end(id, code, world.clock.wall());
    world.advance(10s);
  }
  std::size_t hooks_begun() const {
    std::size_t count = 0;
    for (const auto& [id, starts] : machine.starts) count += parse_task_id(id) ? static_cast<std::size_t>(starts) : 0;
    return count;
  }
  std::size_t replicas(const std::string& release) const { return machine.alive(release) - on(release); }
  std::size_t on(const std::string& release) const {
    std::size_t count = 0;
    for (const auto& id : running_hooks()) count += machine.instances.at(id).release == release;
    return count;
  }
};

TEST_F(Hooks, RunOnceBeforeTheFirstReplicaOfARelease) {
  world.apply(with_hook("/one"));
  world.advance(10s);
  EXPECT_THAT(machine.commands, ElementsAre("/migrate")) << "nothing of the release runs yet";
  EXPECT_EQ(world.reason("App/hello", "Ready"), "PreDeployHook");
  EXPECT_TRUE(machine.instances.begin()->second.ports.empty());
  world.restart();
  world.advance(10s);
  EXPECT_EQ(hooks_begun(), 1U) << "a restart of ours begins nothing twice";
  finish(0);
  world.advance(30s);
  EXPECT_THAT(machine.commands, ElementsAre("/migrate", "/one", "/one"));
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");

  world.apply(with_hook("/two"));
  world.advance(10s);
  EXPECT_EQ(replicas("hello-1"), 2U) << "the one before serves meanwhile";
  EXPECT_EQ(replicas("hello-2"), 0U);
  EXPECT_EQ(hooks_begun(), 2U);
  world.restart();
  finish(0);
  world.restart();
  world.advance(1min);
  EXPECT_EQ(replicas("hello-2"), 2U);
  EXPECT_EQ(replicas("hello-1"), 0U);
  EXPECT_EQ(hooks_begun(), 2U);
  world.advance(30min);
  world.restart();
  world.advance(5min);
  EXPECT_EQ(hooks_begun(), 2U);
  EXPECT_THAT(machine.instances, SizeIs(2)) << "no records are left over";
}

TEST_F(Hooks, AFailingOneRefusesTheReleaseWithEvidence) {
  world.apply(with_hook("/one"));
  world.advance(10s);
  finish(0);
  until_ready(world);
  world.apply(with_hook("/two"));
  world.advance(10s);
  machine.log = "column \"price\" exists already\n";
  finish(3);
  world.advance(2min);
  EXPECT_EQ(replicas("hello-1"), 2U) << "the one before was not touched";
  EXPECT_EQ(replicas("hello-2"), 0U);
  EXPECT_EQ(std::ranges::count(machine.commands, "/one"), 2);
  const json::Value release = world.get("Release/hello-2");
  EXPECT_EQ(release.at({"status", "phase"})->as_string(), "Failed");
  EXPECT_EQ(release.at({"status", "reason"})->as_string(), "its pre-deploy hook exited with code 3");
  EXPECT_EQ(release.at({"status", "evidence", "exitCode"})->as_int(), 3);
  EXPECT_THAT(release.at({"status", "evidence", "log"})->as_string(), HasSubstr("price"));
  EXPECT_EQ(world.reason("App/hello", "Progressing"), "HookFailed");
  EXPECT_THAT(world.message("App/hello", "Ready"), HasSubstr("hello-1 runs instead"));
  EXPECT_EQ(hooks_begun(), 2U) << "and is not tried over and over";
  world.apply(with_hook("/three"));
  world.advance(10s);
  finish(0);
  world.advance(1min);
  EXPECT_EQ(replicas("hello-3"), 2U);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
}

TEST_F(Hooks, TheTimeThatOneTakesIsNotTheReleasesOwn) {
  world.apply(hello("/one", 2) +
              "  hooks: {preDeploy: {command: [/migrate], timeoutSeconds: 3600}}\n"
              "  strategy: {progressDeadlineSeconds: 60}\n");
  world.advance(30min);
  finish(0);
  until_ready(world);
  EXPECT_EQ(world.get("Release/hello-1").at({"status", "phase"})->as_string(), "Active");
  EXPECT_THAT(world.events("RolloutFailed"), testing::IsEmpty());
}

TEST_F(Hooks, OneThatNeverEndsIsStoppedAndOneThatCannotBeStartedSaysSo) {
  world.apply(with_hook("/one"));
  world.advance(90s);
  EXPECT_EQ(world.get("Release/hello-1").at({"status", "phase"})->as_string(), "Failed");
  EXPECT_THAT(world.message("App/hello", "Ready"), HasSubstr("took longer than"));
  EXPECT_EQ(machine.alive(), 0U);
  world.apply(with_hook("/one", "/missing"));
  world.advance(1min);
  EXPECT_THAT(world.message("App/hello", "Ready"), HasSubstr("/missing"));
  EXPECT_EQ(replicas("hello-2"), 0U);
}

TEST_F(Hooks, EndAsDeclaredWhicheverCallFails) {
  const auto live_with_hook = [this](World& one, Machine& on) {
    one.apply(with_hook("/one"));
    for (int i = 0; i < 60 && one.condition("App/hello", "Ready") != "True"; ++i) {
      for (auto& [id, instance] : std::map(on.instances)) {
        if (parse_task_id(id) && instance.state != Instance::State::Exited) on.end(id, 0, one.clock.wall());
      }
      one.advance(5s);
    }
    EXPECT_EQ(one.condition("App/hello", "Ready"), "True") << one.message("App/hello", "Ready");
    one.remove("App/hello");
    one.advance(2min);
    EXPECT_TRUE(on.instances.empty());
  };
  std::size_t calls = 0;
  {
    Machine here;
    Parts own;
    World one(with_apps(here, own));
    live_with_hook(one, here);
    calls = one.faults.calls();
  }
  for (const Fault& fault : world::every_fault(calls)) {
    SCOPED_TRACE(fault);
    Machine here;
    Parts own;
    World one(with_apps(here, own, fault));
    live_with_hook(one, here);
    for (const auto& [id, count] : here.starts) EXPECT_EQ(count, 1) << id << " was started twice";
    if (testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace gantry::reconcilers::app
