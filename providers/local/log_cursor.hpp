// Reads what a LogWriter writes, across its rotation, from the oldest line on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "providers/local/posix.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::local {

// One thread at a time; every call may block.
class LogCursor {
 public:
  // Honours tail_lines, since and timestamps; follow is the caller's business.
  LogCursor(std::string folder, const LogQuery& query);

  // Some more text, whole records only. Empty: nothing more for now.
  std::string more();

 private:
  bool open(const std::string& name);
  bool advance();
  void render(std::string_view record, std::string& out);

  std::string folder_;
  std::string since_;
  bool timestamps_;
  std::int64_t skip_lines_ = 0;
  std::int64_t lines_ = 0;  // that began so far
  bool in_line_ = false;    // the last record was a piece
  bool shown_ = true;       // whether the line that is going on is wanted
  Fd file_;
  std::string unread_;  // the start of a record whose end is not written yet
};

// The last lines, for evidence; at most bytes_max of them.
std::string last_lines(const std::string& folder, std::size_t lines, std::size_t bytes_max = 64 << 10);

}  // namespace gantry::providers::local
