// Goal: the runs of a schedule begin when they are due and once, whatever happens to clocks, controllers and hosts.
#include "tests/reconcilers/app_world.hpp"

#include "reconcilers/app/schedule.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::reconcilers::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Schedules : public testing::Test {
 protected:
  // The App, ready, with one schedule. The world's clock then stands just after `wall`.
  void begin(const std::string& schedule, const std::string& wall) {
    const WallTime then = parse_time(wall);
    ASSERT_GT(then, world.clock.wall()) << "the world begins later";
    world.advance(then - world.clock.wall() - 1min);
    world.apply(hello("/one", 1) + "  schedules: [{name: nightly, command: [/task], " + schedule + "}]\n");
    world.advance(1min);
    EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  }
  void nobody_is_there_for(Duration time) {
    world.process().line.cut();
    world.clock.advance(time, [this] {
      while (world.reactor.poll() > 0) {
      }
    });
    world.restart();
  }
  std::vector<std::string> runs() const {
    std::vector<std::string> found;
    for (const auto& [id, instance] : machine.instances) {
      if (parse_task_id(id)) found.push_back(format_time(instance.started).substr(5, 11));
    }
    std::ranges::sort(found);
    return found;
  }
  std::vector<std::string> alive() const {
    std::vector<std::string> found;
    for (const auto& [id, instance] : machine.instances) {
      if (parse_task_id(id) && instance.state != Instance::State::Exited) found.push_back(id);
    }
    return found;
  }
  void finish(int code = 0) {
    for (const auto& id : alive()) machine.end(id, code, world.clock.wall());
    world.settle();
  }
  std::string said(const std::string& field) {
    const json::Value app = world.get("App/hello");
    return app.at({"status", "schedules"})->as_array().at(0).string_or(field);
  }
  std::size_t begun() const {
    std::size_t count = 0;
    for (const auto& [id, starts] : machine.starts) count += parse_task_id(id) ? static_cast<std::size_t>(starts) : 0;
    return count;
  }

  Machine machine;
  Parts parts;
  World world{with_apps(machine, parts)};
};

TEST_F(Schedules, RunWhenTheyAreDueAndSayWhatBecameOfThem) {
  begin("cron: '0 3 * * *', timeZone: Asia/Seoul", "2026-12-01T12:00:00Z");
  EXPECT_EQ(said("nextScheduleTime"), "2026-12-01T18:00:00Z");
  world.advance(5h + 59min);
  EXPECT_THAT(runs(), IsEmpty());
  world.advance(2min);
  EXPECT_THAT(runs(), ElementsAre("12-01T18:00"));
  EXPECT_EQ(machine.instances.at(alive().at(0)).ports.size(), 0U);
  EXPECT_EQ(machine.commands.back(), "/task");
  EXPECT_EQ(said("lastScheduleTime"), "2026-12-01T18:00:00Z");
  finish(0);
  EXPECT_EQ(said("lastResult"), "Succeeded");
  EXPECT_EQ(world.condition("App/hello", "SchedulesActive"), "True");
  world.advance(24h);
  finish(7);
  EXPECT_EQ(said("lastResult"), "Failed");
  EXPECT_EQ(said("message"), "exited with code 7");
  EXPECT_EQ(said("lastSuccessTime"), "2026-12-01T18:01:00Z");
  EXPECT_EQ(world.reason("App/hello", "SchedulesActive"), "LastRunFailed");
  world.advance(10s);
  EXPECT_THAT(world.events("RunFailed"), SizeIs(1));
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << "the App itself is well";
  EXPECT_EQ(machine.alive("hello-1"), 1U) << "its replica is not touched";
}

TEST_F(Schedules, RunOnceOnTheNightsWhenTheClocksAreChanged) {
  begin("cron: '30 2 * * *', timeZone: Europe/Berlin", "2027-03-27T12:00:00Z");
  for (int hour = 0; hour < 60; ++hour) {
    world.advance(1h);
    finish();
  }
  // 28 March 2027: 02:30 is left out, so it runs at the change, 01:00 UTC; then at 00:30 UTC, by summer time.
  EXPECT_THAT(runs(), ElementsAre("03-28T01:00", "03-29T00:30"));
}

TEST_F(Schedules, RunOnceWhenTheHourComesTwice) {
  begin("cron: '30 2 * * *', timeZone: Europe/Berlin", "2027-10-30T12:00:00Z");
  for (int hour = 0; hour < 60; ++hour) {
    world.advance(1h);
    finish();
  }
  EXPECT_THAT(runs(), ElementsAre("10-31T00:30", "11-01T01:30"));
}

TEST_F(Schedules, AreNotRunTwiceByARestartNorWritten) {
  begin("cron: '0 * * * *'", "2026-12-01T12:30:00Z");
  world.advance(45min);
  EXPECT_EQ(begun(), 1U);
  world.restart();
  world.advance(5min);
  finish();
  world.restart();
  world.advance(5min);
  EXPECT_EQ(begun(), 1U);
  EXPECT_THAT(world.events("RunSucceeded"), SizeIs(1));
  const auto revision = world.store().revision();
  world.advance(4min);
  EXPECT_EQ(world.store().revision(), revision) << "nothing changed, so nothing is written";
}

