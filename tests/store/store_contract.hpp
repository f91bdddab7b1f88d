// What every implementation of Store must do. Include it and instantiate StoreContract with a fixture that opens one.
#pragma once

#include "tests/store/fixture.hpp"

namespace gantry::store {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <class Fixture>
class StoreContract : public Fixture {
 public:
  StoreContract() { this->open(); }
};
TYPED_TEST_SUITE_P(StoreContract);

TYPED_TEST_P(StoreContract, WhatWasCreatedIsFoundWithItsRevisionInItsBytes) {
  const auto web = this->create(app("web"), "one");
  EXPECT_EQ(web->revision(), this->store->revision());
  EXPECT_EQ(this->store->find(app("web")), web);
  EXPECT_THAT(web->bytes(), HasSubstr("\"resourceVersion\":\"" + std::to_string(web->revision()) + "\""));
  EXPECT_EQ(*web->meta().label("app"), "web");
  EXPECT_EQ(this->store->find(app("other")), nullptr);
  EXPECT_EQ(this->store->count(kApps), 1u);
}

TYPED_TEST_P(StoreContract, EveryWriteGetsAHigherRevisionWhateverItsResource) {
  const auto a = this->create(app("a"));
  const auto b = this->create({kSecrets, "prod", "b"});
  const auto c = this->update(a, "new");
  EXPECT_LT(a->revision(), b->revision());
  EXPECT_LT(b->revision(), c->revision());
}

TYPED_TEST_P(StoreContract, LostRacesAreRefused) {
  const auto old = this->create(app("web"));
  const auto web = this->update(old, "two");
  EXPECT_THAT(error_of([&] { this->create(app("web")); }), Is(ErrorCode::AlreadyExists));
  EXPECT_THAT(error_of([&] { this->update(old, "three"); }), Is(ErrorCode::Conflict));
  EXPECT_THAT(error_of([&] { this->remove(old); }), Is(ErrorCode::Conflict));
  this->remove(web);
  EXPECT_THAT(error_of([&] { this->update(web, "four"); }), Is(ErrorCode::NotFound));
  EXPECT_THAT(error_of([&] { this->remove(web); }), Is(ErrorCode::NotFound));
  EXPECT_EQ(this->store->find(app("web")), nullptr);
  EXPECT_EQ(this->store->count(kApps), 0u);
  EXPECT_NE(this->create(app("web")), nullptr);
}

TYPED_TEST_P(StoreContract, ListsInOrderOfNamespaceAndName) {
  for (const char* name : {"c", "a", "b"}) this->create(app(name));
  this->create(app("z", "dev"));
  EXPECT_THAT(names(this->store->list(kApps)), ElementsAre("z", "a", "b", "c"));
  EXPECT_THAT(names(this->store->list(kApps, {.ns = "prod"})), ElementsAre("a", "b", "c"));
  EXPECT_THAT(names(this->store->list(kApps, {.ns = "nowhere"})), IsEmpty());
  const auto not_b = [](const object::Object& object) { return object.key().name != "b"; };
  EXPECT_THAT(names(this->store->list(kApps, {.ns = "prod", .matches = not_b})), ElementsAre("a", "c"));
}

TYPED_TEST_P(StoreContract, PagesAreOneSnapshotWhileWritesGoOn) {
  std::vector<ObjectPtr> apps;
  for (int i = 0; i < 9; ++i) apps.push_back(this->create(app("app-" + std::to_string(i)), "old"));
  ListOptions options{.limit = 4};
  Page page = this->store->list(kApps, options);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.remaining, 5u);
  options.at = page.revision;

  this->remove(apps[5]);
  this->update(apps[6], "new");
  this->create(app("app-55"));

