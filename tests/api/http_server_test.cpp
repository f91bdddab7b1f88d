#include <zlib.h>

#include <fstream>

#include "tests/api/http_fixture.hpp"

namespace gantry::api::http {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::string gunzip(const std::string& bytes) {
  z_stream z{};
  inflateInit2(&z, 15 + 16);
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  std::string out(8 << 20, '\0');
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  inflateEnd(&z);
  return out;
}

TEST_F(HttpServerTest, AnswersManyRequestsOnOneConnection) {
  start();
  RawClient client(port());
  for (int i = 0; i < 100; ++i) {
    client.send(post("/echo/" + std::to_string(i) + "?a=b+c", "body " + std::to_string(i)));
    const RawResponse response = client.read();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.at("content-type"), "application/json");
    EXPECT_THAT(response.headers.at("date"), HasSubstr("GMT"));
    const json::Value seen = response.json();
    EXPECT_EQ(seen.string_or("path"), "/echo/" + std::to_string(i));
    EXPECT_EQ(seen.string_or("body"), "body " + std::to_string(i));
    EXPECT_EQ(seen.find("query")->string_or("a"), "b c");
  }
  EXPECT_EQ(connections(), 1U);
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  RawClient client(port());
  std::string all;
  for (int i = 0; i < 200; ++i)
    all += i % 2 ? get("/echo/" + std::to_string(i)) : post("/echo/" + std::to_string(i), "x");
  client.send(all);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(client.read().json().string_or("path"), "/echo/" + std::to_string(i));
}

TEST_F(HttpServerTest, UnderstandsARequestThatComesByteByByte) {
  start();
  RawClient client(port());
  for (const char c : post("/echo", "hello")) client.send({&c, 1});
  EXPECT_EQ(client.read().json().string_or("body"), "hello");
}

TEST_F(HttpServerTest, TakesChunkedBodiesAndSaysContinueToThoseWhoWait) {
  start();
  RawClient client(port());
  client.send(get("/echo", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"));
  EXPECT_EQ(client.read_head().status, 100);
  client.send("5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().json().string_or("body"), "hello");
}

TEST_F(HttpServerTest, AnswersHeadWithTheLengthAndNoBody) {
  start();
  RawClient client(port());
  client.send("HEAD /big?n=5000 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer alice-token\r\n\r\n" + get("/echo"));
  const RawResponse head = client.read(true);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.at("content-length"), "5000");
  EXPECT_EQ(client.read().json().string_or("path"), "/echo");
}

TEST_F(HttpServerTest, SendsALargeBodyWholeToASlowReader) {
  start();
  RawClient client(port(), 4096);
  client.send(get("/big?n=20000000"));
  EXPECT_EQ(client.read().body.size(), 20'000'000U);
}

TEST_F(HttpServerTest, CompressesLargeBodiesWhenTheClientOffersIt) {
  start();
  RawClient client(port());
  client.send(get("/big?n=1000000", "Accept-Encoding: gzip\r\n") + get("/big?n=1000000") +
              get("/big?n=100000", "Accept-Encoding: gzip\r\n"));
  RawResponse compressed = client.read();
  const RawResponse plain = client.read();
  EXPECT_EQ(compressed.headers["content-encoding"], "gzip");
  EXPECT_EQ(compressed.headers["vary"], "Accept-Encoding");
  EXPECT_LT(compressed.body.size(), 100'000U);
  EXPECT_EQ(gunzip(compressed.body), plain.body);
  EXPECT_EQ(plain.headers.count("content-encoding"), 0U);
  EXPECT_EQ(client.read().headers.count("content-encoding"), 0U) << "small bodies are not worth it";
}

TEST_F(HttpServerTest, SpeaksHttp10) {
  start();
  RawClient client(port());
  client.send("GET /echo HTTP/1.0\r\nAuthorization: Bearer alice-token\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 200 OK\r\n"));
  RawClient watcher(port());
  watcher.send("GET /stream HTTP/1.0\r\nAuthorization: Bearer alice-token\r\n\r\n");
  handler.feed->say("line\n");
  handler.feed->end();
  const std::string text = watcher.read_to_end();
  EXPECT_THAT(text, Not(HasSubstr("chunked")));
  EXPECT_TRUE(text.ends_with("\r\n\r\nline\n"));
}

TEST_F(HttpServerTest, TurnsAnExceptionOfTheHandlerIntoAStatus) {
  start();
  RawClient client(port());
  client.send(get("/throw"));
  const RawResponse response = client.read();
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.json().string_or("kind"), "Status");
}

TEST_F(HttpServerTest, NothingOfAHeadersValueBecomesAHeader) {
  start();
  RawClient client(port());
  client.send(get("/inject"));
  EXPECT_EQ(client.read().headers.count("set-cookie"), 0U);
}

TEST_F(HttpServerTest, KeepsStrangersOut) {
  start();
  RawClient client(port());
  client.send("GET /api HTTP/1.1\r\nHost: h\r\n\r\n" +
              std::string("GET /api HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer wrong\r\n\r\n") +
              "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n" + "GET /readyz/store HTTP/1.1\r\nHost: h\r\n\r\n" +
              "GET /readyzx HTTP/1.1\r\nHost: h\r\n\r\n" + get("/api"));
  const RawResponse nobody = client.read();
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(nobody.json().string_or("message"), "Unauthorized");
  const RawResponse wrong = client.read();
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.body, nobody.body) << "no hint whether a token was there";
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().status, 200);
  EXPECT_EQ(client.read().status, 401);
  EXPECT_EQ(client.read().json().string_or("user"), "alice");
  EXPECT_EQ(handler.handled, 3);
}

