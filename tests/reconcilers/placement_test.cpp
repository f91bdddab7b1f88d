// Goal: where each replica runs is decided as people expect, and nobody is moved without need. Method: the decision
// alone, over Servers that are written down.
#include "reconcilers/app/placement.hpp"

#include <gmock/gmock.h>

namespace gantry::reconcilers::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class Placing : public testing::Test {
 protected:
  ServerView& server(const std::string& name) {
    auto& view = *servers.emplace_back(std::make_unique<ServerView>());
    view.name = "default/" + name;
    view.ready = "True";
    view.settled = view.ever_reached = true;
    return view;
  }
  std::vector<Place> places() const {
    std::vector<Place> all;
    for (const auto& view : servers) all.push_back({view->name, view.get(), view->ready == "True"});
    return all;
  }
  std::map<int, std::string> placed(const PlacementInput& input) const {
    std::map<int, std::string> names;
    for (const auto& [slot, name] : assign(places(), input)) names[slot] = name.substr(name.find('/') + 1);
    return names;
  }
  std::vector<std::unique_ptr<ServerView>> servers;
};

TEST_F(Placing, GoesRoundTheServers) {
  server("a");
  server("b");
  EXPECT_THAT(placed({.replicas = 3}), ElementsAre(Pair(0, "a"), Pair(1, "b"), Pair(2, "a")));
}

TEST_F(Placing, WhoRunsStaysWhenAServerComesBetween) {
  server("a");
  server("aa");
  server("b");
  EXPECT_THAT(placed({.replicas = 2, .calm = true, .running = {{0, "default/a"}, {1, "default/b"}}}),
              ElementsAre(Pair(0, "a"), Pair(1, "b")));
}

TEST_F(Placing, SpreadsOneAtATimeWhenOneHasTwoMoreThanAnother) {
  server("a");
  server("b");
  const Assignment all{{0, "default/a"}, {1, "default/a"}, {2, "default/a"}};
  EXPECT_THAT(placed({.replicas = 3, .calm = false, .before = all, .running = all}),
              ElementsAre(Pair(0, "a"), Pair(1, "a"), Pair(2, "a")))
      << "not while something else is under way";
  EXPECT_THAT(placed({.replicas = 3, .calm = true, .before = all, .running = all}),
              ElementsAre(Pair(0, "a"), Pair(1, "a"), Pair(2, "b")));
  EXPECT_THAT(placed({.replicas = 3, .movable = false, .calm = true, .before = all, .running = all}),
              ElementsAre(Pair(0, "a"), Pair(1, "a"), Pair(2, "a")))
      << "data does not travel";
}

TEST_F(Placing, DataPinsItsReplicaAlsoWhereItMayNotBeAnyMore) {
  server("b");
  const Assignment on_a{{0, "default/a"}};
  EXPECT_THAT(placed({.replicas = 2, .movable = false, .has_data = {0}, .before = on_a, .running = on_a}),
              ElementsAre(Pair(0, "a"), Pair(1, "b")));
  EXPECT_THAT(placed({.replicas = 1, .movable = false, .has_data = {0}, .before = on_a}), ElementsAre(Pair(0, "a")))
      << "also when it does not run, or its Server is gone";
  EXPECT_THAT(placed({.replicas = 1, .movable = false, .before = on_a, .running = on_a}), ElementsAre(Pair(0, "b")))
      << "where it never ran, or may leave its data, there is nothing to stay for";
  EXPECT_THAT(placed({.replicas = 1, .before = on_a, .running = on_a}), ElementsAre(Pair(0, "b")));
}

TEST_F(Placing, WhatIsOnItsWayElsewhereIsNotCalledBack) {
  server("a");
  server("b");
  const Assignment meant{{0, "default/a"}, {1, "default/b"}};
  const Assignment running{{0, "default/a"}, {1, "default/a"}};
  EXPECT_THAT(placed({.replicas = 2, .before = meant, .running = running}), ElementsAre(Pair(0, "a"), Pair(1, "b")));
  servers[1]->ready = "False";
  EXPECT_THAT(placed({.replicas = 2, .before = meant, .running = running}), ElementsAre(Pair(0, "a"), Pair(1, "a")))
      << "unless it cannot get there";
}