  std::vector<std::string> all = names(page);
  while (page.more) {
    options.after_ns = page.items.back()->key().ns;
    options.after_name = page.items.back()->key().name;
    page = this->store->list(kApps, options);
    EXPECT_EQ(page.revision, *options.at);
    for (const auto& item : page.items) {
      all.push_back(item->key().name);
      EXPECT_EQ(spec_of(item), json::Value("old"));
    }
  }
  EXPECT_THAT(all, ElementsAre("app-0", "app-1", "app-2", "app-3", "app-4", "app-5", "app-6", "app-7", "app-8"));
}

TYPED_TEST_P(StoreContract, EveryRevisionOfTheWindowCanBeListed) {
  const auto a1 = this->create(app("a"), 1);
  const auto b = this->create(app("b"));
  const auto a2 = this->update(a1, 2);
  const auto gone = this->remove(a2);
  const auto at = [&](Revision revision) { return this->store->list(kApps, {.at = revision}); };
  EXPECT_THAT(names(at(a1->revision() - 1)), IsEmpty());
  EXPECT_THAT(names(at(a1->revision())), ElementsAre("a"));
  EXPECT_THAT(names(at(b->revision())), ElementsAre("a", "b"));
  EXPECT_EQ(spec_of(at(a2->revision()).items[0]), json::Value(2));
  EXPECT_THAT(names(at(gone->revision())), ElementsAre("b"));
  EXPECT_THAT(error_of([&] { at(gone->revision() + 1); }), Is(ErrorCode::Timeout));
}

TYPED_TEST_P(StoreContract, AWatchSeesEveryChangeOnceAndInOrder) {
  const auto first = this->create(app("a"));
  auto watch = this->store->watch(kApps, first->revision());
  EXPECT_THAT(watch->ready(), IsEmpty());
  const auto second = this->update(first, 2);
  this->create({kSecrets, "prod", "elsewhere"});
  const auto third = this->remove(second);
  const auto fourth = this->create(app("a"));
  const auto events = watch->ready();
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[0]->type, Event::Type::Modified);
  EXPECT_EQ(events[0]->previous, first);
  EXPECT_EQ(events[1]->type, Event::Type::Deleted);
  EXPECT_EQ(events[1]->previous, second);
  EXPECT_EQ(events[1]->object, third);
  EXPECT_EQ(events[1]->object->revision(), events[1]->revision);
  EXPECT_EQ(events[2]->type, Event::Type::Added);
  EXPECT_EQ(events[2]->previous, nullptr);
  EXPECT_EQ(events[2]->object, fourth);
  EXPECT_THAT(watch->ready(), IsEmpty());
  EXPECT_EQ(events[0]->frame(), R"({"type":"MODIFIED","object":)" + second->bytes() + "}\n");
}

TYPED_TEST_P(StoreContract, AWaitingWatchIsWoken) {
  auto watch = this->store->watch(kApps, this->store->revision());
  const auto waiting = start(this->front, watch->next());
  this->settle();
  EXPECT_FALSE(waiting->done());
  this->create(app("a"));
  this->settle();
  ASSERT_TRUE(waiting->done());
  EXPECT_THAT(*waiting->value, SizeIs(1));
}

TYPED_TEST_P(StoreContract, AClosedWatchReturnsNothingEverAfter) {
  auto watch = this->store->watch(kApps, this->store->revision());
  const auto waiting = start(this->front, watch->next());
  this->settle();
  watch->close();
  this->settle();
  ASSERT_TRUE(waiting->done());
  EXPECT_THAT(*waiting->value, IsEmpty());
  this->create(app("a"));
  EXPECT_TRUE(watch->closed());
  EXPECT_THAT(this->await(watch->next()), IsEmpty());
}

TYPED_TEST_P(StoreContract, AWatchMayBeDestroyedWhileSomebodyWaitsInIt) {
  auto watch = this->store->watch(kApps, this->store->revision());
  const auto waiting = start(this->front, watch->next());
  this->settle();
  watch.reset();
  this->settle();
  ASSERT_TRUE(waiting->done());
  EXPECT_THAT(*waiting->value, IsEmpty());
}

