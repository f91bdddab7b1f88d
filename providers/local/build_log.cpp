#include "providers/local/build_log.hpp"

#include <fcntl.h>

#include "controller/base/log.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

constexpr std::size_t kBytesMax = 8 << 20;
constexpr std::size_t kLastLines = 20;
constexpr std::size_t kLineMax = 1000;

}  // namespace

BuildLog::BuildLog(Reactor& reactor, Blocking& blocking, std::string path)
    : reactor_(reactor), blocking_(blocking), path_(std::move(path)) {}

void BuildLog::add(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    line_.append(text.substr(0, end));
    if (end == std::string_view::npos) {
      if (line_.size() < kLineMax * 4) return;  // a line without an end is cut
    }
    std::string whole = log::redacted(std::exchange(line_, {}));
    if (written_ <= kBytesMax) {
      written_ += whole.size() + 1;
      waiting_ += whole + "\n";
      if (written_ > kBytesMax) waiting_ += "(what follows is not kept)\n";
    }
    if (whole.find_first_not_of(" \r\t") != std::string::npos) last_.push_back(whole.substr(0, kLineMax));
    if (last_.size() > kLastLines) last_.pop_front();
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

Task<> BuildLog::flush() {
  if (waiting_.empty()) co_return;
  std::string text = std::exchange(waiting_, {});
  co_await blocking_.run(reactor_, [path = path_, text = std::move(text)] {
    // A log that cannot be written (the disk is full, say) is no reason for a build to fail.
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file) write_all(file.get(), text);
  });
}

std::string BuildLog::tail() const {
  std::string text;
  for (const auto& line : last_) text += line + "\n";
  return text + line_.substr(0, kLineMax);
}

}  // namespace gantry::providers::local
