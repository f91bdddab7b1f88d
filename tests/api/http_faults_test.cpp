// Goal: whatever a client does to its connection, it gets a Status or is cut off, the memory stays bounded, and nobody
// else notices. The real API with its roles, behind the real server, over real sockets, in a time that the test moves.
#include <unistd.h>

#include <fstream>

#include "controller/api/access/guard.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/memory_engine.hpp"
#include "tests/api/fixture.hpp"
#include "tests/api/http_fixture.hpp"

namespace gantry::api::http {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

const std::string kHead = "Host: test\r\nAuthorization: Bearer root-token\r\n";

std::size_t resident_bytes() {
  std::size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

class FaultTest : public ::testing::Test {
 protected:
  FaultTest() {
    store = store::make_embedded_store(front, blocking, std::make_unique<store::MemoryEngine>(), {});
    api = std::make_unique<Api>(front, *store, fixture_kinds());
    access::GuardOptions options{
        .known = {}, .signing_key = SigningKey::generate(), .flow = {}, .quotas = {}, .audit = {}};
    options.known.add_token("root-token", {"root", "", {"system:masters"}});
    options.known.add_token("alice-token", {"alice", "", {}});
    guard = std::make_unique<access::Guard>(*api, blocking, std::move(options));
    front.spawn(prepare());
    while (front.poll() > 0) {
    }
    ServerOptions server_options;
    server_options.port = 0;
    server = std::make_unique<Server>(front, *api, guard->authenticator(), server_options);
    server->listen();
    thread = std::thread([this] { front.run(); });
  }
  ~FaultTest() override {
    std::promise<void> done;
    front.spawn(shut_down(done));
    auto finished = done.get_future();
    while (finished.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) clock.advance(seconds(1));
    front.stop();
    thread.join();
  }

  Task<> prepare() {
    co_await api->prepare();
    co_await guard->prepare();
  }
  Task<> shut_down(std::promise<void>& done) {
    co_await server->shutdown(seconds(1));
    guard->close();
    // What follows the definitions ends with the API, on its reactor.
    server.reset();
    guard.reset();
    api.reset();
    for (int turns = 0; turns < 8; ++turns) co_await asio::post(front.executor(), use_task);
    done.set_value();
  }

  static std::string post_app(const std::string& name, const std::string& more = "") {
    const std::string body = app(name);
    return "POST " + kApps + " HTTP/1.1\r\n" + kHead + more + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  }
  // Somebody else is answered as ever.
  void others_are_well() {
    RawClient client(server->port());
    client.send("GET " + kApps + " HTTP/1.1\r\n" + kHead + "\r\n");
    const auto answer = client.read();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.json().string_or("kind"), "AppList");
  }
  void expect_status(const RawResponse& answer, int code) {
    EXPECT_EQ(answer.status, code) << answer.body;
    const json::Value status = answer.json();
    EXPECT_EQ(status.string_or("kind"), "Status");
    EXPECT_EQ(status.int_or("code", 0), code);
    EXPECT_EQ(status.string_or("status"), "Failure");
  }

  SteppedClock clock;
  Reactor front{"front", clock};
  InlineBlocking blocking;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Api> api;
  std::unique_ptr<access::Guard> guard;
  std::unique_ptr<Server> server;
  std::thread thread;
};

TEST_F(FaultTest, ARequestMayBeSplitAtAnyByte) {
  const std::size_t size = post_app("web-1000").size();
  RawClient client(server->port());
  for (std::size_t cut = 1; cut < size; ++cut) {
    const std::string request = post_app("web-" + std::to_string(1000 + cut));
    client.send(std::string_view(request).substr(0, cut));
    client.send(std::string_view(request).substr(cut));
    ASSERT_EQ(client.read().status, 201) << "cut at " << cut;
  }
  for (const char c : post_app("web")) client.send({&c, 1});
  EXPECT_EQ(client.read().status, 201);
}

TEST_F(FaultTest, AChunkedBodyWithoutATypeIsJson) {
  RawClient client(server->port());
  const std::string body = app("web");
  std::string request = "POST " + kApps + " HTTP/1.1\r\n" + kHead + "Transfer-Encoding: chunked\r\n\r\n";
  for (const char c : body) request += std::string("1\r\n") + c + "\r\n";
  client.send(request + "0\r\n\r\n");
  EXPECT_EQ(client.read().status, 201);
}

TEST_F(FaultTest, ALengthThatIsTooShortCutsTheBodyAndTheConnection) {
  RawClient client(server->port());
  const std::string body = app("web");
  client.send("POST " + kApps + " HTTP/1.1\r\n" + kHead + "Content-Length: " + std::to_string(body.size() - 10) +
              "\r\n\r\n" + body + "\r\n\r\n");
  expect_status(client.read(), 400);
  expect_status(client.read(), 400);  // what was left of it is no request
  EXPECT_TRUE(client.closed_by_server());
  others_are_well();
}

TEST_F(FaultTest, ALengthThatIsTooLongIsWaitedForOnlySoLong) {
  RawClient client(server->port());
  const std::string body = app("web");
  client.send("POST " + kApps + " HTTP/1.1\r\n" + kHead + "Content-Length: " + std::to_string(body.size() + 10) +
              "\r\n\r\n" + body);
  others_are_well();
  clock.advance(Limits().body + seconds(2));
  expect_status(client.read(), 408);
  EXPECT_TRUE(client.closed_by_server());
  RawClient other(server->port());
  other.send("GET " + kApps + "/web HTTP/1.1\r\n" + kHead + "\r\n");
  expect_status(other.read(), 404);
}

TEST_F(FaultTest, ALengthOfAThousandGigabytesIsRefusedUnread) {
  RawClient client(server->port());
  client.send("POST " + kApps + " HTTP/1.1\r\n" + kHead + "Content-Length: 1000000000000\r\n\r\n");
  expect_status(client.read(), 413);
  others_are_well();
}

TEST_F(FaultTest, TenThousandHeadersAreTooMany) {
  RawClient client(server->port());
  std::string request = "GET " + kApps + " HTTP/1.1\r\n" + kHead;
  for (int i = 0; i < 10'000; ++i) request += "X-" + std::to_string(i) + ": y\r\n";
  client.try_send(request + "\r\n");
  expect_status(client.read(), 431);
  others_are_well();
}

TEST_F(FaultTest, AByteASecondIsTooSlowAndDisturbsNobody) {
  RawClient slow(server->port());
  const std::string request = post_app("web");
  bool open = true;
  for (std::size_t i = 0; i < 30 && open; ++i) {
    open = slow.try_send(request.substr(i, 1));
    others_are_well();
    clock.advance(seconds(1));
  }
  expect_status(slow.read(), 408);
  EXPECT_TRUE(slow.closed_by_server());
}

TEST_F(FaultTest, AnUpgradeThatNobodyOffersIsAnOrdinaryRequest) {
  for (const std::string upgrade :
       {"websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "SPDY/3.1",
        "h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__"}) {
    RawClient client(server->port());
    client.send("GET " + kApps + " HTTP/1.1\r\n" + kHead + "Connection: Upgrade\r\nUpgrade: " + upgrade + "\r\n\r\n");
    EXPECT_EQ(client.read().status, 200);
    client.send(std::string("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11) +
                "\r\n\r\n");  // a frame, as if it had worked
    expect_status(client.read(), 400);
    EXPECT_TRUE(client.closed_by_server());
  }
  RawClient preface(server->port());
  preface.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const auto answer = preface.read();
  EXPECT_GE(answer.status, 400);
  EXPECT_EQ(answer.json().string_or("kind"), "Status");
  others_are_well();
}

TEST_F(FaultTest, APatchOfAMillionOperationsIsRefusedWithinBounds) {
  RawClient client(server->port());
  client.send(post_app("web"));
  ASSERT_EQ(client.read().status, 201);
  std::string body = "[{}";
  for (int i = 1; i < 1'000'000; ++i) body += ",{}";
  body += "]";
  const std::size_t before = resident_bytes();
  client.send("PATCH " + kApps + "/web HTTP/1.1\r\n" + kHead +
              "Content-Type: application/json-patch+json\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  const auto refused = client.read();
  expect_status(refused, 413);
  EXPECT_THAT(refused.body, HasSubstr("10000"));
  EXPECT_LT(resident_bytes(), before + (400 << 20));
  others_are_well();
}

TEST_F(FaultTest, ASelectorOfAMegabyteIsTooLong) {
  RawClient client(server->port());
  client.try_send("GET " + kApps + "?labelSelector=" + std::string(1 << 20, 'a') + " HTTP/1.1\r\n" + kHead + "\r\n");
  expect_status(client.read(), 431);
  // What the head can hold is read, and may be too many terms.
  RawClient other(server->port());
  const auto select = [&](int count) {
    std::string terms = "a";
    for (int i = 1; i < count; ++i) terms += ",a" + std::to_string(i % 10);
    other.send("GET " + kApps + "?labelSelector=" + terms + " HTTP/1.1\r\n" + kHead + "\r\n");
    return other.read();
  };
  EXPECT_EQ(select(50).status, 200);
  expect_status(select(5'000), 400);
  others_are_well();
}

TEST_F(FaultTest, ABodyThatIsNestedAHundredThousandDeepIsNoObject) {
  RawClient client(server->port());
  const std::string body = std::string(100'000, '[') + std::string(100'000, ']');
  client.send("POST " + kApps + " HTTP/1.1\r\n" + kHead + "Content-Length: " + std::to_string(body.size()) +
              "\r\n\r\n" + body);
  expect_status(client.read(), 400);
  others_are_well();
}

TEST_F(FaultTest, AClientThatLeavesInTheMiddleLeavesNothingBehind) {
  const std::string request = post_app("web");
  for (std::size_t cut = 1; cut < request.size(); cut += 7) {
    RawClient client(server->port());
    client.send(std::string_view(request).substr(0, cut));
  }
  others_are_well();
  const auto give_up = std::chrono::steady_clock::now() + seconds(10);
  while (true) {
    std::promise<std::size_t> count;
    front.post([&] { count.set_value(server->connections()); });
    if (count.get_future().get() == 0 || std::chrono::steady_clock::now() > give_up) break;
  }
  RawClient client(server->port());
  client.send("GET " + kApps + "/web HTTP/1.1\r\n" + kHead + "\r\n");
  expect_status(client.read(), 404);
}

TEST_F(FaultTest, AStrangerAndOneWhoMayNotHearNoMoreThanThat) {
  RawClient client(server->port());
  for (const std::string token : {"", "Authorization: Bearer \r\n", "Authorization: Bearer wrong\r\n",
                                  "Authorization: Basic cm9vdDpyb290\r\n", "Authorization: Bearer a.b.c\r\n"}) {
    client.send("GET " + kApps + " HTTP/1.1\r\nHost: test\r\n" + token + "\r\n");
    const auto answer = client.read();
    expect_status(answer, 401);
    EXPECT_EQ(answer.json().string_or("message"), "Unauthorized");
  }
  client.send("GET " + kApps + " HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer alice-token\r\n\r\n");
  expect_status(client.read(), 403);
}

// The same header again on the same connection: the token is looked at once more when it may have ended.
TEST_F(FaultTest, ATokenEndsInTheMiddleOfAConnection) {
  RawClient root(server->port());
  const auto ask = [&](const std::string& path, const std::string& body) {
    root.send("POST " + path + " HTTP/1.1\r\n" + kHead + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              body);
    return root.read().json();
  };
  const std::string accounts = "/api/v1/namespaces/default/serviceaccounts";
  ask(accounts, R"({"metadata":{"name":"robot"}})");
  ask(accounts, R"({"metadata":{"name":"other"}})");
  const auto token = [&](const std::string& name) {
    return ask(accounts + "/" + name + "/token", R"({"spec":{"expirationSeconds":600}})")
        .at({"status", "token"})
        ->as_string();
  };
  RawClient client(server->port());
  const auto as = [&](const std::string& bearer) {
    client.send("GET /apis HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer " + bearer + "\r\n\r\n");
    return client.read().status;
  };
  const std::string robot = token("robot"), other = token("other");
  EXPECT_EQ(as(robot), 200);
  root.send("DELETE " + accounts + "/robot HTTP/1.1\r\n" + kHead + "\r\n");
  EXPECT_EQ(root.read().status, 200);
  EXPECT_EQ(as(robot), 401);
  EXPECT_EQ(as(other), 200);
  for (int i = 0; i < 5; ++i) {
    clock.advance(seconds(121));
    EXPECT_EQ(as(other), i < 4 ? 200 : 401);
  }
}

}  // namespace
}  // namespace gantry::api::http