TYPED_TEST_P(StoreContract, ABookmarkNeverRunsAheadOfWhatWasDelivered) {
  auto watch = this->store->watch(kApps, this->store->revision());
  const auto a = this->create(app("a"));
  const auto b = this->create(app("b"));
  EXPECT_LT(watch->revision(), a->revision());
  EXPECT_THAT(watch->ready(1), SizeIs(1));
  EXPECT_EQ(watch->revision(), a->revision());
  EXPECT_THAT(watch->ready(1), SizeIs(1));
  const auto elsewhere = this->create({kSecrets, "prod", "elsewhere"});
  EXPECT_EQ(watch->revision(), elsewhere->revision());
  EXPECT_GT(elsewhere->revision(), b->revision());
}

TYPED_TEST_P(StoreContract, AWatchFromTheFutureIsRefused) {
  EXPECT_THAT(error_of([&] { this->store->watch(kApps, this->store->revision() + 1); }), Is(ErrorCode::Timeout));
}

TYPED_TEST_P(StoreContract, AWatchResumesAfterARestartWithoutLossOrRepetition) {
  const auto a = this->create(app("a"));
  const auto b = this->create(app("b"));
  const auto gone = this->remove(a);
  this->open();
  EXPECT_EQ(this->store->revision(), gone->revision());
  auto watch = this->store->watch(kApps, a->revision());
  const auto c = this->create(app("c"));
  EXPECT_THAT(told(watch->ready()), ElementsAre("added b at " + std::to_string(b->revision()),
                                                "deleted a at " + std::to_string(gone->revision()),
                                                "added c at " + std::to_string(c->revision())));
}

TYPED_TEST_P(StoreContract, CompactionEndsOlderReadersOnly) {
  const auto a = this->create(app("a"), 1);
  const auto a2 = this->update(a, 2);
  const auto b = this->create(app("b"));
  auto old = this->store->watch(kApps, a->revision());
  auto fresh = this->store->watch(kApps, a2->revision());
  auto quiet = this->store->watch(kSecrets, a->revision());
  this->await(this->store->compact(a2->revision()));
  EXPECT_EQ(this->store->oldest_revision(), a2->revision());
  EXPECT_THAT(error_of([&] { old->ready(); }), Is(ErrorCode::Expired));
  EXPECT_THAT(told(fresh->ready()), ElementsAre("added b at " + std::to_string(b->revision())));
  EXPECT_THAT(quiet->ready(), IsEmpty());  // nothing that it would have seen is gone
  EXPECT_THAT(error_of([&] { this->store->watch(kApps, a->revision()); }), Is(ErrorCode::Expired));
  EXPECT_THAT(error_of([&] { this->store->list(kApps, {.at = a->revision()}); }), Is(ErrorCode::Expired));
  EXPECT_EQ(spec_of(this->store->list(kApps, {.at = a2->revision()}).items[0]), json::Value(2));
  EXPECT_NE(this->store->watch(kApps, a2->revision()), nullptr);
  this->open();
  EXPECT_EQ(spec_of(this->store->find(app("a"))), json::Value(2));
  EXPECT_THAT(error_of([&] { this->store->watch(kApps, a->revision()); }), Is(ErrorCode::Expired));
}

TYPED_TEST_P(StoreContract, ADeletionOutlivesCompactionAndRestart) {
  const auto a = this->create(app("a"));
  const auto b = this->create(app("b"));
  const auto gone = this->remove(a);
  // The deletion is the newest row of all; compacting it away must not give its revision to anything else.
  this->await(this->store->compact(gone->revision()));
  this->open();
  EXPECT_EQ(this->store->revision(), gone->revision());
  EXPECT_EQ(this->store->find(app("a")), nullptr);
  EXPECT_EQ(this->store->find(app("b"))->bytes(), b->bytes());
  EXPECT_GT(this->create(app("a"))->revision(), gone->revision());
}

