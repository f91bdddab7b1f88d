// Goal: which release runs is a decision anybody can read in a table.
#include "reconcilers/app/releases.hpp"

#include <gmock/gmock.h>

namespace gantry::reconcilers::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

ReleaseView release(std::int64_t revision, std::string hash, std::string phase = "Superseded") {
  ReleaseView view;
  view.name = release_name("web", revision);
  view.revision = revision;
  view.config_hash = hash;
  view.spec_hash = hash;
  view.phase = phase;
  return view;
}

TEST(Releases, TheFirstIsMadeFromTheSpec) {
  const auto choice = choose_release({.spec_hash = "a", .config_hash = "a", .rollback_to = {}}, {});
  EXPECT_TRUE(choice.make);
  EXPECT_EQ(choice.revision, 1);
  EXPECT_EQ(choice.copy, nullptr);
}

TEST(Releases, TheNewestRunsWhileNothingChanged) {
  const std::vector releases{release(1, "a"), release(2, "b", "Active")};
  const auto choice = choose_release({.spec_hash = "b", .config_hash = "b", .rollback_to = {}}, releases);
  EXPECT_FALSE(choice.make);
  EXPECT_EQ(choice.run, &releases[1]);
}

TEST(Releases, AChangedSpecMakesANewOne) {
  const auto choice = choose_release({.spec_hash = "c", .config_hash = "c", .rollback_to = {}},
                                     {release(1, "a"), release(2, "b", "Active")});
  EXPECT_TRUE(choice.make);
  EXPECT_EQ(choice.revision, 3);
  EXPECT_EQ(choice.cause, "the spec has changed");
}

TEST(Releases, ARotatedSecretMakesANewOneAndSaysSo) {
  auto newest = release(1, "a", "Active");
  newest.config_hash = "a+old secret";
  EXPECT_EQ(choose_release({.spec_hash = "a", .config_hash = "a+new secret", .rollback_to = {}}, {newest}).cause,
            "a Secret or ConfigMap it uses has changed");
}

TEST(Releases, ARollbackIsANewReleaseThatCopiesAnOldOne) {
  const std::vector releases{release(1, "a"), release(2, "b", "Active")};
  const auto choice = choose_release({.spec_hash = "b", .config_hash = "b", .rollback_to = "1"}, releases);
  EXPECT_TRUE(choice.make);
  EXPECT_EQ(choice.copy, &releases[0]);
  EXPECT_EQ(choice.revision, 3);
}

TEST(Releases, ARollbackStandsUntilTheSpecChanges) {
  auto back = release(3, "a", "Active");
  back.held_for = "b";
  back.rollback_request = "1";
  const std::vector releases{release(1, "a"), release(2, "b"), back};
  // The same bad spec is applied again: nothing happens.
  EXPECT_EQ(choose_release({.spec_hash = "b", .config_hash = "b", .rollback_to = "1"}, releases).run, &releases[2]);
  // A different one arrives: it is released.
  EXPECT_TRUE(choose_release({.spec_hash = "c", .config_hash = "c", .rollback_to = "1"}, releases).make);
}

TEST(Releases, ARollbackIsObeyedOnceAlsoWhenTheHistoryHasLostIt) {
  // Release 3 was the rollback; it is gone, and a later one carries the request on.
  auto newest = release(5, "c", "Active");
  newest.rollback_request = "1";
  const std::vector releases{release(1, "a"), release(4, "d"), newest};
  const auto choice = choose_release({.spec_hash = "c", .config_hash = "c", .rollback_to = "1"}, releases);
  EXPECT_FALSE(choice.make);
  EXPECT_EQ(choice.run, &releases[2]);
}

TEST(Releases, AFailedReleaseGivesWayToTheLastGoodOne) {
  const std::vector releases{release(1, "a", "Superseded"), release(2, "b", "Failed"), release(3, "c", "Failed")};
  EXPECT_EQ(choose_release({.spec_hash = "c", .config_hash = "c", .rollback_to = {}}, releases).run, &releases[0]);
  EXPECT_EQ(
      choose_release({.spec_hash = "c", .config_hash = "c", .rollback_to = {}, .auto_rollback = false}, releases).run,
      &releases[2]);
}

TEST(Releases, AnUnknownRevisionIsAProblemAndChangesNothing) {
  const std::vector releases{release(1, "a", "Active")};
  const auto choice = choose_release({.spec_hash = "a", .config_hash = "a", .rollback_to = "9"}, releases);
  EXPECT_EQ(choice.run, &releases[0]);
  EXPECT_EQ(choice.problem, "there is no revision 9 to roll back to");
}

TEST(Releases, HistoryIsLimitedButNeverLosesWhatRuns) {
  const std::vector releases{release(1, "a", "Active"), release(2, "b"), release(3, "c"), release(4, "d", "Failed")};
  EXPECT_THAT(releases_to_forget(releases, "web-1", 1), ElementsAre("web-2", "web-3"));
  EXPECT_THAT(releases_to_forget(releases, "web-1", 3), IsEmpty());
}

TEST(Releases, ReplicasAndHealthAreNoPartOfTheTemplate) {
  const auto app = json::parse(R"({"spec":{"replicas":3,"command":["a"],"health":{},"runtime":"process"}})");
  EXPECT_EQ(json::dump(template_of(app)), R"({"command":["a"],"runtime":"process"})");
}

}  // namespace
}  // namespace gantry::reconcilers::app
