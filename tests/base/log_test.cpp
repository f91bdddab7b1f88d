#include "controller/base/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "controller/base/secret.hpp"

namespace gantry {
namespace {

using testing::HasSubstr;
using testing::Not;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { log::configure(log::Level::Info, log::Format::Text); }
  template <class Write>
  std::string written_by(Write write) {
    testing::internal::CaptureStderr();
    write();
    log::flush();
    return testing::internal::GetCapturedStderr();
  }
  log::Logger logger{"test"};
};

TEST_F(LogTest, WritesOneLineOfKeysAndValues) {
  const std::string line = written_by(
      [&] { logger.info("step taken", {{"name", "web-1"}, {"count", 3}, {"note", "two words"}, {"ok", true}}); });
  EXPECT_THAT(line, testing::StartsWith("ts="));
  EXPECT_THAT(line, testing::EndsWith(
                        " level=info logger=test msg=\"step taken\" name=web-1 count=3 note=\"two words\" ok=true\n"));
}

TEST_F(LogTest, WritesJsonWhenAsked) {
  log::configure(log::Level::Debug, log::Format::Json);
  const std::string line = written_by([&] { logger.debug("step taken", {{"name", "a\"b\n"}, {"count", 3}}); });
  const json::Value read = json::parse(line);
  EXPECT_EQ(read.string_or("level"), "debug");
  EXPECT_EQ(read.string_or("name"), "a\"b\n");
  EXPECT_EQ(read.int_or("count", 0), 3);
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  EXPECT_EQ(written_by([&] { logger.debug("quiet"); }), "");
  log::configure(log::Level::Off, log::Format::Text);
  EXPECT_EQ(written_by([&] { logger.error("quiet"); }), "");
}

TEST_F(LogTest, NeverShowsWhatWasRegisteredAsSecret) {
  log::redact("hunter2hunter2");
  log::redact("short");
  const std::string line = written_by(
      [&] { logger.info("asked", {{"url", "https://u:hunter2hunter2@host/hunter2hunter2"}, {"why", "short"}}); });
  EXPECT_THAT(line, Not(HasSubstr("hunter2")));
  EXPECT_THAT(line, HasSubstr("https://u:***@host/***"));
  EXPECT_THAT(line, HasSubstr("why=short")) << "short values would blacken ordinary words";
}

// A value in one line must not look like a line of its own.
TEST_F(LogTest, KeepsEvilValuesOnTheirLine) {
  const std::string line = written_by([&] { logger.info("asked", {{"name", "x\nlevel=error msg=forged"}}); });
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(LogTest, KnowsItsWords) {
  EXPECT_EQ(log::parse_level("warn"), log::Level::Warn);
  EXPECT_EQ(log::parse_format("json"), log::Format::Json);
  EXPECT_THROW(log::parse_level("loud"), Error);
  EXPECT_THROW(log::parse_format("xml"), Error);
}

TEST(Secrets, PrintAsStars) {
  const Secret secret("hunter2");
  std::ostringstream out;
  out << secret;
  EXPECT_EQ(out.str(), "***");
  EXPECT_EQ(secret.reveal(), "hunter2");
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abcd"));
}

}  // namespace
}  // namespace gantry
