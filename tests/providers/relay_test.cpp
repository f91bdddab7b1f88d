// Goal: who serves can change at any moment without a request noticing. Method: a relay on the test's reactor, sockets
// of this machine on both sides of it, and instances that answer, wait, die or were never there.
#include "providers/relay/relay.hpp"

#include <sys/socket.h>

#include "providers/relay/rate_limiter.hpp"
#include "tests/providers/relay_app.hpp"

namespace gantry::providers::relay {
namespace {

using namespace std::chrono_literals;
using local::Machine;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class RelayTest : public testing::Test {
 protected:
  // What Caddy would send for one request; the answer is complete when `over`.
  struct Request {
    std::shared_ptr<ByteStream> stream;
    std::string answer;
    bool over = false;
  };

  std::shared_ptr<Request> send(const std::string& head) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    auto request = std::make_shared<Request>();
    request->stream = std::make_shared<ByteStream>(machine.reactor, ends[0]);
    machine.reactor.spawn(relay.serve(ends[1]));
    machine.reactor.spawn(talk(request, head));
    return request;
  }
  std::shared_ptr<Request> get(const std::string& more = {}) {
    return send("GET /x HTTP/1.1\r\nHost: a.test\r\nGantry-Route: r\r\nGantry-Client: 10.0.0.1\r\n" + more + "\r\n");
  }
  std::string answer_to(const std::shared_ptr<Request>& request) {
    EXPECT_TRUE(until([&] { return request->over; })) << request->answer;
    return request->answer;
  }
  template <class Condition>
  bool until(Condition holds) {
    return machine.until(
        [&] {
          for (App* app : apps) app->look();
          return holds();
        },
        5s);
  }
  void serve_with(std::vector<App*> which, bool holds = true) {
    Config config;
    config.routes["r"] = {"b", rate, 0};
    Backend& backend = config.backends["b"];
    for (App* app : which) backend.upstreams.push_back(app->upstream());
    backend.holds = holds;
    for (App* app : which) {
      if (std::find(apps.begin(), apps.end(), app) == apps.end()) apps.push_back(app);
    }
    relay.configure(config);
  }
  int in_flight(const std::string& id) {
    const json::Value state = relay.state();
    for (const auto& one : state.at({"backends", "b", "upstreams"})->as_array()) {
      if (one.string_or("id") == id) return static_cast<int>(one.int_or("inFlight", 0));
    }
    return -1;
  }

  Machine machine;
  Relay relay{machine.reactor, {.hold = 2s, .avoid = 100ms}};
  std::vector<App*> apps;
  int rate = 0;

