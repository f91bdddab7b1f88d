// The real engine on a real file system that is really full, and its life with real threads.
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "controller/store/lmdb_engine.hpp"
#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// A file system of 24 MiB on a loop device.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& folder) : mount_(folder + "/disk") {
    const std::string image = folder + "/image";
    std::filesystem::create_directories(mount_);
    std::ofstream(image).close();
    std::filesystem::resize_file(image, 24 << 20);
    const std::string make =
        "mkfs.ext4 -q -F -m 0 " + image + " 2>/dev/null && mount -o loop " + image + " " + mount_ + " 2>/dev/null";
    mounted_ = ::geteuid() == 0 && std::system(make.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(mount_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return mount_; }

 private:
  std::string mount_;
  bool mounted_ = false;
};

TEST_F(LmdbStoreTest, AFullDiskRefusesWritesLosesNothingAndHeals) {
  const SmallDisk disk_image(dir.path());
  if (!disk_image.mounted()) GTEST_SKIP() << "only root can mount a small file system";
  options.data_dir = disk_image.path() + "/data";
  open();
  const std::string ballast = disk_image.path() + "/ballast";
  std::ofstream(ballast) << std::string(6 << 20, 'b');

  std::vector<std::string> written;
  std::optional<Error> refusal;
  for (int i = 0; i < 2000 && !refusal; ++i) {
    const std::string name = "app-" + std::to_string(i);
    try {
      create(app(name), std::string(20'000, 'x'));
      written.push_back(name);
    } catch (const Error& error) {
      refusal = error;
    }
  }
  ASSERT_TRUE(refusal);
  EXPECT_THAT(*refusal, Is(ErrorCode::Unavailable));
  EXPECT_THAT(refusal->message(), HasSubstr("No space left on device"));
  EXPECT_EQ(store->count(kApps), written.size());

  open();  // also on the full disk
  EXPECT_EQ(store->count(kApps), written.size());
  EXPECT_THAT(error_of([&] { create(app("too-much"), std::string(20'000, 'x')); }), Is(ErrorCode::Unavailable));
  std::filesystem::remove(ballast);
  create(app("at-last"), std::string(20'000, 'x'));  // nobody had to restart anything
  open();
  EXPECT_EQ(store->count(kApps), written.size() + 1);
  for (const auto& name : written) ASSERT_NE(store->find(app(name)), nullptr) << name;
  store.reset();
}

// The engine's answers can be bent, since a disk that fails at the right moment cannot be had.
class FailingSync final : public Engine {
 public:
  FailingSync(std::unique_ptr<Engine> engine, const bool& failing) : engine_(std::move(engine)), failing_(failing) {}
  Counters counters() const override { return engine_->counters(); }
  void scan(RowVisitor& visitor) override { engine_->scan(visitor); }
  Outcome commit(const Commit& commit) override {
    Outcome outcome = engine_->commit(commit);
    return failing_ ? Outcome{Outcome::Kind::Broken, "Input/output error"} : outcome;
  }
  std::uint64_t bytes() const override { return engine_->bytes(); }

 private:
  std::unique_ptr<Engine> engine_;
  const bool& failing_;
};

TEST_F(LmdbStoreTest, AfterAFailedSyncReadsGoOnAndARestartShowsWhatTheDiskKept) {
  bool failing = false;
  std::filesystem::create_directories(options.data_dir + "/store");
  const auto open_failing = [&] {
    store.reset();
    settle();
    store = make_embedded_store(front, blocking,
                                std::make_unique<FailingSync>(open_lmdb_engine(options.data_dir + "/store"), failing),
                                options);
  };
  open_failing();
  create(app("kept"));
  failing = true;
  EXPECT_THAT(error_of([&] { create(app("doubtful")); }), Is(ErrorCode::Unavailable));
  EXPECT_THAT(error_of([&] { create(app("later")); }).message(), HasSubstr("restart the controller"));
  EXPECT_THAT(store->list(kApps).items, SizeIs(1));
  failing = false;
  EXPECT_THAT(error_of([&] { create(app("later")); }), Is(ErrorCode::Unavailable));
  open_failing();
  EXPECT_NE(create(app("later")), nullptr);
}

Task<> increment(Store& store, Key key, int times, int& lost_races, int& running) {
  while (times > 0) {
    const ObjectPtr old = store.find(key);
    bool lost = false;
    try {
      if (!old) {
        co_await store.create(key, encoded(key, 1));
      } else {
        co_await store.update(key, old->revision(), encoded(key, spec_of(old).as_int() + 1));
      }
      --times;
    } catch (const Error& error) {  // somebody else was quicker
      EXPECT_TRUE(error.code() == ErrorCode::Conflict || error.code() == ErrorCode::AlreadyExists) << error.message();
      lost = true;
    }
    lost_races += lost;
  }
  --running;
}

TEST_F(LmdbStoreTest, SixtyFourWritersOnEightCountersCountRight) {
  ThreadPool disk_threads("disk", 2);
  Reactor reactor("front", system_clock());
  auto shared = open_embedded_store(reactor, disk_threads, options);
  auto watch = shared->watch(kApps, 0);
  int lost_races = 0;
  int running = 64;
  for (int i = 0; i < 64; ++i) reactor.spawn(increment(*shared, app(std::to_string(i % 8)), 10, lost_races, running));
  const auto deadline = system_clock().now() + std::chrono::seconds(120);
  while (running > 0 && system_clock().now() < deadline) reactor.poll();
  ASSERT_EQ(running, 0);
  EXPECT_GT(lost_races, 0);
  for (const auto& counter : shared->list(kApps).items) EXPECT_EQ(spec_of(counter), json::Value(80));
  EXPECT_THAT(watch->ready(10'000), SizeIs(640));
  store::await(reactor, shared->close());
}

TEST_F(LmdbStoreTest, ABackupIsOneMomentWhileWritesGoOn) {
  ThreadPool disk_threads("disk", 2);
  Reactor reactor("front", system_clock());
  auto shared = open_embedded_store(reactor, disk_threads, options);
  int lost_races = 0;
  int running = 16;
  for (int i = 0; i < 16; ++i) reactor.spawn(increment(*shared, app(std::to_string(i)), 100, lost_races, running));
  for (int i = 0; i < 200; ++i) reactor.poll();
  const auto backup = start(reactor, shared->backup(dir.path() + "/backup"));
  while (running > 0 || !backup->done()) reactor.poll();
  ASSERT_TRUE(backup->value);
  std::map<Revision, std::int64_t> sums;  // what all counters added up to, at each revision
  std::map<std::string, std::int64_t> counters;
  for (const auto& event : shared->watch(kApps, 0)->ready(100'000)) {
    counters[event->object->key().name] = spec_of(event->object).as_int();
    std::int64_t sum = 0;
    for (const auto& [name, value] : counters) sum += value;
    sums[event->revision] = sum;
  }
  sums[0] = 0;
  store::await(reactor, shared->close());
  shared.reset();
  const Revision revision = restore_backup(dir.path() + "/backup", dir.path() + "/other").revision;
  std::filesystem::copy_file(options.data_dir + "/secrets.key", dir.path() + "/other/secrets.key");
  options.data_dir = dir.path() + "/other";
  open();
  std::int64_t sum = 0;
  for (const auto& counter : store->list(kApps).items) sum += spec_of(counter).as_int();
  EXPECT_EQ(sum, sums.at(revision));
}

}  // namespace
}  // namespace gantry::store
