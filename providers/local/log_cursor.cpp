#include "providers/local/log_cursor.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gantry::providers::local {
namespace {

constexpr std::size_t kPiece = 64 << 10;

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

std::optional<FileId> id_of(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return std::nullopt;
  return FileId{found.st_dev, found.st_ino};
}

std::optional<FileId> id_of(const Fd& file) {
  struct stat found{};
  if (!file || ::fstat(file.get(), &found) != 0) return std::nullopt;
  return FileId{found.st_dev, found.st_ino};
}

}  // namespace

LogCursor::LogCursor(std::string folder, const LogQuery& query)
    : folder_(std::move(folder)),
      since_(query.since ? format_micro_time(*query.since) : ""),
      timestamps_(query.timestamps) {
  if (query.tail_lines) {
    // Counted first and skipped then: two cheap passes over at most two files, and no index to keep.
    LogQuery all;
    all.since = query.since;
    LogCursor counting(folder_, all);
    while (!counting.more().empty()) {
    }
    skip_lines_ = std::max<std::int64_t>(0, counting.lines_ - std::max<std::int64_t>(0, *query.tail_lines));
  }
  if (!open("log.1")) open("log");
}

bool LogCursor::open(const std::string& name) {
  Fd file(::open((folder_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return false;
  file_ = std::move(file);
  unread_.clear();
  return true;
}

// To the file that follows this one. False while this one is the newest.
bool LogCursor::advance() {
  const auto mine = id_of(file_);
  if (!mine) return open("log");
  if (id_of(folder_ + "/log") == mine) return false;
  if (id_of(folder_ + "/log.1") == mine) return open("log");
  return open("log.1") || open("log");  // two rotations behind: this one is deleted, but was read to its end
}

std::string LogCursor::more() {
  std::string out;
  bool rotated = false;
  std::string piece(kPiece, '\0');
  while (out.empty()) {
    const auto got = file_ ? ::read(file_.get(), piece.data(), piece.size()) : 0;
    if (got < 0) return out;
    if (got == 0) {
      // Once it is seen that another file is the newest, this one no longer grows; its last bytes may have come
      // between.
      const auto mine = id_of(file_);
      if (mine && !rotated) {
        rotated = id_of(folder_ + "/log") != mine;
        if (!rotated) return out;
        continue;
      }
      rotated = false;
      if (!advance()) return out;
      continue;
    }
    unread_.append(piece, 0, static_cast<std::size_t>(got));
    std::string_view rest = unread_;
    for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      render(rest.substr(0, end), out);
      rest.remove_prefix(end + 1);
    }
    unread_.erase(0, unread_.size() - rest.size());
  }
  return out;
}

// "<stamp> <stream> <F|P> <content>"
void LogCursor::render(std::string_view record, std::string& out) {
  const auto stamp_end = record.find(' ');
  const auto stream_end = stamp_end == std::string_view::npos ? stamp_end : record.find(' ', stamp_end + 1);
  if (stream_end == std::string_view::npos || stream_end + 2 >= record.size()) return;  // no record of ours
  const std::string_view stamp = record.substr(0, stamp_end);
  const bool whole = record[stream_end + 1] == 'F';
  if (!in_line_) {
    shown_ = since_.empty() || stamp >= since_;
    if (shown_) shown_ = ++lines_ > skip_lines_;
    if (shown_ && timestamps_) out.append(stamp).push_back(' ');
  }
  in_line_ = !whole;
  if (!shown_) return;
  out.append(record.substr(stream_end + 3));
  if (whole) out.push_back('\n');
}

std::string last_lines(const std::string& folder, std::size_t lines, std::size_t bytes_max) {
  LogQuery query;
  query.tail_lines = static_cast<std::int64_t>(lines);
  LogCursor cursor(folder, query);
  std::string text;
  for (std::string piece = cursor.more(); !piece.empty(); piece = cursor.more()) {
    text += piece;
    if (text.size() > 2 * bytes_max) text.erase(0, text.size() - bytes_max);
  }
  if (text.size() > bytes_max) text.erase(0, text.size() - bytes_max);
  return text;
}

}  // namespace gantry::providers::local
