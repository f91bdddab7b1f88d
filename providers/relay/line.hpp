// One side of a request as the relay sees it: a socket (Caddy's, or that of an instance on this machine), or a place in
// a tunnel to a Server (tunnel.hpp). Bytes go through a line untouched. One reactor's thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "controller/base/byte_stream.hpp"

namespace gantry::providers::relay {

class Line {
 public:
  using State = ByteStream::State;
  virtual ~Line() = default;

  enum class Reached {
    No,       // nothing of it came to the instance
    Yes,      // the instance has taken the connection
    Unknown,  // the way broke before it could be said
  };
  // Connects to the instance and sends it these bytes.
  virtual Task<Reached> open(std::string_view head, std::string_view rest) = 0;

  virtual State read_now(std::span<char> into, std::size_t& got) = 0;
  virtual Task<bool> readable() = 0;
  // Takes all of it. Blocked: co_await flushed() before the next.
  virtual State take(std::string_view bytes) = 0;
  virtual Task<bool> flushed() = 0;
  // Wakes whoever waits. Twice is fine.
  virtual void close() = 0;
  virtual bool closed() const = 0;
};

class PlainLine final : public Line {
 public:
  // Of a connected stream.
  explicit PlainLine(std::shared_ptr<ByteStream> stream) : stream_(std::move(stream)) {}
  PlainLine(Reactor& reactor, const std::string& address, int port);

  Task<Reached> open(std::string_view head, std::string_view rest) override;
  State read_now(std::span<char> into, std::size_t& got) override { return stream_->read_now(into, got); }
  Task<bool> readable() override { return stream_->readable(); }
  State take(std::string_view bytes) override;
  Task<bool> flushed() override;
  void close() override;
  bool closed() const override { return !stream_ || stream_->closed(); }

 private:
  std::shared_ptr<ByteStream> stream_;  // null: the address is none
  std::string rest_;
};

// Non-blocking; the first write tells whether it worked. Null at once when the address is no number.
std::unique_ptr<ByteStream> begin_connect(Reactor& reactor, const std::string& address, int port);

// Null when nobody took the connection in time.
Task<std::unique_ptr<ByteStream>> connect(Reactor& reactor, std::string address, int port, Duration limit);

// What could not be written at once.
std::string unwritten(const Outgoing& outgoing);

}  // namespace gantry::providers::relay
