#include "providers/local/code.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_map>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {

struct DigestCache {
  struct Known {
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t modified = 0;  // nanoseconds
    std::int64_t changed = 0;
    std::string hash;
  };
  std::unordered_map<std::string, Known> files;
};

namespace {

constexpr std::size_t kPiece = 256 << 10;
// A change within the clock's step of the last one may not show in a file's times; such files are read again.
constexpr std::int64_t kSettledNanos = 2'000'000'000;

struct Entry {
  enum class Kind { Folder, File, Link };
  std::string path;  // relative
  Kind kind;
  struct stat found;
};

[[noreturn]] void cannot(std::string_view what, const std::string& path, int error) {
  const auto code = error == ENOENT || error == ENOTDIR  ? ErrorCode::NotFound
                    : error == EACCES || error == EPERM  ? ErrorCode::Forbidden
                    : error == ENOSPC || error == EDQUOT ? ErrorCode::Unavailable
                                                         : ErrorCode::Internal;
  throw Error(code, "cannot " + std::string(what) + " " + path + ": " + errno_text(error));
}

// Everything below a folder that is not ignored, parents before children, in an order that depends on names alone.
class Walk {
 public:
  Walk(const std::string& folder, CodeLimits limits)
      : folder_(folder), limits_(limits), rules_(IgnoreRules::of_folder(folder)) {
    struct stat found{};
    if (::stat(folder.c_str(), &found) != 0) cannot("read the code folder", folder, errno);
    if (!S_ISDIR(found.st_mode)) cannot("read the code folder", folder, ENOTDIR);
    descend("");
  }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  void descend(const std::string& below) {
    for (const auto& name : names_in(folder_ + "/" + below)) {
      const std::string path = below + name;
      struct stat found{};
      if (::lstat((folder_ + "/" + path).c_str(), &found) != 0) {
        if (errno == ENOENT) continue;  // went while we looked
        cannot("read", folder_ + "/" + path, errno);
      }
      const bool is_folder = S_ISDIR(found.st_mode);
      if (rules_.ignores(path, is_folder)) continue;
      if (is_folder) {
        add({path, Entry::Kind::Folder, found});
        descend(path + "/");
      } else if (S_ISREG(found.st_mode)) {
        bytes_ += found.st_size;
        add({path, Entry::Kind::File, found});
      } else if (S_ISLNK(found.st_mode)) {
        add({path, Entry::Kind::Link, found});
      }  // sockets, pipes and devices are not code
    }
  }

  void add(Entry entry) {
    entries_.push_back(std::move(entry));
    if (entries_.size() <= limits_.files && bytes_ <= limits_.bytes) return;
    throw Error(ErrorCode::TooLarge, "the code folder " + folder_ + " has more than " +
                                         (bytes_ > limits_.bytes ? std::to_string(limits_.bytes >> 20) + " MiB"
                                                                 : std::to_string(limits_.files) + " files") +
                                         " (reached at " + entries_.back().path +
                                         "); name what is not needed in .gantryignore");
  }

  const std::string& folder_;
  CodeLimits limits_;
  IgnoreRules rules_;
  std::vector<Entry> entries_;
  std::int64_t bytes_ = 0;
};

// Calls sink with each piece of the file. The errno, or 0.
template <class Sink>
int read_pieces(const std::string& path, Sink sink) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return errno;
  std::string piece(kPiece, '\0');
  while (true) {
    const auto got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    if (const int error = sink(std::string_view(piece.data(), static_cast<std::size_t>(got)))) return error;
  }
}

std::int64_t nanos(const timespec& time) { return time.tv_sec * 1'000'000'000LL + time.tv_nsec; }

std::string hash_of_file(const std::string& folder, const Entry& entry, DigestCache* cache, std::int64_t now) {
  DigestCache::Known fresh{entry.found.st_ino, entry.found.st_size, nanos(entry.found.st_mtim),
                           nanos(entry.found.st_ctim), ""};
  if (cache) {
    const auto known = cache->files.find(entry.path);
    if (known != cache->files.end() && known->second.inode == fresh.inode && known->second.size == fresh.size &&
        known->second.modified == fresh.modified && known->second.changed == fresh.changed) {
      return known->second.hash;
    }
  }
  Sha256 hash;
  const int error = read_pieces(folder + "/" + entry.path, [&](std::string_view piece) {
    hash.add(piece);
    return 0;
  });
  if (error != 0) cannot("read", folder + "/" + entry.path, error);
  fresh.hash = hash.hex();
  if (cache && now - fresh.changed > kSettledNanos) cache->files[entry.path] = fresh;
  return fresh.hash;
}

std::string target_of(const std::string& path) {
  std::string target(4096, '\0');
  const auto length = ::readlink(path.c_str(), target.data(), target.size());
  if (length < 0) cannot("read the link", path, errno);
  target.resize(static_cast<std::size_t>(length));
  return target;
}

void copy_file(const std::string& from, const std::string& to, bool executable) {
  const Fd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, executable ? 0755 : 0644));
  if (!out) cannot("write", to, errno);
  int written = 0;
  const int error = read_pieces(from, [&](std::string_view piece) { return written = write_all(out.get(), piece); });
  if (written != 0) cannot("write", to, written);
  if (error != 0) cannot("read", from, error);
}

}  // namespace

