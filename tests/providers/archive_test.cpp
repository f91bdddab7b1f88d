// Goal: nothing that an archive says can write, or later lead, outside of the folder it is unpacked into; and what is
// refused leaves nothing behind. The archives are written by hand where no honest tool would make them.
#include "providers/source/archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <filesystem>

#include "controller/base/files.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::source {
namespace {

using local::Folder;
using testing::AllOf;
using testing::HasSubstr;

struct Item {
  std::string path;
  unsigned type = AE_IFREG;
  std::string text = {};  // content, or where a link leads
  int mode = 0644;
  bool hard = false;
};

void make(const std::string& path, const std::vector<Item>& items, bool zip = false) {
  archive* out = ::archive_write_new();
  if (zip)
    ::archive_write_set_format_zip(out);
  else
    ::archive_write_set_format_pax_restricted(out);
  if (path.ends_with("gz")) ::archive_write_add_filter_gzip(out);
  ASSERT_EQ(::archive_write_open_filename(out, path.c_str()), ARCHIVE_OK);
  for (const auto& item : items) {
    archive_entry* entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, item.path.c_str());
    ::archive_entry_set_filetype(entry, item.type);
    ::archive_entry_set_perm(entry, static_cast<mode_t>(item.mode));
    if (item.hard)
      ::archive_entry_set_hardlink(entry, item.text.c_str());
    else if (item.type == AE_IFLNK)
      ::archive_entry_set_symlink(entry, item.text.c_str());
    const bool content = item.type == AE_IFREG && !item.hard;
    ::archive_entry_set_size(entry, content ? static_cast<la_int64_t>(item.text.size()) : 0);
    ASSERT_GE(::archive_write_header(out, entry), ARCHIVE_WARN) << ::archive_error_string(out);
    if (content) ::archive_write_data(out, item.text.data(), item.text.size());
    ::archive_entry_free(entry);
  }
  ::archive_write_close(out);
  ::archive_write_free(out);
}

class Archive : public testing::Test {
 protected:
  // What unpack() says; and when it refuses, nothing may be there.
  std::string unpack_here(const std::string& archive, ArchiveLimits limits = {}, ErrorCode* code = nullptr) {
    try {
      unpack(archive, dir / "out", limits);
    } catch (const Error& error) {
      if (code) *code = error.code();
      EXPECT_FALSE(files::exists(dir / "out")) << "a refused archive left something behind";
      return error.message();
    }
    return "";
  }
  std::string refusal(const std::vector<Item>& items) {
    make(dir / "a.tar", items);
    return unpack_here(dir / "a.tar");
  }
  int mode_of(const std::string& path) {
    struct stat found{};
    ::stat((dir / path).c_str(), &found);
    return static_cast<int>(found.st_mode & 0777);
  }

  Folder dir;
};

TEST_F(Archive, FoldersModesAndLinksAreKept) {
  const std::vector<Item> items = {{"app/", AE_IFDIR, "", 0755},
                                   {"app/empty/", AE_IFDIR, "", 0755},
                                   {"app/run.sh", AE_IFREG, "#!/bin/sh\n", 0755},
                                   {"app/page.html", AE_IFREG, "hello", 0644},
                                   {"app/current", AE_IFLNK, "page.html", 0777}};
  for (const std::string name : {"a.tar", "a.tar.gz", "a.zip"}) {
    SCOPED_TRACE(name);
    make(dir / name, items, name == "a.zip");
    ASSERT_EQ(unpack_here(dir / name), "");
    EXPECT_TRUE(std::filesystem::is_directory(dir / "out/app/empty"));
    EXPECT_EQ(mode_of("out/app/run.sh"), 0755);
    EXPECT_EQ(mode_of("out/app/page.html"), 0644);
    EXPECT_EQ(std::filesystem::read_symlink(dir / "out/app/current"), "page.html");
    EXPECT_EQ(dir.read("out/app/current"), "hello");
    std::filesystem::remove_all(dir / "out");
  }
}

TEST_F(Archive, WhatWouldLieOutsideIsRefused) {
  EXPECT_THAT(refusal({{"ok"}, {"../evil", AE_IFREG, "x"}}), AllOf(HasSubstr("../evil"), HasSubstr("leads out")));
  EXPECT_THAT(refusal({{"a/../../evil", AE_IFREG, "x"}}), HasSubstr("leads out"));
  EXPECT_THAT(refusal({{"/tmp/evil", AE_IFREG, "x"}}), HasSubstr("absolute"));
  EXPECT_FALSE(files::exists(dir / "evil"));
}

