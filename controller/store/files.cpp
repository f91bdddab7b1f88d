#include "controller/store/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace gantry::store {

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Error system_error(const std::string& doing) { return {ErrorCode::Unavailable, doing + ": " + std::strerror(errno)}; }

std::string read_all(const File& file, std::size_t bytes_max) {
  std::string out(bytes_max, '\0');
  std::size_t size = 0;
  while (size < bytes_max) {
    const ssize_t got = ::read(file.get(), out.data() + size, bytes_max - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("reading");
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  out.resize(size);
  return out;
}

void write_all(const File& file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw system_error("writing " + path);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

void sync_file(const File& file, const std::string& path) {
  if (::fsync(file.get()) != 0) throw system_error("syncing " + path);
}

void sync_folder(const std::string& path) {
  const File folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) throw system_error("opening " + path);
  sync_file(folder, path);
}

void write_new_file(const std::string& path, std::string_view bytes) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) throw system_error("making " + path);
  write_all(file, bytes, path);
  sync_file(file, path);
  sync_folder(parent_of(path));
}

void make_folder(const std::string& path) {
  if (path.empty() || exists(path)) return;
  make_folder(parent_of(path));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw system_error("making the folder " + path);
  sync_folder(parent_of(path));
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::lstat(path.c_str(), &info) == 0;
}

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

FolderLock::FolderLock(const std::string& path) : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (!file_) throw system_error("opening " + path);
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw system_error("locking " + path);
    const std::string holder = read_all(file_, 32);
    throw Error(ErrorCode::Unavailable, "the store " + parent_of(path) + " is in use by process " +
                                            holder.substr(0, holder.find('\n')) +
                                            "; stop that controller first, or use another --data-dir");
  }
  if (::ftruncate(file_.get(), 0) != 0) throw system_error("writing " + path);
  write_all(file_, std::to_string(::getpid()) + "\n", path);
}

}  // namespace gantry::store
