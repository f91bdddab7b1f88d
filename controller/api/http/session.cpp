#include "controller/api/http/session.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>

#include "controller/api/http/gzip.hpp"
#include "controller/base/log.hpp"

namespace gantry::api::http {

namespace {

const log::Logger kLog("http");

constexpr std::size_t kGzipFrom = 128 << 10;   // bytes; as kube-apiserver
constexpr std::size_t kRequestsInARow = 32;    // of one pipelining client, before others get a turn
constexpr std::size_t kBytesInARow = 1 << 20;  // written for one client, likewise
constexpr std::size_t kLingerBytes = 8 << 20;  // read and thrown away after a refusal
constexpr std::size_t kInputWhileStreaming = 64 << 10;

// Beside a body that is being sent: the pieces as texts.
std::vector<std::string_view> texts_of(const std::vector<Piece>& pieces, std::size_t room_before,
                                       std::size_t room_after, std::size_t& length) {
  std::vector<std::string_view> texts;
  texts.reserve(room_before + pieces.size() + room_after);
  texts.resize(room_before);
  length = 0;
  for (const auto& piece : pieces) {
    texts.push_back(text_of(piece));
    length += texts.back().size();
  }
  return texts;
}

// As RequestReader numbers what is wrong: where one of our codes means the same, that code.
Error error_for(const RequestReader::Refusal& refusal) {
  return Error(refusal.status == 413 ? ErrorCode::TooLarge : ErrorCode::BadRequest, refusal.message);
}

// The address at the other end of a socket, without its port.
std::string address_of_peer(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  const void* bytes = address.ss_family == AF_INET6
                          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr)
                          : static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(address).sin_addr);
  return ::inet_ntop(address.ss_family, bytes, text.data(), text.size()) ? text.data() : std::string();
}

std::string chunk_head(std::size_t length) {
  std::array<char, 24> text;
  const int size = std::snprintf(text.data(), text.size(), "%zx\r\n", length);
  return std::string(text.data(), static_cast<std::size_t>(size));
}

}  // namespace

Session::Session(std::shared_ptr<Core> core, int descriptor, bool over_limit)
    : core_(std::move(core)),
      tls_(core_->tls),
      stream_(core_->reactor, descriptor),
      reader_(core_->options.limits),
      over_limit_(over_limit),
      peer_(address_of_peer(descriptor)) {
  core_->add(*this);
}

Session::~Session() { core_->remove(*this); }

Task<> Session::run(std::shared_ptr<Session> self) {
  try {
    co_await self->serve();
  } catch (const std::exception& error) {  // tidy: the HTTP route's catch; out of memory ends one connection, not all
    kLog.error("a connection failed; this is a bug", {{"error", error.what()}});
  }
  self->stream_.close();
}

Task<> Session::serve() {
  if (tls_ && !co_await handshake()) co_return;
  while (!closing_) {
    const Input input = co_await read_request();
    if (input == Input::Gone) break;
    bool sent = false;
    if (input == Input::Refused) {
      closing_ = true;
      sent = co_await send(std::move(*refusal_));
      if (sent) co_await linger();
      break;
    }
    closing_ = !reader_.keep_alive() || core_->draining();
    if (!co_await answer()) break;
    closing_ = closing_ || core_->draining();
    if (++unyielded_ >= kRequestsInARow) {
      unyielded_ = 0;
      co_await asio::post(core_->reactor.executor(), use_task);
    }
  }
}

Task<bool> Session::handshake() {
  enter(Phase::Handshake, core_->options.limits.handshake);
  if (!co_await stream_.start_tls(*tls_)) {
    kLog.debug("a TLS handshake failed", {{"error", stream_.failure()}});
    core_->refused("tls");
    // curl http://127.0.0.1:6443 deserves more than an empty reply.
    if (stream_.failure() == "http request") {
      stream_.say_plainly(
          "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
          "This is an HTTPS server, and the request came by HTTP. Use https:// instead.\n");
    }
    co_return false;
  }
  certificate_ = stream_.channel()->peer();
  co_return true;
}

void Session::enter(Phase phase, std::chrono::seconds limit) {
  phase_ = phase;
  // The second under way is not counted, so a limit is never cut short.
  deadline_ = limit.count() == 0 ? 0 : core_->second() + static_cast<std::uint64_t>(limit.count()) + 1;
  if (phase == Phase::Writing) written_before_ = stream_.written();
}

