// The few file operations that must be exact: what they return from is on the disk.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "controller/base/error.hpp"

namespace gantry::store {

// Owns a descriptor.
class File {
 public:
  explicit File(int fd = -1) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept;
  ~File();
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

// From errno: "opening X: No space left on device".
Error system_error(const std::string& doing);

std::string read_all(const File& file, std::size_t bytes_max);
void write_all(const File& file, std::string_view bytes, const std::string& path);
void sync_file(const File& file, const std::string& path);
void sync_folder(const std::string& path);
// Mode 0600, synced, its folder too. Throws when it exists.
void write_new_file(const std::string& path, std::string_view bytes);
// With its parents, mode 0700.
void make_folder(const std::string& path);
bool exists(const std::string& path);
std::string parent_of(const std::string& path);

// Holds `path` against every other process until destroyed. Throws Error(Unavailable) that names the holder's pid.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path);

 private:
  File file_;
};

}  // namespace gantry::store
