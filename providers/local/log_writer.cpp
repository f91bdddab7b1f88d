#include "providers/local/log_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace gantry::providers::local {
namespace {

constexpr std::size_t kPieceMax = 16 << 10;  // of one line held in memory; longer ones are written in pieces

}  // namespace

LogWriter::LogWriter(std::string folder, std::int64_t bytes_max, const Clock& clock)
    : folder_(std::move(folder)), bytes_max_(bytes_max), clock_(clock) {
  open();
}

void LogWriter::open() {
  file_ = Fd(::open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat found{};
  size_ = file_ && ::fstat(file_.get(), &found) == 0 ? found.st_size : 0;
}

void LogWriter::write(Stream stream, std::string_view bytes) {
  stamp_ = format_micro_time(clock_.wall());
  out_.clear();
  auto& partial = partial_[static_cast<int>(stream)];
  while (!bytes.empty()) {
    const auto newline = bytes.find('\n');
    const auto take = std::min(newline == std::string_view::npos ? bytes.size() : newline, kPieceMax - partial.size());
    const bool whole = take == newline;
    if (whole && partial.empty()) {
      record(stream, true, bytes.substr(0, take));  // the usual case: no copy
    } else {
      partial.append(bytes.substr(0, take));
      if (whole || partial.size() == kPieceMax) {
        record(stream, whole, partial);
        partial.clear();
      }
    }
    bytes.remove_prefix(take + (whole ? 1 : 0));
  }
  append(out_);
}

void LogWriter::flush(bool at_end) {
  stamp_ = format_micro_time(clock_.wall());
  out_.clear();
  for (const Stream stream : {Stream::Out, Stream::Err}) {
    const auto index = static_cast<int>(stream);
    if (partial_[index].empty() && !(at_end && continues_[index])) continue;
    record(stream, at_end, partial_[index]);
    partial_[index].clear();
  }
  append(out_);
}

void LogWriter::record(Stream stream, bool whole, std::string_view content) {
  const auto length = static_cast<std::int64_t>(stamp_.size() + content.size() + 11);
  const auto pending = static_cast<std::int64_t>(out_.size());
  if (size_ + pending > 0 && size_ + pending + length > bytes_max_) {
    append(out_);
    out_.clear();
    ::rename((folder_ + "/log").c_str(), (folder_ + "/log.1").c_str());
    open();
  }
  out_.append(stamp_).append(stream == Stream::Out ? " stdout " : " stderr ").append(whole ? "F " : "P ");
  out_.append(content).push_back('\n');
  continues_[static_cast<int>(stream)] = !whole;
}

void LogWriter::append(std::string_view records) {
  if (records.empty()) return;
  if (!file_) open();
  if (dropped_ > 0 && file_) {
    const std::string note = format_micro_time(clock_.wall()) + " stderr F [gantry: " + std::to_string(dropped_) +
                             " bytes of log could not be written]\n";
    if (write_all(file_.get(), note) == 0) {
      size_ += static_cast<std::int64_t>(note.size());
      dropped_ = 0;
    }
  }
  if (!file_ || write_all(file_.get(), records) != 0) {
    dropped_ += records.size();
    // Half a record must not run into the next one.
    if (file_ && ::ftruncate(file_.get(), size_) != 0) open();
    return;
  }
  size_ += static_cast<std::int64_t>(records.size());
}

}  // namespace gantry::providers::local