TEST_F(Schedules, WhatWasMissedIsMadeUpForOnceAndNotTooLate) {
  begin("cron: '0 * * * *', startingDeadlineSeconds: 600", "2026-12-01T12:30:00Z");
  nobody_is_there_for(5h - 22min);
  world.advance(1s);
  EXPECT_EQ(begun(), 1U) << "17:00 is eight minutes ago";
  finish();
  EXPECT_EQ(said("lastScheduleTime"), "2026-12-01T17:00:00Z");
  EXPECT_EQ(said("lastMissedTime"), "2026-12-01T16:00:00Z");
  nobody_is_there_for(2h + 20min);
  world.advance(1min);
  EXPECT_EQ(begun(), 1U) << "19:00 is half an hour ago";
  EXPECT_EQ(said("lastMissedTime"), "2026-12-01T19:00:00Z");
  EXPECT_THAT(world.events("RunMissed"), SizeIs(testing::Ge(1U)));
}

TEST_F(Schedules, ForbidWaitsAndThenGivesUp) {
  begin("cron: '*/10 * * * *', startingDeadlineSeconds: 120", "2026-12-01T12:05:00Z");
  world.advance(6min);
  EXPECT_THAT(alive(), SizeIs(1));
  world.advance(10min);
  EXPECT_THAT(alive(), SizeIs(1)) << "12:20 is held back";
  finish();
  EXPECT_THAT(alive(), SizeIs(1)) << "and begins when the one before has ended";
  world.advance(13min);
  finish();
  EXPECT_EQ(begun(), 2U) << "12:30 came too late";
  EXPECT_EQ(said("lastMissedTime"), "2026-12-01T12:30:00Z");
}

TEST_F(Schedules, AllowRunsBothAndReplaceEndsTheFirst) {
  begin("cron: '*/10 * * * *', concurrencyPolicy: Allow", "2026-12-01T12:05:00Z");
  world.advance(16min);
  EXPECT_THAT(alive(), SizeIs(2));
  world.apply(hello("/one", 1) +
              "  schedules: [{name: nightly, command: [/task], cron: '*/10 * * * *', concurrencyPolicy: Replace}]\n");
  world.advance(10min);
  EXPECT_THAT(alive(), SizeIs(1));
}

TEST_F(Schedules, ARunThatTakesTooLongIsStoppedAndHasFailed) {
  begin("cron: '0 * * * *', timeoutSeconds: 300", "2026-12-01T12:55:00Z");
  world.advance(6min);
  EXPECT_THAT(alive(), SizeIs(1));
  world.advance(5min);
  EXPECT_THAT(alive(), IsEmpty());
  EXPECT_EQ(said("lastResult"), "TimedOut");
}

TEST_F(Schedules, OnlyTheNewestRunsAreKept) {
  begin("cron: '*/5 * * * *', historyLimit: 2", "2026-12-01T12:01:00Z");
  for (int i = 0; i < 6; ++i) {
    world.advance(5min);
    finish();
  }
  EXPECT_EQ(begun(), 6U);
  EXPECT_THAT(runs(), SizeIs(2));
}

TEST_F(Schedules, ACommandThatCannotBeStartedIsToldAndNotTriedOverAndOver) {
  begin("cron: '0 * * * *'", "2026-12-01T12:30:00Z");
  world.apply(hello("/one", 1) + "  schedules: [{name: nightly, command: [/missing], cron: '0 * * * *'}]\n");
  world.advance(45min);
  EXPECT_EQ(said("lastResult"), "StartFailed");
  EXPECT_THAT(said("message"), HasSubstr("/missing"));
  EXPECT_THAT(world.events("RunFailed"), SizeIs(1));
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True");
}

TEST_F(Schedules, SuspendedIsNotDueAndNothingIsMadeUpForLater) {
  begin("cron: '*/10 * * * *', suspend: true", "2026-12-01T12:05:00Z");
  world.advance(1h);
  EXPECT_EQ(begun(), 0U);
  world.apply(hello("/one", 1) +
              "  schedules: [{name: nightly, command: [/task], cron: '*/10 * * * *', suspend: false}]\n");
  world.advance(1min);
  EXPECT_EQ(begun(), 0U);
  world.advance(5min);
  EXPECT_EQ(begun(), 1U);
}

TEST_F(Schedules, RunsEndWithTheirScheduleAndWithTheirApp) {
  begin("cron: '*/10 * * * *'", "2026-12-01T12:05:00Z");
  world.advance(6min);
  EXPECT_THAT(alive(), SizeIs(1));
  world.patch("App/hello", R"({"spec":{"schedules":null}})");
  world.advance(10s);
  EXPECT_THAT(runs(), IsEmpty());
  world.apply(hello("/one", 1) + "  schedules: [{name: nightly, command: [/task], cron: '*/10 * * * *'}]\n");
  world.advance(10min);
  EXPECT_THAT(alive(), SizeIs(1));
  world.remove("App/hello");
  world.advance(1min);
  EXPECT_THAT(machine.instances, IsEmpty());
  EXPECT_EQ(world.find("App/hello"), nullptr);
}

TEST(ScheduleCheck, RefusesWhatCanNeverBeDueWithItsField) {
  std::vector<FieldError> causes;
  check_schedules(json::parse(R"({"spec":{"schedules":[{"name":"a","cron":"0 3 * * *"},
      {"name":"b","cron":"0 25 * * *","timeZone":"Asia/Soul"}]}})"),
                  causes);
  ASSERT_EQ(causes.size(), 2U);
  EXPECT_EQ(causes[0].field, "spec.schedules[1].cron");
  EXPECT_THAT(causes[0].message, HasSubstr("hour goes from 0 to 23"));
  EXPECT_EQ(causes[1].field, "spec.schedules[1].timeZone");
}

}  // namespace
}  // namespace gantry::reconcilers::app