 private:
  static Task<> talk(std::shared_ptr<Request> request, std::string head) {
    (void)co_await request->stream->write(head);
    std::array<char, 4096> piece;
    while (const auto got = co_await request->stream->read(piece)) request->answer.append(piece.data(), got);
    request->over = true;
  }
};

TEST_F(RelayTest, PassesARequestOnWithoutItsOwnHeaders) {
  App a(machine, "a");
  serve_with({&a});
  EXPECT_THAT(answer_to(get("X-Mine: kept\r\n")), AllOf(StartsWith("HTTP/1.1 200 OK"), testing::EndsWith("\r\n\r\na")));
  EXPECT_THAT(a.seen,
              AllOf(HasSubstr("GET /x HTTP/1.1\r\nHost: a.test\r\nX-Mine: kept\r\n\r\n"), Not(HasSubstr("Gantry-"))));
}

TEST_F(RelayTest, SpreadsRequestsOverTheInstances) {
  App a(machine, "a"), b(machine, "b");
  serve_with({&a, &b});
  for (int i = 0; i < 10; ++i) answer_to(get());
  EXPECT_EQ(a.connections, 5);
  EXPECT_EQ(b.connections, 5);
}

TEST_F(RelayTest, ARequestUnderWayIsFinishedByTheInstanceThatWasTakenOff) {
  App old(machine, "old", App::Mood::Waits), fresh(machine, "fresh");
  serve_with({&old});
  const auto slow = get();
  ASSERT_TRUE(until([&] { return in_flight("old") == 1 && old.connections == 1; }));
  serve_with({&fresh});
  EXPECT_THAT(answer_to(get()), HasSubstr("fresh"));
  EXPECT_EQ(in_flight("old"), 1) << "still counted while it drains";
  EXPECT_FALSE(slow->over);
  old.released = true;
  EXPECT_THAT(answer_to(slow), HasSubstr("\r\n\r\nold"));
  EXPECT_EQ(in_flight("old"), -1) << "drained: nothing is known of it any more";
}

TEST_F(RelayTest, AWebSocketLivesThroughASwitch) {
  App old(machine, "old", App::Mood::Echoes), fresh(machine, "fresh");
  serve_with({&old});
  const auto socket = get("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  ASSERT_TRUE(until([&] { return socket->answer.find("101") != std::string::npos; }));
  serve_with({&fresh});
  machine.await(socket->stream->write("hello"));
  EXPECT_TRUE(until([&] { return socket->answer.find("old:hello") != std::string::npos; })) << socket->answer;
  EXPECT_EQ(in_flight("old"), 1);
  socket->stream->close();
  EXPECT_TRUE(until([&] { return in_flight("old") == -1; })) << "the App's side is closed too";
}

TEST_F(RelayTest, AnInstanceThatRefusesIsPassedOver) {
  App dead(machine, "dead"), alive(machine, "alive");
  serve_with({&dead, &alive});
  dead.close();
  for (int i = 0; i < 6; ++i)
    EXPECT_THAT(answer_to(send("POST /x HTTP/1.1\r\nGantry-Route: r\r\nContent-Length: 2\r\n\r\nhi")),
                HasSubstr("alive"));
}

TEST_F(RelayTest, AReadThatAnInstanceDiesUnderIsAskedAgainElsewhereAndAWriteIsNot) {
  App dying(machine, "dying", App::Mood::DiesSilently), alive(machine, "alive");
  serve_with({&dying, &alive});
  for (int i = 0; i < 4; ++i) EXPECT_THAT(answer_to(get()), HasSubstr("alive"));
  EXPECT_GE(dying.connections, 1);
  serve_with({&dying});
  EXPECT_THAT(answer_to(send("POST /x HTTP/1.1\r\nGantry-Route: r\r\nContent-Length: 2\r\n\r\nhi")),
              StartsWith("HTTP/1.1 502"));
}

TEST_F(RelayTest, RequestsWaitForTheFirstInstanceButNotWhenTheAppIsMeantToBeDown) {
  App a(machine, "a");
  serve_with({});
  const auto early = get();
  EXPECT_FALSE(until([&] { return early->over || relay.state().int_or("waiting", 0) == 0; }) && early->over);
  serve_with({&a});
  EXPECT_THAT(answer_to(early), HasSubstr("200 OK"));
  serve_with({}, false);
  EXPECT_THAT(answer_to(get()), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Retry-After")));
}

TEST_F(RelayTest, AnUnknownRouteIsRefused) { EXPECT_THAT(answer_to(get()), StartsWith("HTTP/1.1 503")); }

TEST_F(RelayTest, TheRequestBeyondTheLimitIsRefusedForThatClientOnly) {
  App a(machine, "a");
  rate = 3;
  serve_with({&a});
  for (int i = 0; i < 3; ++i) EXPECT_THAT(answer_to(get()), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer_to(get()), AllOf(StartsWith("HTTP/1.1 429"), HasSubstr("Retry-After: 1")));
  EXPECT_THAT(answer_to(send("GET / HTTP/1.1\r\nGantry-Route: r\r\nGantry-Client: 10.0.0.2\r\n\r\n")),
              StartsWith("HTTP/1.1 200"));
}

TEST(RateLimiter, LetsTheRatePassAndForgetsWhoIsGone) {
  RateLimiter limiter;
  Instant now{1h};
  int passed = 0;
  for (int i = 0; i < 1000; ++i, now += 10ms) passed += limiter.take("r", "c", 20, 0, now) == Duration::zero();
  EXPECT_NEAR(passed, 220, 2) << "20 a second for 10 s, and the first second's worth at once";
  for (int i = 0; i < 30000; ++i, now += 1ms) limiter.take("r", std::to_string(i), 20, 0, now);
  EXPECT_LT(limiter.size(), 11000U);
}

}  // namespace
}  // namespace gantry::providers::relay
