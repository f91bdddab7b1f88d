// A real server on a real port, on a thread of its own, in a time that the test moves; and a client that sends exactly
// the bytes it is told to.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "controller/api/http/server.hpp"
#include "controller/base/json.hpp"
#include "controller/base/signal.hpp"

namespace gantry::api::http {

// Stands still unless advanced; timers fire on their reactor then.
class SteppedClock final : public Clock {
 public:
  Instant now() const override;
  WallTime wall() const override;
  TimerId call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) override;
  void cancel(TimerId id) override;
  // From any thread. A second at a time, so that what fires may set the next timer.
  void advance(std::chrono::seconds by);

 private:
  struct Timer {
    Reactor* reactor;
    Instant when;
    std::move_only_function<void()> fn;
  };
  mutable std::mutex mutex_;
  Instant now_{std::chrono::hours(1)};
  WallTime wall_ = std::chrono::system_clock::now();  // certificates are checked against the real time
  TimerId last_ = 0;
  std::map<TimerId, Timer> timers_;
};

// What a test says into /stream.
class Feed : public std::enable_shared_from_this<Feed> {
 public:
  explicit Feed(Reactor& reactor) : reactor_(reactor), changed_(reactor) {}
  // From the test's thread.
  void say(std::string text);
  void end();
  bool closed();
  std::size_t asked();  // how often next() was called

 private:
  friend class FeedStream;
  Reactor& reactor_;
  Signal changed_;
  std::deque<std::string> texts_;
  bool over_ = false;
  bool closed_ = false;
  std::size_t asked_ = 0;
};

// Answers /echo with what arrived, /stream with the feed, /big with as many bytes as asked, /slow when released.
class TestHandler final : public Handler {
 public:
  explicit TestHandler(Reactor& reactor_) : reactor(reactor_), released(reactor_) {}
  Task<HttpResponse> handle(HttpRequest request) override;
  // For /upload: counts what comes, and does not want the letter "z".
  std::shared_ptr<BodySink> sink(const HttpRequest& request) override;

  Reactor& reactor;
  std::shared_ptr<Feed> feed = std::make_shared<Feed>(reactor);
  Signal released;
  bool release = false;
  std::atomic<int> slow_started{0};
  std::atomic<int> handled{0};
};

struct RawResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  json::Value json() const { return json::parse(body); }
};

// A plain socket; calls block, ten seconds at most.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer = 0);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes);
  // False when the server does not take it any more.
  bool try_send(std::string_view bytes);
  RawResponse read(bool head_only = false);
  // Everything until the server closes.
  std::string read_to_end();
  std::string read_some();   // empty at the end
  std::string read_chunk();  // of a stream; empty at its end
  RawResponse read_head();
  void close();
  bool closed_by_server();

 private:
  std::string line();
  bool fill();
  int fd_ = -1;
  std::string buffer_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  ~HttpServerTest() override;

  void start(Limits limits = {}, std::optional<tls::Context::Server> tls = std::nullopt);
  std::uint16_t port() const { return server->port(); }
  // Runs on the server's thread; waits for it.
  template <class F>
  auto there(F fn) {
    std::promise<decltype(fn())> promise;
    reactor.post([&] {
      if constexpr (std::is_void_v<decltype(fn())>) {
        fn();
        promise.set_value();
      } else {
        promise.set_value(fn());
      }
    });
    return promise.get_future().get();
  }
  // Until it holds; fails the test after ten seconds.
  void eventually(const char* what, const std::function<bool()>& holds);
  std::size_t connections() {
    return there([this] { return server->connections(); });
  }
  void shut_down(Duration grace, std::promise<void>& done);
  void release_slow();

  static std::string get(const std::string& target, const std::string& more = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer alice-token\r\n" + more + "\r\n";
  }
  static std::string post(const std::string& target, const std::string& body, const std::string& more = "") {
    return "POST " + target + " HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer alice-token\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n" + more + "\r\n" + body;
  }

  SteppedClock clock;
  Reactor reactor{"front", clock};
  TestHandler handler{reactor};
  Authenticator authenticator;
  std::unique_ptr<Server> server;
  std::thread thread;
};

}  // namespace gantry::api::http
