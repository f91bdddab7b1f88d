// What a supervisor writes, and what comes out of it.
#include <sys/stat.h>

#include <sstream>

#include "providers/local/log_cursor.hpp"
#include "providers/local/log_writer.hpp"
#include "providers/local/posix.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::local {
namespace {

using testing::ElementsAre;
using enum LogWriter::Stream;

class StillClock final : public Clock {
 public:
  Instant now() const override { return Instant{}; }
  WallTime wall() const override { return time; }
  TimerId call_at(Reactor&, Instant, std::move_only_function<void()>) override { return 0; }
  void cancel(TimerId) override {}
  WallTime time = parse_time("2026-11-21T10:00:00Z");
};

class LogTest : public testing::Test {
 protected:
  LogWriter writer(std::int64_t bytes_max = 1 << 20) { return {dir.path(), bytes_max, clock}; }
  std::string read(LogQuery query = {}) {
    LogCursor cursor(dir.path(), query);
    return rest_of(cursor);
  }
  static std::string rest_of(LogCursor& cursor) {
    std::string all;
    for (std::string piece = cursor.more(); !piece.empty(); piece = cursor.more()) all += piece;
    return all;
  }
  Folder dir;
  StillClock clock;
};

TEST_F(LogTest, EachLineHasItsTimeAndItsStream) {
  auto log = writer();
  log.write(Out, "one\ntwo\n");
  clock.time += std::chrono::microseconds(123456);
  log.write(Err, "three\n");
  EXPECT_EQ(dir.read("log"),
            "2026-11-21T10:00:00.000000Z stdout F one\n"
            "2026-11-21T10:00:00.000000Z stdout F two\n"
            "2026-11-21T10:00:00.123456Z stderr F three\n");
  EXPECT_EQ(read(), "one\ntwo\nthree\n");
  EXPECT_EQ(read({.tail_lines = 1, .timestamps = true}), "2026-11-21T10:00:00.123456Z three\n");
}

TEST_F(LogTest, PiecesOfALineComeTogetherAgain) {
  auto log = writer();
  log.write(Out, "user");
  log.write(Out, "name: ");
  EXPECT_TRUE(log.has_partial());
  log.flush(false);
  EXPECT_FALSE(log.has_partial());
  EXPECT_EQ(read(), "username: ") << "a prompt is seen although it has no newline";
  log.write(Out, "root\nlast words");
  log.flush(true);
  EXPECT_EQ(read(), "username: root\nlast words\n");
}

TEST_F(LogTest, TwoStreamsDoNotTearEachOthersLines) {
  auto log = writer();
  log.write(Out, "half of ");
  log.write(Err, "noise\n");
  log.write(Out, "a line\n");
  EXPECT_EQ(read(), "noise\nhalf of a line\n");
}

TEST_F(LogTest, BytesAreKeptAsTheyAreAndAnEndlessLineIsCutIntoPieces) {
  auto log = writer(64 << 20);
  const std::string odd("a\0b\xff\xfe\r\x1b[31m", 11);
  const std::string endless(1'000'000, 'x');
  log.write(Out, odd + "\n\n" + endless);
  log.flush(true);
  EXPECT_EQ(read(), odd + "\n\n" + endless + "\n");
}

TEST_F(LogTest, TwoFilesAreKeptAndNoRecordIsSplit) {
  auto log = writer(4096);
  for (int i = 0; i < 1000; ++i) log.write(Out, "line " + std::to_string(i) + "\n");
  struct stat found{};
  for (const auto* name : {"log", "log.1"}) {
    ASSERT_EQ(::stat((dir / name).c_str(), &found), 0);
    EXPECT_LE(found.st_size, 4096);
    EXPECT_EQ(found.st_mode & 0777, 0600U);
    EXPECT_TRUE(dir.read(name).ends_with("\n"));
  }
  EXPECT_THAT(names_in(dir.path()), ElementsAre("log", "log.1"));
  const std::string all = read();
  EXPECT_TRUE(all.ends_with("line 998\nline 999\n"));
  int expected = std::stoi(all.substr(5));
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(line, "line " + std::to_string(expected++));
  EXPECT_EQ(read({.tail_lines = 3}), "line 997\nline 998\nline 999\n");
  EXPECT_EQ(last_lines(dir.path(), 2), "line 998\nline 999\n");
}

TEST_F(LogTest, AReaderLosesNothingWhenTheFilesTurnUnderIt) {
  auto log = writer(2000);
  LogCursor cursor(dir.path(), {});
  std::string all, expected;
  for (int i = 0; i < 500; ++i) {
    expected += "line " + std::to_string(i) + "\n";
    log.write(Out, "line " + std::to_string(i) + "\n");
    if (i % 7 == 0) all += cursor.more();
  }
  all += rest_of(cursor);
  EXPECT_EQ(all, expected);
}

TEST_F(LogTest, SinceLeavesOutWhatIsOlder) {
  auto log = writer();
  log.write(Out, "old\n");
  clock.time += std::chrono::seconds(10);
  log.write(Out, "new\n");
  EXPECT_EQ(read({.since = clock.time}), "new\n");
  EXPECT_EQ(read({.tail_lines = 5, .since = clock.time}), "new\n");
  EXPECT_EQ(read({.tail_lines = 0}), "");
}

TEST_F(LogTest, AnotherWriterGoesOnWithTheFile) {
  writer().write(Out, "before\n");
  writer().write(Out, "after\n");
  EXPECT_EQ(read(), "before\nafter\n");
}

TEST_F(LogTest, DamageIsPassedOver) {
  dir.write("log", "no record\n2026-11-21T10:00:00.000000Z stdout F good\n\n\n2026 half");
  EXPECT_EQ(read(), "good\n");
}

}  // namespace
}  // namespace gantry::providers::local
