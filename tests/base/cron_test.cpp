// Goal: a schedule is due when people expect it, above all where the clocks are changed. The first table follows the
// one that robfig/cron (Kubernetes' parser) is tested with; the others are Debian cron's rules.
#include "controller/base/cron.hpp"

#include <gmock/gmock.h>

#include <random>

#include "controller/base/error.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

TimeZone::Time utc(const std::string& text) {
  return std::chrono::floor<std::chrono::seconds>(parse_time(text + (text.size() == 16 ? ":00Z" : "Z")));
}
std::string text_of(std::optional<TimeZone::Time> time) {
  return time ? format_time(WallTime(*time)).substr(0, 16) : "never";
}
std::string next(const std::string& cron, const std::string& after, const std::string& zone = "UTC") {
  return text_of(Cron::parse(cron).next(utc(after), *TimeZone::find(zone)));
}
// As the clocks of the zone show them.
std::vector<std::string> local_runs(const std::string& cron, const std::string& zone, const std::string& after,
                                    int count) {
  const auto where = TimeZone::find(zone);
  std::vector<std::string> runs;
  auto at = std::optional(utc(after));
  for (int i = 0; i < count && at; ++i) {
    at = Cron::parse(cron).next(*at, *where);
    if (at) runs.push_back(text_of(*at + where->period_at(*at).offset).substr(5));
  }
  return runs;
}

TEST(Cron, IsDueAsThePublicTableSays) {
  struct Case {
    const char *after, *cron, *due;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"2012-07-09T14:45", "0/15 * * * *", "2012-07-09T15:00"},
           {"2012-07-09T14:59", "0/15 * * * *", "2012-07-09T15:00"},
           {"2012-07-09T14:59:59", "*/15 * * * *", "2012-07-09T15:00"},
           {"2012-07-09T15:45", "20-35/15 * * * *", "2012-07-09T16:20"},
           {"2012-07-09T23:46", "*/15 * * * *", "2012-07-10T00:00"},
           {"2012-07-09T23:45", "20-35/15 * * * *", "2012-07-10T00:20"},
           {"2012-07-09T23:35:51", "20-35/15 1/2 * * *", "2012-07-10T01:20"},
           {"2012-07-09T23:35:51", "20-35/15 10-12 * * *", "2012-07-10T10:20"},
           {"2012-07-09T23:35:51", "20-35/15 1/2 */2 * *", "2012-07-11T01:20"},
           {"2012-07-09T23:35:51", "20-35/15 * 9-20 * *", "2012-07-10T00:20"},
           {"2012-07-09T23:35:51", "20-35/15 * 9-20 jul *", "2012-07-10T00:20"},
           {"2012-07-09T23:35", "0 0 9 apr-oct ?", "2012-08-09T00:00"},
           {"2012-07-09T23:35", "0 0 */5 apr,aug,oct mon", "2012-08-06T00:00"},
           {"2012-07-09T23:35", "0 0 */5 oct mon", "2012-10-01T00:00"},
           {"2012-07-09T23:35", "0 0 * feb mon", "2013-02-04T00:00"},
           {"2012-07-09T23:35", "0 0 * feb mon/2", "2013-02-01T00:00"},
           {"2012-07-09T23:35", "0 0 29 feb ?", "2016-02-29T00:00"},
           {"2012-07-09T23:35", "0 0 30 feb ?", "never"},
           {"2012-07-09T23:35", "0 0 31 apr ?", "never"},
           {"2096-03-01T00:00", "0 0 29 2 *", "2104-02-29T00:00"},
           {"2012-07-09T15:00", "@hourly", "2012-07-09T16:00"},
           {"2012-07-09T15:00", "@daily", "2012-07-10T00:00"},
           {"2012-07-09T15:00", "@weekly", "2012-07-15T00:00"},
           {"2012-07-09T15:00", "@monthly", "2012-08-01T00:00"},
           {"2012-07-09T15:00", "@yearly", "2013-01-01T00:00"},
           // crontab(5): both days restricted, so either will do.
           {"2026-11-01T04:31", "30 4 1,15 * 5", "2026-11-06T04:30"},
           {"2026-11-13T04:30", "30 4 1,15 * 5", "2026-11-15T04:30"},
           {"2026-11-20T00:00", "5 4 * * sun", "2026-11-22T04:05"},
           {"2026-11-20T00:00", "5 4 * * 7", "2026-11-22T04:05"},
           {"2026-11-20T23:00", "0 22 * * 1-5", "2026-11-23T22:00"},
           {"2026-11-20T23:00", "23 0-23/2 * * *", "2026-11-21T00:23"},
       }) {
    EXPECT_EQ(next(one.cron, one.after), one.due) << one.cron << " after " << one.after;
  }
}

