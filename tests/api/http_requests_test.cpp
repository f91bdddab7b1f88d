// What bytes mean, without sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/api/http/request_reader.hpp"

namespace gantry::api::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

using State = RequestReader::State;

// As a session does: what is not used is offered again with more behind it.
State read(RequestReader& reader, std::string_view bytes, std::size_t step) {
  std::string input;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    input.append(bytes.substr(at, step));
    input.erase(0, reader.feed(input));
    if (reader.state() == State::Done || reader.state() == State::Refused) break;
  }
  return reader.state();
}

const std::string kPost =
    "POST /apis/gantry.dev/v1alpha1/namespaces/a%2Eb/apps?dryRun=All&labelSelector=tier+in+%28x%2Cy%29&flag "
    "HTTP/1.1\r\n"
    "Host: here\r\nX-Thing:  spaced \r\nContent-Length: 11\r\n\r\nhello world";
const std::string kChunked =
    "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: "
    "t\r\n\r\n";

TEST(HttpRequests, AreTheSameHoweverTheBytesAreSplit) {
  const Limits limits;
  for (const std::string& text : {kPost, kChunked}) {
    for (std::size_t step = 1; step <= text.size(); ++step) {
      SCOPED_TRACE(step);
      RequestReader reader(limits);
      ASSERT_EQ(read(reader, text, step), State::Done);
      EXPECT_EQ(reader.request().body, "hello world");
      EXPECT_TRUE(reader.keep_alive());
      EXPECT_EQ(reader.request().header("trailer"), nullptr);
    }
  }
}

TEST(HttpRequests, AreDecodedBySegmentAndParameter) {
  const Limits limits;
  RequestReader reader(limits);
  ASSERT_EQ(read(reader, kPost, kPost.size()), State::Done);
  const HttpRequest& request = reader.request();
  EXPECT_THAT(request.segments, ElementsAre("apis", "gantry.dev", "v1alpha1", "namespaces", "a.b", "apps"));
  EXPECT_THAT(request.query,
              ElementsAre(Pair("dryRun", "All"), Pair("labelSelector", "tier in (x,y)"), Pair("flag", "")));
  EXPECT_EQ(*request.header("x-thing"), "spaced");
}

TEST(HttpRequests, LeaveTheNextOneInTheBuffer) {
  const Limits limits;
  RequestReader reader(limits);
  const std::string two = kPost + "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
  EXPECT_EQ(reader.feed(two), kPost.size());
  EXPECT_EQ(reader.state(), State::Done);
}

struct Bad {
  const char* what;
  std::string bytes;
  int status;
};

// Each of these is read in two ways by some pair of servers; here it is refused, and the connection ends.
const std::vector<Bad>& bad_requests() {
  static const std::string kHost = "Host: h\r\n";
  static const std::vector<Bad> list{
      {"length and chunked",
       "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"chunked and length",
       "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
      {"two lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
      {"two equal lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
      {"a list of lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 5, 5\r\n\r\nhello", 400},
      {"a signed length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: +5\r\n\r\nhello", 400},
      {"a hexadecimal length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 0x5\r\n\r\nhello", 400},
      {"an endless length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 99999999999999999999999\r\n\r\nhello",
       400},
      {"an unknown coding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"chunked twice",
       "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"a coding with a tab", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", 400},
      {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a blank before the colon", "POST / HTTP/1.1\r\n" + kHost + "Content-Length : 5\r\n\r\nhello", 400},
      {"a folded header", "GET / HTTP/1.1\r\n" + kHost + "X: a\r\n b\r\n\r\n", 400},
      {"a bare LF", "GET / HTTP/1.1\n" + kHost + "\r\n", 400},
      {"a bare LF between headers", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400},
      {"a bare CR", "GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400},
      {"a NUL in a value", "GET / HTTP/1.1\r\n" + kHost + std::string("X: a\0b\r\n\r\n", 10), 400},
      {"a header without a colon", "GET / HTTP/1.1\r\n" + kHost + "X\r\n\r\n", 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\n" + kHost + kHost + "\r\n", 400},
      {"a broken chunk size", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
      {"a chunk that is longer than it says",
       "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", 400},
      {"an overflowing chunk size",
       "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
      {"a bare LF after a chunk size",
       "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},
      {"dots in the path", "GET /api/../secrets HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"encoded dots", "GET /api/%2e%2E/secrets HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"an encoded slash", "GET /api/a%2Fb HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"an encoded NUL", "GET /api/a%00b HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"a broken escape", "GET /api/%4 HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"a broken escape in the query", "GET /api?a=%zz HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"no path", "GET api HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"CONNECT", "CONNECT h:443 HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"HTTP/2", "GET / HTTP/2.0\r\n" + kHost + "\r\n", 505},
      {"another expectation", "POST / HTTP/1.1\r\n" + kHost + "Expect: magic\r\nContent-Length: 1\r\n\r\nx", 417},
      {"TLS on a plain port", "\x16\x03\x01\x02\x01\x01\xfc\r\n\r\n", 400},
  };
  return list;
}

TEST(HttpRequests, ThatCouldBeReadInTwoWaysAreRefusedHoweverTheyAreSplit) {
  const Limits limits;
  for (const Bad& bad : bad_requests()) {
    for (const std::size_t step : {bad.bytes.size(), std::size_t{1}, std::size_t{7}}) {
      SCOPED_TRACE(bad.what);
      RequestReader reader(limits);
      ASSERT_EQ(read(reader, bad.bytes, step), State::Refused);
      EXPECT_EQ(reader.refusal().status, bad.status);
      EXPECT_FALSE(reader.keep_alive());
      EXPECT_FALSE(reader.refusal().message.empty());
    }
  }
}

TEST(HttpRequests, HaveLimits) {
  Limits limits;
  limits.head_bytes = 1000;
  limits.headers = 5;
  limits.body_bytes = 10;
  const auto refused = [&](const std::string& bytes) {
    RequestReader reader(limits);
    EXPECT_EQ(read(reader, bytes, 13), State::Refused);
    return reader.refusal().status;
  };
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x')), 431);
  EXPECT_EQ(refused("GET /" + std::string(2000, 'x')), 431);
  EXPECT_EQ(refused("GET / HTTP/1.1\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\n\r\n"), 431);
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n"), 413);
  EXPECT_EQ(refused("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n12345\r\n"),
            413);
}

TEST(HttpRequests, KeepTheConnectionOnlyWhenBothSidesCan) {
  const Limits limits;
  const auto keeps = [&](const std::string& text) {
    RequestReader reader(limits);
    EXPECT_EQ(read(reader, text, text.size()), State::Done);
    return reader.keep_alive();
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(HttpRequests, OfferGzipOnlyWhenTheySaySo) {
  const Limits limits;
  const auto offers = [&](const std::string& accept) {
    RequestReader reader(limits);
    EXPECT_EQ(read(reader, "GET / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: " + accept + "\r\n\r\n", 999), State::Done);
    return reader.accepts_gzip();
  };
  EXPECT_TRUE(offers("gzip"));
  EXPECT_TRUE(offers("deflate, gzip;q=0.5"));
  EXPECT_FALSE(offers("gzip;q=0"));
  EXPECT_FALSE(offers("br, xgzip"));
}

}  // namespace
}  // namespace gantry::api::http