TEST_F(Placing, AServerThatMustBeLeftGetsNobodyAndLosesWhoMayMove) {
  server("a").leaving = "it is being deleted";
  server("b");
  const Assignment running{{0, "default/a"}};
  EXPECT_THAT(placed({.replicas = 2, .before = running, .running = running}), ElementsAre(Pair(0, "b"), Pair(1, "b")));
  EXPECT_THAT(placed({.replicas = 1, .movable = false, .before = running, .running = running}),
              ElementsAre(Pair(0, "a")));
}

TEST_F(Placing, WithNowhereToGoItWaitsForWhereItWas) {
  server("a").leaving = "it is being resized";
  EXPECT_THAT(placed({.replicas = 1, .before = {{0, "default/a"}}}), ElementsAre(Pair(0, "a")));
}

TEST_F(Placing, WhatRanOnAServerThatIsSilentIsNotStartedElsewhere) {
  server("a").ready = "Unknown";
  server("b");
  EXPECT_THAT(placed({.replicas = 1, .before = {{0, "default/a"}}}), ElementsAre(Pair(0, "a")));
  servers[0]->ever_reached = false;
  EXPECT_THAT(placed({.replicas = 1, .before = {{0, "default/a"}}}), ElementsAre(Pair(0, "b")))
      << "nothing can have run where no agent ever was";
}

TEST_F(Placing, ServersThatFailedGetNobodyNewAndThoseStillBeingMadeDo) {
  server("a").ready = "False";
  auto& coming = server("b");
  coming.ready = "False";
  coming.ever_reached = false;
  server("c");
  EXPECT_THAT(placed({.replicas = 2}), ElementsAre(Pair(0, "c"), Pair(1, "b")));
  coming.refused = true;
  EXPECT_THAT(placed({.replicas = 2}), ElementsAre(Pair(0, "c"), Pair(1, "c")));
}

TEST_F(Placing, WithoutAnyServerNobodyIsPlaced) { EXPECT_THAT(placed({.replicas = 2}), IsEmpty()); }

// ---------------------------------------------------------------- Servers that are made

ServerView made(const std::string& name, const std::string& hash = "h", bool ours = true) {
  ServerView view;
  view.name = "default/" + name;
  view.ours = ours;
  view.ready = "True";
  view.settled = true;
  view.template_hash = hash;
  return view;
}

TEST(Provision, NamesAreTheAppsWithNumbersAndOthersNamesAreLeftAlone) {
  EXPECT_THAT(provision({"web", 2, "h"}, {}).make, ElementsAre("web-1", "web-2"));
  EXPECT_THAT(provision({"web", 2, "h"}, {made("web-1", "", false)}).make, ElementsAre("web-2", "web-3"));
  EXPECT_THAT(provision({"web", 2, "h"}, {made("web-1"), made("web-2")}).make, IsEmpty());
  const std::string longest(63, 'w');
  EXPECT_LE(provision({longest, 1, "h"}, {}).make.front().size(), 63U);
}

TEST(Provision, OneThatIsGoingIsReplacedAtOnceAndItsNameNotTaken) {
  auto going = made("web-1");
  going.deleting = true;
  EXPECT_THAT(provision({"web", 1, "h"}, {going}).make, ElementsAre("web-2"));
}

TEST(Provision, FewerTakesTheLastAndBeforeThemThoseThatDoNotWork) {
  EXPECT_THAT(provision({"web", 1, "h"}, {made("web-1"), made("web-2"), made("web-10")}).remove,
              ElementsAre("web-10", "web-2"));
  auto broken = made("web-1");
  broken.ready = "False";
  EXPECT_THAT(provision({"web", 1, "h"}, {broken, made("web-2")}).remove, ElementsAre("web-1"));
  EXPECT_THAT(provision({"web", 0, ""}, {made("web-1"), made("mine", "", false)}).remove, ElementsAre("web-1"));
}

TEST(Provision, AnotherTemplateReachesThemOneByOne) {
  auto first = made("web-1", "old");
  EXPECT_EQ(provision({"web", 2, "new"}, {first, made("web-2", "old")}).change, "web-1");
  first.template_hash = "new";
  first.settled = false;
  EXPECT_EQ(provision({"web", 2, "new"}, {first, made("web-2", "old")}).change, std::nullopt);
  first.settled = true;
  EXPECT_EQ(provision({"web", 2, "new"}, {first, made("web-2", "old")}).change, "web-2");
}

}  // namespace
}  // namespace gantry::reconcilers::app
