#include "providers/local/probe.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cctype>
#include <charconv>

#include "controller/base/utf8.hpp"

namespace gantry::providers::local {
namespace {

using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
using boost::system::error_code;

constexpr std::size_t kHeadMax = 16 << 10;
constexpr std::size_t kBodyMax = 2 << 10;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// "HTTP/1.1 503 Service Unavailable": 503. 0 when it is nothing of the kind.
int status_of(std::string_view head) {
  if (!head.starts_with("HTTP/1.") || head.size() < 12 || head[8] != ' ') return 0;
  int status = 0;
  const auto [end, error] = std::from_chars(head.data() + 9, head.data() + 12, status);
  return error == std::errc() && end == head.data() + 12 && status >= 100 ? status : 0;
}

// The sizes between the chunks taken out; what is cut off stays cut off.
std::string without_chunk_sizes(std::string_view body) {
  std::string text;
  while (true) {
    std::size_t size = 0;
    const auto line = body.find("\r\n");
    if (line == std::string_view::npos) return text;
    std::from_chars(body.data(), body.data() + line, size, 16);
    if (size == 0) return text;
    body.remove_prefix(line + 2);
    text.append(body.substr(0, size));
    if (body.size() < size + 2) return text;
    body.remove_prefix(size + 2);
  }
}

std::string printable(std::string_view text) {
  std::string made;
  for (const char c : text.substr(0, kBodyMax)) {
    const auto u = static_cast<unsigned char>(c);
    made += u >= 0x20 && u != 0x7f ? c : ' ';
  }
  while (!made.empty() && made.back() == ' ') made.pop_back();
  return valid_utf8(made);
}

// Up to one connection's conversation; a timer closes the socket under it when time is up.
class Conversation {
 public:
  Conversation(Reactor& reactor, const ProbeSpec& spec) : reactor_(reactor), spec_(spec), socket_(reactor.executor()) {
    timer_ = reactor.clock().call_at(reactor, reactor.now() + spec.timeout, [this] {
      late_ = true;
      error_code ignored;
      socket_.close(ignored);
    });
  }
  ~Conversation() { reactor_.clock().cancel(timer_); }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  Task<ProbeResult> hold() {
    if (spec_.port <= 0 || spec_.port > 65535) co_return ProbeResult{.message = "no port to probe"};
    co_await connect();
    if (error_) co_return failed();
    if (spec_.kind == ProbeSpec::Kind::Tcp) co_return ProbeResult{.healthy = true, .message = "connected"};
    co_return co_await ask();
  }

 private:
  // A program that listens on "localhost" may have taken either of its addresses.
  Task<> connect() {
    const auto port = static_cast<std::uint16_t>(spec_.port);
    const asio::ip::tcp::endpoint both[] = {{asio::ip::address_v4::loopback(), port},
                                            {asio::ip::address_v6::loopback(), port}};
    error_code first;
    for (const auto& endpoint : both) {
      error_.clear();
      co_await socket_.async_connect(endpoint, asio::redirect_error(use_task, error_));
      if (!error_ || late_) co_return;
      if (endpoint.address().is_v4()) first = error_;
      error_code ignored;
      socket_.close(ignored);
    }
    error_ = first;
  }

  Task<ProbeResult> ask() {
    const std::string path = spec_.path.empty() ? "/" : spec_.path;
    const std::string question = "GET " + (path.starts_with('/') ? path : "/" + path) +
                                 " HTTP/1.1\r\nHost: localhost:" + std::to_string(spec_.port) +
                                 "\r\nUser-Agent: gantry-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    co_await asio::async_write(socket_, asio::buffer(question), asio::redirect_error(use_task, error_));
    if (error_) co_return failed();

    std::string text;
    std::size_t head_end = std::string::npos;
    while ((head_end = text.find("\r\n\r\n")) == std::string::npos && text.size() < kHeadMax &&
           co_await read_some(text)) {
    }
    if (late_) co_return failed();
    const int status = status_of(text);
    if (status == 0)
      co_return ProbeResult{.message = text.empty() ? "the connection was closed without an answer"
                                                    : "the answer is not HTTP"};
    if (status >= 200 && status < 400)
      co_return ProbeResult{.healthy = true, .status = status, .message = std::to_string(status)};
    std::string body;
    if (head_end != std::string::npos) {
      while (text.size() < head_end + 4 + kBodyMax && co_await read_some(text)) {
      }
      body = text.substr(head_end + 4);
      if (lower(text.substr(0, head_end)).find("transfer-encoding: chunked") != std::string::npos)
        body = without_chunk_sizes(body);
    }
    const std::string shown = printable(body);
    co_return ProbeResult{.status = status, .message = std::to_string(status) + (shown.empty() ? "" : ": " + shown)};
  }

  Task<bool> read_some(std::string& text) {
    char piece[2048];
    const auto got = co_await socket_.async_read_some(asio::buffer(piece), asio::redirect_error(use_task, error_));
    text.append(piece, got);
    co_return !error_ && got > 0;
  }

  ProbeResult failed() const {
    if (late_) {
      const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(spec_.timeout).count();
      const bool whole = millis % 1000 == 0;
      return {.message = "no answer within " + std::to_string(whole ? millis / 1000 : millis) + (whole ? "s" : "ms")};
    }
    return {.message = lower(error_.message())};
  }

  Reactor& reactor_;
  const ProbeSpec& spec_;
  Socket socket_;
  Clock::TimerId timer_ = 0;
  bool late_ = false;
  error_code error_;
};

}  // namespace

Task<ProbeResult> probe(Reactor& reactor, ProbeSpec spec) {
  Conversation conversation(reactor, spec);
  co_return co_await conversation.hold();
}

}  // namespace gantry::providers::local
