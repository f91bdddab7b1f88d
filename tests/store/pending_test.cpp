// What happens between a write's check and its fsync: nothing that is not durable may ever be told.
#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The helper thread, stopped: what it was given runs when the test says so.
class HeldBlocking final : public Blocking {
 public:
  void submit(std::move_only_function<void()> fn) override { held_.push_back(std::move(fn)); }
  std::size_t held() const { return held_.size(); }
  void release() {
    auto fn = std::move(held_.front());
    held_.pop_front();
    fn();
  }

 private:
  std::deque<std::move_only_function<void()>> held_;
};

class PendingTest : public StoreTest {
 public:
  PendingTest() { open(); }
  // Lets whatever is on its way to the disk arrive before the store goes: its destructor waits for that.
  ~PendingTest() override {
    land_all();
    crash();
  }
  std::unique_ptr<Store> open_store() override {
    return make_embedded_store(front, disk_thread, std::make_unique<MemoryEngine>(disk), options);
  }
  auto begin_create(const Key& key, const json::Value& spec = "") {
    auto result = start(front, store->create(key, encoded(key, spec)));
    settle();
    return result;
  }
  auto begin_update(const Key& key, Revision expected, const json::Value& spec) {
    auto result = start(front, store->update(key, expected, encoded(key, spec)));
    settle();
    return result;
  }
  void land() {
    disk_thread.release();
    settle();
  }
  void land_all() {
    while (disk_thread.held() > 0) land();
  }
  void fail_next(MemoryDisk::Fault fault) {
    disk->next_fault = [fault, at = disk->commits](std::uint64_t number) {
      return number == at ? fault : MemoryDisk::Fault::None;
    };
  }

  HeldBlocking disk_thread;
};

TEST_F(PendingTest, NothingIsSeenBeforeItIsDurable) {
  auto watch = store->watch(kApps, 0);
  const auto create = begin_create(app("a"));
  EXPECT_FALSE(create->done());
  EXPECT_EQ(store->find(app("a")), nullptr);
  EXPECT_EQ(store->revision(), 0u);
  EXPECT_THAT(store->list(kApps).items, IsEmpty());
  EXPECT_THAT(watch->ready(), IsEmpty());
  land();
  EXPECT_TRUE(create->value);
  EXPECT_NE(store->find(app("a")), nullptr);
  EXPECT_THAT(watch->ready(), SizeIs(1));
}

TEST_F(PendingTest, WritersGatherWhileTheDiskIsBusy) {
  const auto first = begin_create(app("first"));
  std::vector<decltype(begin_create(app("")))> others;
  for (int i = 0; i < 10; ++i) others.push_back(begin_create(app("other-" + std::to_string(i))));
  land();
  EXPECT_TRUE(first->value);
  EXPECT_FALSE(others[0]->done());
  land();
  for (const auto& other : others) EXPECT_TRUE(other->value);
  EXPECT_EQ(disk->commits, 2u);
}

TEST_F(PendingTest, ARefusalThatRestsOnAPendingWriteWaitsForIt) {
  const auto winner = begin_create(app("a"));
  const auto loser = begin_create(app("a"));
  EXPECT_FALSE(loser->done());
  land_all();
  EXPECT_TRUE(winner->value);
  ASSERT_TRUE(loser->error);
  EXPECT_THAT(*loser->error, Is(ErrorCode::AlreadyExists));
}

TEST_F(PendingTest, WhenThePendingWriteFailsTheOneItStoodAgainstIsMade) {
  fail_next(MemoryDisk::Fault::Full);
  const auto unlucky = begin_create(app("a"), "unlucky");
  const auto second = begin_create(app("a"), "second");
  land_all();
  ASSERT_TRUE(unlucky->error);
  EXPECT_THAT(*unlucky->error, Is(ErrorCode::Unavailable));
  EXPECT_THAT(unlucky->error->message(), HasSubstr("No space left on device"));
  ASSERT_TRUE(second->value);
  EXPECT_EQ(spec_of(store->find(app("a"))), json::Value("second"));
}

