// Goal: whatever the road, code ends as one digest and one copy; a folder, its tar and its upload have the same.
#include "providers/source/source_store.hpp"

#include <filesystem>

#include "controller/base/digest.hpp"
#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"
#include "providers/source/upload_store.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::source {
namespace {

using local::Folder;
using local::Machine;
using testing::HasSubstr;

std::string packed(const std::string& folder) {
  FolderTar tar(folder, {.gzip = true});
  std::string all;
  for (std::string piece = tar.next(); !piece.empty(); piece = tar.next()) all += piece;
  return all;
}

class Store : public testing::Test {
 protected:
  Store() {
    app.write("main.py", "print('hi')");
    app.write("lib/a.py", "a = 1");
    store.on_change([this](const std::string& owner) { told.push_back(owner); });
    machine.await(store.open());
  }
  ~Store() override { machine.await(store.close()); }

  CodeFound look(CodeSource source) { return machine.await(store.look(std::move(source))); }
  CodeSource at(const std::string& path) { return {.kind = CodeSource::Kind::Path, .path = path}; }
  CodeSource git(const std::string& folder, std::string ask = "") {
    return {.kind = CodeSource::Kind::Git, .path = folder, .url = repo.path(), .ask = std::move(ask), .owner_uid = "u"};
  }
  CodeFound settled(const CodeSource& source) {
    machine.until([&] { return !look(source).fetching; });
    return look(source);
  }
  void commit(const std::string& name, const std::string& text) {
    repo.write(name, text);
    const std::string line = "cd " + repo.path() +
                             " && export GIT_CONFIG_GLOBAL=/dev/null && { test -d .git || git init -q "
                             "-b main .; } && git add -A && git -c user.name=t -c user.email=t@e.org commit -qm x";
    ASSERT_EQ(::system(line.c_str()), 0);
  }