TEST_F(HttpServerTest, DoesNotReadAStrangersBody) {
  start();
  RawClient client(port());
  client.send("POST /api HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
  const RawResponse response = client.read();
  EXPECT_EQ(response.status, 401);
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpServerTest, RefusesALargeBodyBeforeReadingIt) {
  start();
  RawClient client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer alice-token\r\nContent-Length: 5000000\r\n\r\n");
  const RawResponse response = client.read();
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.json().string_or("reason"), "RequestEntityTooLarge");
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpServerTest, AClientThatGoesOnSendingStillReadsTheRefusal) {
  start();
  RawClient client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer alice-token\r\nContent-Length: 5000000\r\n\r\n");
  client.try_send(std::string(5'000'000, 'x'));
  EXPECT_EQ(client.read().status, 413);
}

TEST_F(HttpServerTest, EndsTheConnectionAfterAMalformedRequest) {
  start();
  RawClient client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
              get("/secret"));
  EXPECT_EQ(client.read().status, 400);
  EXPECT_TRUE(client.closed_by_server());
  EXPECT_EQ(handler.handled, 0) << "what was smuggled behind it is never looked at";
}

TEST_F(HttpServerTest, ASlowHeadIsToldSoAndCutOff) {
  start();
  RawClient client(port());
  client.send("GET /echo HTTP/1.1\r\nHost: ");
  eventually("the server sees the beginning", [&] { return connections() == 1; });
  for (int i = 0; i < 9; ++i) {
    clock.advance(seconds(1));
    client.send("x");
  }
  EXPECT_EQ(connections(), 1U);
  clock.advance(seconds(4));
  EXPECT_EQ(client.read().status, 408);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpServerTest, ASlowBodyIsToldSoAndCutOff) {
  start();
  RawClient client(port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer alice-token\r\nContent-Length: 100\r\n\r\n");
  eventually("the server is there", [&] { return connections() == 1; });
  clock.advance(seconds(50));
  client.send("x");
  EXPECT_EQ(connections(), 1U);
  clock.advance(seconds(13));
  EXPECT_EQ(client.read().status, 408);
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpServerTest, AnIdleConnectionEndsAfterAWhile) {
  start();
  RawClient client(port());
  client.send(get("/echo"));
  client.read();
  clock.advance(seconds(170));
  client.send(get("/echo"));
  EXPECT_EQ(client.read().status, 200);
  clock.advance(seconds(183));
  EXPECT_TRUE(client.closed_by_server());
}

TEST_F(HttpServerTest, TooManyConnectionsAreToldSo) {
  start({.connections = 3});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(std::make_unique<RawClient>(port()));
  eventually("all are in", [&] { return connections() == 3; });
  {
    RawClient late(port());
    late.send(get("/echo"));
    EXPECT_EQ(late.read().status, 503);
    EXPECT_TRUE(late.closed_by_server());
  }
  clients.pop_back();
  eventually("there is room again", [&] { return connections() == 2; });
  RawClient later(port());
  later.send(get("/echo"));
  EXPECT_EQ(later.read().status, 200);
}

// ---- Streams.

TEST_F(HttpServerTest, FlushesEachPieceOfAStreamAtOnce) {
  start();
  RawClient client(port());
  client.send(get("/stream"));
  EXPECT_EQ(client.read_head().headers.at("transfer-encoding"), "chunked");
  for (int i = 0; i < 5; ++i) {
    handler.feed->say("event " + std::to_string(i) + "\n");
    EXPECT_EQ(client.read_chunk(), "event " + std::to_string(i) + "\n");
  }
  handler.feed->end();
  EXPECT_EQ(client.read_chunk(), "");
  client.send(get("/echo"));
  EXPECT_EQ(client.read().status, 200) << "the connection goes on after a stream";
}

TEST_F(HttpServerTest, NoticesThatAWatcherIsGone) {
  start();
  auto client = std::make_unique<RawClient>(port());
  client->send(get("/stream"));
  client->read_head();
  EXPECT_FALSE(handler.feed->closed());
  client.reset();
  eventually("the stream is closed", [&] { return handler.feed->closed(); });
  eventually("the connection is gone", [&] { return connections() == 0; });
}

TEST_F(HttpServerTest, ARequestSentDuringAStreamIsAnsweredAfterIt) {
  start();
  RawClient client(port());
  client.send(get("/stream"));
  client.read_head();
  client.send(get("/echo"));
  handler.feed->say("x");
  EXPECT_EQ(client.read_chunk(), "x");
  handler.feed->end();
  EXPECT_EQ(client.read_chunk(), "");
  EXPECT_EQ(client.read().json().string_or("path"), "/echo");
}

TEST_F(HttpServerTest, AStuckWatcherHoldsNoMemoryAndIsCutOff) {
  start();
  RawClient client(port(), 4096);
  client.send(get("/stream"));
  client.read_head();
  // More than any socket buffer; next() is asked again only when the former piece has gone.
  for (int i = 0; i < 10; ++i) handler.feed->say(std::string(8 << 20, 'x'));
  eventually("the first piece is asked for", [&] { return handler.feed->asked() >= 1; });
  clock.advance(seconds(20));
  EXPECT_LE(handler.feed->asked(), 2U);
  EXPECT_EQ(connections(), 1U);
  clock.advance(seconds(45));
  eventually("it is cut off", [&] { return connections() == 0; });
  EXPECT_TRUE(handler.feed->closed());
}

TEST_F(HttpServerTest, AStreamThatIsSilentForHoursStays) {
  start();
  RawClient client(port());
  client.send(get("/stream"));
  client.read_head();
  clock.advance(seconds(7200));
  handler.feed->say("still here");
  EXPECT_EQ(client.read_chunk(), "still here");
}

// ---- The end.

TEST_F(HttpServerTest, ShuttingDownFinishesWhatIsUnderWay) {
  start();
  RawClient busy(port());
  RawClient idle(port());
  RawClient watcher(port());
  watcher.send(get("/stream"));
  watcher.read_head();
  busy.send(get("/slow"));
  eventually("the request is under way", [&] { return handler.slow_started == 1; });
  std::promise<void> done;
  auto finished = done.get_future();
  shut_down(seconds(30), done);
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_EQ(watcher.read_chunk(), "") << "a stream ends properly";
  EXPECT_EQ(finished.wait_for(seconds(0)), std::future_status::timeout);
  release_slow();
  const RawResponse response = busy.read();
  EXPECT_EQ(response.body, "done");
  EXPECT_EQ(response.headers.at("connection"), "close");
  finished.get();
  EXPECT_EQ(connections(), 0U);
}

TEST_F(HttpServerTest, ShuttingDownDropsWhatDoesNotEnd) {
  start();
  RawClient busy(port());
  busy.send(get("/slow"));
  eventually("the request is under way", [&] { return handler.slow_started == 1; });
  std::promise<void> done;
  auto finished = done.get_future();
  shut_down(seconds(5), done);
  while (finished.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) clock.advance(seconds(1));
  EXPECT_TRUE(busy.closed_by_server());
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0, resident = 0;
  file >> size >> resident;
  return resident * 4096;
}

TEST_F(HttpServerTest, AThousandIdleConnectionsCostFewMegabytes) {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers keep memory of their own";
#endif
  start();
  const std::size_t before = resident_bytes();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 450; ++i) {  // both ends are in this process, and 1024 descriptors are what one may have
    clients.push_back(std::make_unique<RawClient>(port()));
    clients.back()->send(get("/echo"));
    clients.back()->read();
  }
  EXPECT_EQ(connections(), 450U);
  const std::size_t each = (resident_bytes() - before) / 450;
  RecordProperty("bytes_per_idle_connection", static_cast<int>(each));
  EXPECT_LT(each, 8192U);
}

TEST(HttpServer, RefusesToServePlainHttpToTheNetwork) {
  SteppedClock clock;
  Reactor reactor("front", clock);
  TestHandler handler(reactor);
  const Authenticator authenticator;
  Server open(reactor, handler, authenticator, {.address = "0.0.0.0", .port = 0, .tls = std::nullopt, .limits = {}});
  EXPECT_THROW(open.listen(), Error);
  Server name(reactor, handler, authenticator,
              {.address = "example.org", .port = 0, .tls = std::nullopt, .limits = {}});
  EXPECT_THROW(name.listen(), Error);
}

TEST_F(HttpServerTest, SaysWhatToDoWhenThePortIsTaken) {
  start();
  Server second(reactor, handler, authenticator,
                {.address = "127.0.0.1", .port = port(), .tls = std::nullopt, .limits = {}});
  try {
    second.listen();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Unavailable);
    EXPECT_THAT(error.message(), HasSubstr("127.0.0.1:" + std::to_string(port())));
  }
}

}  // namespace
}  // namespace gantry::api::http
