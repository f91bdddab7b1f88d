#include "providers/relay/line.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>

#include "providers/relay/deadline.hpp"

namespace gantry::providers::relay {

std::unique_ptr<ByteStream> begin_connect(Reactor& reactor, const std::string& address, int port) {
  sockaddr_storage name{};
  socklen_t length = 0;
  auto* four = reinterpret_cast<sockaddr_in*>(&name);
  auto* six = reinterpret_cast<sockaddr_in6*>(&name);
  if (::inet_pton(AF_INET, address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof *four;
  } else if (::inet_pton(AF_INET6, address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<std::uint16_t>(port));
    length = sizeof *six;
  } else {
    return nullptr;
  }
  const int descriptor = ::socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return nullptr;
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&name), length) != 0 && errno != EINPROGRESS) {
    ::close(descriptor);
    return nullptr;
  }
  return std::make_unique<ByteStream>(reactor, descriptor);
}

Task<std::unique_ptr<ByteStream>> connect(Reactor& reactor, std::string address, int port, Duration limit) {
  asio::basic_stream_socket<asio::ip::tcp, Executor> socket(reactor.executor());
  boost::system::error_code error;
  const asio::ip::tcp::endpoint there(asio::ip::make_address(address, error), static_cast<std::uint16_t>(port));
  if (error) co_return nullptr;
  const Deadline deadline(reactor, limit, [&socket] {
    boost::system::error_code ignored;
    socket.close(ignored);
  });
  co_await socket.async_connect(there, asio::redirect_error(use_task, error));
  if (error) co_return nullptr;
  co_return std::make_unique<ByteStream>(reactor, socket.release());
}

std::string unwritten(const Outgoing& outgoing) {
  std::string rest;
  std::size_t offset = outgoing.offset;
  for (std::size_t i = outgoing.index; i < outgoing.pieces.size(); ++i)
    rest += outgoing.pieces[i].substr(std::exchange(offset, 0));
  return rest;
}

PlainLine::PlainLine(Reactor& reactor, const std::string& address, int port)
    : stream_(begin_connect(reactor, address, port)) {}

Task<Line::Reached> PlainLine::open(std::string_view head, std::string_view rest) {
  if (!stream_) co_return Reached::No;
  const std::array<std::string_view, 2> pieces{head, rest};
  const bool written = co_await stream_->write(pieces);
  co_return written || stream_->written() > 0 ? Reached::Yes : Reached::No;
}

Line::State PlainLine::take(std::string_view bytes) {
  Outgoing outgoing{.pieces = std::span(&bytes, 1)};
  const State state = stream_->write_now(outgoing);
  if (state == State::Blocked) rest_ = unwritten(outgoing);
  return state;
}

Task<bool> PlainLine::flushed() {
  const bool written = co_await stream_->write(rest_);
  rest_ = {};
  co_return written;
}

void PlainLine::close() {
  if (stream_) stream_->close();
}

}  // namespace gantry::providers::relay
