// Goal: requests for an App on another machine cannot be read on the way, and nothing that is killed cuts them off.
// Method: a controller with its proxy, an agent in a network namespace of its own, and a socket that hears every packet
// between the two.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <mutex>
#include <thread>

#include "tests/process/agent_process.hpp"
#include "tests/process/own_network.hpp"
#include "tests/process/steady_load.hpp"

namespace gantry::process {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kFar = "10.78.0.2";

// Hears all that crosses one interface, from its making until its end.
class Wire {
 public:
  explicit Wire(const char* interface) {
    sockaddr_ll name{};
    name.sll_family = AF_PACKET;
    name.sll_protocol = htons(ETH_P_ALL);
    name.sll_ifindex = static_cast<int>(::if_nametoindex(interface));
    const timeval glance{.tv_sec = 0, .tv_usec = 50'000};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &glance, sizeof glance);
    works_ = socket_ >= 0 && ::bind(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    if (works_) reader_ = std::thread([this] { read(); });
  }
  ~Wire() {
    ended_ = true;
    if (reader_.joinable()) reader_.join();
    ::close(socket_);
  }
  bool works() const { return works_; }
  std::string heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  void read() {
    std::string packet(70000, '\0');
    while (!ended_) {
      const auto got = ::recv(socket_, packet.data(), packet.size(), 0);
      const std::lock_guard lock(mutex_);
      if (got > 0) heard_.append(packet.data(), static_cast<std::size_t>(got));
    }
  }
  int socket_ = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
  bool works_ = false;
  std::atomic<bool> ended_{false};
  mutable std::mutex mutex_;
  std::string heard_;
  std::thread reader_;
};

class TunnelProcess : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tool : {"caddy", "curl", "ip", "nsenter"}) {
      if (!have(tool)) GTEST_SKIP() << tool << " is not installed";
    }
    network.emplace(std::vector<std::string>{"web.test"});
    if (!network->trouble().empty()) GTEST_SKIP() << network->trouble();
    const Outcome made = run({"sh", "-ec",
                              std::string("mkdir -p /run/netns; mount -t tmpfs tmpfs /run/netns\n"
                                          "ip netns add far\n"
                                          "ip link add near type veth peer name eth0 netns far\n"
                                          "ip addr add 10.78.0.1/24 dev near; ip link set near up\n"
                                          "ip -n far addr add ") +
                                  kFar + "/24 dev eth0; ip -n far link set lo up; ip -n far link set eth0 up\n"});
    if (made.exit_code != 0) GTEST_SKIP() << "no network namespace can be made here: " << made.err;
    agent.emplace(std::vector<std::string>{"--listen", std::string(kFar) + ":9999"},
                  std::vector<std::string>{"nsenter", "--net=/run/netns/far"});
    controller.emplace(std::vector<std::string>{"--http-port", "8080", "--https-port", "8443"});
    agent->start();
    controller->start();
  }
  void TearDown() override {
    if (controller) controller->gantry({"delete", "apps", "--all", "--timeout=60s"});
    controller.reset();
    agent.reset();
    if (network) run({"sh", "-c", "ip link del near; ip netns del far; umount /run/netns"});
    network.reset();
  }

