// The log of one instance on disk, in the text format of Kubernetes' CRI, which collectors know how to read:
//
//   2026-11-21T10:00:00.123456Z stdout F a whole line
//   2026-11-21T10:00:00.123456Z stderr P a piece of a line; the next record goes on with it
//
// Bytes are kept as they came, whatever they are; only a newline ends a line. When a file would pass its size it
// becomes log.1 (the one before is forgotten) and a new one begins; a record is never split between files. A full disk
// never stops the program: what cannot be written is dropped, and its size told once there is room again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controller/base/clock.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {

class LogWriter {
 public:
  enum class Stream { Out, Err };

  // Goes on with the files in `folder`, which must exist.
  LogWriter(std::string folder, std::int64_t bytes_max, const Clock& clock);

  void write(Stream stream, std::string_view bytes);
  // Writes what waits for its newline, as a piece. At the end of a stream as a line.
  void flush(bool at_end);
  bool has_partial() const { return !partial_[0].empty() || !partial_[1].empty(); }

 private:
  void record(Stream stream, bool whole, std::string_view content);
  void append(std::string_view records);
  void open();

  std::string folder_;
  std::int64_t bytes_max_;
  const Clock& clock_;
  Fd file_;
  std::int64_t size_ = 0;
  std::uint64_t dropped_ = 0;
  std::string partial_[2];
  bool continues_[2] = {false, false};  // pieces of this line were written already
  std::string stamp_;
  std::string out_;
};

}  // namespace gantry::providers::local