TEST_F(PendingTest, AWriteThatStoodOnAFailedOneIsJudgedAnew) {
  const auto base = begin_create(app("a"), 0);
  land();
  const Revision created = (*base->value)->revision();
  fail_next(MemoryDisk::Fault::Full);
  const auto lost = begin_update(app("a"), created, 1);           // will fail on the disk
  const auto upon_lost = begin_update(app("a"), created + 1, 2);  // has seen what nobody could see: guessed
  const auto elsewhere = begin_create(app("b"));
  land_all();
  EXPECT_THAT(*lost->error, Is(ErrorCode::Unavailable));
  EXPECT_THAT(*upon_lost->error, Is(ErrorCode::Conflict));
  EXPECT_TRUE(elsewhere->value);
  EXPECT_EQ(spec_of(store->find(app("a"))), json::Value(0));
}

TEST_F(PendingTest, AFullDiskHealsByItself) {
  bool full = true;
  disk->next_fault = [&](std::uint64_t) { return full ? MemoryDisk::Fault::Full : MemoryDisk::Fault::None; };
  const auto refused = begin_create(app("a"));
  land_all();
  EXPECT_THAT(*refused->error, Is(ErrorCode::Unavailable));
  full = false;
  const auto accepted = begin_create(app("a"));
  land_all();
  EXPECT_TRUE(accepted->value);
}

TEST_F(PendingTest, AfterAFailedSyncNothingIsWrittenUntilRestart) {
  const auto kept = begin_create(app("kept"));
  land();
  fail_next(MemoryDisk::Fault::Kept);
  const auto doubtful = begin_create(app("doubtful"));
  const auto behind = begin_create(app("behind"));
  land_all();
  EXPECT_THAT(*doubtful->error, Is(ErrorCode::Unavailable));
  ASSERT_TRUE(behind->error);
  EXPECT_THAT(behind->error->message(), HasSubstr("read-only"));
  EXPECT_EQ(store->find(app("doubtful")), nullptr);  // it may be on the disk, but nobody has been told
  EXPECT_NE(store->find(app("kept")), nullptr);
  EXPECT_THAT(*begin_create(app("later"))->error, Is(ErrorCode::Unavailable));
  const Revision before = store->revision();

  open();
  EXPECT_NE(store->find(app("doubtful")), nullptr);
  EXPECT_EQ(store->find(app("behind")), nullptr);
  EXPECT_GT(store->revision(), before);
  const auto after = begin_create(app("later"));
  land();
  EXPECT_TRUE(after->value);
}

TEST_F(PendingTest, ABatchIsBounded) {
  options.batch_writes = 4;
  open();
  for (int i = 0; i < 9; ++i) begin_create(app(std::to_string(i)));
  land_all();
  EXPECT_EQ(store->count(kApps), 9u);
  EXPECT_EQ(disk->commits, 3u);  // 1, then 4 and 4
}

TEST_F(PendingTest, CloseWaitsForWhatIsUnderWay) {
  const auto create = begin_create(app("a"));
  const auto closing = start(front, store->close());
  settle();
  EXPECT_FALSE(closing->done());
  land_all();
  EXPECT_TRUE(create->value);
  EXPECT_TRUE(closing->value);
}

TEST_F(PendingTest, DeadRowsLeaveTheDiskWithoutHoldingUpWrites) {
  options.window_events = 10;
  open();
  Revision last = 0;
  const auto created = begin_create(app("a"), 0);
  land_all();
  last = (*created->value)->revision();
  for (int i = 1; i <= 100; ++i) {
    const auto updated = begin_update(app("a"), last, i);
    land_all();
    ASSERT_TRUE(updated->value);
    last = (*updated->value)->revision();
  }
  land_all();
  EXPECT_THAT(disk->rows, SizeIs(11));  // the window, and the state that it starts from
  EXPECT_EQ(store->oldest_revision(), last - 10);
}

}  // namespace
}  // namespace gantry::store
