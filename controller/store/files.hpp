// What controller/base/files.hpp does not have: descriptors for streams, and names that are durable.
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
  File& operator=(File&&) = delete;
  ~File();
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }

 private:
  int fd_;
};

// From errno: "opening X: No space left on device".
Error system_error(const std::string& doing);

// Fewer than bytes_max only at the end of the file.
std::string read_some(const File& file, std::size_t bytes_max);
void write_all(const File& file, std::string_view bytes, const std::string& path);
void sync_file(const File& file, const std::string& path);
void sync_folder(const std::string& path);
// Mode 0600, synced, its folder too. Throws when it exists: two that make it at once do not both succeed.
void write_new_file(const std::string& path, std::string_view bytes);
// With its parents, mode 0700, synced.
void make_folder(const std::string& path);

}  // namespace gantry::store
