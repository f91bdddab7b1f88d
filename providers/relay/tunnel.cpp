#include "providers/relay/tunnel.hpp"

#include <algorithm>
#include <array>

#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/deadline.hpp"

namespace gantry::providers::relay {
namespace {

const log::Logger kLog("tunnel");
constexpr std::size_t kIdleMax = 256;
using Kind = TunnelWire::Kind;

}  // namespace

// One request's place in a tunnel. The connection goes back when both sides have said their last word.
class TunnelLine final : public Line {
 public:
  TunnelLine(std::shared_ptr<Tunnel> tunnel, std::string instance, int port)
      : tunnel_(std::move(tunnel)), target_(std::move(instance) + " " + std::to_string(port)) {}
  ~TunnelLine() override { close(); }

  Task<Reached> open(std::string_view head, std::string_view rest) override {
    bool used_before = false;
    auto wire = co_await tunnel_->borrow(used_before);
    if (!wire) co_return Reached::No;
    wire_ = std::move(wire);
    if (closed_) {  // while it was waited for
      give_up();
      co_return Reached::No;
    }
    const std::string bytes = std::string(head) + std::string(rest);
    bool said = co_await wire_->put(Kind::Open, target_);
    for (std::size_t at = 0; said && !closed_ && at < bytes.size(); at += kPiece)
      said = co_await wire_->put(Kind::Data, std::string_view(bytes).substr(at, kPiece));
    TunnelWire::Piece piece;
    while (said && !closed_ && co_await wire_->next(piece)) {
      if (piece.kind == Kind::Taken) co_return Reached::Yes;
      if (piece.kind == Kind::Leaving) {
        leaving_ = true;
        continue;
      }
      if (piece.kind == Kind::Refused || piece.kind == Kind::Stranger) {
        kLog.info("the tunnel's end does not take a request", {{"why", std::string(piece.text)}});
        co_return Reached::No;
      }
      break;
    }
    co_return Reached::Unknown;
  }

  State read_now(std::span<char> into, std::size_t& got) override {
    got = 0;
    if (closed_ || ended_) return State::End;
    while (true) {
      TunnelWire::Piece piece;
      const State state = wire_->next_now(into, piece);
      if (state != State::Done) return state;
      if (piece.kind == Kind::Leaving) {
        leaving_ = true;
        continue;
      }
      ended_ = piece.kind == Kind::End;
      if (piece.kind != Kind::Data) return State::End;
      got = piece.text.size();
      return State::Done;
    }
  }
  Task<bool> readable() override { return wire_->readable(); }
  State take(std::string_view bytes) override { return closed_ ? State::End : wire_->put_now(Kind::Data, bytes); }
  Task<bool> flushed() override { return wire_->flushed(); }

  void close() override {
    if (std::exchange(closed_, true) || !wire_) return;
    if (ended_ && !leaving_ && wire_->between_pieces() && wire_->put_now(Kind::End) == State::Done) {
      tunnel_->give_back(wire_);
    } else {
      give_up();
    }
  }
  bool closed() const override { return closed_; }

 private:
  static constexpr std::size_t kPiece = 64 << 10;
  void give_up() {
    wire_->close();
    tunnel_->lost();
  }