  Folder app, dir, repo;
  Machine machine;
  SourceStore store{machine.reactor, machine.blocking, dir.path()};
  UploadStore uploads{
      machine.reactor, machine.blocking, store, dir / "uploads", {.bytes = 1 << 20, .all_bytes = 2 << 20}};
  std::vector<std::string> told;
};

TEST_F(Store, AFolderAndItsArchiveAreTheSame) {
  const CodeFound folder = look(at(app.path()));
  EXPECT_FALSE(folder.staged);
  dir.write("app.tar.gz", packed(app.path()));
  const CodeFound archive = look(at(dir / "app.tar.gz"));
  EXPECT_EQ(archive.digest, folder.digest);
  EXPECT_TRUE(archive.staged);
  EXPECT_EQ(local::read_small(store.staged(archive.digest) + "/lib/a.py"), "a = 1");
  app.write("main.py", "print('ho')");
  dir.write("app.tar.gz", packed(app.path()));
  EXPECT_NE(look(at(dir / "app.tar.gz")).digest, archive.digest) << "an archive that was replaced is read again";
  EXPECT_TRUE(local::names_in(dir / "work").empty());
}

TEST_F(Store, AnArchiveThatIsRefusedIsAProblemAndNoMore) {
  dir.write("app.zip", "this is no zip");
  EXPECT_THAT(look(at(dir / "app.zip")).problem, HasSubstr("no tar, tar.gz or zip"));
  EXPECT_THAT(look(at(dir / "nowhere")).problem, HasSubstr("No such file"));
  EXPECT_TRUE(local::names_in(dir / "work").empty());
}

TEST_F(Store, AnUploadComesInPiecesAndGoesOnWhereItEnded) {
  const std::string archive = packed(app.path());
  const std::string name = sha256_hex(archive);
  const std::size_t half = archive.size() / 2;
  EXPECT_EQ(machine.await(uploads.received(name)), 0);
  EXPECT_EQ(machine.await(uploads.add(name, 0, archive.substr(0, half))), static_cast<std::int64_t>(half));
  // The answer was lost; whoever sends it again is told where to go on.
  EXPECT_THAT(machine.error_of(uploads.add(name, 0, archive.substr(0, half))), HasSubstr("go on from there"));
  machine.await(uploads.add(name, static_cast<std::int64_t>(half), archive.substr(half)));
  const std::string digest = machine.await(uploads.finish(name));
  EXPECT_EQ(digest, look(at(app.path())).digest) << "an upload is what its folder is";
  EXPECT_EQ(machine.await(uploads.finish(name)), digest) << "asking twice is fine";
  EXPECT_FALSE(files::exists(dir / ("uploads/" + name))) << "the archive is not kept beside its copy";
  EXPECT_TRUE(look({.kind = CodeSource::Kind::Upload, .upload = digest}).staged);
}

TEST_F(Store, AnUploadThatIsNotWhatItSaysIsForgotten) {
  const std::string name = sha256_hex("something else");
  machine.await(uploads.add(name, 0, packed(app.path())));
  EXPECT_THAT(machine.error_of(uploads.finish(name)), HasSubstr("send them again"));
  EXPECT_EQ(machine.await(uploads.received(name)), 0);
  EXPECT_THAT(machine.error_of(uploads.finish(name)), HasSubstr("begin again"));
}

TEST_F(Store, UploadsHaveLimitsAndTheirNamesLeadNowhere) {
  const std::string name = sha256_hex("x");
  EXPECT_THAT(machine.error_of(uploads.add("../../etc/passwd", 0, "x")), HasSubstr("64 lower case hex digits"));
  EXPECT_THAT(machine.error_of(uploads.add(name, 1 << 20, "x")), HasSubstr("may have 1 MiB"));
  EXPECT_THAT(machine.error_of(uploads.add(name, -1, "x")), HasSubstr("may have"));
  for (const char* other : {"a", "b"}) machine.await(uploads.add(sha256_hex(other), 0, std::string(1 << 20, 'x')));
  EXPECT_THAT(machine.error_of(uploads.add(name, 0, "x")), HasSubstr("too many uploads"));
}

TEST_F(Store, AFolderOfARepositoryIsWatchedAndOthersDoNotDisturbIt) {
  commit("frontend/page.html", "one");
  commit("backend/main.py", "1");
  EXPECT_TRUE(look(git("frontend")).fetching) << "nobody waits for the network";
  const CodeFound first = settled(git("frontend"));
  EXPECT_TRUE(first.staged) << first.problem;
  EXPECT_EQ(first.revision.size(), 40U);
  EXPECT_THAT(told, testing::Contains("u"));
  EXPECT_EQ(local::read_small(store.staged(first.digest) + "/page.html"), "one");
  commit("backend/main.py", "2");
  const CodeFound second = settled(git("frontend", "now"));
  EXPECT_EQ(second.digest, first.digest);
  EXPECT_NE(second.revision, first.revision);
  commit("frontend/page.html", "two");
  EXPECT_NE(settled(git("frontend", "again")).digest, first.digest);
}

TEST_F(Store, WhatWasFetchedHoldsWhenTheRepositoryIsGone) {
  commit("page.html", "one");
  const CodeFound first = settled(git(""));
  std::filesystem::remove_all(repo / ".git");
  const CodeFound second = settled(git("", "now"));
  EXPECT_EQ(second.digest, first.digest);
  EXPECT_TRUE(second.staged);
  EXPECT_THAT(second.problem, HasSubstr("fetching"));
}

TEST_F(Store, CopiesThatNobodyNamesGo) {
  const CodeFound found = look(at(app.path()));
  machine.await(store.stage(at(app.path()), found.digest));
  machine.await(store.keep_only({}, std::chrono::hours(1)));
  EXPECT_NE(store.staged(found.digest), "") << "what is young may be about to be named";
  machine.await(store.keep_only({found.digest}, Duration::zero()));
  EXPECT_NE(store.staged(found.digest), "");
  machine.await(store.keep_only({}, Duration::zero()));
  EXPECT_EQ(store.staged(found.digest), "");
}

}  // namespace
}  // namespace gantry::providers::source
