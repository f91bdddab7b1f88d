// Probes against a server that says what the test tells it to.
#include "providers/local/probe.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>

#include "tests/providers/machine.hpp"

namespace gantry::providers::local {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Le;
using testing::SizeIs;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, Executor>;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;

// Answers each connection with one text, and keeps it open when told so.
class Server {
 public:
  Server(Machine& machine, std::string answer, bool hang = false)
      : machine_(machine), state_(std::make_shared<State>(machine, std::move(answer), hang)) {
    machine.reactor.spawn(serve(state_));
  }
  ~Server() {
    state_->acceptor.close();
    machine_.until([&] { return state_.use_count() == 1; });
  }
  int port() const { return state_->acceptor.local_endpoint().port(); }
  const std::string& asked() const { return state_->asked; }

 private:
  struct State {
    State(Machine& machine, std::string text, bool keep)
        : acceptor(machine.reactor.executor(), {asio::ip::address_v4::loopback(), 0}),
          answer(std::move(text)),
          hang(keep) {}
    Acceptor acceptor;
    std::string answer;
    bool hang;
    std::string asked;
    std::vector<std::shared_ptr<Socket>> kept;
  };
  static Task<> serve(std::shared_ptr<State> state) {
    boost::system::error_code error;
    while (true) {
      auto socket = std::make_shared<Socket>(state->acceptor.get_executor());
      co_await state->acceptor.async_accept(*socket, asio::redirect_error(use_task, error));
      if (error) co_return;
      char text[4096];
      const auto got = co_await socket->async_read_some(asio::buffer(text), asio::redirect_error(use_task, error));
      state->asked.assign(text, got);
      co_await asio::async_write(*socket, asio::buffer(state->answer), asio::redirect_error(use_task, error));
      if (state->hang) state->kept.push_back(socket);
    }
  }
  Machine& machine_;
  std::shared_ptr<State> state_;
};

class ProbeTest : public testing::Test {
 protected:
  ProbeResult ask(int port, ProbeSpec::Kind kind = ProbeSpec::Kind::Http, Duration timeout = std::chrono::seconds(20)) {
    return machine.await(probe(machine.reactor, {.kind = kind, .port = port, .path = "/health", .timeout = timeout}));
  }
  int closed_port() {
    Acceptor acceptor(machine.reactor.executor(), {asio::ip::address_v4::loopback(), 0});
    return acceptor.local_endpoint().port();
  }
  Machine machine;
};

TEST_F(ProbeTest, From200To399IsHealthy) {
  for (const int status : {200, 204, 301, 399}) {
    Server server(machine, "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Length: 0\r\n\r\n");
    const auto result = ask(server.port());
    EXPECT_TRUE(result.healthy) << status;
    EXPECT_EQ(result.status, status);
    EXPECT_THAT(server.asked(), AllOf(HasSubstr("GET /health HTTP/1.1\r\n"),
                                      HasSubstr("Host: localhost:" + std::to_string(server.port()))));
  }
}

TEST_F(ProbeTest, AnythingElseIsNotAndSaysWhatTheServerSaid) {
  Server busy(machine, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 11\r\n\r\nstarting up");
  EXPECT_EQ(ask(busy.port()).message, "503: starting up");
  Server chunked(machine,
                 "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n5\r\nbase!\r\n0\r\n\r\n");
  EXPECT_EQ(ask(chunked.port()).message, "500: database!");
  Server early(machine, "HTTP/1.1 199 Odd\r\n\r\n");
  EXPECT_FALSE(ask(early.port()).healthy);
}

TEST_F(ProbeTest, AtMostTwoKilobytesAreKeptAndNothingUnprintable) {
  Server server(machine, "HTTP/1.1 500 Oops\r\n\r\n\x1b[31m" + std::string(1 << 20, 'x'));
  const auto result = ask(server.port());
  EXPECT_THAT(result.message, SizeIs(Le(2048U + 5)));
  EXPECT_EQ(result.message.find('\x1b'), std::string::npos);
}

TEST_F(ProbeTest, WhatIsNotHttpIsSaidToBeSo) {
  Server ssh(machine, "SSH-2.0-OpenSSH_9.2\r\n");
  EXPECT_EQ(ask(ssh.port()).message, "the answer is not HTTP");
  Server silent(machine, "");
  EXPECT_EQ(ask(silent.port()).message, "the connection was closed without an answer");
  Server endless(machine, "HTTP/1.1 500 x\r\n" + std::string(1 << 20, 'h'));
  EXPECT_EQ(ask(endless.port()).message, "500") << "the head's size bounds what is read";
}

TEST_F(ProbeTest, NobodyThereIsRefusedAndNobodyAnsweringTakesItsTime) {
  EXPECT_EQ(ask(closed_port()).message, "connection refused");
  EXPECT_EQ(ask(closed_port(), ProbeSpec::Kind::Tcp).message, "connection refused");
  Server silent(machine, "", true);
  const Instant before = machine.reactor.now();
  EXPECT_EQ(ask(silent.port(), ProbeSpec::Kind::Http, std::chrono::milliseconds(100)).message,
            "no answer within 100ms");
  EXPECT_GE(machine.reactor.now() - before, std::chrono::milliseconds(100));
  EXPECT_EQ(ask(0).message, "no port to probe");
}

TEST_F(ProbeTest, TcpIsHealthyWhenItConnects) {
  Server server(machine, "");
  EXPECT_TRUE(ask(server.port(), ProbeSpec::Kind::Tcp).healthy);
}

}  // namespace
}  // namespace gantry::providers::local
