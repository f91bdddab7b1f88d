#include "controller/base/unix_transport.hpp"

#include "controller/base/error.hpp"

namespace gantry::http {

Task<std::string> ResponseStream::rest(std::size_t bytes_max) {
  std::string text;
  while (text.size() < bytes_max) {
    const std::string piece = co_await next();
    if (piece.empty()) break;
    text += piece;
  }
  if (text.size() > bytes_max) text.resize(bytes_max);
  co_return text;
}

Task<std::unique_ptr<ResponseStream>> open_stream(Pool& pool, Request request) {
  auto connection = co_await pool.open(request.timeout);
  Head head = co_await connection->begin(std::move(request));
  co_return std::make_unique<ResponseStream>(std::move(connection), std::move(head));
}

UnixTransport::UnixTransport(Reactor& reactor, std::string socket_path)
    : pool_(reactor, Endpoint{.kind = Endpoint::Kind::Unix, .host = std::move(socket_path)}, nullptr) {}

Task<Response> UnixTransport::send(Request request) { co_return co_await pool_.send(std::move(request)); }

Task<std::unique_ptr<ResponseStream>> UnixTransport::stream(Request request) {
  co_return co_await open_stream(pool_, std::move(request));
}

void LineSplitter::feed(std::string_view bytes) {
  buffer_.erase(0, at_);
  searched_ -= at_;
  at_ = 0;
  buffer_.append(bytes);
}

std::optional<std::string_view> LineSplitter::next() {
  const auto end = buffer_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = buffer_.size();
    if (buffer_.size() - at_ > line_max_) {
      throw Error(ErrorCode::TooLarge, "a line is longer than " + std::to_string(line_max_) + " bytes");
    }
    return std::nullopt;
  }
  const auto line = std::string_view(buffer_).substr(at_, end - at_);
  at_ = searched_ = end + 1;
  return line;
}

void FrameSplitter::feed(std::string_view bytes) {
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_.append(bytes);
}

std::optional<FrameSplitter::Frame> FrameSplitter::next() {
  constexpr std::size_t kHead = 8;
  while (left_ == 0) {
    if (buffer_.size() - at_ < kHead) return std::nullopt;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(buffer_[at_ + i]); };
    if (byte(0) > 2 || byte(1) != 0 || byte(2) != 0 || byte(3) != 0) {
      throw Error(ErrorCode::Invalid, "the log stream is not multiplexed (a container with a terminal has plain logs)");
    }
    source_ = static_cast<Frame::Source>(byte(0));
    left_ = std::size_t{byte(4)} << 24 | std::size_t{byte(5)} << 16 | std::size_t{byte(6)} << 8 | std::size_t{byte(7)};
    at_ += kHead;
  }
  const auto bytes = std::string_view(buffer_).substr(at_, left_);
  if (bytes.empty()) return std::nullopt;
  at_ += bytes.size();
  left_ -= bytes.size();
  return Frame{source_, bytes};
}

}  // namespace gantry::http