TEST_F(Archive, LinksThatLeadOutAreRefused) {
  EXPECT_THAT(refusal({{"out", AE_IFLNK, "/etc"}}), HasSubstr("absolute path /etc"));
  EXPECT_THAT(refusal({{"out", AE_IFLNK, "../.."}}), HasSubstr("leads out"));
  // Each looks harmless by itself: the second goes through the first.
  EXPECT_THAT(refusal({{"d/", AE_IFDIR}, {"d/here", AE_IFLNK, ".."}, {"up", AE_IFLNK, "d/here/.."}}),
              HasSubstr("leads out"));
  EXPECT_THAT(refusal({{"copy", AE_IFREG, "/etc/passwd", 0644, true}}), HasSubstr("absolute"));
  EXPECT_THAT(refusal({{"copy", AE_IFREG, "../secret", 0644, true}}), HasSubstr("leads out"));
  EXPECT_EQ(refusal({{"lost", AE_IFLNK, "nowhere"}}), "") << "a link may dangle, inside";
}

TEST_F(Archive, NothingIsWrittenThroughALink) {
  dir.write("victim/file", "untouched");
  const std::string said = refusal({{"way", AE_IFLNK, "../victim"}, {"way/file", AE_IFREG, "overwritten"}});
  EXPECT_NE(said, "");
  EXPECT_EQ(dir.read("victim/file"), "untouched");
}

TEST_F(Archive, DevicesAndPipesAreRefused) {
  EXPECT_THAT(refusal({{"null", AE_IFCHR}}), HasSubstr("device"));
  EXPECT_THAT(refusal({{"pipe", AE_IFIFO}}), HasSubstr("pipe"));
}

TEST_F(Archive, ABombIsStoppedBeforeItFillsTheDisk) {
  make(dir / "bomb.zip", {{"zeros", AE_IFREG, std::string(64 << 20, '\0')}}, true);
  ASSERT_LT(std::filesystem::file_size(dir / "bomb.zip"), 200'000U);
  ErrorCode code{};
  EXPECT_THAT(unpack_here(dir / "bomb.zip", {}, &code), HasSubstr("200 times its size"));
  EXPECT_EQ(code, ErrorCode::TooLarge);
  EXPECT_THAT(unpack_here(dir / "bomb.zip", {.bytes = 1 << 20}), HasSubstr("more than 1 MiB"));
  make(dir / "many.tar", std::vector<Item>(200, {"same"}));
  EXPECT_THAT(unpack_here(dir / "many.tar", {.entries = 100}), HasSubstr("more than 100 entries"));
}

TEST_F(Archive, WhatIsNoArchiveIsSaidSo) {
  dir.write("page.html", "<html>a page where an archive should be</html>" + std::string(2000, ' '));
  EXPECT_THAT(unpack_here(dir / "page.html"), HasSubstr("no tar, tar.gz or zip"));
  make(dir / "a.tar.gz", {{"file", AE_IFREG, std::string(100'000, 'x')}, {"more", AE_IFREG, dir.read("page.html")}});
  const std::string whole = dir.read("a.tar.gz");
  dir.write("cut.tar.gz", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(unpack_here(dir / "cut.tar.gz"), HasSubstr("truncated"));
}

std::string packed(const std::string& folder, FolderTar::Options options = {}) {
  FolderTar tar(folder, std::move(options));
  std::string all;
  for (std::string piece = tar.next(); !piece.empty(); piece = tar.next()) all += piece;
  return all;
}

TEST_F(Archive, AFolderGoesInAndOutAsItWas) {
  dir.write("app/run.sh", "#!/bin/sh\n", 0755);
  dir.write("app/big", std::string(700'000, 'b'));
  dir.write("app/node_modules/x", "not this");
  dir.write("app/.gantryignore", "node_modules\n");
  std::filesystem::create_symlink("big", dir / "app/link");
  std::filesystem::create_directory(dir / "app/empty");
  dir.write("a.tar.gz", packed(dir / "app", {.gzip = true}));
  ASSERT_EQ(unpack_here(dir / "a.tar.gz"), "");
  EXPECT_EQ(local::source_digest(dir / "out"), local::source_digest(dir / "app"));
  EXPECT_FALSE(files::exists(dir / "out/node_modules"));
  EXPECT_TRUE(std::filesystem::is_directory(dir / "out/empty"));
}

TEST_F(Archive, TheSameFolderGivesTheSameBytes) {
  dir.write("app/a", "1");
  dir.write("app/b/c", "2");
  const std::string first = packed(dir / "app", {.gzip = true});
  std::filesystem::last_write_time(dir / "app/a", std::filesystem::file_time_type::min());
  EXPECT_EQ(packed(dir / "app", {.gzip = true}), first);
  const std::string with_more = packed(dir / "app", {.extra_name = "Dockerfile", .extra_text = "FROM x\n"});
  dir.write("more.tar", with_more);
  ASSERT_EQ(unpack_here(dir / "more.tar"), "");
  EXPECT_EQ(dir.read("out/Dockerfile"), "FROM x\n");
}

}  // namespace
}  // namespace gantry::providers::source
