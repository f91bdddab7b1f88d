// Goal: what is declared is served by name, and nothing that goes wrong on the way touches what was served before.
// Method: the rendered configuration as text; then a real Caddy and a real relay on free ports, asked by HTTP.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/base/byte_stream.hpp"
#include "controller/base/http_connection.hpp"
#include "controller/base/tls.hpp"
#include "providers/caddy/caddy_router.hpp"
#include "providers/local/kept_process.hpp"
#include "providers/local/local_host.hpp"
#include "tests/providers/machine.hpp"

namespace gantry::providers::caddy {
namespace {

using namespace std::chrono_literals;
using local::Folder;
using local::LocalHost;
using local::Machine;
using local::telling_line;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Mode = RouteTls::Mode;

RouteRule rule(std::string host, std::string path = "/", Mode mode = Mode::None) {
  RouteRule made;
  made.host = std::move(host);
  made.path = std::move(path);
  made.backend = "http";
  made.tls.mode = mode;
  return made;
}

AppRoutes routes(std::string uid, std::vector<RouteRule> rules, std::vector<RouteUpstream> upstreams = {}) {
  AppRoutes made;
  made.app_uid = std::move(uid);
  made.app_namespace = "default";
  made.app_name = "web";
  made.rules = std::move(rules);
  made.upstreams["http"] = std::move(upstreams);
  return made;
}

std::string rendered(const AllRoutes& apps) {
  return json::dump(
      render_caddy(apps, {.admin_socket = "/d/caddy.sock", .relay_socket = "/d/relay.sock", .storage_folder = "/d/c"}));
}

TEST(CaddyConfig, IsTheSameTextForTheSameRoutesAndKeepsSpecialRulesFirst) {
  const AllRoutes apps{{"u1", routes("u1", {rule("*.a.test"), rule("b.a.test"), rule("b.a.test", "/v1/")})},
                       {"u2", routes("u2", {rule("b.a.test", "/v1/deep")})}};
  const std::string text = rendered(apps);
  EXPECT_EQ(text, rendered(apps));
  const auto deep = text.find("u2/b.a.test/v1/deep");
  const auto v1 = text.find("u1/b.a.test/v1/");
  const auto root = text.find("\"u1/b.a.test/\"");
  const auto wild = text.find("u1/*.a.test/");
  EXPECT_TRUE(deep < v1 && v1 < root && root < wild) << text;
  EXPECT_THAT(text, HasSubstr(R"("path":["/v1","/v1/*"])"));
}

TEST(CaddyConfig, AsksForCertificatesByModeAndSendsPlainRequestsToHttps) {
  auto own = rule("own.test", "/", Mode::Files);
  own.tls.certificate = "CERT";
  own.tls.key = Secret("KEY");
  const std::string text =
      rendered({{"u", routes("u", {rule("acme.test", "/", Mode::Acme), rule("in.test", "/", Mode::Internal), own})}});
  EXPECT_THAT(text, HasSubstr(R"("automate":["acme.test","in.test"])"));
  EXPECT_THAT(text, HasSubstr(R"("load_pem":[{"certificate":"CERT","key":"KEY"}])"));
  EXPECT_THAT(text, HasSubstr(R"({"issuers":[{"module":"internal"}],"subjects":["in.test"]})"));
  EXPECT_THAT(text, HasSubstr(R"("Location":["https://{http.request.host}{http.request.uri}"])"));
  EXPECT_THAT(text, HasSubstr(R"("match":[{"host":["acme.test","in.test","own.test"]}])"));
}

TEST(CaddyConfig, ARouteFileReadsBackAsItWas) {
  auto one = rule("a.test", "/x", Mode::Internal);
  one.cors = RouteCors{{"https://b.test"}, {"GET"}, {"x-key"}, true};
  one.rate = 5;
  one.burst = 2;
  const AppRoutes before = routes("u", {one}, {{"i-1", 4000}});
  const AppRoutes after = read_routes(json::parse(json::dump(to_json(before))));
  EXPECT_EQ(json::dump(to_json(after)), json::dump(to_json(before)));
  EXPECT_EQ(rules_hash(after), rules_hash(before));
  AppRoutes others = before;
  others.upstreams["http"].clear();
  EXPECT_EQ(rules_hash(others), rules_hash(before)) << "who serves is no rule";
  others.rules[0].rate = 6;
  EXPECT_NE(rules_hash(others), rules_hash(before));
}

int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  EXPECT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t length = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

// Answers every request with its name.
class Server {
 public:
  Server(Machine& machine, std::string name) : machine_(machine), name_(std::move(name)) {
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
  ~Server() { ::close(listener_); }
  RouteUpstream upstream() const { return {name_, port_}; }
  void look() {
    if (const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC); descriptor >= 0)
      machine_.reactor.spawn(serve(std::make_shared<ByteStream>(machine_.reactor, descriptor)));
  }

 private:
  Task<> serve(std::shared_ptr<ByteStream> stream) {
    std::array<char, 8192> piece;
    const std::size_t asked = co_await stream->read(piece);
    if (asked == 0) co_return;
    if (std::string_view(piece.data(), asked).find("Upgrade: websocket") != std::string_view::npos) {
      (void)co_await stream->write(
          "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      while (const auto got = co_await stream->read(piece)) {
        if (!co_await stream->write(name_ + ":" + std::string(piece.data(), got))) break;
      }
      co_return;
    }
    (void)co_await stream->write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(name_.size()) + "\r\n\r\n" +
                                 name_);
    stream->close();
  }
  Machine& machine_;
  std::string name_;
  int listener_ = -1;
  int port_ = 0;
};

// A client that has shaken hands for a WebSocket and hears what comes.
struct Socket {
  std::shared_ptr<ByteStream> stream;
  std::string heard;
  bool over = false;
};
Task<> listen_to(std::shared_ptr<Socket> socket) {
  std::array<char, 4096> piece;
  while (const auto got = co_await socket->stream->read(piece)) socket->heard.append(piece.data(), got);
  socket->over = true;
}

class CaddyRouterTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::system("caddy version >/dev/null 2>&1") != 0) GTEST_SKIP() << "Caddy is not installed";
    open();
  }
  void TearDown() override {
    if (!router) return;
    for (const auto& uid : {"u1", "u2", "u3"}) machine.await(router->remove(uid));
    EXPECT_TRUE(until([&] { return machine.await(host->list(std::string(kProxyOwner))).empty() || !alive("caddy"); }));
    close();
  }
  void open() {
    host = std::make_unique<LocalHost>(machine.reactor, machine.blocking,
                                       LocalHost::Options{.folder = folder.path(), .docker_socket = "/nonexistent"});
    machine.await(host->open());
    router = std::make_unique<CaddyRouter>(machine.reactor, machine.blocking, *host,
                                           CaddyRouter::Options{.folder = folder / "routing",
                                                                .http_port = http_port,
                                                                .https_port = https_port,
                                                                .caddy_program = caddy_program,
                                                                .relay_program = relay_program,
                                                                .acme_directory = directory,
                                                                .check_period = 200ms});
    machine.await(router->open());
  }
  void close() {
    machine.await(router->close());
    machine.await(host->close());
    router.reset();
    host.reset();
  }
  template <class Condition>
  bool until(Condition holds, Duration limit = 15s) {
    return machine.until(
        [&] {
          for (Server* server : servers) server->look();
          return holds();
        },
        limit);
  }
  template <class T>
  T await(Task<T> task) {
    auto out = std::make_shared<std::optional<std::variant<std::exception_ptr, gantry::detail::Stored<T>>>>();
    machine.reactor.spawn(local::detail::keep(std::move(task), out));
    EXPECT_TRUE(until([&] { return out->has_value(); }, 40s));
    if ((*out)->index() == 0) std::rethrow_exception(std::get<0>(**out));
    if constexpr (!std::is_void_v<T>) return std::move(std::get<1>(**out));
  }

  Task<http::Response> ask(std::string name, std::string target, http::Headers headers, bool encrypted,
                           std::string method) {
    std::optional<tls::Context> context;
    if (encrypted)
      context.emplace(tls::Context::Client{.ca = folder.read("routing/certificates/pki/authorities/local/root.crt")});
    http::Endpoint endpoint{.kind = encrypted ? http::Endpoint::Kind::Tls : http::Endpoint::Kind::Tcp,
                            .host = "127.0.0.1",
                            .port = static_cast<std::uint16_t>(encrypted ? https_port : http_port),
                            .tls_name = name};
    const auto connection = co_await http::Connection::open(machine.reactor, endpoint, context ? &*context : nullptr,
                                                            machine.reactor.now() + 15s);
    headers.emplace_back("Host", name);
    co_return co_await connection->exchange(
        {.method = std::move(method), .url = std::move(target), .headers = std::move(headers), .timeout = 15s});
  }
  // The body, or what went wrong.
  std::string get(const std::string& name, const std::string& target = "/", bool encrypted = false) {
    try {
      const auto response = await(ask(name, target, {}, encrypted, "GET"));
      return response.status == 200 ? response.body : std::to_string(response.status) + " " + response.body;
    } catch (const Error& error) {
      return error.message();
    }
  }
  // Of the newest.
  int pid_of(const std::string& program) {
    int pid = 0;
    for (const auto& one : machine.await(host->list(std::string(kProxyOwner)))) {
      if (one.release == program && one.state == Instance::State::Running) pid = static_cast<int>(one.pid);
    }
    return pid;
  }
  std::shared_ptr<Socket> open_websocket(const std::string& name) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(http_port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    auto socket = std::make_shared<Socket>();
    socket->stream = std::make_shared<ByteStream>(machine.reactor, descriptor);
    machine.reactor.spawn(listen_to(socket));
    await(socket->stream->write("GET / HTTP/1.1\r\nHost: " + name +
                                "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    EXPECT_TRUE(until([&] { return socket->heard.find("101") != std::string::npos; })) << socket->heard;
    return socket;
  }
  bool alive(const std::string& program) { return pid_of(program) > 0; }
  SeenRoutes seen(const std::string& uid = "u1") { return await(router->observe(uid)); }

  Folder folder;
  Machine machine;
  std::string caddy_program = "caddy";
  std::string relay_program = "$(GANTRY_BINARY)";
  std::string directory;
  int http_port = free_port();
  int https_port = free_port();
  Server a{machine, "a"};
  Server b{machine, "b"};
  std::vector<Server*> servers{&a, &b};
  std::unique_ptr<LocalHost> host;
  std::unique_ptr<CaddyRouter> router;
};

TEST_F(CaddyRouterTest, AnswersByNameOverHttpsAndSendsPlainRequestsThere) {
  await(router->set(routes("u1", {rule("a.test", "/", Mode::Internal)}, {a.upstream()})));
  await(router->set(routes("u2", {rule("b.test"), rule("a.test", "/b", Mode::Internal)}, {b.upstream()})));
  ASSERT_TRUE(until([&] { return get("a.test", "/", true) == "a"; })) << get("a.test", "/", true);
  EXPECT_EQ(get("a.test", "/b/c", true), "b");
  EXPECT_EQ(get("a.test", "/bc", true), "a") << "a prefix is of whole segments";
  EXPECT_EQ(get("b.test"), "b");
  EXPECT_THAT(get("nobody.test"), HasSubstr("404 no App"));
  const auto redirected = await(ask("a.test", "/x?y=1", {}, false, "GET"));
  EXPECT_EQ(redirected.status, 308);
  EXPECT_EQ(redirected.header("location"), "https://a.test:" + std::to_string(https_port) + "/x?y=1");
  EXPECT_TRUE(until([&] { return !seen().checks.empty() && seen().checks[0].certificate == true; }))
      << seen().checks[0].certificate_message;
}

TEST_F(CaddyRouterTest, ASwitchOfWhoServesDoesNotTouchCaddy) {
  await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  const std::string before = folder.read("routing/caddy.json");
  EXPECT_EQ(get("a.test"), "a");
  await(router->set(routes("u1", {rule("a.test")}, {b.upstream()})));
  EXPECT_EQ(get("a.test"), "b");
  EXPECT_EQ(folder.read("routing/caddy.json"), before);
  ASSERT_EQ(seen().upstreams.size(), 1U);
  EXPECT_EQ(seen().upstreams[0].upstream, b.upstream());
}

TEST_F(CaddyRouterTest, AWebSocketLivesThroughADeploy) {
  await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  const auto socket = open_websocket("a.test");
  await(router->set(routes("u1", {rule("a.test")}, {b.upstream()})));
  EXPECT_EQ(get("a.test"), "b");
  await(socket->stream->write("still here?"));
  EXPECT_TRUE(until([&] { return socket->heard.find("a:still here?") != std::string::npos; })) << socket->heard;
  const auto upstreams = seen().upstreams;
  EXPECT_TRUE(std::ranges::any_of(upstreams, [](const SeenUpstream& one) {
    return one.upstream.instance == "a" && one.draining && one.in_flight == 1;
  })) << "the deploy knows that it must wait";
  socket->stream->close();
  EXPECT_TRUE(until([&] { return seen().upstreams.size() == 1; }));
}

TEST_F(CaddyRouterTest, ACertificateThatCannotBeHadIsSaidAndHoldsUpNobody) {
  close();
  directory = "https://127.0.0.1:1/directory";
  open();
  await(router->set(routes("u1", {rule("a.test", "/", Mode::Acme), rule("b.test")}, {a.upstream()})));
  EXPECT_EQ(get("b.test"), "a");
  EXPECT_TRUE(until([&] { return !seen().checks.empty() && seen().checks[0].certificate == false; }));
  EXPECT_THAT(seen().checks[0].certificate_message, Not(IsEmpty()));
}

TEST_F(CaddyRouterTest, WithoutCaddyItSaysWhatIsMissing) {
  close();
  caddy_program = "caddy-that-is-not-here";
  open();
  std::string message;
  try {
    await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  } catch (const Error& error) {
    message = error.message();
  }
  EXPECT_THAT(message, AllOf(HasSubstr("caddy-that-is-not-here"), HasSubstr("not found"), HasSubstr("install it")));
  EXPECT_THAT(seen().down, HasSubstr("not found"));
}

TEST_F(CaddyRouterTest, RulesThatCaddyRefusesLeaveWhatRunsAndSayWhy) {
  await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  auto broken = rule("a.test", "/", Mode::Files);
  broken.tls.certificate = "-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n";
  broken.tls.key = Secret("nonsense");
  const AppRoutes wanted = routes("u1", {broken}, {b.upstream()});
  ErrorCode code{};
  std::string message;
  try {
    await(router->set(wanted));
  } catch (const Error& error) {
    code = error.code();
    message = error.message();
  }
  EXPECT_EQ(code, ErrorCode::Invalid);
  EXPECT_THAT(message, HasSubstr("Caddy refuses the configuration"));
  EXPECT_EQ(get("a.test"), "b") << "under its old name, and by the instance that was asked for";
  EXPECT_EQ(seen().problem_hash, rules_hash(wanted));
  EXPECT_THAT(seen().problem, HasSubstr("Caddy refuses"));
  // Another App is not held up, and a repaired one is served.
  await(router->set(routes("u2", {rule("b.test")}, {b.upstream()})));
  EXPECT_EQ(get("b.test"), "b");
  await(router->set(routes("u1", {rule("c.test")}, {a.upstream()})));
  EXPECT_EQ(get("c.test"), "a");
  EXPECT_THAT(seen().problem, IsEmpty());
}

// Two that were accepted in the same instant.
TEST_F(CaddyRouterTest, OfTwoAppsThatAskForTheSameRouteTheOlderOneHasIt) {
  const auto asks = [&](const std::string& uid, std::chrono::seconds created, const Server& server) {
    AppRoutes wanted = routes(uid, {rule("a.test"), rule(uid + ".test")}, {server.upstream()});
    wanted.app_name = uid;
    wanted.created = WallTime(created);
    return wanted;
  };
  const auto refusal = [&](const AppRoutes& wanted) -> std::string {
    try {
      await(router->set(wanted));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Invalid);
      return error.message();
    }
    return "";
  };
  const auto told =
      std::make_shared<std::vector<std::string>>();  // the router tells on, when this test's locals are gone
  router->on_change([told](const std::string& uid) { told->push_back(uid); });
  const AppRoutes young = asks("u1", 200s, a);
  const AppRoutes old = asks("u2", 100s, b);
  EXPECT_EQ(refusal(young), "");
  EXPECT_EQ(get("a.test"), "a");
  EXPECT_EQ(refusal(old), "") << "served later, and older";
  EXPECT_EQ(get("a.test"), "b");
  EXPECT_EQ(get("u1.test"), "a") << "what nobody disputes stays";
  EXPECT_THAT(*told, testing::Contains("u1"));
  EXPECT_THAT(refusal(young), AllOf(HasSubstr("App default/u2, which is older"), HasSubstr("a.test/")));
  EXPECT_THAT(seen("u1").problem, HasSubstr("which is older"));
  EXPECT_EQ(get("a.test"), "b");
  told->clear();
  await(router->remove("u2"));
  EXPECT_THAT(*told, testing::Contains("u1")) << "the way is free";
  EXPECT_EQ(refusal(young), "");
  EXPECT_EQ(get("a.test"), "a");
}

TEST_F(CaddyRouterTest, ManyThatComeAtOnceCostTwoLoadsAndOneThatIsBrokenHoldsUpNobody) {
  await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  const int before = router->loads();
  const auto ask_all = [&](std::set<int> broken) {
    auto failed = std::make_shared<std::set<std::string>>();
    auto left = std::make_shared<int>(20);
    for (int i = 0; i < 20; ++i) {
      auto one = rule("n" + std::to_string(i) + ".test", "/", broken.contains(i) ? Mode::Files : Mode::None);
      one.tls.certificate = "none";
      auto task = [](CaddyRouter& router, AppRoutes wanted, auto failed, auto left) -> Task<> {
        const std::string uid = wanted.app_uid;
        try {
          co_await router.set(std::move(wanted));
        } catch (const Error&) {
          failed->insert(uid);
        }
        --*left;
      };
      machine.reactor.spawn(task(*router, routes("many" + std::to_string(i), {one}, {b.upstream()}), failed, left));
    }
    EXPECT_TRUE(until([&] { return *left == 0; }, 60s));
    return *failed;
  };
  EXPECT_THAT(ask_all({}), IsEmpty());
  EXPECT_LE(router->loads() - before, 2);
  for (int i : {0, 7, 19}) EXPECT_EQ(get("n" + std::to_string(i) + ".test"), "b");
  EXPECT_THAT(ask_all({3, 11}), testing::ElementsAre("many11", "many3"));
  EXPECT_EQ(get("n3.test"), "b") << "as it was before";
  for (int i = 0; i < 20; ++i) await(router->remove("many" + std::to_string(i)));
}

TEST_F(CaddyRouterTest, ServesAgainAfterEitherProcessWasKilled) {
  await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  for (const std::string program : {"caddy", "relay"}) {
    const int before = pid_of(program);
    ASSERT_GT(before, 0);
    ::kill(before, SIGKILL);
    ASSERT_TRUE(until([&] { return pid_of(program) > 0 && pid_of(program) != before; })) << program;
    EXPECT_TRUE(until([&] { return get("a.test") == "a"; })) << program << ": " << get("a.test") << seen().down;
  }
}

TEST_F(CaddyRouterTest, BothAreFoundAgainAndNotStartedTwice) {
  await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  const int caddy = pid_of("caddy");
  const int relay = pid_of("relay");
  close();
  EXPECT_EQ(::kill(caddy, 0), 0);
  open();
  EXPECT_EQ(get("a.test"), "a");
  EXPECT_TRUE(seen().exists);
  await(router->set(routes("u2", {rule("b.test")}, {b.upstream()})));
  EXPECT_EQ(get("b.test"), "b");
  EXPECT_EQ(get("a.test"), "a");
  EXPECT_EQ(pid_of("caddy"), caddy);
  EXPECT_EQ(pid_of("relay"), relay);
}

TEST_F(CaddyRouterTest, ARelayOfAnotherBinaryIsReplacedWithoutAConnectionThatNotices) {
  await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  const auto socket = open_websocket("a.test");
  const int before = pid_of("relay");
  close();
  relay_program = folder / "gantry-of-tomorrow";
  std::filesystem::copy_file("/proc/self/exe", relay_program);
  open();
  ASSERT_TRUE(until([&] { return get("a.test") == "a" && pid_of("relay") != before; }));
  const int after = pid_of("relay");
  EXPECT_EQ(::kill(before, 0), 0) << "it has a connection left";
  await(socket->stream->write("still here?"));
  EXPECT_TRUE(until([&] { return socket->heard.find("a:still here?") != std::string::npos; })) << socket->heard;
  // Who serves is another one now: the old one's connection counts, as in any deploy.
  await(router->set(routes("u1", {rule("a.test")}, {b.upstream()})));
  EXPECT_EQ(get("a.test"), "b");
  const auto draining = [&] {
    return std::ranges::any_of(seen().upstreams, [](const SeenUpstream& one) {
      return one.upstream.instance == "a" && one.draining && one.in_flight == 1;
    });
  };
  EXPECT_TRUE(until(draining));
  socket->stream->close();
  EXPECT_TRUE(until([&] { return seen().upstreams.size() == 1; }));
  EXPECT_TRUE(until([&] { return ::kill(before, 0) != 0; })) << "its last connection is over";
  EXPECT_EQ(pid_of("relay"), after);
  close();
  open();
  EXPECT_EQ(get("a.test"), "b");
  EXPECT_EQ(pid_of("relay"), after) << "of the same binary it stays";
}

TEST_F(CaddyRouterTest, CorsIsAnsweredAsDeclaredAndProvedByAPreflight) {
  auto guarded = rule("a.test");
  guarded.cors = RouteCors{{"https://front.test"}, {"GET", "POST"}, {}, true};
  await(router->set(routes("u1", {guarded}, {a.upstream()})));
  const auto preflight = await(ask(
      "a.test", "/", {{"Origin", "https://front.test"}, {"Access-Control-Request-Method", "POST"}}, false, "OPTIONS"));
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("access-control-allow-origin"), "https://front.test");
  EXPECT_EQ(preflight.header("access-control-allow-methods"), "GET, POST");
  EXPECT_EQ(preflight.header("access-control-allow-credentials"), "true");
  const auto stranger = await(ask(
      "a.test", "/", {{"Origin", "https://evil.test"}, {"Access-Control-Request-Method", "POST"}}, false, "OPTIONS"));
  EXPECT_EQ(stranger.status, 403);
  EXPECT_EQ(stranger.header("access-control-allow-origin"), "");
  const auto plain = await(ask("a.test", "/", {{"Origin", "https://front.test"}}, false, "GET"));
  EXPECT_EQ(plain.header("access-control-allow-origin"), "https://front.test");
  EXPECT_EQ(plain.body, "a");
  EXPECT_TRUE(until([&] { return !seen().checks.empty() && seen().checks[0].cors == true; }));
}

TEST_F(CaddyRouterTest, AnswersTooManyRequestsBeyondTheLimit) {
  auto limited = rule("a.test");
  limited.rate = 2;
  await(router->set(routes("u1", {limited}, {a.upstream()})));
  EXPECT_EQ(get("a.test"), "a");
  EXPECT_EQ(get("a.test"), "a");
  EXPECT_THAT(get("a.test"), HasSubstr("429 at most 2 requests a second"));
}

TEST(KeptProcess, ThatEndedIsExplainedByTheLastErrorItNamedWhateverElseItStillSaid) {
  EXPECT_EQ(telling_line(""), "");
  EXPECT_EQ(telling_line("one\ntwo\n\n"), "two");
  EXPECT_EQ(telling_line("Error: no such file"), "Error: no such file");
  EXPECT_EQ(
      telling_line("{\"level\":\"info\"}\nError: address already in use\n{\"level\":\"info\",\"msg\":\"cleaning\"}\n"),
      "Error: address already in use");
  EXPECT_EQ(
      telling_line("{\"level\":\"error\",\"msg\":\"a\"}\n{\"level\":\"fatal\",\"msg\":\"b\"}\n{\"level\":\"info\"}"),
      "{\"level\":\"fatal\",\"msg\":\"b\"}");
}

TEST_F(CaddyRouterTest, APortThatAStrangerHasIsNamed) {
  const int stranger = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(http_port));
  ASSERT_EQ(::bind(stranger, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(stranger, 1), 0);
  std::string message;
  try {
    await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
  } catch (const Error& error) {
    message = error.message();
  }
  EXPECT_THAT(message, HasSubstr("address already in use"));
  ::close(stranger);
  EXPECT_TRUE(until([&] {
    try {
      await(router->set(routes("u1", {rule("a.test")}, {a.upstream()})));
      return true;
    } catch (const Error&) {
      return false;
    }
  }));
  EXPECT_EQ(get("a.test"), "a");
}

}  // namespace
}  // namespace gantry::providers::caddy
