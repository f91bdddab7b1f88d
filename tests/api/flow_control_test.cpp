// Goal: one client's flood is its own trouble. Who else asks, and the house itself, is served in between.
#include "tests/api/rbac_fixture.hpp"

namespace gantry::api::access {
namespace {

using ::testing::ElementsAre;

class FlowControlTest : public ::testing::Test {
 protected:
  static User user(const std::string& name, std::vector<std::string> groups = {}) {
    return {name, "", std::move(groups)};
  }
  void settle() {
    while (front.poll() > 0) {
    }
  }
  // Holds its seat until let_go(name).
  Task<> write(FlowControl& flow, User who) {
    try {
      FlowControl::Seat seat = co_await flow.enter_write(who);
      started.push_back(who.name);
      seats.emplace_back(who.name, std::move(seat));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::RateLimited);
      EXPECT_TRUE(error.retry_after);
      refused.push_back(who.name);
    }
  }
  Task<> list(FlowControl& flow, User who) {
    try {
      co_await flow.enter_list(who);
      started.push_back(who.name);
    } catch (const Error&) {  // counted
      refused.push_back(who.name);
    }
  }
  void let_go(const std::string& name) {
    const auto seat = std::ranges::find(seats, name, [](const auto& entry) { return entry.first; });
    ASSERT_NE(seat, seats.end());
    seats.erase(seat);
    settle();
  }

  ManualClock clock;
  Reactor front{"front", clock};
  std::vector<std::string> started, refused;
  std::vector<std::pair<std::string, FlowControl::Seat>> seats;
};

TEST_F(FlowControlTest, AUserWithTooManyWritesWaitsAndOthersDoNot) {
  FlowControl flow(front, {.writes_of_user = 2, .writes = 10});
  for (int i = 0; i < 4; ++i) front.spawn(write(flow, user("flood")));
  front.spawn(write(flow, user("alice")));
  settle();
  EXPECT_THAT(started, ElementsAre("flood", "flood", "alice"));
  let_go("flood");
  EXPECT_THAT(started, ElementsAre("flood", "flood", "alice", "flood"));
  seats.clear();
  settle();
  EXPECT_EQ(started.size(), 5u);
  seats.clear();
}

TEST_F(FlowControlTest, WhatIsFreeGoesRoundTheUsersThatWait) {
  FlowControl flow(front, {.writes_of_user = 10, .writes = 1});
  front.spawn(write(flow, user("flood")));
  for (int i = 0; i < 3; ++i) front.spawn(write(flow, user("flood")));
  front.spawn(write(flow, user("alice")));
  front.spawn(write(flow, user("bob")));
  settle();
  while (!seats.empty()) let_go(seats.front().first);
  EXPECT_THAT(started, ElementsAre("flood", "flood", "alice", "bob", "flood", "flood"));
}

TEST_F(FlowControlTest, TooManyThatWaitAreToldToComeBack) {
  FlowControl flow(front, {.writes_of_user = 1, .writes = 10, .waiting_of_user = 2});
  for (int i = 0; i < 5; ++i) front.spawn(write(flow, user("flood")));
  settle();
  EXPECT_EQ(started.size(), 1u);
  EXPECT_EQ(refused.size(), 2u);
  seats.clear();
  settle();
  seats.clear();
  settle();
  seats.clear();
}

TEST_F(FlowControlTest, WhoWaitsTooLongIsToldSo) {
  FlowControl flow(front, {.writes_of_user = 1, .writes = 10, .patience = std::chrono::seconds(30)});
  front.spawn(write(flow, user("flood")));
  front.spawn(write(flow, user("flood")));
  settle();
  clock.advance(std::chrono::seconds(31));
  settle();
  EXPECT_THAT(refused, ElementsAre("flood"));
  seats.clear();
  settle();
  front.spawn(write(flow, user("flood")));
  settle();
  EXPECT_EQ(started.size(), 2u) << "who gave up holds no place";
  seats.clear();
}

TEST_F(FlowControlTest, TheSystemIsNotCounted) {
  FlowControl flow(front, {.writes_of_user = 1, .writes = 1, .waiting_of_user = 0});
  for (int i = 0; i < 10; ++i) front.spawn(write(flow, user("root", {"system:masters"})));
  for (int i = 0; i < 10; ++i) front.spawn(write(flow, user("system:serviceaccount:kube-system:robot")));
  settle();
  EXPECT_EQ(started.size(), 20u);
  seats.clear();
}

TEST_F(FlowControlTest, ListsTakeTurnsAndEverybodyElseIsHeardInBetween) {
  FlowControl flow(front);
  for (int i = 0; i < 3; ++i) front.spawn(list(flow, user("flood")));
  front.spawn(list(flow, user("alice")));
  front.post([this] { started.emplace_back("(a controller)"); });
  settle();
  EXPECT_THAT(started, ElementsAre("flood", "(a controller)", "flood", "alice", "flood"));
}

class FlowControlledApiTest : public RbacTest {};

TEST_F(FlowControlledApiTest, ARefusalIsA429ThatSaysWhenToComeBack) {
  watch_over({.writes_of_user = 0, .waiting_of_user = 0});
  bind("edit", "ClusterRole/edit", of_user("alice"));
  as("alice");
  const auto refused = post(kConfigMaps, R"({"metadata":{"name":"c"}})");
  EXPECT_EQ(refused.status, 429) << refused.text;
  EXPECT_EQ(refused.reason(), "TooManyRequests");
  EXPECT_THAT(refused.all("Retry-After"), ElementsAre("1"));
  EXPECT_EQ(get(kConfigMaps).status, 200) << "reading goes on";
  as_admin();
  EXPECT_EQ(post(kConfigMaps, R"({"metadata":{"name":"c"}})").status, 201);
}

}  // namespace
}  // namespace gantry::api::access
