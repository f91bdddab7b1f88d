// Goal: manifests/flowspace, Socket.io and LiveKit behind two names, as rows B-11 to B-23 of its acceptance list say.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/process/seed.hpp"
#include "tests/providers/docker_daemon.hpp"

namespace gantry::process {
namespace {

using testing::HasSubstr;

constexpr const char* kSocket = "space-socket.flow-coder.com";
constexpr const char* kLivekit = "space-livekit.flow-coder.com";

// Sends a datagram to the port on this machine and waits for an answer.
std::string datagram(int port, const std::string& text) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const timeval patience{.tv_sec = 1, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::sendto(fd, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&address), sizeof address);
  char answer[256];
  const auto got = ::recv(fd, answer, sizeof answer, 0);
  ::close(fd);
  return got > 0 ? std::string(answer, static_cast<std::size_t>(got)) : "";
}

class Flowspace : public testing::Test {
 protected:
  void SetUp() override {
    trouble = have("caddy") ? daemon.start() : "caddy is not installed (Debian: caddy)";
    if (!trouble.empty()) GTEST_SKIP() << trouble;
    seed = std::make_unique<Seed>("flowspace", std::vector<std::string>{"--docker-socket", daemon.socket()});
    seed->lay_out("socket", "service", true);
    seed->lay_out("livekit", "service", true);
    seed->secret("livekit", {"api-key=key", "api-secret=secret"});
    const Outcome applied = seed->apply();
    ASSERT_EQ(applied.exit_code, 0) << applied.err;
    for (const char* app : {"socket", "livekit"}) seed->wait_until_ready(app);
    ASSERT_TRUE(eventually([&] { return seed->https(kSocket, "/").ends_with("ok\n"); })) << seed->https(kSocket, "/");
  }
  void TearDown() override {
    if (seed) seed->controller.kubectl({"-n", "flowspace", "delete", "apps", "--all", "--timeout=60s"});
  }

  providers::local::Daemon daemon;
  std::string trouble;
  std::unique_ptr<Seed> seed;
};

TEST_F(Flowspace, BothNamesAnswerAndMediaGoesPastTheProxy) {
  EXPECT_THAT(seed->https(kSocket, "/socket.io/?EIO=4&transport=polling"), HasSubstr("\"sid\""));
  EXPECT_THAT(seed->https(kLivekit, "/"), HasSubstr("ok"));
  EXPECT_TRUE(eventually([] { return datagram(7882, "media") == "media"; }));
  const Outcome found = seed->controller.kubectl(
      {"-n", "flowspace", "get", "apps", "-l", "contract=INFRA_FUNC_LIVEKIT_SELFHOST", "-o", "name"});
  EXPECT_EQ(found.out, "app.gantry.dev/livekit\n");
}

TEST_F(Flowspace, AWebSocketIsCarriedThrough) {
  const std::string upgraded =
      seed->https(kSocket, "/socket.io/?EIO=4&transport=websocket",
                  {"-i", "--http1.1", "--max-time", "2", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H",
                   "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-w",
                   "%{http_code}", "-o", "/dev/null"});
  EXPECT_THAT(upgraded, testing::AnyOf(HasSubstr("101"), HasSubstr("timed out")));
}

TEST_F(Flowspace, AServerOnFixedPortsCannotBeReplacedByASecondOneBesideIt) {
  const Outcome refused = seed->controller.kubectl({"-n", "flowspace", "patch", "app", "livekit", "--type=merge", "-p",
                                                    R"({"spec":{"strategy":{"type":"BlueGreen"}}})"});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("7882"));
}

}  // namespace
}  // namespace gantry::process