std::vector<CodeEntry> code_entries(const std::string& folder, CodeLimits limits) {
  const Walk walk(folder, limits);
  std::vector<CodeEntry> entries;
  entries.reserve(walk.entries().size());
  for (const auto& one : walk.entries()) {
    const auto kind = one.kind == Entry::Kind::Folder ? CodeEntry::Kind::Folder
                      : one.kind == Entry::Kind::File ? CodeEntry::Kind::File
                                                      : CodeEntry::Kind::Link;
    entries.push_back({one.path, kind, (one.found.st_mode & 0100) != 0, one.found.st_size});
  }
  return entries;
}

void copy_code(const std::string& from, const std::string& to) {
  files::make_directories(to, 0755);
  const Walk walk(from, CodeLimits{});
  for (const auto& entry : walk.entries()) {
    const std::string source = from + "/" + entry.path;
    const std::string copy = to + "/" + entry.path;
    switch (entry.kind) {
      case Entry::Kind::Folder:
        if (::mkdir(copy.c_str(), 0755) != 0) cannot("make the folder", copy, errno);
        break;
      case Entry::Kind::File:
        copy_file(source, copy, (entry.found.st_mode & 0100) != 0);
        break;
      case Entry::Kind::Link:
        if (::symlink(target_of(source).c_str(), copy.c_str()) != 0) cannot("make the link", copy, errno);
        break;
    }
  }
}

std::string source_digest(const std::string& folder, DigestCache* cache, CodeLimits limits) {
  const Walk walk(folder, limits);
  const std::int64_t now = system_clock().wall().time_since_epoch().count();
  Sha256 all;
  for (const auto& entry : walk.entries()) {
    // Lengths before texts: no two different trees may read the same.
    std::string line;
    switch (entry.kind) {
      case Entry::Kind::Folder:
        line = "folder";
        break;
      case Entry::Kind::File:
        line = std::string(entry.found.st_mode & 0100 ? "program " : "file ") + hash_of_file(folder, entry, cache, now);
        break;
      case Entry::Kind::Link:
        line = "link " + target_of(folder + "/" + entry.path);
        break;
    }
    all.add(std::to_string(entry.path.size()) + ":" + entry.path + std::to_string(line.size()) + ":" + line);
  }
  return "sha256:" + all.hex();
}

CodeStore::CodeStore(Reactor& reactor, Blocking& blocking, std::string folder)
    : reactor_(reactor), blocking_(blocking), folder_(std::move(folder) + "/releases") {}

CodeStore::~CodeStore() = default;

std::string CodeStore::place_of(const std::string& digest) const {
  const std::string hex = digest.starts_with("sha256:") ? digest.substr(7) : "";
  if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw Error(ErrorCode::Invalid, "\"" + digest + "\" is no digest of a code folder");
  }
  return folder_ + "/" + hex;
}

Task<std::string> CodeStore::digest(std::string path) {
  // One reader a cache: whoever comes while it is out reads everything anew, and is right as well.
  auto cache = std::exchange(caches_[path], nullptr);
  if (!cache) cache = std::make_shared<DigestCache>();
  std::string made = co_await blocking_.run(reactor_, [path, cache] { return source_digest(path, cache.get()); });
  caches_[path] = std::move(cache);
  co_return made;
}

std::string CodeStore::staged(const std::string& digest) const {
  if (digest.empty()) return "";
  const std::string place = place_of(digest);
  return files::exists(place) ? place : "";
}

Task<> CodeStore::stage(std::string path, std::string digest) {
  const std::string place = place_of(digest);
  const std::string draft = folder_ + "/.new-" + std::to_string(::getpid()) + "-" + std::to_string(++drafts_);
  co_await blocking_.run(reactor_, [path, digest, place, draft, folder = folder_] {
    if (files::exists(place)) return;
    files::make_directories(folder, 0755);
    remove_folder(draft);
    std::exception_ptr failure;
    try {
      copy_code(path, draft);
      // Of the copy and not of the folder: what was edited meanwhile must not run under the wrong name.
      if (source_digest(draft) != digest) {
        throw Error(ErrorCode::Conflict,
                    "the code folder " + path + " changed while it was copied; it will be copied again");
      }
      if (::rename(draft.c_str(), place.c_str()) != 0 && !files::exists(place)) cannot("make", place, errno);
    } catch (const Error&) {
      failure = std::current_exception();
    }
    remove_folder(draft);
    if (failure) std::rethrow_exception(failure);
  });
}

Task<> CodeStore::keep_only(std::set<std::string> digests, Duration younger) {
  std::set<std::string> kept;
  for (const auto& digest : digests) kept.insert(place_of(digest).substr(folder_.size() + 1));
  const std::string own_draft = ".new-" + std::to_string(::getpid()) + "-";
  co_await blocking_.run(reactor_, [folder = folder_, kept, own_draft, younger, now = reactor_.clock().wall()] {
    for (const auto& name : names_in(folder)) {
      const std::string path = folder + "/" + name;
      if (kept.contains(name) || name.starts_with(own_draft)) continue;
      if (younger == Duration::zero() || older_than(path, younger, now)) remove_folder(path);
    }
  });
}

}  // namespace gantry::providers::local
