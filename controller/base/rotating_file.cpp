#include "controller/base/rotating_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"

namespace gantry {

RotatingFile::RotatingFile(std::string path, std::size_t bytes_max, std::size_t files_max)
    : path_(std::move(path)), bytes_max_(bytes_max), files_max_(files_max) {
  files::make_directories(files::directory_of(path_), 0700);
  open();
}

RotatingFile::~RotatingFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void RotatingFile::open() {
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor_ < 0) throw Error(ErrorCode::Unavailable, "cannot open " + path_ + ": " + std::strerror(errno));
  struct stat found{};
  bytes_ = ::fstat(descriptor_, &found) == 0 ? static_cast<std::size_t>(found.st_size) : 0;
  char last = '\n';
  torn_ = bytes_ > 0 && ::pread(descriptor_, &last, 1, static_cast<off_t>(bytes_ - 1)) == 1 && last != '\n';
}

void RotatingFile::rotate() {
  ::close(descriptor_);
  descriptor_ = -1;
  const auto numbered = [&](std::size_t i) { return path_ + "." + std::to_string(i); };
  if (files_max_ == 0) {
    ::unlink(path_.c_str());
  } else {
    for (std::size_t i = files_max_; i > 1; --i) std::rename(numbered(i - 1).c_str(), numbered(i).c_str());
    std::rename(path_.c_str(), numbered(1).c_str());
  }
  open();
}

void RotatingFile::append(std::string_view lines) {
  if (descriptor_ < 0) open();
  if (bytes_ > 0 && bytes_ + lines.size() > bytes_max_) rotate();
  const auto write_all = [&](std::string_view bytes) {
    while (!bytes.empty()) {
      const auto written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) throw Error(ErrorCode::Unavailable, "cannot write " + path_ + ": " + std::strerror(errno));
      torn_ = bytes[static_cast<std::size_t>(written) - 1] != '\n';
      bytes_ += static_cast<std::size_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  };
  if (torn_) write_all("\n");
  write_all(lines);
}

}  // namespace gantry
