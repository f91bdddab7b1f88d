// What a build writes: a file that is bounded, with the last lines in memory for the message of a failure.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "controller/base/blocking.hpp"
#include "controller/base/signal.hpp"

namespace gantry::providers::local {

class BuildLog {
 public:
  BuildLog(Reactor& reactor, Blocking& blocking, std::string path);
  // On the reactor; secrets that are known are left out. What comes after the most that is kept is counted only.
  void add(std::string_view text);
  // Writes what was added. One at a time; returns when it is in the file.
  Task<> flush();
  // The last lines, for people.
  std::string tail() const;
  const std::string& path() const { return path_; }

 private:
  Reactor& reactor_;
  Blocking& blocking_;
  std::string path_;
  std::string waiting_;
  std::string line_;
  std::deque<std::string> last_;
  std::size_t written_ = 0;
};

}  // namespace gantry::providers::local
