// What is spoken inside a tunnel, under TLS between a relay and the tunnel's end on a Server. One connection carries
// one request at a time, so that the network's own backpressure is the request's; it is used again for the next, so
// that no request but the first pays for a handshake.
//
// Pieces are one letter, a length of three bytes (big endian), and that many bytes:
//   end → relay    H                it may be used          X why     it may not: closes
//   relay → end    O INSTANCE PORT  a request for it begins
//   end → relay    T                the instance took it     R why     it did not: closes
//   both           D bytes          of the request           E         no more of this request from this side
//   end → relay    G                not after this request: another has taken the end's place
// After both have said E the next O may come.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "controller/base/byte_stream.hpp"

namespace gantry::providers::relay {

class TunnelWire {
 public:
  using State = ByteStream::State;
  enum class Kind : char {
    Hello = 'H',
    Stranger = 'X',
    Open = 'O',
    Taken = 'T',
    Refused = 'R',
    Data = 'D',
    End = 'E',
    Leaving = 'G'
  };
  struct Piece {
    Kind kind = Kind::End;
    std::string_view text;  // until the next call
  };

  explicit TunnelWire(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  // Data comes as it arrives, in `into`; everything else whole. End also when the other side speaks something else.
  State next_now(std::span<char> into, Piece& piece);
  Task<bool> readable() { return stream_->readable(); }
  // The next that is not data; nothing at the end.
  Task<bool> next(Piece& piece);

  // Takes all of it. Blocked: co_await flushed() before the next. At most kDataMax bytes.
  State put_now(Kind kind, std::string_view text = {});
  Task<bool> flushed();
  Task<bool> put(Kind kind, std::string_view text = {});
  // Nothing is half said: another may go on here.
  bool between_pieces() const { return unwritten_.empty() && data_left_ == 0 && at_ == in_.size(); }

  ByteStream& stream() { return *stream_; }
  void close() { stream_->close(); }
  bool closed() const { return stream_->closed(); }

  static constexpr std::size_t kDataMax = 1 << 20;

 private:
  void forget_read();

  std::unique_ptr<ByteStream> stream_;
  std::string in_;  // read, and not given away
  std::size_t at_ = 0;
  std::size_t data_left_ = 0;  // of the piece that is being read
  std::string text_;
  std::string unwritten_;
};

}  // namespace gantry::providers::relay
