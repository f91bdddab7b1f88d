// Small files and descriptors of this machine, for providers/local and its supervisor alone. Every call may block: use
// them on a blocking thread, or where the file is known to be in memory (/proc, a cgroup). No fsync: see
// instance_files.hpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/clock.hpp"

namespace gantry::providers::local {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset();
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// "No such file or directory", for an errno.
std::string errno_text(int error);

// Nothing when it cannot be read, or when it is larger than max.
std::optional<std::string> read_small(const std::string& path, std::size_t max = 1 << 20);
// In place, for files that are not files (/proc, cgroups). The errno, or 0.
int write_value(const std::string& path, std::string_view value);
// The whole new text or the old one, never a part. The errno, or 0.
int replace_file(const std::string& path, std::string_view text, int mode);
// The whole of bytes, through interruptions and short writes. The errno, or 0.
int write_all(int fd, std::string_view bytes);

// Names in a folder, sorted, without "." and ".."; none when it is not there.
std::vector<std::string> names_in(const std::string& path);
// Whether what is there was last changed so long before `now`. False when it is not there.
bool older_than(const std::string& path, Duration age, WallTime now);
// The folder and all in it; never follows a link. Absent is fine. Throws Error(Internal).
void remove_folder(const std::string& path);

}  // namespace gantry::providers::local
