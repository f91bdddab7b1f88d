// An instance of an App as a relay or a tunnel's end meets it, on the test's own reactor.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "controller/base/byte_stream.hpp"
#include "providers/relay/relay_config.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::relay {

using local::Machine;

// An instance of an App: accepts, reads a head, and does what it was told to.
class App {
 public:
  enum class Mood { Answers, DiesSilently, Waits, Echoes };
  App(Machine& machine, std::string name, Mood mood = Mood::Answers)
      : machine_(machine), name_(std::move(name)), mood(mood) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
  }
  ~App() { close(); }
  void close() {
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
  }
  // Called between the turns of the reactor.
  void look() {
    if (listener_ < 0) return;
    if (const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); descriptor >= 0) {
      ++connections;
      machine_.reactor.spawn(serve(std::make_shared<ByteStream>(machine_.reactor, descriptor)));
    }
  }
  int port() const { return port_; }
  Upstream upstream() const { return {name_, port_}; }

  int connections = 0;
  bool released = false;  // Waits: may answer now
  std::string seen;

 private:
  Task<> serve(std::shared_ptr<ByteStream> stream) {
    std::array<char, 4096> piece;
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
      const auto got = co_await stream->read(piece);
      if (got == 0) co_return;
      head.append(piece.data(), got);
    }
    seen = head;
    if (mood == Mood::DiesSilently) {
      stream->close();
      co_return;
    }
    if (mood == Mood::Echoes) {
      (void)co_await stream->write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      while (const auto got = co_await stream->read(piece)) {
        if (!co_await stream->write(name_ + ":" + std::string(piece.data(), got))) break;
      }
      co_return;
    }
    while (mood == Mood::Waits && !released) co_await sleep_for(machine_.reactor, std::chrono::milliseconds(5));
    (void)co_await stream->write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(name_.size()) + "\r\n\r\n" +
                                 name_);
    stream->close();
  }

  Machine& machine_;
  std::string name_;
  int listener_ = -1;
  int port_ = 0;

 public:
  Mood mood;
};

}  // namespace gantry::providers::relay
