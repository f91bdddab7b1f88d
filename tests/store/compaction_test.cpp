// Compaction x watch x crash: where multi-version stores break. Each of these was a bug of etcd once.
#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CompactionTest : public StoreTest {
 public:
  CompactionTest() { open(); }
};

// etcd #17780: the revision went backwards after a crash inside compaction.
TEST_F(CompactionTest, TheRevisionNeverGoesBackwardsWhereverCompactionWasCutOff) {
  Revision newest = 0;
  {
    auto a = create(app("a"), 0);
    for (int i = 1; i < 1500; ++i) a = update(a, i);
    newest = remove(a)->revision();
  }
  // Every dead row goes in steps; each commit of them may be the last thing that happens.
  const auto rows = disk->rows;
  for (std::uint64_t steps = 0; steps <= 3; ++steps) {
    SCOPED_TRACE("steps " + std::to_string(steps));
    disk = std::make_shared<MemoryDisk>();
    disk->rows = rows;
    disk->next_fault = [steps](std::uint64_t number) {
      return number < steps ? MemoryDisk::Fault::None : MemoryDisk::Fault::Lost;
    };
    open();
    try {
      await(store->compact(newest));
    } catch (const Error& error) {
      EXPECT_THAT(error, Is(ErrorCode::Unavailable));
    }
    disk->next_fault = nullptr;
    open();
    EXPECT_EQ(store->revision(), newest);
    EXPECT_EQ(store->find(app("a")), nullptr);
    EXPECT_THAT(store->list(kApps).items, IsEmpty());
    EXPECT_GT(create(app("b"))->revision(), newest);
    await(store->compact(store->revision()));
    EXPECT_THAT(disk->rows, SizeIs(1));  // what the cut-off compaction left behind is found again
  }
}

// etcd #18089, #19179: a delete event was dropped when its revision was compacted.
TEST_F(CompactionTest, ADeletionAtTheEdgeOfTheWindowIsStillDelivered) {
  const auto a = create(app("a"));
  const auto b = create(app("b"));
  const auto gone = remove(a);
  await(store->compact(b->revision()));
  auto watch = store->watch(kApps, b->revision());
  EXPECT_THAT(told(watch->ready()), ElementsAre("deleted a at " + std::to_string(gone->revision())));
  open();
  watch = store->watch(kApps, b->revision());
  const auto events = watch->ready();
  EXPECT_THAT(told(events), ElementsAre("deleted a at " + std::to_string(gone->revision())));
  EXPECT_EQ(events[0]->previous->bytes(), a->bytes());  // the row before lives as long as the event after it
}

TEST_F(CompactionTest, CompactingToTheDeletionItselfHidesItFromNewWatchesOnly) {
  const auto a = create(app("a"));
  auto before = store->watch(kApps, a->revision());
  const auto gone = remove(a);
  EXPECT_THAT(before->ready(), SizeIs(1));
  await(store->compact(gone->revision()));
  const auto b = create(app("b"));
  EXPECT_THAT(told(before->ready()), ElementsAre("added b at " + std::to_string(b->revision())));
  auto after = store->watch(kApps, gone->revision());
  EXPECT_THAT(told(after->ready()), ElementsAre("added b at " + std::to_string(b->revision())));
}

// etcd #20221: a watch on a future revision received old events.
TEST_F(CompactionTest, AWatchNeverDeliversWhatLiesBeforeItsStart) {
  const auto a = create(app("a"));
  EXPECT_THAT(error_of([&] { store->watch(kApps, a->revision() + 1); }), Is(ErrorCode::Timeout));
  auto watch = store->watch(kApps, a->revision());
  await(store->compact(a->revision()));
  EXPECT_THAT(watch->ready(), IsEmpty());
}

// etcd #17529: events were lost when a watcher starved.
TEST_F(CompactionTest, ASlowWatchIsCutOffAndLosesNothingWhenItListsAnew) {
  options.window_events = 50;
  open();
  auto slow = store->watch(kApps, 0);
  auto quick = store->watch(kApps, 0);
  std::size_t seen = 0;
  auto a = create(app("a"), 0);
  for (int i = 1; i <= 200; ++i) {
    a = update(a, i);
    seen += quick->ready().size();
  }
  EXPECT_EQ(seen, 201u);
  EXPECT_THAT(error_of([&] { slow->ready(); }), Is(ErrorCode::Expired));
  EXPECT_THAT(error_of([&] { await(slow->next()); }), Is(ErrorCode::Expired));  // again and again
  const Page page = store->list(kApps);
  slow = store->watch(kApps, page.revision);
  EXPECT_EQ(spec_of(page.items[0]), json::Value(200));
  update(a, 201);
  EXPECT_THAT(slow->ready(), SizeIs(1));
}

TEST_F(CompactionTest, TheWindowIsBoundedByBytesToo) {
  options.window_bytes = 100'000;
  open();
  auto a = create(app("a"), std::string(10'000, 'x'));
  for (int i = 0; i < 50; ++i) a = update(a, std::string(10'000, 'y'));
  const Revision kept = store->revision() - store->oldest_revision();
  EXPECT_GE(kept, 8u);
  EXPECT_LE(kept, 10u);
}

TEST_F(CompactionTest, AKeyThatDiedAndLivesAgainSurvivesEveryFloor) {
  const auto first = create(app("a"), 1);
  const auto gone = remove(first);
  const auto second = create(app("a"), 2);
  const auto third = update(second, 3);
  for (Revision floor = first->revision(); floor <= third->revision(); ++floor) {
    SCOPED_TRACE("floor " + std::to_string(floor));
    await(store->compact(floor));
    for (const bool restarted : {false, true}) {
      if (restarted) open();
      EXPECT_EQ(spec_of(store->find(app("a"))), json::Value(3));
      EXPECT_EQ(store->count(kApps), 1u);
      EXPECT_EQ(store->list(kApps, {.at = floor}).items.size(), floor == gone->revision() ? 0u : 1u);
    }
  }
  EXPECT_THAT(disk->rows, SizeIs(1));
}

TEST_F(CompactionTest, CompactingBeyondTheNewestIsRefused) {
  EXPECT_THAT(error_of([&] { await(store->compact(5)); }), Is(ErrorCode::BadRequest));
}

}  // namespace
}  // namespace gantry::store
