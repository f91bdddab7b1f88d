// Goal: a body that is too large to be held goes to a sink piece by piece; all others stay within the usual limit.
#include "tests/api/http_fixture.hpp"

namespace gantry::api::http {
namespace {

using ::testing::HasSubstr;

class HttpUploadTest : public HttpServerTest {
 protected:
  HttpUploadTest() { start({.body_bytes = 100'000, .streamed_bytes = 8 << 20}); }
  RawResponse answer(const std::string& request) {
    RawClient client(port());
    client.try_send(request);
    return client.read();
  }
};

TEST_F(HttpUploadTest, GoesToTheSinkAndIsNeverHeldWhole) {
  const RawResponse response = answer(post("/upload", std::string(7 << 20, 'a')));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, std::to_string(7 << 20));
  EXPECT_EQ(response.headers.at("held"), "little");
}

TEST_F(HttpUploadTest, KeepsTheConnectionForTheNextRequest) {
  RawClient client(port());
  client.send(post("/upload", std::string(300'000, 'a')) + post("/echo", "small") + post("/upload", ""));
  EXPECT_EQ(client.read().body, "300000");
  EXPECT_EQ(client.read().json().string_or("body"), "small");
  EXPECT_EQ(client.read().body, "0");
}

TEST_F(HttpUploadTest, HasALimitToo) {
  EXPECT_EQ(answer(post("/upload", std::string((8 << 20) + 1, 'a'))).status, 413);
}

TEST_F(HttpUploadTest, LeavesOtherRequestsTheirLimit) {
  EXPECT_EQ(answer(post("/echo", std::string(100'000, 'a'))).status, 200);
  const RawResponse refused = answer(post("/echo", std::string(100'001, 'a')));
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(refused.body, HasSubstr("larger than 100000 bytes"));
  EXPECT_EQ(handler.handled, 1);
}

TEST_F(HttpUploadTest, IsRefusedAsTheSinkSaysAndNothingIsHandled) {
  const RawResponse refused = answer(post("/upload", std::string(200'000, 'a') + "z" + std::string(200'000, 'a')));
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(refused.body, HasSubstr("no letter z, please"));
  EXPECT_EQ(handler.handled, 0);
}

TEST_F(HttpUploadTest, OfAStrangerIsNotRead) {
  const RawResponse refused =
      answer("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 5000000\r\n\r\n" + std::string(100'000, 'a'));
  EXPECT_EQ(refused.status, 401);
}

}  // namespace
}  // namespace gantry::api::http
