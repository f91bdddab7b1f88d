#include "providers/relay/tunnel_end.hpp"

#include <sys/socket.h>

#include <array>
#include <charconv>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "providers/relay/control.hpp"
#include "providers/relay/deadline.hpp"
#include "providers/relay/line.hpp"
#include "providers/relay/tunnel.hpp"

namespace gantry::providers::relay {
namespace {

const log::Logger kLog("tunnel");
constexpr int kPiecesATurn = 16;
constexpr Duration kGlance = std::chrono::milliseconds(100);
using Kind = TunnelWire::Kind;
using State = ByteStream::State;

}  // namespace

struct TunnelEnd::Request {
  std::unique_ptr<ByteStream> instance;
  bool said_all = false;  // the instance has, and the relay knows
  bool deaf = false;      // the instance takes no more
};

struct TunnelEnd::Visitor {
  std::shared_ptr<tls::Context> context;
  std::unique_ptr<TunnelWire> wire;
  std::string authority;  // that let it in
  WallTime until;         // the end of its certificate
  std::shared_ptr<Request> request;
  std::optional<Instant> told_leaving;
};

TunnelConfig read_tunnel_config(const json::Value& json) {
  TunnelConfig config{json.string_or("certificate"), json.string_or("key"), json.string_or("authority"), {}};
  const json::Value* instances = json.find("instances");
  if (!instances) throw Error(ErrorCode::Invalid, "a tunnel's configuration has instances");
  for (const auto& [id, ports] : instances->as_object()) {
    for (const auto& port : ports.as_array()) config.instances[id].insert(static_cast<int>(port.as_int()));
  }
  return config;
}

json::Value to_json(const TunnelConfig& config) {
  json::Object instances;
  for (const auto& [id, ports] : config.instances) instances.set(id, json::Array(ports.begin(), ports.end()));
  return json::Object{{"certificate", config.certificate},
                      {"key", config.key},
                      {"authority", config.authority},
                      {"instances", std::move(instances)}};
}

TunnelEnd::TunnelEnd(Reactor& reactor, Options options) : reactor_(reactor), options_(std::move(options)) {}
TunnelEnd::~TunnelEnd() = default;

std::string TunnelEnd::known_by(const std::string& authority) { return sha256_hex(authority); }

void TunnelEnd::configure(TunnelConfig config) {
  if (!context_ || config.certificate != config_.certificate || config.key != config_.key ||
      config.authority != config_.authority) {
    // Without an authority everybody's certificate would be as none.
    if (config.authority.empty()) throw Error(ErrorCode::Invalid, "a tunnel needs the authority of those it lets in");
    context_ = std::make_shared<tls::Context>(tls::Context::Server{
        .certificate = config.certificate, .key = Secret(config.key), .client_ca = config.authority});
  }
  config_ = std::move(config);
}

json::Value TunnelEnd::state() const {
  return json::Object{{"program", options_.program},
                      {"port", options_.port},
                      {"connections", static_cast<std::int64_t>(visitors_.size())},
                      {"requests", static_cast<std::int64_t>(requests_)},
                      {"used", used_}};
}

std::string TunnelEnd::objection(const tls::Channel& channel) const {
  const auto who = channel.peer();
  if (!who)
    return "this Server's tunnel lets in relays of the controller that has the agent's key; the certificate that was "
           "shown is not of that controller's authority, or its time is over";
  if (who->common_name != kRelayUser)
    return "\"" + who->common_name.substr(0, 64) + "\" is no relay, and only relays are let in";
  return {};
}

// TLS, and a look at who it is. Who is no relay of our controller hears why, and learns nothing else.
Task<bool> TunnelEnd::admit(VisitorPtr visitor) {
  const Deadline limit(reactor_, options_.handshake, [visitor] { visitor->wire->close(); });
  ByteStream& stream = visitor->wire->stream();
  if (!co_await stream.start_tls(*visitor->context)) {
    kLog.debug("a handshake has failed", {{"why", stream.failure()}});
    co_return false;
  }
  const tls::Channel& channel = *stream.channel();
  if (const std::string why = objection(channel); !why.empty()) {
    kLog.warn("somebody was not let in", {{"why", why}});
    (void)co_await visitor->wire->put(Kind::Stranger, why);
    co_return false;
  }
  visitor->until = channel.peer()->until;
  if (const std::string now = known_by(visitor->authority); used_ != now) {
    used_ = now;
    if (note_) note_(used_);
  }
  co_return co_await visitor->wire->put(Kind::Hello);
}

Task<> TunnelEnd::serve(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);  // a relay's machine may go without a word
  auto stream = std::make_unique<ByteStream>(reactor_, descriptor);
  if (!context_ || strangers_ >= options_.strangers_max) co_return;
  const auto visitor = std::make_shared<Visitor>();
  visitor->context = context_;
  visitor->authority = config_.authority;
  visitor->wire = std::make_unique<TunnelWire>(std::move(stream));
  visitors_.insert(visitor);
  ++strangers_;
  const bool admitted = co_await admit(visitor);
  --strangers_;
  if (admitted) {
    if (leaving_) tell_leaving(visitor);
    co_await listen_to(visitor);
  }
  if (visitor->request) visitor->request->instance->close();
  visitor->wire->close();
  visitors_.erase(visitor);
}

