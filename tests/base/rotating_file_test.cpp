#include "controller/base/rotating_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "controller/base/files.hpp"
#include "controller/base/random.hpp"

namespace gantry {
namespace {

class RotatingFileTest : public ::testing::Test {
 protected:
  ~RotatingFileTest() override { std::filesystem::remove_all(folder); }
  std::string content(const std::string& suffix = "") {
    return files::read_file_if_exists(path + suffix).value_or("(none)");
  }
  std::string folder = testing::TempDir() + "rotating-" + system_random().suffix(8);
  std::string path = folder + "/audit.log";
};

TEST_F(RotatingFileTest, KeepsAsManyFullFilesAsItIsTold) {
  RotatingFile file(path, 8, 2);
  for (const char* line : {"one\n", "two\n", "three\n", "four\n", "five\n", "six\n", "seven\n"}) file.append(line);
  EXPECT_EQ(content(), "seven\n");
  EXPECT_EQ(content(".1"), "six\n");
  EXPECT_EQ(content(".2"), "five\n");
  EXPECT_EQ(content(".3"), "(none)");
  EXPECT_FALSE(files::readable_by_others(path));
}

TEST_F(RotatingFileTest, GoesOnWhereItStood) {
  {
    RotatingFile(path, 100, 2).append("one\n");
  }
  {
    RotatingFile(path, 100, 2).append("two\n");
  }
  EXPECT_EQ(content(), "one\ntwo\n");
}

TEST_F(RotatingFileTest, ALineThatACrashCutOffIsEndedBeforeTheNext) {
  files::make_directories(folder);
  files::write_file_atomically(path, "one\ntw", 0600);
  RotatingFile(path, 100, 2).append("three\n");
  EXPECT_EQ(content(), "one\ntw\nthree\n");
}

TEST_F(RotatingFileTest, ALineLargerThanAFileHasOneToItself) {
  RotatingFile file(path, 8, 1);
  file.append("0123456789abcdef\n");
  file.append("x\n");
  EXPECT_EQ(content(".1"), "0123456789abcdef\n");
  EXPECT_EQ(content(), "x\n");
}

TEST_F(RotatingFileTest, SaysSoWhenTheFolderIsNone) {
  files::make_directories(folder);
  files::write_file_atomically(path, "x");
  EXPECT_THROW(RotatingFile(path + "/below", 8, 1), std::exception);
}

}  // namespace
}  // namespace gantry