  std::string manifest() const {
    return "apiVersion: v1\nkind: Secret\nmetadata: {name: web-1-agent}\nstringData: {key: \"" + agent->key() +
           "\", fingerprint: \"" + agent->fingerprint() +
           "\"}\n---\napiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: web-1}\nspec: {address: " + kFar +
           ", agent: {secretRef: {name: web-1-agent}}}\n---\n" + R"yaml(
apiVersion: gantry.dev/v1alpha1
kind: App
metadata: {name: hello}
spec:
  runtime: process
  source: {code: {path: )yaml" GANTRY_SOURCE_DIR R"yaml(/manifests/quickstart/apps/hello}}
  command: ["$(GANTRY_BINARY)", demo]
  placement: {servers: [{name: web-1}]}
  ports: [{name: http, port: 18090}]
  env: [{name: GREETING, value: attack at dawn}]
  health: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
  routes: [{host: web.test, port: http, tls: {mode: internal}}]
)yaml";
  }
  std::string route_message() const {
    const json::Value object = controller->get("app/hello");
    const json::Value* conditions = object.at({"status", "conditions"});
    for (const auto& one : conditions ? conditions->as_array() : json::Array()) {
      if (one.string_or("type") == "RouteReady") return one.string_or("status") + ": " + one.string_or("message");
    }
    return {};
  }
  bool encrypted() const {
    return eventually(
        [&] {
          const std::string message = route_message();
          return message.starts_with("True") && !message.contains("not encrypted");
        },
        std::chrono::seconds(60));
  }
  std::string authority() const {
    return controller->folder("data/routing/certificates/pki/authorities/local/root.crt");
  }
  std::string ask() const {
    return run({"curl", "-sS", "--max-time", "15", "--cacert", authority(), "https://web.test:8443/"}).out;
  }
  int end_pid() const {
    const auto found = run({"pgrep", "-f", "gantry tunnel --dir " + agent->data()});
    return found.exit_code == 0 ? std::atoi(found.out.c_str()) : 0;
  }
  std::string situation() const {
    return controller->gantry({"describe", "app/hello"}).out + agent->log() + controller->log();
  }

  std::optional<OwnNetwork> network;
  std::optional<Agent> agent;
  std::optional<Controller> controller;
};

TEST_F(TunnelProcess, NothingOfARequestCanBeReadOnTheWay) {
  controller->apply(manifest());
  ASSERT_TRUE(encrypted()) << route_message() << situation();
  const Wire wire("near");
  if (!wire.works()) GTEST_SKIP() << "packets cannot be heard here";
  for (int i = 0; i < 5; ++i) EXPECT_THAT(ask(), HasSubstr("attack at dawn"));
  EXPECT_THAT(wire.heard(), Not(HasSubstr("attack")));
  EXPECT_THAT(wire.heard(), Not(HasSubstr("GET / HTTP")));
  EXPECT_GT(wire.heard().size(), 1000U);
  // What is said in plain is heard, so there was nothing to hear.
  (void)curl(std::string("http://") + kFar + ":10000/said-in-plain");
  EXPECT_TRUE(eventually([&] { return wire.heard().contains("GET /said-in-plain HTTP"); }));
}

TEST_F(TunnelProcess, AKilledAgentCutsNoRequestAndAKilledEndIsBack) {
  controller->apply(manifest());
  ASSERT_TRUE(encrypted()) << route_message() << situation();
  SteadyLoad load({.port = 8443,
                   .host = "web.test",
                   .authority = read(authority()),
                   .connections = 2,
                   .per_second = 40,
                   .slow_connections = 2,
                   .slow_path = "/slow?seconds=2"});
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    agent->kill();
    agent->start();
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(2500));  // the last slow one
  const auto result = load.stop();
  EXPECT_EQ(result.failed, 0U) << testing::PrintToString(result.failures);
  EXPECT_GT(result.answered, 50U);
  EXPECT_GT(result.slow_answered, 1U);

  const int end = end_pid();
  ASSERT_GT(end, 0);
  ::kill(end, SIGKILL);
  EXPECT_TRUE(eventually([&] { return end_pid() != end && end_pid() > 0 && ask().contains("attack at dawn"); }))
      << situation();
  ASSERT_TRUE(encrypted()) << route_message() << situation();
}

TEST_F(TunnelProcess, StrangersAreToldThatTheyAreNone) {
  if (!have("openssl")) GTEST_SKIP() << "openssl is the stranger";
  controller->apply(manifest());
  ASSERT_TRUE(encrypted()) << route_message() << situation();
  const std::string there = std::string(kFar) + ":10000";
  EXPECT_THAT(run({"sh", "-c", "sleep 1 | openssl s_client -quiet -connect " + there}).out,
              HasSubstr("the certificate that was shown is not of that controller's authority"));
  // A person's certificate of the same authority is none of a relay's.
  EXPECT_THAT(run({"sh", "-c",
                   "sleep 1 | openssl s_client -quiet -cert " + controller->folder("data/pki/admin.crt") + " -key " +
                       controller->folder("data/pki/admin.key") + " -connect " + there})
                  .out,
              HasSubstr("\"gantry-admin\" is no relay"));
}

}  // namespace
}  // namespace gantry::process
