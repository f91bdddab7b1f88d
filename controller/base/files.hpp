// Files, done with care: what is written is there whole or not at all, and survives a power cut once the call has
// returned. Every call blocks; on a reactor's thread use them at start only, else through Blocking.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::files {

// Errors everywhere: NotFound (no such file), Forbidden (permissions), TooLarge, Unavailable (disk full, I/O error),
// Internal for the rest; each names the path.

std::string read_file(const std::string& path, std::size_t size_max = 64 << 20);
// Nothing when there is no such file.
std::optional<std::string> read_file_if_exists(const std::string& path, std::size_t size_max = 64 << 20);

// A reader sees the old content or the new, never a part; the same holds after a crash. mode is exact, whatever umask
// says.
void write_file_atomically(const std::string& path, std::string_view bytes, mode_t mode = 0644);

// With all its parents. mode is for those that are made, exactly; what exists is left as it is.
void make_directories(const std::string& path, mode_t mode = 0755);

bool exists(const std::string& path);
// True when somebody else's account may read (or write) it: no place for a key.
bool readable_by_others(const std::string& path);
// False when it was not there. Not for directories.
bool remove_file(const std::string& path);
// "a/b" + "c" = "a/b/c"; an absolute name stays as it is.
std::string join(std::string_view directory, std::string_view name);
// What stands before the last slash; "." when there is none.
std::string directory_of(std::string_view path);

// Held by one process at a time; given back when it ends, however it ends. The file stays: deleting it would let two
// hold "the" lock at once.
class Lock {
 public:
  // Nothing when somebody else holds it. Makes the file (0600).
  static std::optional<Lock> try_acquire(const std::string& path);
  // Throws Error(Unavailable) when somebody else holds it, naming that process where it said who it is.
  static Lock acquire(const std::string& path);

  Lock(Lock&& other) noexcept;
  Lock& operator=(Lock&&) = delete;
  ~Lock();

 private:
  explicit Lock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace gantry::files
