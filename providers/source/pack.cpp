#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "controller/base/error.hpp"
#include "providers/local/posix.hpp"
#include "providers/source/archive.hpp"

namespace gantry::providers::source {
namespace {

constexpr std::size_t kPiece = 256 << 10;

la_ssize_t collect(archive*, void* into, const void* bytes, std::size_t length) {
  static_cast<std::string*>(into)->append(static_cast<const char*>(bytes), length);
  return static_cast<la_ssize_t>(length);
}

}  // namespace

struct FolderTar::State {
  State(std::string where, Options given)
      : folder(std::move(where)),
        options(std::move(given)),
        entries(local::code_entries(folder, options.limits)),
        out(::archive_write_new()),
        entry(::archive_entry_new()) {
    ::archive_write_set_format_pax_restricted(out);
    ::archive_write_set_bytes_per_block(out, 0);
    if (options.gzip) {
      ::archive_write_add_filter_gzip(out);
      ::archive_write_set_filter_option(out, "gzip", "timestamp", nullptr);
      ::archive_write_set_filter_option(out, "gzip", "compression-level", "6");
    } else {
      ::archive_write_add_filter_none(out);
    }
    check(::archive_write_open(out, &ready, nullptr, collect, nullptr));
  }
  ~State() {
    ::archive_entry_free(entry);
    ::archive_write_free(out);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void check(int code) const {
    if (code >= ARCHIVE_WARN) return;
    const char* why = ::archive_error_string(out);
    throw Error(ErrorCode::Internal, "packing " + folder + ": " + (why ? why : "it failed"));
  }

  void head(const std::string& name, int type, int mode, std::int64_t size) {
    ::archive_entry_clear(entry);
    ::archive_entry_set_pathname(entry, name.c_str());
    ::archive_entry_set_filetype(entry, static_cast<unsigned>(type));
    ::archive_entry_set_perm(entry, static_cast<mode_t>(mode));
    ::archive_entry_set_size(entry, size);
    ::archive_entry_set_mtime(entry, 0, 0);
  }

  void begin(const local::CodeEntry& one) {
    const std::string path = folder + "/" + one.path;
    switch (one.kind) {
      case local::CodeEntry::Kind::Folder:
        head(one.path, AE_IFDIR, 0755, 0);
        break;
      case local::CodeEntry::Kind::File:
        file = local::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!file) throw Error(ErrorCode::NotFound, "cannot read " + path + ": " + local::errno_text(errno));
        head(one.path, AE_IFREG, one.executable ? 0755 : 0644, left = one.size);
        break;
      case local::CodeEntry::Kind::Link: {
        std::string target(4096, '\0');
        const auto length = ::readlink(path.c_str(), target.data(), target.size());
        if (length < 0) throw Error(ErrorCode::NotFound, "cannot read " + path + ": " + local::errno_text(errno));
        target.resize(static_cast<std::size_t>(length));
        head(one.path, AE_IFLNK, 0777, 0);
        ::archive_entry_set_symlink(entry, target.c_str());
        break;
      }
    }
    check(::archive_write_header(out, entry));
  }

  void go_on() {
    std::string piece(kPiece, '\0');
    const auto got = ::read(file.get(), piece.data(), std::min(piece.size(), static_cast<std::size_t>(left) + 1));
    const bool complete = got == 0 && left == 0;
    if (!complete && (got <= 0 || got > left))
      throw Error(ErrorCode::Conflict,
                  "the file " + folder + "/" + entries[at - 1].path + " changed while it was read");
    if (complete) {
      file.reset();
      return;
    }
    if (::archive_write_data(out, piece.data(), static_cast<std::size_t>(got)) != got) check(ARCHIVE_FATAL);
    left -= got;
  }

  void step() {
    if (file) {
      go_on();
    } else if (at < entries.size()) {
      const auto& one = entries[at++];
      if (options.extra_name.empty() || one.path != options.extra_name) begin(one);
    } else if (!std::exchange(extra_done, true) && !options.extra_name.empty()) {
      head(options.extra_name, AE_IFREG, 0644, static_cast<std::int64_t>(options.extra_text.size()));
      check(::archive_write_header(out, entry));
      if (::archive_write_data(out, options.extra_text.data(), options.extra_text.size()) < 0) check(ARCHIVE_FATAL);
    } else {
      check(::archive_write_close(out));
      closed = true;
    }
  }

  std::string folder;
  Options options;
  std::vector<local::CodeEntry> entries;
  archive* out;
  archive_entry* entry;
  std::string ready;
  std::size_t at = 0;
  local::Fd file;
  std::int64_t left = 0;
  bool extra_done = false;
  bool closed = false;
};

FolderTar::FolderTar(std::string folder, Options options)
    : state_(std::make_unique<State>(std::move(folder), std::move(options))) {}
FolderTar::~FolderTar() = default;

std::string FolderTar::next() {
  while (!state_->closed && state_->ready.size() < kPiece) state_->step();
  return std::exchange(state_->ready, {});
}

}  // namespace gantry::providers::source
