#include "providers/relay/tunnel_wire.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "providers/relay/line.hpp"

namespace gantry::providers::relay {
namespace {

constexpr std::size_t kHead = 4;
constexpr std::size_t kTextMax = 4096;  // of what is no data
constexpr std::size_t kKept = 1024;     // an idle connection holds no more memory than that
constexpr std::string_view kKinds = "HXOTRDEG";

}  // namespace

void TunnelWire::forget_read() {
  if (at_ < in_.size()) return;
  at_ = 0;
  if (in_.capacity() > kKept) {
    in_ = {};
  } else {
    in_.clear();
  }
}

TunnelWire::State TunnelWire::next_now(std::span<char> into, Piece& piece) {
  static thread_local std::array<char, 16 << 10> scratch;  // never held across a wait
  while (true) {
    const std::size_t here = in_.size() - at_;
    if (data_left_ > 0) {
      std::size_t got = 0;
      if (here > 0) {
        got = std::min({here, data_left_, into.size()});
        std::memcpy(into.data(), in_.data() + at_, got);
        at_ += got;
        forget_read();
      } else if (const State state = stream_->read_now(into.first(std::min(into.size(), data_left_)), got);
                 state != State::Done) {
        return state;
      }
      data_left_ -= got;
      piece = {Kind::Data, {into.data(), got}};
      return State::Done;
    }
    if (here >= kHead) {
      const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(in_[at_ + i]); };
      const char letter = in_[at_];
      const std::size_t length = (std::size_t{byte(1)} << 16) | (std::size_t{byte(2)} << 8) | byte(3);
      if (!kKinds.contains(letter) || length > (letter == 'D' ? kDataMax : kTextMax)) {
        stream_->close();
        return State::End;
      }
      if (letter == 'D') {
        at_ += kHead;
        data_left_ = length;
        forget_read();
        continue;
      }
      if (here >= kHead + length) {
        text_ = in_.substr(at_ + kHead, length);
        at_ += kHead + length;
        forget_read();
        piece = {static_cast<Kind>(letter), text_};
        return State::Done;
      }
    }
    std::size_t got = 0;
    if (const State state = stream_->read_now(scratch, got); state != State::Done) return state;
    in_.erase(0, std::exchange(at_, 0));
    in_.append(scratch.data(), got);
  }
}

Task<bool> TunnelWire::next(Piece& piece) {
  std::array<char, 1> none{};
  while (true) {
    switch (next_now(none, piece)) {
      case State::Done:
        co_return piece.kind != Kind::Data;
      case State::End:
        co_return false;
      case State::Blocked:
        if (!co_await readable()) co_return false;
    }
  }
}

TunnelWire::State TunnelWire::put_now(Kind kind, std::string_view text) {
  const std::size_t length = text.size();
  const std::array<char, kHead> head{static_cast<char>(kind), static_cast<char>(length >> 16),
                                     static_cast<char>(length >> 8), static_cast<char>(length)};
  const std::array<std::string_view, 2> pieces{std::string_view(head.data(), head.size()), text};
  Outgoing outgoing{.pieces = pieces};
  const State state = stream_->write_now(outgoing);
  if (state == State::Blocked) unwritten_ = unwritten(outgoing);
  return state;
}

Task<bool> TunnelWire::flushed() {
  const bool written = co_await stream_->write(unwritten_);
  unwritten_ = {};
  co_return written;
}

Task<bool> TunnelWire::put(Kind kind, std::string_view text) {
  const State state = put_now(kind, text);
  if (state == State::Blocked) co_return co_await flushed();
  co_return state == State::Done;
}

}  // namespace gantry::providers::relay
