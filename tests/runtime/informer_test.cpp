#include "controller/runtime/informer.hpp"

#include <gmock/gmock.h>

#include "controller/base/raw_json.hpp"
#include "controller/runtime/references.hpp"
#include "tests/world/world.hpp"

namespace gantry::runtime {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using world::World;
using world::WorldOptions;

Task<> caught_up(Informer& informer, Revision revision, Instant deadline, std::optional<bool>& answer) {
  answer = co_await informer.caught_up_to(revision, deadline);
}

// An informer of Gadgets, alone with a store and an API, and everything that it tells.
class InformerTest : public ::testing::Test {
 protected:
  InformerTest()
      : world(without_controller()),
        line(world.faults),
        client(world.reactor, world.user(), line),
        gadgets(object::Resource::of("test.gantry.dev", "gadgets")),
        informer(world.reactor, client, world.random, gadgets,
                 [this](const object::Object& object) { return runtime::references_of(object, world.kinds); },
                 {.page = 3, .relist = 30min}) {
    informer.on_change([this](const Change& change) { hear(change); });
    informer.start();
  }
  ~InformerTest() override { world.run(informer.stop()); }

  static WorldOptions without_controller() {
    WorldOptions options;
    options.start = false;
    return options;
  }

  void hear(const Change& change) {
    const char* what = !change.before ? "+" : !change.after ? "-" : change.matters ? "*" : ".";
    told.push_back(what + change.object().key().name);
    // What a handler is told must be a possible history: nothing twice, and never back in time.
    Revision& seen = revisions[change.object().key().name];
    if (change.after) {
      EXPECT_GT(change.after->revision(), seen);
      seen = change.after->revision();
    }
    EXPECT_EQ(informer.find(change.object().key()), change.after);
  }

  void make(const std::string& name, const std::string& spec = "{}") {
    world.apply("{apiVersion: test.gantry.dev/v1, kind: Gadget, metadata: {name: " + name + "}, spec: " + spec + "}");
  }
  std::vector<std::string> take_told() { return std::exchange(told, {}); }

  void expect_same_as_server() {
    const auto server = world.list("Gadget");
    const auto here = informer.list();
    ASSERT_EQ(here.size(), server.size());
    for (std::size_t i = 0; i < here.size(); ++i) EXPECT_EQ(here[i]->bytes(), server[i]->bytes());
  }

