#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"
#include "providers/source/archive.hpp"

namespace gantry::providers::source {
namespace {

namespace fs = std::filesystem;
using local::errno_text;
using local::Fd;

constexpr std::int64_t kRatioFrom = 16 << 20;
constexpr std::size_t kPiece = 256 << 10;
constexpr std::size_t kPathMax = 1024;
constexpr int kDepthMax = 64;

[[noreturn]] void refuse(const std::string& entry, const std::string& why) {
  throw Error(ErrorCode::Invalid, "the archive is refused: its entry \"" + entry + "\" " + why);
}

[[noreturn]] void cannot(const std::string& what, int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  throw Error(full ? ErrorCode::Unavailable : ErrorCode::Internal, "cannot unpack " + what + ": " + errno_text(error));
}

// The names of a path, one by one; refuses what could lead elsewhere.
std::vector<std::string> names_of(std::string_view path) {
  const std::string whole(path);
  if (path.empty() || path.size() > kPathMax) refuse(whole.substr(0, 200), "has no usable name");
  if (path.front() == '/') refuse(whole, "has an absolute path");
  if (path.find('\0') != std::string_view::npos) refuse(whole, "has a zero byte in its name");
  std::vector<std::string> names;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") refuse(whole, "leads out of the folder (\"..\")");
    names.emplace_back(name);
  }
  if (names.size() > static_cast<std::size_t>(kDepthMax)) refuse(whole.substr(0, 200), "lies too deep");
  return names;
}

class Reader {
 public:
  explicit Reader(const std::string& path) : archive_(::archive_read_new()) {
    ::archive_read_support_format_tar(archive_);
    ::archive_read_support_format_zip(archive_);
    ::archive_read_support_filter_gzip(archive_);
    if (::archive_read_open_filename(archive_, path.c_str(), 64 << 10) != ARCHIVE_OK) {
      const std::string why = message();
      ::archive_read_free(archive_);
      throw Error(ErrorCode::Invalid, "this is no tar, tar.gz or zip that can be read: " + why);
    }
  }
  ~Reader() { ::archive_read_free(archive_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  archive_entry* next() {
    archive_entry* entry = nullptr;
    const int code = ::archive_read_next_header(archive_, &entry);
    if (code == ARCHIVE_EOF) return nullptr;
    if (code < ARCHIVE_WARN) broken();
    return entry;
  }
  std::size_t read(std::string& piece) {
    const auto got = ::archive_read_data(archive_, piece.data(), piece.size());
    if (got < 0) broken();
    return static_cast<std::size_t>(got);
  }

 private:
  std::string message() const {
    const char* text = ::archive_error_string(archive_);
    return text ? text : "it cannot be read";
  }
  [[noreturn]] void broken() {
    throw Error(ErrorCode::Invalid, "the archive is damaged or of an unknown kind: " + message());
  }
  archive* archive_;
};

class Unpacking {
 public:
  Unpacking(const std::string& archive, std::string folder, ArchiveLimits limits)
      : root_path_(std::move(folder)), limits_(limits), reader_(archive) {
    struct stat packed{};
    if (::stat(archive.c_str(), &packed) != 0) cannot(archive, errno);
    bytes_max_ = std::min(limits.bytes, std::max(kRatioFrom, packed.st_size * limits.ratio));
    by_ratio_ = bytes_max_ < limits.bytes;
    if (::mkdir(root_path_.c_str(), 0755) != 0) cannot(root_path_, errno);
    root_ = Fd(::open(root_path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root_) cannot(root_path_, errno);
  }

  void run() {
    std::size_t entries = 0;
    while (archive_entry* entry = reader_.next()) {
      if (++entries > limits_.entries)
        throw Error(ErrorCode::TooLarge,
                    "the archive is refused: it has more than " + std::to_string(limits_.entries) + " entries");
      take(entry);
    }
    if (entries == 0) throw Error(ErrorCode::Invalid, "the archive is empty");
    for (const auto& link : links_) make_link(link);
    for (const auto& link : links_) judge_link(link);
  }

 private:
  struct Link {
    std::vector<std::string> names;
    std::string target;
    std::string written;  // as the archive calls it
  };

  void take(archive_entry* entry) {
    const char* raw = ::archive_entry_pathname(entry);
    const std::string path = raw ? raw : "";
    const auto names = names_of(path);
    if (const char* hard = ::archive_entry_hardlink(entry)) {
      copy_of(names, path, hard);
      return;
    }
    const auto type = ::archive_entry_filetype(entry);
    if (type == AE_IFDIR) {
      folder_of(names, path, names.size());
    } else if (type == AE_IFREG) {
      if (names.empty()) refuse(path, "is a file without a name");
      write(names, path, (::archive_entry_perm(entry) & 0111) != 0);
    } else if (type == AE_IFLNK) {
      const char* target = ::archive_entry_symlink(entry);
      if (names.empty() || !target || !*target) refuse(path, "is a link to nowhere");
      if (*target == '/') refuse(path, "is a link to the absolute path " + std::string(target));
      folder_of(names, path, names.size() - 1);
      links_.push_back({names, target, path});
    } else {
      refuse(path, "is a device, a pipe or a socket; only files, folders and links can be unpacked");
    }
  }

  // Opens the folder of the first `count` names and makes what is missing. Only real folders are gone through.
  Fd folder_of(const std::vector<std::string>& names, const std::string& path, std::size_t count) {
    Fd at(::dup(root_.get()));
    for (std::size_t i = 0; i < count; ++i) {
      if (::mkdirat(at.get(), names[i].c_str(), 0755) != 0 && errno != EEXIST) cannot(path, errno);
      Fd next(::openat(at.get(), names[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next && (errno == ENOTDIR || errno == ELOOP)) refuse(path, "has a file where a folder should be");
      if (!next) cannot(path, errno);
      at = std::move(next);
    }
    return at;
  }

  Fd create(const std::vector<std::string>& names, const std::string& path, bool executable) {
    const Fd folder = folder_of(names, path, names.size() - 1);
    // A name that comes twice: the later one counts, as with tar itself.
    if (::unlinkat(folder.get(), names.back().c_str(), 0) != 0 && errno != ENOENT) {
      refuse(path, "is a folder and a file at once");
    }
    Fd file(::openat(folder.get(), names.back().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     executable ? 0755 : 0644));
    if (!file) cannot(path, errno);
    return file;
  }

  void count(std::size_t bytes) {
    written_ += static_cast<std::int64_t>(bytes);
    if (written_ <= bytes_max_) return;
    throw Error(ErrorCode::TooLarge,
                "the archive is refused: it unpacks to more than " + std::to_string(bytes_max_ >> 20) + " MiB" +
                    (by_ratio_ ? ", " + std::to_string(limits_.ratio) + " times its size" : std::string()));
  }

  void write(const std::vector<std::string>& names, const std::string& path, bool executable) {
    const Fd file = create(names, path, executable);
    std::string piece(kPiece, '\0');
    while (const std::size_t got = reader_.read(piece)) {
      count(got);
      if (const int error = local::write_all(file.get(), std::string_view(piece).substr(0, got))) cannot(path, error);
    }
  }

  // A hard link becomes a copy: what is unpacked must not change in two places at once.
  void copy_of(const std::vector<std::string>& names, const std::string& path, const std::string& target) {
    const auto from = names_of(target);
    if (from.empty() || names.empty()) refuse(path, "is a hard link to nowhere");
    const Fd folder = folder_of(from, path, from.size() - 1);
    const Fd source(::openat(folder.get(), from.back().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat found{};
    if (!source || ::fstat(source.get(), &found) != 0 || !S_ISREG(found.st_mode))
      refuse(path, "is a hard link to \"" + target + "\", which is no file of the archive");
    if (from == names) return;
    const Fd file = create(names, path, (found.st_mode & 0100) != 0);
    std::string piece(kPiece, '\0');
    for (ssize_t got; (got = ::read(source.get(), piece.data(), piece.size())) > 0;) {
      count(static_cast<std::size_t>(got));
      if (const int error =
              local::write_all(file.get(), std::string_view(piece).substr(0, static_cast<std::size_t>(got))))
        cannot(path, error);
    }
  }

  void make_link(const Link& link) {
    const Fd folder = folder_of(link.names, link.written, link.names.size() - 1);
    if (::symlinkat(link.target.c_str(), folder.get(), link.names.back().c_str()) == 0) return;
    if (errno == EEXIST) refuse(link.written, "is a link and something else at once");
    cannot(link.written, errno);
  }

  // Followed for real, through other links too, as far as there is something to follow.
  void judge_link(const Link& link) {
    fs::path at = fs::path(root_path_);
    for (const auto& name : link.names) at /= name;
    std::error_code failed;
    const fs::path root = fs::canonical(root_path_, failed);
    const fs::path end = fs::weakly_canonical(at, failed);
    const std::string inside = root.string() + "/";
    if (failed || (end != root && !end.string().starts_with(inside))) leads_out(link);
    // What does not exist yet: by its text, link by link, it must stay inside as well.
    const fs::path text = (at.parent_path() / link.target).lexically_normal();
    const std::string folder = fs::path(root_path_).lexically_normal().string();
    if (text != folder && text.string() != folder + "/" && !text.string().starts_with(folder + "/")) leads_out(link);
  }
  [[noreturn]] static void leads_out(const Link& link) {
    refuse(link.written, "is a link that leads out of the folder, to \"" + link.target + "\"");
  }

  std::string root_path_;
  ArchiveLimits limits_;
  Reader reader_;
  Fd root_;
  std::int64_t bytes_max_ = 0;
  bool by_ratio_ = false;
  std::int64_t written_ = 0;
  std::vector<Link> links_;
};

}  // namespace

void unpack(const std::string& archive, const std::string& folder, ArchiveLimits limits) {
  if (files::exists(folder)) throw Error(ErrorCode::AlreadyExists, folder + " exists already");
  std::exception_ptr failure;
  try {
    Unpacking(archive, folder, limits).run();
  } catch (const Error&) {
    failure = std::current_exception();
  }
  if (!failure) return;
  local::remove_folder(folder);
  std::rethrow_exception(failure);
}

}  // namespace gantry::providers::source
