// A connected socket (TCP or Unix, plain or under TLS) on one reactor. The *_now calls do what can be done without
// waiting; a coroutine that cannot go on co_awaits ready(). So the usual case costs no coroutine, no timer and no copy.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controller/base/reactor.hpp"
#include "controller/base/tls.hpp"

namespace gantry {

// A place in a row of texts that are being written.
struct Outgoing {
  std::span<const std::string_view> pieces;
  std::size_t index = 0;   // the piece that is next
  std::size_t offset = 0;  // and how much of it has gone
  bool done() const { return index == pieces.size(); }
  void advance(std::size_t bytes);
};

class ByteStream {
 public:
  // Takes over a connected descriptor and makes it non-blocking, without delay.
  ByteStream(Reactor& reactor, int descriptor);
  ~ByteStream();
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // False when the peer does not want to, or goes away; failure() says why. context must outlive the stream.
  Task<bool> start_tls(tls::Context& context, std::string peer = {});
  const tls::Channel* channel() const { return channel_.get(); }

  enum class State {
    Done,     // something was read; everything was written
    Blocked,  // co_await ready(), then again
    End,      // the peer is gone, or close() was called: failure() says which
  };
  // got > 0 with Done.
  State read_now(std::span<char> into, std::size_t& got);
  State write_now(Outgoing& outgoing);
  // After Blocked: until the socket may be ready for what blocked. False once closed.
  Task<bool> ready();
  // Like read_now() and ready() together. 0 at the end.
  Task<std::size_t> read(std::span<char> into);
  // False when the peer is gone.
  Task<bool> write(std::span<const std::string_view> pieces);
  Task<bool> write(std::string_view text);

  // Until there may be something to read; false once closed. Unlike ready() it may be used beside a writer.
  Task<bool> readable();
  // Calls fn once, when there may be something to read or the stream was closed. fn may be destroyed uncalled.
  void when_readable(std::move_only_function<void()> fn);
  // TLS: decrypted bytes may wait inside, so read before waiting.
  bool pending() const { return channel_ && channel_->pending(); }

  // Grows with each byte that the kernel has taken: how a sweep sees progress.
  std::uint64_t written() const { return written_; }

  // For a peer that does not speak TLS: these bytes as they are, as many as the socket takes at once.
  void say_plainly(std::string_view text);
  // No more to send; the other direction stays open.
  void shutdown_write();
  // Wakes whoever waits, as if something had come; the stream stays open.
  void interrupt();
  // Wakes whoever waits. Twice is fine.
  void close();
  bool closed() const { return closed_; }
  const std::string& failure() const { return failure_; }

 private:
  struct Socket;
  State write_plain(Outgoing& outgoing);
  State write_records(Outgoing& outgoing);
  State blocked(tls::Outcome outcome);
  State ended(std::string why);

  std::unique_ptr<Socket> socket_;
  std::unique_ptr<tls::Channel> channel_;
  std::uint64_t written_ = 0;
  bool wants_write_ = false;
  bool closed_ = false;
  std::string failure_;
};

}  // namespace gantry