  World world;
  world::Lifeline line;
  world::FaultyClient client;
  Resource gadgets;
  std::map<std::string, Revision> revisions;
  std::vector<std::string> told;
  Informer informer;
};

TEST_F(InformerTest, TellsWhatIsThereAndThenWhatChanges) {
  for (const char* name : {"a", "b", "c", "d", "e"}) make(name);  // two pages
  world.settle();
  EXPECT_TRUE(informer.synced());
  EXPECT_THAT(take_told(), ElementsAre("+a", "+b", "+c", "+d", "+e"));
  world.patch("Gadget/a", R"({"spec":{"size":2}})");
  world.remove("Gadget/b");
  make("f");
  world.settle();
  EXPECT_THAT(take_told(), ElementsAre("*a", "-b", "+f"));
  expect_same_as_server();
}

TEST_F(InformerTest, AStatusThatIsWrittenDoesNotMatterButLabelsAndAnnotationsDo) {
  make("a");
  world.settle();
  take_told();
  world.run(
      world.user().patch_status(world.key("Gadget/a"), api::PatchType::Merge, json::parse(R"({"status":{"x":1}})")));
  world.settle();
  EXPECT_THAT(take_told(), ElementsAre(".a"));
  world.patch("Gadget/a", R"({"metadata":{"labels":{"l":"1"}}})");
  world.settle();
  world.patch("Gadget/a", R"({"metadata":{"annotations":{"n":"1"}}})");
  world.settle();
  world.patch("Gadget/a", R"({"metadata":{"finalizers":["test/hold"]}})");
  world.settle();
  world.remove("Gadget/a");
  world.settle();
  EXPECT_THAT(take_told(), ElementsAre("*a", "*a", ".a", "*a"));
}

TEST_F(InformerTest, AWatchThatIsCutGoesOnWhereItStopped) {
  make("a");
  world.settle();
  const auto lists = client.lists();
  for (int i = 0; i < 20; ++i) {
    client.cut_watches();
    make("n" + std::to_string(i));
    world.settle();
  }
  world.advance(1min);
  expect_same_as_server();
  EXPECT_EQ(client.lists(), lists) << "no list is needed to resume";
}

TEST_F(InformerTest, WhenTheHistoryIsGoneItListsAgainAndTellsTheDifference) {
  for (const char* name : {"a", "b", "c"}) make(name);
  world.settle();
  take_told();
  client.hold_watches(true);
  world.patch("Gadget/a", R"({"spec":{"size":2}})");
  world.remove("Gadget/b");
  make("d");
  client.expire_history();
  client.cut_watches();
  client.hold_watches(false);
  world.advance(1min);
  EXPECT_THAT(take_told(), ElementsAre("-b", "*a", "+d"));
  expect_same_as_server();
}

TEST_F(InformerTest, AnObjectMadeAnewUnderTheSameNameIsAnEndAndABeginning) {
  make("a");
  world.settle();
  take_told();
  client.lets_through = [](const api::Change& change) { return change.type != api::Change::Type::Deleted; };
  world.remove("Gadget/a");
  make("a");
  world.settle();
  EXPECT_THAT(take_told(), ElementsAre("-a", "+a"));
}

TEST_F(InformerTest, DoubledAndReorderedChangesAreHarmless) {
  make("a");
  world.settle();
  const object::ObjectPtr old = informer.find(world.key("Gadget/a"));
  world.patch("Gadget/a", R"({"spec":{"size":2}})");
  world.settle();
  take_told();
  informer.learn(old);
  informer.learn(world.find("Gadget/a"));
  EXPECT_THAT(take_told(), IsEmpty());
  expect_same_as_server();
}

TEST_F(InformerTest, WhatAWriteAnsweredIsKnownAtOnceAndToldOnce) {
  make("a");
  world.settle();
  client.hold_watches(true);
  world.patch("Gadget/a", R"({"spec":{"size":2}})");
  take_told();
  informer.learn(world.find("Gadget/a"));
  EXPECT_EQ(informer.find(world.key("Gadget/a"))->meta().generation, 2);
  client.hold_watches(false);
  world.settle();
  EXPECT_THAT(take_told(), ElementsAre("*a"));
}

TEST_F(InformerTest, AnAnswerThatArrivesAfterTheEndDoesNotBringTheObjectBack) {
  make("a");
  world.settle();
  const object::ObjectPtr last = world.find("Gadget/a");
  world.remove("Gadget/a");
  world.settle();
  informer.learn(last);
  EXPECT_FALSE(informer.find(world.key("Gadget/a")));
}

TEST_F(InformerTest, AListFromThePastIsRefused) {
  make("a");
  world.settle();
  api::List past;
  past.revision = 1;
  make("b");
  world.settle();
  take_told();
  client.answer_list_with(gadgets, past);
  client.expire_history();
  client.cut_watches();
  world.advance(1min);
  EXPECT_THAT(take_told(), IsEmpty()) << "nothing may vanish because a server lags";
  expect_same_as_server();
}

TEST_F(InformerTest, AServerThatIsAwayIsAskedAgainWithGrowingPauses) {
  world.settle();
  int refused = 0;
  world.faults.chance = [&](std::size_t, const std::string& name) -> std::optional<world::Fault::How> {
    if (!name.starts_with("list")) return {};
    ++refused;
    return world::Fault::How::Refused;
  };
  client.expire_history();
  client.cut_watches();
  world.advance(10min);
  EXPECT_GE(refused, 20);
  EXPECT_LE(refused, 200);
  world.faults.chance = {};
  make("late");
  world.advance(1min);
  expect_same_as_server();
}

TEST_F(InformerTest, ALostEventIsFoundByTheListThatIsMadeNowAndThen) {
  world.settle();
  client.lets_through = [](const api::Change&) { return false; };
  make("unseen");
  world.settle();
  EXPECT_EQ(informer.size(), 0u);
  client.lets_through = {};
  world.advance(40min);
  EXPECT_EQ(informer.size(), 1u);
}

TEST_F(InformerTest, KnowsWhoOwnsAndWhoRefers) {
  make("a", "{secretRef: {name: s}, dependsOn: [{kind: Gadget, name: b}, {name: c}]}");
  make("b", "{secretRef: {name: s}}");
  world.settle();
  EXPECT_THAT(informer.referring_to(world.key("Secret/s")), ElementsAre(world.key("Gadget/a"), world.key("Gadget/b")));
  EXPECT_THAT(informer.referring_to(world.key("Gadget/b")), ElementsAre(world.key("Gadget/a")));
  EXPECT_THAT(informer.referring_to(world.key("Gadget/c")), ElementsAre(world.key("Gadget/a")))
      << "a dependency without a kind is of the object's own";
  world.patch("Gadget/a", R"({"spec":{"secretRef":null,"dependsOn":null}})");
  world.settle();
  EXPECT_THAT(informer.referring_to(world.key("Secret/s")), ElementsAre(world.key("Gadget/b")));

  world.patch("Gadget/b",
              R"({"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"u1"}]}})");
  world.settle();
  EXPECT_THAT(informer.owned_by("u1"), ElementsAre(world.key("Gadget/b")));
  world.remove("Gadget/b");
  world.settle();
  EXPECT_THAT(informer.owned_by("u1"), IsEmpty());
  EXPECT_THAT(informer.referring_to(world.key("Secret/s")), IsEmpty());
}

TEST_F(InformerTest, SaysWhenItHasCaughtUp) {
  make("a");
  world.settle();
  client.hold_watches(true);
  make("b");
  std::optional<bool> early;
  std::optional<bool> late;
  const Revision revision = world.find("Gadget/b")->revision();
  world.reactor.spawn(caught_up(informer, revision, world.clock.now() + 1s, early));
  world.reactor.spawn(caught_up(informer, revision, world.clock.now() + 1min, late));
  world.advance(2s);
  EXPECT_EQ(early, false);
  EXPECT_EQ(late, std::nullopt);
  client.hold_watches(false);
  world.settle();
  EXPECT_EQ(late, true);
}

TEST(RawJson, FindsMembersWithoutDecoding) {
  const std::string text =
      R"({"a":"x,}\"","kind":"App","metadata":{"annotations":{"k":"[{"},"name":"web"},"z":[1,{"b":2}]})";
  EXPECT_EQ(json::raw_at(text, {"kind"}), R"("App")");
  EXPECT_EQ(json::raw_at(text, {"metadata", "annotations"}), R"({"k":"[{"})");
  EXPECT_EQ(json::raw_at(text, {"metadata", "name"}), R"("web")");
  EXPECT_EQ(json::raw_at(text, {"z"}), R"([1,{"b":2}])");
  EXPECT_EQ(json::raw_at(text, {"absent"}), "");
  EXPECT_EQ(json::raw_at(text, {"kind", "deeper"}), "");
  EXPECT_EQ(json::raw_at("{}", {"a"}), "");
  EXPECT_EQ(json::raw_at("", {"a"}), "");
}

}  // namespace
}  // namespace gantry::runtime
