// Lines that are kept up to a size: when PATH is full it becomes PATH.1, that PATH.2, and so on; the oldest goes. One
// thread at a time; blocks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gantry {

class RotatingFile {
 public:
  // Opens or makes PATH (0600). files_max: how many beside PATH. A line that a crash cut off is ended. Throws Error.
  RotatingFile(std::string path, std::size_t bytes_max, std::size_t files_max);
  ~RotatingFile();
  RotatingFile(const RotatingFile&) = delete;
  RotatingFile& operator=(const RotatingFile&) = delete;

  // Whole lines. Throws Error(Unavailable) when the disk refuses; the next call tries anew.
  void append(std::string_view lines);

 private:
  void open();
  void rotate();

  std::string path_;
  std::size_t bytes_max_, files_max_;
  std::size_t bytes_ = 0;
  int descriptor_ = -1;
  bool torn_ = false;  // the last line lacks its end
};

}  // namespace gantry