// What the relay says, one request after the other.
Task<> TunnelEnd::listen_to(VisitorPtr visitor) {
  static thread_local std::array<char, 64 << 10> bytes;  // never held across a wait
  TunnelWire& wire = *visitor->wire;
  int pieces = 0;
  while (true) {
    TunnelWire::Piece piece;
    const State state = wire.next_now(bytes, piece);
    if (state == State::End) co_return;
    if (state == State::Blocked) {
      if (!co_await wire.readable()) co_return;
      continue;
    }
    const std::shared_ptr<Request> request = visitor->request;
    if (piece.kind == Kind::Open) {
      if (request) co_return;  // one at a time
      const bool begun = co_await begin(visitor, std::string(piece.text));
      if (!begun) co_return;
    } else if (!request) {
      co_return;
    } else if (piece.kind == Kind::Data) {
      if (request->deaf) continue;
      Outgoing outgoing{.pieces = std::span(&piece.text, 1)};
      const State written = request->instance->write_now(outgoing);
      if (written == State::Blocked) {
        const std::string rest = unwritten(outgoing);
        const bool taken = co_await request->instance->write(rest);
        request->deaf = !taken;
      } else {
        request->deaf = written == State::End;
      }
      if (++pieces % kPiecesATurn == 0) co_await asio::post(reactor_.executor(), use_task);  // others have their turn
    } else if (piece.kind == Kind::End) {
      if (!request->said_all) {
        request->instance->shutdown_write();
        continue;
      }
      visitor->request.reset();
      if (leaving_) tell_leaving(visitor);
    } else {
      co_return;
    }
  }
}

// True when the instance has it.
Task<bool> TunnelEnd::begin(VisitorPtr visitor, std::string target) {
  TunnelWire& wire = *visitor->wire;
  if (visitor->authority != config_.authority || visitor->until < reactor_.clock().wall()) {
    (void)co_await wire.put(Kind::Stranger, "the certificate that was shown opens this tunnel no more");
    co_return false;
  }
  const std::size_t space = target.find(' ');
  int port = 0;
  if (space != std::string::npos) std::from_chars(target.data() + space + 1, target.data() + target.size(), port);
  const auto known = config_.instances.find(target.substr(0, space));
  if (known == config_.instances.end() || !known->second.contains(port)) {
    (void)co_await wire.put(Kind::Refused, "no instance here has that port");
    co_return false;
  }
  ++requests_;
  const auto request = std::make_shared<Request>();
  request->instance = co_await connect(reactor_, "127.0.0.1", port, options_.connect);
  if (request->instance) {
    visitor->request = request;
    if (!co_await wire.put(Kind::Taken)) co_return false;
    reactor_.spawn(bring_back(reactor_, visitor, request));
    co_return true;
  }
  (void)co_await wire.put(Kind::Refused, "the instance does not take connections");
  co_return false;
}

// What the instance says.
Task<> TunnelEnd::bring_back(Reactor& reactor, VisitorPtr visitor, std::shared_ptr<Request> request) {
  static thread_local std::array<char, 64 << 10> bytes;  // never held across a wait
  TunnelWire& wire = *visitor->wire;
  int pieces = 0;
  while (true) {
    std::size_t got = 0;
    const State state = request->instance->read_now(bytes, got);
    if (state == State::End) break;
    if (state == State::Blocked) {
      if (!co_await request->instance->readable()) break;
      continue;
    }
    const State written = wire.put_now(Kind::Data, {bytes.data(), got});
    bool sent = written == State::Done;
    if (written == State::Blocked) sent = co_await wire.flushed();
    if (!sent) break;
    if (++pieces % kPiecesATurn == 0) co_await asio::post(reactor.executor(), use_task);  // others have their turn
  }
  request->said_all = true;
  request->deaf = true;
  request->instance->close();
  (void)co_await wire.put(Kind::End);
}

void TunnelEnd::tell_leaving(const VisitorPtr& visitor) {
  if (visitor->told_leaving) return;
  visitor->told_leaving = reactor_.now();
  if (visitor->wire->put_now(Kind::Leaving) != State::Done) visitor->wire->close();
}

// A relay that has just begun a request is not cut off: it hears that we leave, and closes when it has nothing here.
Task<> TunnelEnd::leave(ByteStream& successor, int descriptor) {
  if (!give_ || !give_(descriptor)) co_return;
  successor.close();
  leaving_ = true;
  while (!visitors_.empty()) {
    const auto all = visitors_;
    for (const auto& visitor : all) {
      if (visitor->request || visitor->until == WallTime{}) continue;
      if (visitor->told_leaving && reactor_.now() > *visitor->told_leaving + options_.leave) {
        visitor->wire->close();
      } else {
        tell_leaving(visitor);
      }
    }
    co_await sleep_for(reactor_, kGlance);
  }
  if (end_) end_();
}

Task<> TunnelEnd::serve_control(int descriptor) {
  ByteStream stream(reactor_, descriptor);
  const auto call = co_await read_control(reactor_, stream, options_.handshake);
  if (!call) co_return;
  if (call->asks_for_the_place()) {
    co_await leave(stream, descriptor);
    co_return;
  }
  std::string text = answer("404 Not Found", "GET /state, PUT /config\n");
  if (call->head.method == "GET" && call->head.target == "/state") {
    text = answer("200 OK", json::dump(state()) + "\n");
  } else if (call->head.method == "PUT" && call->head.target == "/config") {
    text = answer("200 OK", "configured\n");
    try {
      configure(read_tunnel_config(json::parse(call->body)));
    } catch (const Error& error) {  // tidy: told to who asked
      text = answer("400 Bad Request", error.message() + "\n");
    }
  }
  (void)co_await stream.write(text);
  stream.close();
}

}  // namespace gantry::providers::relay
