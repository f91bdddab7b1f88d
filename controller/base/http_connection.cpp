#include "controller/base/http_connection.hpp"

// Beast 1.74 asserts that a last chunk which comes in pieces is never seen at four bytes ("0\r\n\r"); it may be, and
// the code behind the assertion is right (found by tests/fuzz/http_fuzz.cpp).
#define BOOST_DISABLE_ASSERTS

#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>

#include "controller/base/byte_stream.hpp"
#include "controller/base/error.hpp"

namespace gantry::http {

using boost::system::error_code;
using Tcp = asio::ip::tcp;
using TcpSocket = asio::basic_stream_socket<Tcp, Executor>;

// The socket while it connects, then the stream.
class ConnectionSocket {
 public:
  std::unique_ptr<TcpSocket> connecting;
  std::unique_ptr<asio::ip::basic_resolver<Tcp, Executor>> resolving;
  std::unique_ptr<ByteStream> stream;

  void close() {
    error_code ignored;
    if (resolving) resolving->cancel();
    if (connecting) connecting->close(ignored);
    if (stream) stream->close();
  }
};

namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (same_name(key, name)) return value;
  }
  return {};
}

void refuse_control_characters(std::string_view text, const char* what) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      throw Error(ErrorCode::Invalid, std::string(what) + " holds a control character");
    }
  }
}

}  // namespace

std::string Response::header(std::string_view name) const { return find_header(headers, name); }
std::string Head::header(std::string_view name) const { return find_header(headers, name); }

Endpoint Endpoint::of_url(std::string_view url) {
  const auto invalid = [&](std::string_view why) {
    return Error(ErrorCode::Invalid, "\"" + std::string(url) + "\" is no URL of a server: " + std::string(why));
  };
  Endpoint endpoint;
  std::string_view rest = url;
  const auto scheme = [&](std::string_view prefix) {
    if (!rest.starts_with(prefix)) return false;
    rest.remove_prefix(prefix.size());
    return true;
  };
  if (scheme("unix://")) {
    endpoint.kind = Kind::Unix;
    endpoint.host = rest;
    if (!endpoint.host.starts_with('/')) throw invalid("a Unix socket's path must be absolute");
    return endpoint;
  }
  if (scheme("https://")) {
    endpoint.kind = Kind::Tls;
    endpoint.port = 443;
  } else if (scheme("http://")) {
    endpoint.port = 80;
  } else {
    throw invalid("it must begin with https://, http:// or unix://");
  }
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (rest.find('@') != std::string_view::npos) throw invalid("a password does not belong here");
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) throw invalid("the bracket is not closed");
    endpoint.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    endpoint.host = rest.substr(0, rest.find(':'));
    port = rest.substr(endpoint.host.size());
  }
  if (endpoint.host.empty()) throw invalid("it names no host");
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), endpoint.port);
    if (port[0] != ':' || error != std::errc() || end != port.data() + port.size() || endpoint.port == 0) {
      throw invalid("the port must be a number from 1 to 65535");
    }
  }
  return endpoint;
}

std::string Endpoint::authority() const {
  if (kind == Kind::Unix) return "localhost";
  const bool default_port = port == (kind == Kind::Tls ? 443 : 80);
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return default_port ? name : name + ":" + std::to_string(port);
}

std::string Endpoint::to_string() const {
  switch (kind) {
    case Kind::Unix:
      return "unix://" + host;
    case Kind::Tls:
      return "https://" + authority();
    case Kind::Tcp:
      break;
  }
  return "http://" + authority();
}

std::string_view target_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos || url.starts_with('/')) return url.empty() ? "/" : url;
  const auto slash = url.find('/', scheme + 3);
  return slash == std::string_view::npos ? "/" : url.substr(slash);
}