  std::shared_ptr<Tunnel> tunnel_;
  std::string target_;
  std::shared_ptr<TunnelWire> wire_;  // stays when it is given back: who still waits on it holds this
  bool ended_ = false;                // the instance has said all
  bool leaving_ = false;
  bool closed_ = false;
};

Tunnel::Tunnel(Reactor& reactor, std::string address, TunnelWay way, Options options)
    : reactor_(reactor), address_(std::move(address)), way_(std::move(way)), options_(options), wake_(reactor) {}

void Tunnel::show(const RelayIdentity& identity) {
  context_ = std::make_shared<tls::Context>(tls::Context::Client{
      .ca = way_.ca, .certificate = identity.certificate, .key = Secret(identity.key), .pin = way_.pin});
  for (auto& kept : std::exchange(idle_, {})) kept.wire->close();
  wake_.notify_all();
}

void Tunnel::open() { reactor_.spawn(keep(shared_from_this())); }

void Tunnel::close() {
  closing_ = true;
  for (auto& kept : std::exchange(idle_, {})) kept.wire->close();
  wake_.notify_all();
}

std::unique_ptr<Line> Tunnel::line(const std::string& instance, int port) {
  return std::make_unique<TunnelLine>(shared_from_this(), instance, port);
}

// One connection is always there, used or not: so it is known whether there can be one.
Task<> Tunnel::keep(std::shared_ptr<Tunnel> self) {
  while (!self->closing_) {
    self->reap();
    if (self->idle_.empty() && self->lent_ == 0) {
      if (auto wire = co_await self->dial(); wire && !self->closing_) self->put_away(std::move(wire));
    }
    if (self->closing_) break;
    const Duration pause = self->problem_.empty() ? self->options_.spare : self->options_.retry;
    (void)co_await self->wake_.wait_until(self->reactor_.now() + pause);
  }
}

void Tunnel::reap() {
  const Instant old = reactor_.now() - options_.spare;
  while (idle_.size() > 1 && idle_.front().since < old) {
    idle_.front().wire->close();
    idle_.erase(idle_.begin());
  }
}

Task<std::shared_ptr<TunnelWire>> Tunnel::dial() {
  const auto self = shared_from_this();
  const auto context = context_;
  auto stream = context ? begin_connect(reactor_, address_, way_.port) : nullptr;
  std::string why = context ? "\"" + address_ + "\" cannot be connected to" : "this relay has no certificate";
  if (stream) {
    auto wire = std::shared_ptr<TunnelWire>(new TunnelWire(std::move(stream)), [context](TunnelWire* gone) {
      delete gone;  // before the context, which it uses
    });
    bool late = false;
    const Deadline limit(reactor_, options_.dial, [&late, wire] {
      late = true;
      wire->close();
    });
    TunnelWire::Piece hello;
    if (co_await wire->stream().start_tls(*context, way_.peer)) {
      ++handshakes_;
      resumed_ += wire->stream().channel()->resumed() ? 1 : 0;
      if (co_await wire->next(hello) && hello.kind == Kind::Hello) {
        if (!worked_ || !problem_.empty())
          kLog.info("the tunnel is open", {{"address", address_}, {"port", way_.port}});
        worked_ = true;
        problem_.clear();
        co_return wire;
      }
      why = hello.kind == Kind::Stranger ? "it refuses this controller: " + std::string(hello.text)
                                         : "it ended the connection without a word";
    } else {
      why = wire->stream().failure();
    }
    if (late) why = "no answer within " + human_duration(options_.dial);
    wire->close();
  }
  if (problem_ != why) {
    kLog.warn("the tunnel does not open", {{"address", address_}, {"port", way_.port}, {"why", log::redacted(why)}});
  }
  problem_ = why;
  co_return nullptr;
}

Task<std::shared_ptr<TunnelWire>> Tunnel::borrow(bool& used_before) {
  const auto self = shared_from_this();
  used_before = !idle_.empty();
  ++lent_;
  if (used_before) {
    auto wire = std::move(idle_.back().wire);
    idle_.pop_back();
    co_return wire;
  }
  auto wire = co_await dial();
  if (!wire) lost();
  co_return wire;
}

void Tunnel::give_back(std::shared_ptr<TunnelWire> wire) {
  --lent_;
  if (closing_ || wire->closed() || idle_.size() >= kIdleMax) {
    wire->close();
    wake_.notify_all();
    return;
  }
  put_away(std::move(wire));
}

void Tunnel::put_away(std::shared_ptr<TunnelWire> wire) {
  idle_.push_back({std::move(wire), reactor_.now()});
  watch(idle_.back().wire);
}

// The other side may close an idle connection, or say that it leaves: it must not get the next request then.
void Tunnel::watch(const std::shared_ptr<TunnelWire>& wire) {
  std::array<char, 1> none{};
  TunnelWire::Piece piece;
  if (wire->next_now(none, piece) == ByteStream::State::Blocked) {
    wire->stream().when_readable([weak = weak_from_this(), held = std::weak_ptr(wire)] {
      const auto self = weak.lock();
      const auto found = held.lock();
      if (!self || !found) return;
      if (std::ranges::any_of(self->idle_, [&](const Kept& kept) { return kept.wire == found; })) self->watch(found);
    });
    return;
  }
  wire->close();
  std::erase_if(idle_, [&](const Kept& kept) { return kept.wire == wire; });
  wake_.notify_all();
}

}  // namespace gantry::providers::relay