TEST(Cron, RunsOnceOnTheDayWhenItsHourIsSkipped) {
  // Berlin, 29 March 2026: 02:00 to 03:00 are left out.
  EXPECT_THAT(local_runs("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00", 3),
              ElementsAre("03-28T02:30", "03-29T03:00", "03-30T02:30"));
  EXPECT_THAT(local_runs("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2),
              ElementsAre("03-29T03:00", "03-30T02:00"));
  EXPECT_THAT(local_runs("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00", 2),
              ElementsAre("03-29T03:00", "03-30T03:00"));
  EXPECT_THAT(local_runs("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 2),
              ElementsAre("03-29T03:00", "03-30T02:00"));
  EXPECT_THAT(local_runs("0 * * * *", "Europe/Berlin", "2026-03-29T00:30", 3),
              ElementsAre("03-29T03:00", "03-29T04:00", "03-29T05:00"))
      << "every hour goes by the time that passes";
}

TEST(Cron, RunsOnceOnTheDayWhenItsHourComesTwice) {
  // New York, 1 November 2026: 01:00 to 02:00 come twice.
  EXPECT_THAT(local_runs("30 1 * * *", "America/New_York", "2026-10-31T12:00", 2),
              ElementsAre("11-01T01:30", "11-02T01:30"));
  EXPECT_EQ(next("30 1 * * *", "2026-10-31T12:00", "America/New_York"), "2026-11-01T05:30") << "the first of the two";
  EXPECT_THAT(local_runs("30 * * * *", "America/New_York", "2026-11-01T04:00", 4),
              ElementsAre("11-01T00:30", "11-01T01:30", "11-01T01:30", "11-01T02:30"));
  EXPECT_THAT(local_runs("*/30 1 * * *", "America/New_York", "2026-11-01T04:59", 5),
              ElementsAre("11-01T01:00", "11-01T01:30", "11-01T01:00", "11-01T01:30", "11-02T01:00"));
  EXPECT_THAT(local_runs("0 2 * * *", "America/New_York", "2026-10-31T12:00", 2),
              ElementsAre("11-01T02:00", "11-02T02:00"));
}

TEST(Cron, KnowsOddChangesAndTimesBeyondTheTables) {
  // Lord Howe moves by half an hour: 02:00 to 02:30 are left out on 4 October 2026.
  EXPECT_THAT(local_runs("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T12:00", 3),
              ElementsAre("10-03T02:15", "10-04T02:30", "10-05T02:15"));
  EXPECT_THAT(local_runs("0 3 * * *", "Asia/Seoul", "2026-11-20T18:00", 2), ElementsAre("11-22T03:00", "11-23T03:00"));
  // The rule at the end of the file: 2060, long after its last table.
  EXPECT_THAT(local_runs("30 2 * * *", "Europe/Berlin", "2060-03-27T12:00", 2),
              ElementsAre("03-28T03:00", "03-29T02:30"));
  EXPECT_THAT(local_runs("30 1 * * *", "America/New_York", "2060-11-06T12:00", 2),
              ElementsAre("11-07T01:30", "11-08T01:30"));
}

TEST(Cron, NothingIsDueBetweenATimeAndWhatFollowsIt) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 chance(seed);
  const auto pick = [&](std::initializer_list<const char*> choices) {
    return std::string(choices.begin()[chance() % choices.size()]);
  };
  for (int round = 0; round < 200; ++round) {
    const std::string text = pick({"*", "0", "*/7", "5-50/9", "59"}) + " " + pick({"*", "0", "3,23", "*/5", "8-18"}) +
                             " " + pick({"*", "1", "31", "*/10", "15"}) + " " + pick({"*", "2", "1-6/2", "dec"}) + " " +
                             pick({"*", "0", "1-5", "7", "6"});
    const Cron cron = Cron::parse(text);
    TimeZone::Time at = utc("2026-01-01T00:00") + std::chrono::minutes(chance() % 500'000);
    const auto due = cron.next(at, *TimeZone::utc());
    if (text.contains(" 31 2")) continue;  // never
    ASSERT_TRUE(due) << text;
    EXPECT_GT(*due, at);
    // Due is due: from a second before it, it comes again; and nothing lies between.
    EXPECT_EQ(cron.next(*due - 1s, *TimeZone::utc()), due) << text;
    const auto middle = at + (*due - at) / 2;
    EXPECT_EQ(cron.next(middle, *TimeZone::utc()), due) << text << " from the middle";
  }
}

TEST(Cron, SaysWhatIsWrong) {
  const auto problem = [](const std::string& text) {
    try {
      Cron::parse(text);
    } catch (const Error& error) {
      return error.message();
    }
    return std::string("(none)");
  };
  EXPECT_THAT(problem("* * * *"), HasSubstr("five fields"));
  EXPECT_THAT(problem(""), HasSubstr("five fields"));
  EXPECT_THAT(problem("60 * * * *"), HasSubstr("minute goes from 0 to 59, not 60"));
  EXPECT_THAT(problem("* 24 * * *"), HasSubstr("hour goes from 0 to 23"));
  EXPECT_THAT(problem("* * 0 * *"), HasSubstr("day of month goes from 1"));
  EXPECT_THAT(problem("* * * foo *"), HasSubstr("\"foo\" is no month"));
  EXPECT_THAT(problem("* * * * mon-"), HasSubstr("is no day of week"));
  EXPECT_THAT(problem("*/0 * * * *"), HasSubstr("from 1 on"));
  EXPECT_THAT(problem("30-10 * * * *"), HasSubstr("goes backwards"));
  EXPECT_THAT(problem("1,,2 * * * *"), HasSubstr("is no minute"));
  EXPECT_THAT(problem("0 0 L * *"), HasSubstr("\"l\" is no day of month"));
  EXPECT_THAT(problem("99999999999 * * * *"), HasSubstr("is no minute"));
  EXPECT_THAT(problem("@reboot"), HasSubstr("@daily"));
}

TEST(TimeZone, UnknownNamesAndDamagedFilesAreRefused) {
  EXPECT_THROW(TimeZone::find("Asia/Soul"), Error);
  EXPECT_THROW(TimeZone::find("../../etc/passwd"), Error);
  EXPECT_THROW(TimeZone::find("/etc/passwd"), Error);
  EXPECT_THROW(TimeZone::find("Europe"), Error);
  EXPECT_THROW(TimeZone::parse(""), Error);
  EXPECT_THROW(TimeZone::parse("TZif2" + std::string(200, '\xFF')), Error);
}

}  // namespace
}  // namespace gantry
