#include "controller/base/byte_stream.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>

namespace gantry {

using AsioSocket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

struct ByteStream::Socket {
  AsioSocket asio;
  int fd;
};

void Outgoing::advance(std::size_t bytes) {
  while (index < pieces.size()) {
    const std::size_t left = pieces[index].size() - offset;
    if (bytes < left) {
      offset += bytes;
      return;
    }
    bytes -= left;
    ++index;
    offset = 0;
  }
}

ByteStream::ByteStream(Reactor& reactor, int descriptor) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &length);
  if (name.ss_family != AF_UNIX) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  socket_ = std::make_unique<Socket>(Socket{AsioSocket(reactor.executor()), descriptor});
  boost::system::error_code error;
  socket_->asio.assign(asio::generic::stream_protocol(name.ss_family, 0), descriptor, error);
  if (!error) socket_->asio.non_blocking(true, error);
  if (!error) return;
  // The kernel's limits, most likely: this connection ends, the others go on.
  if (!socket_->asio.is_open()) ::close(descriptor);
  failure_ = error.message();
  close();
}

ByteStream::~ByteStream() { close(); }

Task<bool> ByteStream::start_tls(tls::Context& context, std::string peer) {
  if (closed_) co_return false;
  channel_ = std::make_unique<tls::Channel>(context, socket_->fd, peer);
  while (!closed_) {
    const tls::Outcome outcome = channel_->handshake();
    if (outcome == tls::Outcome::Done) co_return true;
    if (blocked(outcome) == State::End || !co_await ready()) break;
  }
  co_return false;
}

ByteStream::State ByteStream::blocked(tls::Outcome outcome) {
  switch (outcome) {
    case tls::Outcome::Done:
      return State::Done;
    case tls::Outcome::WantRead:
      wants_write_ = false;
      return State::Blocked;
    case tls::Outcome::WantWrite:
      wants_write_ = true;
      return State::Blocked;
    case tls::Outcome::End:
      return ended("the peer closed the connection");
    case tls::Outcome::Failed:
      break;
  }
  return ended(channel_->failure());
}

ByteStream::State ByteStream::ended(std::string why) {
  if (failure_.empty()) failure_ = std::move(why);
  return State::End;
}

ByteStream::State ByteStream::read_now(std::span<char> into, std::size_t& got) {
  got = 0;
  if (closed_) return State::End;
  if (channel_) return blocked(channel_->read(into, got));
  while (true) {
    const auto result = ::recv(socket_->fd, into.data(), into.size(), 0);
    if (result > 0) {
      got = static_cast<std::size_t>(result);
      return State::Done;
    }
    if (result == 0) return ended("the peer closed the connection");
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return ended(std::strerror(errno));
    wants_write_ = false;
    return State::Blocked;
  }
}

ByteStream::State ByteStream::write_now(Outgoing& outgoing) {
  if (closed_) return State::End;
  return channel_ ? write_records(outgoing) : write_plain(outgoing);
}

ByteStream::State ByteStream::write_plain(Outgoing& outgoing) {
  constexpr std::size_t kPieces = 128;
  std::array<iovec, kPieces> parts;
  while (!outgoing.done()) {
    std::size_t count = 0;
    std::size_t offset = outgoing.offset;
    for (std::size_t i = outgoing.index; i < outgoing.pieces.size() && count < kPieces; ++i) {
      const std::string_view piece = outgoing.pieces[i].substr(std::exchange(offset, 0));
      if (!piece.empty()) parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    if (count == 0) {  // nothing but empty pieces
      outgoing.advance(0);
      continue;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const auto sent = ::sendmsg(socket_->fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      wants_write_ = true;
      return State::Blocked;
    }
    if (sent < 0) return ended(std::strerror(errno));
    written_ += static_cast<std::uint64_t>(sent);
    outgoing.advance(static_cast<std::size_t>(sent));
  }
  return State::Done;
}

// One record at a time, gathered into a buffer that all streams of the thread share: when the socket blocks, the same
// bytes are gathered again from the same place, as OpenSSL demands.
ByteStream::State ByteStream::write_records(Outgoing& outgoing) {
  static thread_local std::array<char, 16384> record;
  outgoing.advance(0);
  while (!outgoing.done()) {
    std::string_view bytes = outgoing.pieces[outgoing.index].substr(outgoing.offset);
    if (bytes.size() >= record.size()) {
      bytes = bytes.substr(0, record.size());
    } else {
      std::size_t length = 0;
      std::size_t offset = outgoing.offset;
      for (std::size_t i = outgoing.index; i < outgoing.pieces.size() && length < record.size(); ++i) {
        const std::string_view piece = outgoing.pieces[i].substr(std::exchange(offset, 0), record.size() - length);
        if (piece.empty()) continue;
        std::memcpy(record.data() + length, piece.data(), piece.size());
        length += piece.size();
      }
      bytes = {record.data(), length};
    }
    std::size_t taken = 0;
    const tls::Outcome outcome = channel_->write(bytes, taken);
    if (outcome != tls::Outcome::Done) return blocked(outcome);
    written_ += taken;
    outgoing.advance(taken);
  }
  return State::Done;
}

Task<bool> ByteStream::ready() {
  if (closed_) co_return false;
  boost::system::error_code error;
  co_await socket_->asio.async_wait(wants_write_ ? AsioSocket::wait_write : AsioSocket::wait_read,
                                    asio::redirect_error(use_task, error));
  co_return !closed_;
}

Task<bool> ByteStream::readable() {
  if (closed_) co_return false;
  boost::system::error_code error;
  co_await socket_->asio.async_wait(AsioSocket::wait_read, asio::redirect_error(use_task, error));
  co_return !closed_;
}

void ByteStream::when_readable(std::move_only_function<void()> fn) {
  if (closed_) return;
  socket_->asio.async_wait(AsioSocket::wait_read,
                           [fn = std::move(fn)](const boost::system::error_code&) mutable { fn(); });
}

Task<std::size_t> ByteStream::read(std::span<char> into) {
  std::size_t got = 0;
  State state = read_now(into, got);
  while (state == State::Blocked) {
    if (!co_await ready()) co_return 0;
    state = read_now(into, got);
  }
  co_return state == State::Done ? got : 0;
}

Task<bool> ByteStream::write(std::span<const std::string_view> pieces) {
  Outgoing outgoing{.pieces = pieces};
  State state = write_now(outgoing);
  while (state == State::Blocked) {
    if (!co_await ready()) co_return false;
    state = write_now(outgoing);
  }
  co_return state == State::Done;
}

Task<bool> ByteStream::write(std::string_view text) { co_return co_await write(std::span(&text, 1)); }

void ByteStream::say_plainly(std::string_view text) {
  if (!closed_) ::send(socket_->fd, text.data(), text.size(), MSG_NOSIGNAL);
}

void ByteStream::shutdown_write() {
  if (closed_) return;
  if (channel_) channel_->close_notify();
  ::shutdown(socket_->fd, SHUT_WR);
}

void ByteStream::interrupt() {
  if (closed_) return;
  boost::system::error_code ignored;
  socket_->asio.cancel(ignored);
}

void ByteStream::close() {
  if (std::exchange(closed_, true)) return;
  if (failure_.empty()) failure_ = "the connection was closed here";
  if (channel_) channel_->close_notify();
  boost::system::error_code ignored;
  socket_->asio.close(ignored);
}

}  // namespace gantry
