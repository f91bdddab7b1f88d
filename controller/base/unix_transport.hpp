// HTTP to a daemon's socket, such as Docker's: whole answers (Transport), and answers that go on (logs, events,
// attach).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/http.hpp"
#include "controller/base/http_connection.hpp"

namespace gantry::http {

// A body as it comes.
class ResponseStream {
 public:
  ResponseStream(std::shared_ptr<Connection> connection, Head head)
      : head_(std::move(head)), connection_(std::move(connection)) {}
  ~ResponseStream() { connection_->close(); }
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;

  const Head& head() const { return head_; }
  int status() const { return head_.status; }
  // The next piece, of any size; empty at the end. Throws Error(Unavailable) when cut off, Error(Cancelled) after
  // close().
  Task<std::string> next() { return connection_->next(); }
  // What is left, up to a size: for the text of an error.
  Task<std::string> rest(std::size_t bytes_max);
  // Wakes next(). From the same thread.
  void close() { connection_->close(); }

 private:
  Head head_;
  std::shared_ptr<Connection> connection_;
};

// Sends the request on a connection of its own; the timeout is for everything up to the head of the answer.
Task<std::unique_ptr<ResponseStream>> open_stream(Pool& pool, Request request);

class UnixTransport final : public Transport {
 public:
  UnixTransport(Reactor& reactor, std::string socket_path);

  Task<Response> send(Request request) override;
  Task<std::unique_ptr<ResponseStream>> stream(Request request);
  const std::string& socket_path() const { return pool_.endpoint().host; }

 private:
  Pool pool_;
};

// Cuts a stream of bytes into lines, however the pieces fall.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t line_max = 64 << 20) : line_max_(line_max) {}
  // Throws Error(TooLarge) when a line does not end.
  void feed(std::string_view bytes);
  // Without its "\n"; nothing until one is whole. The view is good until the next feed().
  std::optional<std::string_view> next();
  // After the end of the stream: what came after the last "\n".
  std::string_view rest() const { return std::string_view(buffer_).substr(at_); }

 private:
  std::size_t line_max_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::size_t searched_ = 0;
};

// Docker's multiplexed logs: frames of {stream, 0, 0, 0, length as big-endian 32 bits} and so many bytes.
class FrameSplitter {
 public:
  struct Frame {
    enum class Source : char { Input = 0, Output = 1, Error = 2 };
    Source source = Source::Output;
    std::string_view bytes;
  };
  // Throws Error(Invalid) when this is no such stream.
  void feed(std::string_view bytes);
  // A frame, or the part of it that has come (they may be large). The view is good until the next feed().
  std::optional<Frame> next();

 private:
  std::string buffer_;
  std::size_t at_ = 0;
  std::size_t left_ = 0;  // of the frame under way
  Frame::Source source_ = Frame::Source::Output;
};

}  // namespace gantry::http
