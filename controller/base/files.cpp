#include "controller/base/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "controller/base/error.hpp"
#include "controller/base/random.hpp"

namespace gantry::files {
namespace {

[[noreturn]] void fail(std::string_view doing, const std::string& path, int error = errno) {
  ErrorCode code = ErrorCode::Internal;
  if (error == ENOENT || error == ENOTDIR) code = ErrorCode::NotFound;
  if (error == EACCES || error == EPERM || error == EROFS) code = ErrorCode::Forbidden;
  if (error == ENOSPC || error == EDQUOT || error == EIO || error == EMFILE || error == ENFILE)
    code = ErrorCode::Unavailable;
  throw Error(code, std::string(doing) + " " + path + ": " + std::strerror(error));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

template <class Call>
auto retried(Call call) {
  while (true) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

std::string read_all(const Descriptor& file, const std::string& path, std::size_t size_max) {
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) fail("cannot read", path);
  if (S_ISDIR(info.st_mode)) fail("cannot read", path, EISDIR);
  std::string bytes;
  // One more than the size, so that an ordinary file ends with the first read after it. Sizes of /proc and pipes are 0.
  bytes.resize(std::min(size_max, static_cast<std::size_t>(std::max<off_t>(info.st_size, 4095))) + 1);
  std::size_t length = 0;
  while (true) {
    const auto got = retried([&] { return ::read(file.get(), bytes.data() + length, bytes.size() - length); });
    if (got < 0) fail("cannot read", path);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
    if (length > size_max)
      throw Error(ErrorCode::TooLarge, path + " is larger than " + std::to_string(size_max) + " bytes");
    if (length == bytes.size()) bytes.resize(std::min(size_max + 1, bytes.size() * 2));
  }
  bytes.resize(length);
  return bytes;
}

void write_all(const Descriptor& file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const auto written = retried([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
    if (written < 0) fail("cannot write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void sync_directory(const std::string& path) {
  const Descriptor directory(retried([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) fail("cannot sync directory", path);
}

// Unlinked unless the new file took its place.
struct Temporary {
  std::string path;
  bool kept = false;
  ~Temporary() {
    if (!kept) ::unlink(path.c_str());
  }
};

}  // namespace

std::string read_file(const std::string& path, std::size_t size_max) {
  const Descriptor file(retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (file.get() < 0) fail("cannot read", path);
  return read_all(file, path, size_max);
}

std::optional<std::string> read_file_if_exists(const std::string& path, std::size_t size_max) {
  const Descriptor file(retried([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  if (file.get() < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (file.get() < 0) fail("cannot read", path);
  return read_all(file, path, size_max);
}

void write_file_atomically(const std::string& path, std::string_view bytes, mode_t mode) {
  // Beside the target, since rename() works within one file system only.
  Temporary temporary{path + "." + system_random().suffix(8) + ".tmp"};
  const Descriptor file(
      retried([&] { return ::open(temporary.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600); }));
  if (file.get() < 0) {
    temporary.kept = true;
    fail("cannot write", path);
  }
  write_all(file, bytes, path);
  // After the content, so that nobody reads a secret's file under a wider mode; umask has no say.
  if (::fchmod(file.get(), mode) != 0) fail("cannot set the mode of", path);
  if (::fsync(file.get()) != 0) fail("cannot sync", path);
  if (::rename(temporary.path.c_str(), path.c_str()) != 0) fail("cannot replace", path);
  temporary.kept = true;
  sync_directory(directory_of(path));
}

void make_directories(const std::string& path, mode_t mode) {
  if (path.empty() || exists(path)) {
    struct stat info{};
    if (!path.empty() && ::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode))
      fail("cannot make directory", path, ENOTDIR);
    return;
  }
  const std::string parent = directory_of(path);
  if (parent != path) make_directories(parent, mode);
  if (::mkdir(path.c_str(), mode) == 0) {
    if (::chmod(path.c_str(), mode) != 0) fail("cannot set the mode of", path);
    sync_directory(parent);
  } else if (errno != EEXIST) {  // somebody else may have made it just now
    fail("cannot make directory", path);
  }
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

bool readable_by_others(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) fail("cannot look at", path);
  return (info.st_mode & 0077) != 0;
}

bool remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  fail("cannot remove", path);
}

std::string join(std::string_view directory, std::string_view name) {
  if (name.starts_with('/') || directory.empty()) return std::string(name);
  std::string path(directory);
  if (!path.ends_with('/')) path += '/';
  return path.append(name);
}

std::string directory_of(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::optional<Lock> Lock::try_acquire(const std::string& path) {
  Descriptor file(retried([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); }));
  if (file.get() < 0) fail("cannot open lock file", path);
  if (retried([&] { return ::flock(file.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    fail("cannot lock", path);
  }
  // For people, and for the message of whoever comes second. The lock itself is the kernel's.
  const std::string who = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0 || ::pwrite(file.get(), who.data(), who.size(), 0) < 0)
    fail("cannot write", path);
  return Lock(file.release());
}

Lock Lock::acquire(const std::string& path) {
  if (auto lock = try_acquire(path)) return std::move(*lock);
  std::string holder = read_file_if_exists(path, 64).value_or("");
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  throw Error(ErrorCode::Unavailable, path + " is held by another process" +
                                          (holder.empty() ? "" : " (pid " + holder + ")") +
                                          "; stop it, or use another directory");
}

Lock::Lock(Lock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

Lock::~Lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace gantry::files
