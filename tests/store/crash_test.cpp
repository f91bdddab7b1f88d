// S1: a process with 64 writers on the real engine is killed at random moments. What it had acknowledged is there, what
// is there is whole, revisions only grow, and a watch that resumes sees every event once.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>
#include <thread>

#include "tests/store/fixture.hpp"

namespace gantry::store {
namespace {

constexpr int kWriters = 64;
constexpr int kKeysEach = 4;

// One line for each acknowledged write: writer, key, revision, what was written ("-" for a deletion).
Task<> write_for_ever(Store& store, int writer, std::uint64_t seed, int acks) {
  SeededRandom random(seed);
  while (true) {
    const Key key = app("w" + std::to_string(writer) + "-" + std::to_string(random.below(kKeysEach)));
    const ObjectPtr old = store.find(key);
    const std::string text = random.hex(4 + random.below(600));
    ObjectPtr made;
    std::string told = text;
    if (!old) {
      made = co_await store.create(key, encoded(key, text));
    } else if (random.below(4) == 0) {
      made = co_await store.remove(key, old->revision(), encoded(key, text));
      told = "-" + text;
    } else {
      made = co_await store.update(key, old->revision(), encoded(key, text));
    }
    // One write(2) below PIPE_BUF is whole or not at all.
    const std::string line = key.name + " " + std::to_string(made->revision()) + " " + told.substr(0, 64) + "\n";
    if (::write(acks, line.data(), line.size()) < 0) ::_exit(3);
  }
}

// The child: run by exec of this program, so that it begins with nothing of the parent's.
TEST(CrashChild, DISABLED_WritesUntilItIsKilled) {
  const std::string dir = std::getenv("GANTRY_CRASH_DIR");
  const auto seed = std::strtoull(std::getenv("GANTRY_CRASH_SEED"), nullptr, 10);
  const int acks = std::atoi(std::getenv("GANTRY_CRASH_FD"));
  Reactor front("front", system_clock());
  ThreadPool disk("disk", 2);
  StoreOptions options;
  options.data_dir = dir;
  options.window_events = 400;  // compaction is at work all the time
  const auto store = open_embedded_store(front, disk, options);
  const std::string ready = "ready " + std::to_string(store->revision()) + " -\n";
  if (::write(acks, ready.data(), ready.size()) < 0) ::_exit(3);
  for (int writer = 0; writer < kWriters; ++writer) {
    front.spawn(write_for_ever(*store, writer, seed + static_cast<std::uint64_t>(writer), acks));
  }
  front.run();
}

struct Ack {
  std::string name;
  Revision revision;
  std::string text;
};

class CrashTest : public LmdbStoreTest {
 public:
  // Runs the child for a while, kills it, and returns what it had acknowledged.
  std::vector<Ack> run_and_kill(std::uint64_t seed, Duration life) {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    ::fcntl(fds[0], F_SETPIPE_SZ, 1 << 20);
    const pid_t child = ::fork();
    if (child == 0) {
      ::fcntl(fds[1], F_SETFD, 0);
      const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
      ::dup2(nowhere, STDOUT_FILENO);
      ::setenv("GANTRY_CRASH_DIR", options.data_dir.c_str(), 1);
      ::setenv("GANTRY_CRASH_SEED", std::to_string(seed).c_str(), 1);
      ::setenv("GANTRY_CRASH_FD", std::to_string(fds[1]).c_str(), 1);
      ::execl("/proc/self/exe", "test_store", "--gtest_filter=CrashChild.*", "--gtest_also_run_disabled_tests",
              nullptr);
      ::_exit(4);
    }
    ::close(fds[1]);
    std::string text;
    std::optional<Instant> deadline;
    ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
    const Instant give_up = system_clock().now() + std::chrono::seconds(60);
    std::string piece(1 << 16, '\0');
    while (true) {
      const ssize_t got = ::read(fds[0], piece.data(), piece.size());
      if (got == 0) break;
      if (got > 0) text.append(piece, 0, static_cast<std::size_t>(got));
      const Instant now = system_clock().now();
      if (!deadline && got > 0) deadline = now + life;
      if ((deadline && now > *deadline) || now > give_up) ::kill(child, SIGKILL);
      std::this_thread::yield();
    }
    ::close(fds[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the child ended by itself: " << status;
    std::vector<Ack> acks;
    std::istringstream lines(text);
    for (Ack ack; lines >> ack.name >> ack.revision >> ack.text;) acks.push_back(ack);
    return acks;
  }
};

TEST_F(CrashTest, NothingAcknowledgedIsLostWheneverItIsKilled) {
  const char* wish = std::getenv("GANTRY_CRASH_ROUNDS");
  const int rounds = wish ? std::atoi(wish) : 25;
  const char* seed_wish = std::getenv("GANTRY_CRASH_RANDOM");
  const std::uint64_t seed = seed_wish ? std::strtoull(seed_wish, nullptr, 10) : system_random().next();
  std::printf("seed %llu (GANTRY_CRASH_RANDOM), %d rounds\n", static_cast<unsigned long long>(seed), rounds);
  SeededRandom random(seed);

  std::map<std::string, Ack> newest;      // by key: the newest acknowledged write
  std::map<Revision, std::string> known;  // every event that was ever seen, so that it can be compared
  Revision seen = 0;
  std::size_t acknowledged = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const auto acks = run_and_kill(random.next(), std::chrono::microseconds(random.below(60'000)));
    Revision highest = seen;
    for (const Ack& ack : acks) {
      if (ack.name == "ready") {
        ASSERT_GE(ack.revision, seen) << "the revision went backwards";
        continue;
      }
      ++acknowledged;
      highest = std::max(highest, ack.revision);
      ASSERT_GT(ack.revision, seen) << "a revision was given twice";
      Ack& last = newest[ack.name];
      if (ack.revision > last.revision) last = ack;
    }

    const Instant opening = system_clock().now();
    open();
    ASSERT_LT(system_clock().now() - opening, std::chrono::seconds(10));
    ASSERT_GE(store->revision(), highest) << "an acknowledged write is missing";

    // From where the window still reaches back to; what is older was compacted.
    const Revision from = std::max(seen, store->oldest_revision());
    auto watch = store->watch(kApps, from);
    Revision before = from;
    for (auto events = watch->ready(1000); !events.empty(); events = watch->ready(1000)) {
      for (const auto& event : events) {
        ASSERT_GT(event->revision, before) << "an event came twice, or out of order";
        before = event->revision;
        ASSERT_EQ(event->object->revision(), event->revision);
        ASSERT_EQ(event->object->decode().find("metadata")->string_or("resourceVersion"),
                  std::to_string(event->revision));
        known[event->revision] = event->object->key().name;
        // Durable, though its answer may have been cut off: from now on it counts as told.
        Ack& last = newest[event->object->key().name];
        const bool gone = event->type == Event::Type::Deleted;
        const std::string text = (gone ? "-" : "") + spec_of(event->object).as_string();
        if (event->revision > last.revision) last = {event->object->key().name, event->revision, text};
      }
    }
    for (const Ack& ack : acks) {
      if (ack.name == "ready" || ack.revision <= from) continue;
      ASSERT_EQ(known.count(ack.revision), 1u) << "the event of an acknowledged write is missing: " << ack.revision;
      ASSERT_EQ(known[ack.revision], ack.name);
    }
    for (const auto& [name, ack] : newest) {
      const ObjectPtr object = store->find(app(name));
      if (ack.text[0] == '-') {
        ASSERT_EQ(object, nullptr) << name << " was removed at " << ack.revision;
      } else {
        ASSERT_NE(object, nullptr) << name << " at " << ack.revision;
        ASSERT_EQ(object->revision(), ack.revision);
        ASSERT_EQ(spec_of(object).as_string().substr(0, 64), ack.text.substr(0, 64));
      }
    }
    seen = store->revision();
    store.reset();
  }
  std::printf("%zu acknowledged writes, none lost\n", acknowledged);
}

}  // namespace
}  // namespace gantry::store
