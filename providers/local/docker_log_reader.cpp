#include "providers/local/docker_log_reader.hpp"

#include "controller/base/error.hpp"

namespace gantry::providers::local {

std::string docker_logs_query(const LogQuery& query) {
  std::string text = "?stdout=1&stderr=1";
  if (query.follow) text += "&follow=1";
  if (query.timestamps) text += "&timestamps=1";
  if (query.tail_lines) text += "&tail=" + std::to_string(*query.tail_lines);
  if (query.since) {
    const auto nanos = query.since->time_since_epoch().count();
    std::string fraction = std::to_string(nanos % 1'000'000'000);
    fraction.insert(0, 9 - fraction.size(), '0');
    text += "&since=" + std::to_string(nanos / 1'000'000'000) + "." + fraction;
  }
  return text;
}

Task<std::string> DockerLogReader::next() {
  while (!closed_) {
    std::string piece;
    bool ended = false;
    try {
      piece = co_await stream_->next();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::Cancelled) throw;  // Cancelled: close() was called
      ended = true;
    }
    if (ended || piece.empty()) break;
    frames_.feed(piece);
    std::string text;
    while (const auto frame = frames_.next()) text += frame->bytes;
    if (!text.empty()) co_return text;
  }
  co_return "";
}

void DockerLogReader::close() {
  closed_ = true;
  stream_->close();
}

}  // namespace gantry::providers::local
