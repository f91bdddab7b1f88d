#include "providers/local/code.hpp"

#include <sys/stat.h>

#include <filesystem>

#include "controller/base/files.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::local {
namespace {

using testing::HasSubstr;

TEST(IgnoreRules, ReadAsGitDoes) {
  IgnoreRules rules;
  for (const auto* line : {"# comment", "", "*.log", "/build", "cache/", "docs/**/draft.md", "!keep.log", "a?c"}) {
    rules.add(line, false);
  }
  EXPECT_TRUE(rules.ignores("x.log", false));
  EXPECT_TRUE(rules.ignores("deep/down/x.log", false));
  EXPECT_FALSE(rules.ignores("keep.log", false));
  EXPECT_FALSE(rules.ignores("x.logs", false));
  EXPECT_TRUE(rules.ignores("build", true));
  EXPECT_FALSE(rules.ignores("src/build", true));
  EXPECT_TRUE(rules.ignores("src/cache", true));
  EXPECT_FALSE(rules.ignores("src/cache", false)) << "a trailing slash means folders only";
  EXPECT_TRUE(rules.ignores("docs/draft.md", false));
  EXPECT_TRUE(rules.ignores("docs/a/b/draft.md", false));
  EXPECT_TRUE(rules.ignores("abc", false));
  EXPECT_FALSE(rules.ignores("a/c", false));
}

TEST(IgnoreRules, DockersAreTiedToTheTop) {
  IgnoreRules rules;
  rules.add("node_modules", true);
  rules.add("**/*.pyc", true);
  EXPECT_TRUE(rules.ignores("node_modules", true));
  EXPECT_FALSE(rules.ignores("web/node_modules", true));
  EXPECT_TRUE(rules.ignores("a/b/x.pyc", false));
}

TEST(IgnoreRules, AWickedPatternDoesNotTakeForEver) {
  IgnoreRules rules;
  rules.add("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", false);
  rules.add("**/**/**/**/**/**/**/**/**/**/**/**/**/**/**/**/b", false);
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "a/";
  EXPECT_FALSE(rules.ignores(std::string(200, 'a'), false));
  EXPECT_FALSE(rules.ignores(deep + "a", false));
}

class CodeTest : public testing::Test {
 protected:
  CodeTest() {
    app.write("server.py", "print('hi')\n");
    app.write("run.sh", "#!/bin/sh\n", 0755);
    app.write("lib/a.py", "a = 1\n");
    std::filesystem::create_symlink("lib/a.py", app / "link");
  }
  Folder app;
  Folder dir;
  Machine machine;
  CodeStore store{machine.reactor, machine.blocking, dir.path()};
};

TEST_F(CodeTest, TheDigestIsOfNamesAndContentAndNotOfTimesAndPlaces) {
  using std::filesystem::copy_options;
  const auto before = source_digest(app.path());
  EXPECT_THAT(before, testing::StartsWith("sha256:"));
  EXPECT_THAT(before, testing::SizeIs(7 + 64));
  Folder elsewhere;
  std::filesystem::copy(app.path(), elsewhere.path(), copy_options::recursive | copy_options::copy_symlinks);
  std::filesystem::last_write_time(elsewhere / "server.py", std::filesystem::file_time_type{});
  EXPECT_EQ(source_digest(elsewhere.path()), before);

  app.write("server.py", "print('ho')\n");
  const auto edited = source_digest(app.path());
  EXPECT_NE(edited, before);
  ::chmod((app / "server.py").c_str(), 0755);
  EXPECT_NE(source_digest(app.path()), edited) << "an executable bit is content";
}

TEST_F(CodeTest, NamesAndContentCannotBeTakenForEachOther) {
  Folder one, two;
  one.write("a", "bc");
  two.write("ab", "c");
  EXPECT_NE(source_digest(one.path()), source_digest(two.path()));
}

TEST_F(CodeTest, IgnoredFilesDoNotCount) {
  app.write(".gantryignore", "*.log\ncache/\n");
  const auto before = source_digest(app.path());
  app.write("x.log", "noise");
  app.write("cache/big", "noise");
  app.write(".git/HEAD", "ref: refs/heads/main");
  EXPECT_EQ(source_digest(app.path()), before);
}

TEST_F(CodeTest, TheCacheSeesEveryEdit) {
  const auto first = machine.await(store.digest(app.path()));
  EXPECT_EQ(machine.await(store.digest(app.path())), first);
  for (char c = 'a'; c < 'u'; ++c) {
    app.write("server.py", "print('" + std::string(1, c) + "i')\n");  // of the same size
    EXPECT_EQ(machine.await(store.digest(app.path())), source_digest(app.path()));
  }
}

TEST_F(CodeTest, WhatIsNotThereOrTooMuchIsAnErrorThatSaysSo) {
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(store.digest(app / "nowhere"), &code),
              HasSubstr("cannot read the code folder " + (app / "nowhere")));
  EXPECT_EQ(code, ErrorCode::NotFound);
  EXPECT_THAT(machine.error_of(store.digest(app / "server.py")), HasSubstr("Not a directory"));
  try {
    source_digest(app.path(), nullptr, {.files = 2});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::TooLarge);
    EXPECT_THAT(error.message(), HasSubstr(".gantryignore"));
  }
}

TEST_F(CodeTest, ACopyIsWholeAndStaysAsItWas) {
  const auto digest = machine.await(store.digest(app.path()));
  EXPECT_EQ(store.staged(digest), "");
  machine.await(store.stage(app.path(), digest));
  machine.await(store.stage(app.path(), digest));  // twice is once
  const std::string copy = store.staged(digest);
  ASSERT_NE(copy, "");
  EXPECT_EQ(source_digest(copy), digest);
  app.write("server.py", "changed");
  EXPECT_EQ(source_digest(copy), digest);
  EXPECT_EQ(std::filesystem::read_symlink(copy + "/link"), "lib/a.py");
}

TEST_F(CodeTest, AFolderThatChangedMeanwhileIsNotCopiedUnderTheOldName) {
  const auto digest = machine.await(store.digest(app.path()));
  app.write("server.py", "changed");
  ErrorCode code{};
  EXPECT_THAT(machine.error_of(store.stage(app.path(), digest), &code), HasSubstr("changed while it was copied"));
  EXPECT_EQ(code, ErrorCode::Conflict);
  EXPECT_EQ(store.staged(digest), "");
  EXPECT_TRUE(std::filesystem::is_empty(dir / "releases"));
}

TEST_F(CodeTest, OldCopiesGo) {
  const auto digest = machine.await(store.digest(app.path()));
  machine.await(store.stage(app.path(), digest));
  dir.write("releases/.new-1-1/half", "a copy that was cut off");
  machine.await(store.keep_only({digest}));
  EXPECT_NE(store.staged(digest), "");
  EXPECT_FALSE(files::exists(dir / "releases/.new-1-1"));
  machine.await(store.keep_only({}));
  EXPECT_EQ(store.staged(digest), "");
}

TEST_F(CodeTest, ADigestThatIsNoneLeadsNowhere) { EXPECT_THROW(store.staged("sha256:../../etc"), Error); }

}  // namespace
}  // namespace gantry::providers::local