class Connection::Parser final : public boost::beast::http::basic_parser<false> {
 public:
  Parser(Connection& connection, bool head_only) : connection_(connection) {
    eager(true);
    skip(head_only);
    header_limit(64 << 10);
    // Whoever reads the body counts. (Not boost::none: Beast 1.74 takes every Content-Length to be above it.)
    body_limit(std::numeric_limits<std::uint64_t>::max());
  }

 private:
  using error_code = boost::beast::error_code;
  void on_request_impl(boost::beast::http::verb, std::string_view, std::string_view, int, error_code&) override {}
  void on_response_impl(int status, std::string_view, int, error_code&) override {
    connection_.head_ = {};
    connection_.head_.status = status;
  }
  void on_field_impl(boost::beast::http::field, std::string_view name, std::string_view value, error_code&) override {
    if (!is_header_done()) connection_.head_.headers.emplace_back(name, value);
  }
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(std::string_view body, error_code&) override {
    connection_.body_.append(body);
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, std::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, std::string_view body, error_code&) override {
    connection_.body_.append(body);
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

  Connection& connection_;
};

// Closes the connection when time is up, which wakes the coroutine that uses it.
class Connection::Deadline {
 public:
  Deadline(Connection& connection, Instant when) : clock_(connection.reactor_.clock()) {
    connection.timed_out_ = false;
    id_ = clock_.call_at(connection.reactor_, when, [weak = connection.weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->timed_out_ = true;
        self->socket_->close();
      }
    });
  }
  ~Deadline() { clock_.cancel(id_); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  Clock& clock_;
  Clock::TimerId id_ = 0;
};

Connection::Connection(Reactor& reactor, Endpoint endpoint)
    : reactor_(reactor), endpoint_(std::move(endpoint)), socket_(std::make_unique<ConnectionSocket>()) {}

Connection::~Connection() { socket_->close(); }

void Connection::close() {
  cancelled_ = true;
  socket_->close();
}

void Connection::fail(std::string_view stage) {
  const std::string where = endpoint_.to_string();
  if (timed_out_) throw Error(ErrorCode::Timeout, where + ": no answer in time (while " + std::string(stage) + ")");
  if (cancelled_) throw Error(ErrorCode::Cancelled, where + ": the connection was closed here");
  std::string why = socket_->stream ? socket_->stream->failure() : "";
  throw Error(ErrorCode::Unavailable, where + ": " + std::string(stage) + " failed" + (why.empty() ? "" : ": " + why));
}

Task<std::shared_ptr<Connection>> Connection::open(Reactor& reactor, Endpoint endpoint, tls::Context* context,
                                                   Instant deadline) {
  const std::shared_ptr<Connection> connection(new Connection(reactor, std::move(endpoint)));
  const Deadline limit(*connection, deadline);
  co_await connection->connect(context);
  co_return connection;
}

namespace {

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw Error(ErrorCode::Invalid, path + " is too long for a Unix socket's path");
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // Blocking, yet it does not block: a Unix connect succeeds or fails at once, unless the backlog is full.
  if (descriptor >= 0 && ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return descriptor;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  throw Error(ErrorCode::Unavailable, "unix://" + path + ": connecting failed: " + std::strerror(error));
}

}  // namespace

Task<> Connection::connect(tls::Context* context) {
  if (endpoint_.kind == Endpoint::Kind::Unix) {
    socket_->stream = std::make_unique<ByteStream>(reactor_, connect_unix(endpoint_.host));
    co_return;
  }
  error_code error;
  std::vector<Tcp::endpoint> targets;
  const auto address = asio::ip::make_address(endpoint_.host, error);
  if (!error) {
    targets.emplace_back(address, endpoint_.port);
  } else {
    socket_->resolving = std::make_unique<asio::ip::basic_resolver<Tcp, Executor>>(reactor_.executor());
    const auto results = co_await socket_->resolving->async_resolve(endpoint_.host, std::to_string(endpoint_.port),
                                                                    asio::redirect_error(use_task, error));
    if (timed_out_ || cancelled_) fail("resolving the name");
    if (error) {
      throw Error(ErrorCode::Unavailable,
                  endpoint_.to_string() + ": resolving " + endpoint_.host + " failed: " + error.message());
    }
    for (const auto& result : results) targets.push_back(result.endpoint());
  }
  for (const auto& target : targets) {
    socket_->connecting = std::make_unique<TcpSocket>(reactor_.executor());
    co_await socket_->connecting->async_connect(target, asio::redirect_error(use_task, error));
    if (timed_out_ || cancelled_) fail("connecting");
    if (!error) break;
  }
  if (error) throw Error(ErrorCode::Unavailable, endpoint_.to_string() + ": connecting failed: " + error.message());
  socket_->stream = std::make_unique<ByteStream>(reactor_, socket_->connecting->release());
  socket_->connecting.reset();
  if (endpoint_.kind != Endpoint::Kind::Tls) co_return;
  if (!context) throw Error(ErrorCode::Internal, endpoint_.to_string() + ": a TLS connection needs a context");
  if (!co_await socket_->stream->start_tls(*context,
                                           endpoint_.tls_name.empty() ? endpoint_.host : endpoint_.tls_name)) {
    fail("the TLS handshake");
  }
}

Task<> Connection::write(const Request& request) {
  refuse_control_characters(request.method, "the method");
  std::string head = request.method;
  const std::string_view target = target_of(request.url);
  refuse_control_characters(target, "the URL");
  head.append(" ").append(target).append(" HTTP/1.1\r\n");
  bool has_host = false;
  for (const auto& [name, value] : request.headers) {
    refuse_control_characters(name, "a header's name");
    refuse_control_characters(value, "a header's value");
    has_host = has_host || same_name(name, "host");
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!has_host) head.append("Host: ").append(endpoint_.authority()).append("\r\n");
  const bool may_have_body = request.method != "GET" && request.method != "HEAD";
  if (request.more) {
    head.append("Transfer-Encoding: chunked\r\n");
  } else if (may_have_body || !request.body.empty()) {
    head.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
  }
  head.append("\r\n");
  head_only_ = request.method == "HEAD";
  answered_ = false;
  bool sent = false;
  if (request.more) {
    sent = co_await socket_->stream->write(head) && co_await write_chunks(request);
  } else {
    const std::array<std::string_view, 2> pieces{head, request.body};
    sent = co_await socket_->stream->write(pieces);
  }
  if (!sent) {
    // The server may have said why (413, 401) before it stopped reading: read_head() will tell.
    if (timed_out_ || cancelled_) fail("sending the request");
  }
}

// False when the server stops reading.
Task<bool> Connection::write_chunks(const Request& request) {
  std::string piece = request.body;
  if (piece.empty()) piece = co_await request.more();
  while (!piece.empty()) {
    std::array<char, 24> size;
    const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
    const std::array<std::string_view, 3> chunk{std::string_view(size.data(), static_cast<std::size_t>(length)), piece,
                                                "\r\n"};
    if (!co_await socket_->stream->write(chunk)) co_return false;
    piece = co_await request.more();
  }
  co_return co_await socket_->stream->write("0\r\n\r\n");
}

void Connection::feed() {
  while (!input_.empty() && !parser_->is_done()) {
    error_code error;
    const std::size_t used = parser_->put(asio::const_buffer(input_.data(), input_.size()), error);
    input_.erase(0, used);
    if (error == boost::beast::http::error::need_more) return;
    if (error) {
      socket_->close();
      throw Error(ErrorCode::Unavailable, endpoint_.to_string() + ": the answer is no valid HTTP: " + error.message());
    }
  }
}

// False at the end of the stream.
Task<bool> Connection::read_more() {
  std::array<char, 16384> buffer;
  const std::size_t got = co_await socket_->stream->read(buffer);
  if (got == 0) co_return false;
  answered_ = true;
  input_.append(buffer.data(), got);
  feed();
  co_return true;
}

Task<> Connection::read_head() {
  do {
    parser_ = std::make_unique<Parser>(*this, head_only_);
    body_.clear();
    feed();
    while (!parser_->is_header_done()) {
      if (!co_await read_more()) fail("waiting for the answer");
    }
    // 100 Continue, 103 Early Hints: the answer itself follows.
  } while (head_.status / 100 == 1 && head_.status != 101);
}

Task<Head> Connection::begin(Request request) {
  const auto self = shared_from_this();
  const Deadline limit(*this, reactor_.now() + request.timeout);
  busy_ = true;
  co_await write(request);
  co_await read_head();
  co_return head_;
}

Task<std::string> Connection::next() {
  const auto self = shared_from_this();
  while (body_.empty()) {
    if (cancelled_) fail("reading the answer");
    if (parser_->is_done()) {
      busy_ = false;
      co_return std::string();
    }
    if (co_await read_more()) continue;
    if (timed_out_ || cancelled_) fail("reading the answer");
    error_code error;
    parser_->put_eof(error);
    if (error) fail("reading the answer");
  }
  co_return std::exchange(body_, {});
}

Task<Response> Connection::exchange(Request request) {
  const auto self = shared_from_this();
  const Deadline limit(*this, reactor_.now() + request.timeout);
  busy_ = true;
  co_await write(request);
  co_await read_head();
  Response response;
  while (true) {
    std::string piece = co_await next();
    if (piece.empty()) break;
    if (response.body.size() + piece.size() > request.body_max) {
      socket_->close();
      throw Error(ErrorCode::TooLarge,
                  endpoint_.to_string() + ": the answer is larger than " + std::to_string(request.body_max) + " bytes");
    }
    if (response.body.empty())
      response.body = std::move(piece);
    else
      response.body.append(piece);
  }
  response.status = head_.status;
  response.headers = std::move(head_.headers);
  co_return response;
}

bool Connection::reusable() const {
  return !busy_ && !timed_out_ && !cancelled_ && parser_ && parser_->is_done() && parser_->keep_alive() &&
         input_.empty() && !socket_->stream->closed();
}

bool Connection::resumed() const {
  const tls::Channel* channel = socket_->stream ? socket_->stream->channel() : nullptr;
  return channel && channel->resumed();
}

bool Connection::stale() {
  std::array<char, 1> byte;
  std::size_t got = 0;
  return !reusable() || socket_->stream->read_now(byte, got) != ByteStream::State::Blocked;
}

Pool::Pool(Reactor& reactor, Endpoint endpoint, tls::Context* context, std::size_t idle_max)
    : reactor_(reactor), endpoint_(std::move(endpoint)), context_(context), idle_max_(idle_max) {}

Pool::~Pool() = default;

Task<std::shared_ptr<Connection>> Pool::open(Duration timeout) {
  co_return co_await Connection::open(reactor_, endpoint_, context_, reactor_.now() + timeout);
}

Task<Response> Pool::send(Request request) {
  const Instant deadline = reactor_.now() + request.timeout;
  while (true) {
    std::shared_ptr<Connection> connection;
    while (!connection && !idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
      if (connection->stale()) connection.reset();
    }
    const bool old = connection != nullptr;
    if (!old) connection = co_await Connection::open(reactor_, endpoint_, context_, deadline);
    request.timeout = deadline - reactor_.now();
    std::optional<Error> lost;
    try {
      Response response = co_await connection->exchange(request);
      if (connection->reusable() && idle_.size() < idle_max_) idle_.push_back(std::move(connection));
      co_return response;
    } catch (const Error& error) {  // tidy: the server may have closed an idle connection just as it was used
      lost = error;
    }
    const bool harmless = request.method == "GET" || request.method == "HEAD";
    if (!old || !harmless || connection->answered() || lost->code() != ErrorCode::Unavailable) throw *lost;
  }
}

}  // namespace gantry::http
