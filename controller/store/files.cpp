#include "controller/store/files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "controller/base/files.hpp"

namespace gantry::store {

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Error system_error(const std::string& doing) { return {ErrorCode::Unavailable, doing + ": " + std::strerror(errno)}; }

std::string read_some(const File& file, std::size_t bytes_max) {
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
  sync_folder(files::directory_of(path));
}

void make_folder(const std::string& path) {
  files::make_directories(path, 0700);
  sync_folder(files::directory_of(path));
}

}  // namespace gantry::store
