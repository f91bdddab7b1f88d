#include "controller/base/files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "controller/base/error.hpp"
#include "controller/base/random.hpp"

namespace gantry::files {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FilesTest : public ::testing::Test {
 protected:
  FilesTest() { make_directories(folder, 0700); }
  ~FilesTest() override { std::filesystem::remove_all(folder); }
  std::string in(const std::string& name) const { return join(folder, name); }
  static mode_t mode_of(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  static ErrorCode code_of(const std::function<void()>& fn) {
    try {
      fn();
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "no error";
    return ErrorCode::Internal;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) found.push_back(entry.path().filename());
    return found;
  }
  std::string folder = testing::TempDir() + "files-" + system_random().suffix(8);
};

TEST_F(FilesTest, WhatIsWrittenIsReadWithTheModeAskedForWhateverUmaskSays) {
  const mode_t before = ::umask(0077);
  write_file_atomically(in("open"), "hello", 0644);
  ::umask(0);
  write_file_atomically(in("secret"), std::string(100'000, 'x'), 0600);
  make_directories(in("a/b/c"), 0700);
  ::umask(before);
  EXPECT_EQ(read_file(in("open")), "hello");
  EXPECT_EQ(mode_of(in("open")), 0644U);
  EXPECT_EQ(read_file(in("secret")).size(), 100'000U);
  EXPECT_EQ(mode_of(in("secret")), 0600U);
  EXPECT_EQ(mode_of(in("a/b")), 0700U);
  EXPECT_TRUE(readable_by_others(in("open")));
  EXPECT_FALSE(readable_by_others(in("secret")));
}

TEST_F(FilesTest, AWriteThatFailsLeavesTheOldContentAndNoLitter) {
  make_directories(in("taken/full"), 0700);
  EXPECT_ANY_THROW(write_file_atomically(in("taken"), "new"));  // a folder stands in the way of the rename
  EXPECT_THAT(names(), testing::ElementsAre("taken"));
  EXPECT_EQ(code_of([&] { write_file_atomically(in("nowhere/file"), "x"); }), ErrorCode::NotFound);
}

TEST_F(FilesTest, ReadingHasALimitAndSaysWhatIsMissing) {
  write_file_atomically(in("ten"), "0123456789");
  EXPECT_EQ(read_file(in("ten"), 10), "0123456789");
  EXPECT_EQ(code_of([&] { read_file(in("ten"), 9); }), ErrorCode::TooLarge);
  EXPECT_EQ(code_of([&] { read_file("/dev/zero", 1 << 20); }), ErrorCode::TooLarge) << "its size is said to be 0";
  EXPECT_EQ(code_of([&] { read_file(in("absent")); }), ErrorCode::NotFound);
  EXPECT_EQ(read_file_if_exists(in("absent")), std::nullopt);
  EXPECT_ANY_THROW(read_file(folder));
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("VmRSS"));
  write_file_atomically(in("empty"), "");
  EXPECT_THAT(read_file(in("empty")), IsEmpty());
}

TEST_F(FilesTest, OneProcessAtATimeHoldsALockAndItGoesWithIt) {
  const std::string path = in("lock");
  {
    const Lock held = Lock::acquire(path);
    EXPECT_FALSE(Lock::try_acquire(path));
    try {
      Lock::acquire(path);
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.message(), HasSubstr("pid " + std::to_string(::getpid())));
    }
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const auto held = Lock::try_acquire(path);
    ::_exit(held ? 0 : 1);  // without giving it back
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Lock::try_acquire(path));
}

TEST(FilePaths, AreJoinedAndTakenApart) {
  EXPECT_EQ(join("a", "b"), "a/b");
  EXPECT_EQ(join("a/", "b"), "a/b");
  EXPECT_EQ(join("a", "/b"), "/b");
  EXPECT_EQ(join("", "b"), "b");
  EXPECT_EQ(directory_of("/a/b"), "/a");
  EXPECT_EQ(directory_of("/a"), "/");
  EXPECT_EQ(directory_of("a"), ".");
  EXPECT_EQ(directory_of("a/b/"), "a");
}

}  // namespace
}  // namespace gantry::files