void Session::sweep() {
  if (phase_ == Phase::Writing && stream_.written() != written_before_) {
    enter(Phase::Writing, core_->options.limits.stuck);
    return;
  }
  if (deadline_ == 0 || core_->second() < deadline_) return;
  if (phase_ == Phase::Head || phase_ == Phase::Body) {
    // Whoever reads hears why; read_request() tells.
    late_ = true;
    deadline_ = 0;
    stream_.interrupt();
    return;
  }
  if (phase_ == Phase::Handshake) core_->refused("too_slow");
  if (phase_ == Phase::Writing) core_->refused("stuck");
  drop();
}

void Session::drain() {
  closing_ = true;
  if (phase_ == Phase::Idle || phase_ == Phase::Handshake) drop();
  if (body_) body_->close();
}

void Session::drop() {
  if (body_) body_->close();
  stream_.close();
}

// ---- Reading.

Task<Session::Input> Session::read_request() {
  reader_.reset();
  refusal_.reset();
  sink_.reset();
  admitted_ = head_only_ = accepts_gzip_ = http_1_0_ = late_ = false;
  enter(input_.empty() ? Phase::Idle : Phase::Head,
        input_.empty() ? core_->options.limits.idle : core_->options.limits.head);
  if (use_input({})) co_return co_await drain_body() ? Input::Request : Input::Refused;
  bool continued = false;
  // A client that waits for its answer has sent nothing more: no use in asking.
  bool wait = !stream_.pending();
  while (true) {
    if (late_) {
      refuse(408, "too_slow", Error(ErrorCode::Timeout, "the request did not come to its end in time"));
      co_return Input::Refused;
    }
    if (std::exchange(wait, false)) {
      unyielded_ = 0;
      if (!co_await stream_.readable()) co_return Input::Gone;
      continue;
    }
    std::size_t got = 0;
    const auto state = stream_.read_now(core_->scratch, got);
    if (state == ByteStream::State::End) co_return Input::Gone;
    if (state == ByteStream::State::Blocked) {
      unyielded_ = 0;
      if (!co_await stream_.ready()) co_return Input::Gone;
      continue;
    }
    if (phase_ == Phase::Idle) enter(Phase::Head, core_->options.limits.head);
    if (use_input({core_->scratch.data(), got})) co_return co_await drain_body() ? Input::Request : Input::Refused;
    if (!co_await drain_body()) co_return Input::Refused;
    if (admitted_ && (phase_ == Phase::Head || sink_)) enter(Phase::Body, core_->options.limits.body);
    // Only to a client that really waits for it.
    if (admitted_ && reader_.expects_continue() && !reader_.http_1_0() && !continued && input_.empty()) {
      continued = true;
      if (!co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n")) co_return Input::Gone;
    }
    wait = got < core_->scratch.size() && !stream_.pending();
  }
}

// Feeds the reader, straight from the scratch buffer where possible. True when the request is whole, or refused.
bool Session::use_input(std::string_view fresh) {
  if (input_.empty() && fresh.empty()) return false;
  if (input_.empty()) {
    fresh.remove_prefix(reader_.feed(fresh));
    if (!fresh.empty()) input_.assign(fresh);
  } else {
    input_.append(fresh);
    input_.erase(0, reader_.feed(input_));
    if (input_.empty()) input_ = {};  // an idle connection holds no buffer
  }
  if (reader_.state() == RequestReader::State::Refused) {
    const auto& refusal = reader_.refusal();
    refuse(refusal.status, refusal.reason, error_for(refusal));
    return true;
  }
  if (reader_.state() == RequestReader::State::Head) return false;
  if (!admitted_ && !admit()) return true;
  admitted_ = true;
  if (!body_fits()) {
    refuse(413, "body_too_large",
           Error(ErrorCode::TooLarge,
                 "the request body is larger than " + std::to_string(core_->options.limits.body_bytes) + " bytes"));
    return true;
  }
  return reader_.state() == RequestReader::State::Done;
}

// The reader counts for the largest that any request may have; a body that is held may be less. What is announced is
// refused before it is sent.
bool Session::body_fits() const {
  const Limits& limits = core_->options.limits;
  if (sink_ || limits.streamed_bytes <= limits.body_bytes) return true;
  const HttpRequest& request = reader_.request();
  const std::string* length = request.header("content-length");
  return request.body.size() <= limits.body_bytes &&
         (!length || std::strtoull(length->c_str(), nullptr, 10) <= limits.body_bytes);
}

// Gives the sink what has come of the body. False when the request is refused.
Task<bool> Session::drain_body() {
  if (refusal_) co_return false;
  std::string& body = reader_.request().body;
  if (!sink_ || body.empty()) co_return true;
  std::optional<Error> failure;
  enter(Phase::Handling);
  try {
    co_await sink_->take(std::exchange(body, {}));
  } catch (const Error& error) {  // tidy: the HTTP route's catch
    failure = error;
  }
  enter(Phase::Body, core_->options.limits.body);
  if (failure) refuse(traits(failure->code()).http_status, "body_refused", *failure);
  co_return !failure;
}

// Looks at the head before the body is let in. False when the request is refused.
bool Session::admit() {
  if (over_limit_) {
    Error error(ErrorCode::Unavailable, "too many connections; try again");
    error.retry_after = std::chrono::seconds(1);
    refuse(503, "too_many_connections", error);
    return false;
  }
  identify();
  if (user_ || core_->authenticator.is_open(reader_.request().path)) {
    reader_.request().user = user_;
    sink_ = core_->handler.sink(reader_.request());
    return true;
  }
  core_->refused("unauthenticated");
  // A stranger's body is not read. Without one the connection may go on.
  if (reader_.state() == RequestReader::State::Done) return true;
  refusal_ = refuse_stranger();
  return false;
}

void Session::identify() {
  const std::string* header = reader_.request().header(core_->authenticator.header());
  const std::string_view authorization = header ? std::string_view(*header) : std::string_view();
  const std::uint64_t revision = core_->authenticator.revision();
  const bool ended = user_ && user_->expires != WallTime::max() && core_->reactor.clock().wall() >= user_->expires;
  if (identified_ && !ended && identified_at_ == revision && equal_in_constant_time(authorization, authorization_))
    return;
  identified_at_ = revision;
  // A certificate that has ended while its connection went on is none.
  if (certificate_ && core_->reactor.clock().wall() >= certificate_->until) certificate_.reset();
  user_ = core_->authenticator.identify(certificate_ ? &*certificate_ : nullptr, authorization);
  authorization_ = authorization;
  identified_ = true;
}

HttpResponse Session::refuse_stranger() {
  HttpRequest& request = reader_.request();
  request.peer = peer_;
  return core_->handler.refuse_stranger(request);
}

void Session::refuse(int status, std::string_view reason, const Error& error) {
  core_->refused(reason);
  refusal_ = core_->handler.refuse(status, error);
}

// ---- Answering.

Task<bool> Session::answer() {
  HttpRequest& request = reader_.request();
  head_only_ = reader_.is_head_request();
  accepts_gzip_ = reader_.accepts_gzip();
  http_1_0_ = reader_.http_1_0();
  if (!user_ && !core_->authenticator.is_open(request.path)) co_return co_await send(refuse_stranger());
  request.user = user_;
  request.peer = peer_;
  request.sink = std::exchange(sink_, nullptr);
  enter(Phase::Handling);
  HttpResponse response;
  try {
    response = co_await core_->handler.handle(std::move(request));
  } catch (const Error& error) {  // tidy: the HTTP route's catch
    response = core_->handler.refuse(traits(error.code()).http_status, error);
  }
  co_return co_await send(std::move(response));
}

Framing Session::framing_of(const HttpResponse& response) const {
  Framing framing;
  framing.close = closing_;
  framing.keep_alive = http_1_0_ && !closing_;
  for (const auto& piece : response.body) framing.length += text_of(piece).size();
  framing.gzip = !response.stream && accepts_gzip_ && !http_1_0_ && framing.length > kGzipFrom;
  if (response.stream || framing.gzip) framing.kind = http_1_0_ ? Framing::Kind::UntilClose : Framing::Kind::Chunked;
  if (framing.kind == Framing::Kind::UntilClose) framing.close = true;
  return framing;
}

Task<bool> Session::send(HttpResponse response) {
  const Framing framing = framing_of(response);
  closing_ = framing.close;
  head_.clear();
  core_->answered();
  write_head(response, framing, core_->date(), head_);
  if (head_only_ && response.stream) response.stream->close();
  if (head_only_ || response.status == 204 || response.status == 304) {
    const std::string_view head = head_;
    co_return co_await write(std::span(&head, 1));
  }
  if (response.stream) co_return co_await send_stream(response);
  if (framing.gzip) co_return co_await send_compressed(response);
  std::size_t length = 0;
  auto texts = texts_of(response.body, 1, 0, length);
  texts[0] = head_;
  co_return co_await write(texts);
}

// Many pieces, few calls: the kernel takes as much as it can at once, and others get a turn after each megabyte.
Task<bool> Session::write(std::span<const std::string_view> pieces) {
  Outgoing outgoing{.pieces = pieces};
  auto state = stream_.write_now(outgoing);
  if (state == ByteStream::State::Done) co_return true;
  const Phase before = phase_;
  enter(Phase::Writing, core_->options.limits.stuck);
  std::uint64_t yielded_at = stream_.written();
  while (state == ByteStream::State::Blocked) {
    if (!co_await stream_.ready()) co_return false;
    if (stream_.written() - yielded_at > kBytesInARow) {
      yielded_at = stream_.written();
      co_await asio::post(core_->reactor.executor(), use_task);
    }
    state = stream_.write_now(outgoing);
  }
  enter(before);
  co_return state == ByteStream::State::Done;
}

// Compressed and sent in slices, so that a great list does not stop the house for its whole length.
Task<bool> Session::send_compressed(const HttpResponse& response) {
  Gzip gzip;
  std::string compressed;
  std::size_t since = 0;
  for (std::size_t i = 0; i <= response.body.size(); ++i) {
    const bool last = i == response.body.size();
    std::string_view text = last ? std::string_view() : text_of(response.body[i]);
    do {
      const std::string_view slice = text.substr(0, kGzipFrom);
      text.remove_prefix(slice.size());
      gzip.add(slice, compressed);
      since += slice.size();
      if (last) gzip.finish(compressed);
      if (since < kGzipFrom && !last) continue;
      since = 0;
      if (compressed.empty()) continue;
      text_ = chunk_head(compressed.size());
      const std::array<std::string_view, 4> pieces{head_, text_, compressed, last ? "\r\n0\r\n\r\n" : "\r\n"};
      if (!co_await write(pieces)) co_return false;
      head_.clear();
      compressed.clear();
      co_await asio::post(core_->reactor.executor(), use_task);
    } while (!text.empty());
  }
  co_return true;
}

Task<bool> Session::send_stream(HttpResponse& response) {
  body_ = response.stream.get();
  watch_for_end();
  if (core_->draining()) body_->close();
  std::vector<Piece> pieces = std::move(response.body);
  bool good = true;
  while (true) {
    std::size_t length = 0;
    auto texts = texts_of(pieces, 2, 1, length);
    texts[0] = head_;
    if (length > 0 && !http_1_0_) {
      text_ = chunk_head(length);
      texts[1] = text_;
      texts.emplace_back("\r\n");
    }
    if (!co_await write(texts)) {
      good = false;
      break;
    }
    head_.clear();
    enter(Phase::Streaming);
    pieces = co_await body_->next();
    if (pieces.empty() || stream_.closed()) break;
  }
  body_->close();
  body_ = nullptr;
  if (!good || stream_.closed()) co_return false;
  const std::string_view end = http_1_0_ ? "" : "0\r\n\r\n";
  co_return co_await write(std::span(&end, 1));
}

// A watch may be silent for hours: only the read side tells that nobody is there any more.
void Session::watch_for_end() {
  if (watching_input_ || !body_) return;
  watching_input_ = true;
  stream_.when_readable([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->watching_input_ = false;
      if (self->body_) self->end_of_input();
    }
  });
}

void Session::end_of_input() {
  std::size_t got = 0;
  const auto state = stream_.read_now(core_->scratch, got);
  if (state == ByteStream::State::Done) input_.append(core_->scratch.data(), got);  // the next request, early
  if (state == ByteStream::State::End || input_.size() > kInputWhileStreaming) {
    drop();
    return;
  }
  watch_for_end();
}

// A client that is still sending must not lose the refusal to a reset: read on for a moment.
Task<> Session::linger() {
  stream_.shutdown_write();
  enter(Phase::Lingering, core_->options.limits.linger);
  std::size_t thrown_away = 0;
  while (thrown_away < kLingerBytes) {
    std::size_t got = 0;
    const auto state = stream_.read_now(core_->scratch, got);
    if (state == ByteStream::State::End) break;
    if (state == ByteStream::State::Blocked && !co_await stream_.ready()) break;
    thrown_away += got;
  }
}

}  // namespace gantry::api::http