TYPED_TEST_P(StoreContract, TheWindowEndsByAge) {
  const auto a = this->create(app("a"));
  auto watch = this->store->watch(kApps, a->revision() - 1);
  this->advance(std::chrono::minutes(6));
  EXPECT_EQ(this->store->oldest_revision(), a->revision());
  EXPECT_THAT(error_of([&] { watch->ready(); }), Is(ErrorCode::Expired));
  EXPECT_EQ(this->clock.timers(), 0u);  // an idle store does nothing
}

TYPED_TEST_P(StoreContract, AWriteOfALostLeaseIsRefused) {
  const Key lease{kLeases, "gantry", "controller"};
  const auto held_by = [](int epoch) { return json::Value(json::Object{{"leaseTransitions", epoch}}); };
  const auto fenced = [&](std::int64_t epoch, const Key& key) {
    return this->await(this->store->create(key, encoded(key), {.fence = Fence{lease, epoch}}));
  };
  EXPECT_THAT(error_of([&] { fenced(1, app("too-early")); }), Is(ErrorCode::Conflict));
  const auto first = this->create(lease, held_by(1));
  EXPECT_NE(fenced(1, app("a")), nullptr);
  this->update(first, held_by(2));
  EXPECT_THAT(error_of([&] { fenced(1, app("b")); }), Is(ErrorCode::Conflict));
  EXPECT_NE(fenced(2, app("b")), nullptr);
}

TYPED_TEST_P(StoreContract, AFenceSeesALeaseThatIsStillOnItsWayToTheDisk) {
  const Key lease{kLeases, "gantry", "controller"};
  const auto held = this->create(lease, json::Object{{"leaseTransitions", 1}});
  const auto taken = start(
      this->front, this->store->update(lease, held->revision(), encoded(lease, json::Object{{"leaseTransitions", 2}})));
  const auto late = start(this->front, this->store->create(app("a"), encoded(app("a")), {.fence = Fence{lease, 1}}));
  this->settle();
  EXPECT_TRUE(taken->value);
  ASSERT_TRUE(late->error);
  EXPECT_THAT(*late->error, Is(ErrorCode::Conflict));
}

TYPED_TEST_P(StoreContract, AfterCloseReadsGoOnAndWritesAreRefused) {
  this->create(app("a"));
  auto watch = this->store->watch(kApps, 0);
  this->await(this->store->close());
  EXPECT_TRUE(watch->closed());
  EXPECT_NE(this->store->find(app("a")), nullptr);
  EXPECT_THAT(error_of([&] { this->create(app("b")); }), Is(ErrorCode::Cancelled));
}

REGISTER_TYPED_TEST_SUITE_P(StoreContract, WhatWasCreatedIsFoundWithItsRevisionInItsBytes,
                            EveryWriteGetsAHigherRevisionWhateverItsResource, LostRacesAreRefused,
                            ListsInOrderOfNamespaceAndName, PagesAreOneSnapshotWhileWritesGoOn,
                            EveryRevisionOfTheWindowCanBeListed, AWatchSeesEveryChangeOnceAndInOrder,
                            AWaitingWatchIsWoken, AClosedWatchReturnsNothingEverAfter,
                            AWatchMayBeDestroyedWhileSomebodyWaitsInIt, ABookmarkNeverRunsAheadOfWhatWasDelivered,
                            AWatchFromTheFutureIsRefused, AWatchResumesAfterARestartWithoutLossOrRepetition,
                            CompactionEndsOlderReadersOnly, ADeletionOutlivesCompactionAndRestart, TheWindowEndsByAge,
                            AWriteOfALostLeaseIsRefused, AFenceSeesALeaseThatIsStillOnItsWayToTheDisk,
                            AfterCloseReadsGoOnAndWritesAreRefused);

}  // namespace gantry::store
