// Goal: what goes to another host can be read, changed and asked for by nobody else. Method: a relay and a tunnel's end
// on the test's reactor, certificates of the test's own, and somebody in between who writes down every byte.
#include "providers/relay/tunnel.hpp"

#include <sys/socket.h>
#include <list>

#include "controller/base/pki.hpp"
#include "providers/relay/relay.hpp"
#include "providers/relay/relay_place.hpp"
#include "providers/relay/tunnel_end.hpp"
#include "tests/providers/relay_app.hpp"

namespace gantry::providers::relay {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

pki::Life for_days(int days) {
  const WallTime now = system_clock().wall();
  return {now - 48h, now + days * 24h};
}

// Everything between a relay and a tunnel's end goes through this, and is written down.
class Eavesdropper {
 public:
  Eavesdropper(Machine& machine, int onto) : machine_(machine), onto_(onto) {}
  ~Eavesdropper() { ::close(listener_); }
  int port() const { return port_of(listener_); }
  void look() {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    ++connections;
    auto near = std::make_shared<ByteStream>(machine_.reactor, descriptor);
    std::shared_ptr<ByteStream> far = begin_connect(machine_.reactor, "127.0.0.1", onto_);
    machine_.reactor.spawn(pump(near, far, heard));
    machine_.reactor.spawn(pump(far, near, heard));
  }
  int connections = 0;
  std::shared_ptr<std::string> heard = std::make_shared<std::string>();

 private:
  static Task<> pump(std::shared_ptr<ByteStream> from, std::shared_ptr<ByteStream> to,
                     std::shared_ptr<std::string> heard) {
    std::array<char, 4096> piece;
    while (const auto got = co_await from->read(piece)) {
      heard->append(piece.data(), got);
      if (!co_await to->write(std::string_view(piece.data(), got))) break;
    }
    from->close();
    to->close();
  }
  Machine& machine_;
  int onto_;
  int listener_ = listen_on("127.0.0.1", 0);
};

class TunnelTest : public testing::Test {
 protected:
  struct Request {
    std::shared_ptr<ByteStream> stream;
    std::string answer;
    bool over = false;
  };

  TunnelTest() { open_end(); }
  ~TunnelTest() override {
    relay->configure({});
    until([&] { return end->state().int_or("connections", 0) == 0; });
    // What was told to end needs a turn or two for it.
    until([turns = 0]() mutable { return ++turns > 20; });
    ::close(door);
  }

  // It lives as long as what asks it.
  App& app(const std::string& name, App::Mood mood = App::Mood::Answers) {
    return made.emplace_back(machine, name, mood);
  }
  void open_end() {
    end->configure(end_config());
    end->on_used([this](const std::string& hash) { used = hash; });
  }
  TunnelConfig end_config() {
    TunnelConfig config{serving.certificate, serving.key.reveal(), authority.certificate, {}};
    for (App* app : apps) config.instances[app->upstream().id].insert(app->port());
    return config;
  }
  // What is heard of the tunnel's end by who is told so.
  TunnelWay way(bool required = false) const {
    return {.port = wire.port(), .peer = "127.0.0.1", .ca = authority.certificate, .required = required};
  }
  void serve_with(std::vector<App*> which, std::optional<TunnelWay> through) {
    apps = which;
    end->configure(end_config());
    Config config;
    config.identity = {shown.certificate, shown.key.reveal()};
    config.routes["r"] = {"b", 0, 0};
    for (App* app : which) {
      config.backends["b"].upstreams.push_back(app->upstream());
      config.backends["b"].upstreams.back().tunnel = through;
    }
    relay->configure(std::move(config));
  }
  json::Value tunnel() const { return relay->state().find("tunnels")->as_array().at(0); }
  bool opens() {
    return until([&] { return tunnel().bool_or("worked", false); });
  }
  std::string problem() {
    EXPECT_TRUE(until([&] { return !tunnel().string_or("problem").empty(); }));
    return tunnel().string_or("problem");
  }

  std::shared_ptr<Request> send(const std::string& text) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    auto request = std::make_shared<Request>();
    request->stream = std::make_shared<ByteStream>(machine.reactor, ends[0]);
    machine.reactor.spawn(relay->serve(ends[1]));
    machine.reactor.spawn(talk(request, text));
    return request;
  }
  std::shared_ptr<Request> get(const std::string& more = {}) {
    return send("GET /x HTTP/1.1\r\nHost: a.test\r\nGantry-Route: r\r\n" + more + "\r\n");
  }
  std::string answer_to(const std::shared_ptr<Request>& request) {
    EXPECT_TRUE(until([&] { return request->over; })) << request->answer;
    return request->answer;
  }
  template <class Condition>
  bool until(Condition holds) {
    return machine.until([&] {
      for (App* app : apps) app->look();
      wire.look();
      if (const int descriptor = ::accept4(door, nullptr, nullptr, SOCK_CLOEXEC); descriptor >= 0)
        machine.reactor.spawn(end->serve(descriptor));
      return holds();
    });
  }

  Machine machine;
  std::list<App> made;
  pki::Credential authority = pki::make_authority("ours", for_days(10));
  pki::Credential serving = pki::issue_serving(authority, {"127.0.0.1"}, for_days(5));
  pki::Credential shown = pki::issue_client(authority, kRelayUser, {}, for_days(5));
  std::string used;
  std::shared_ptr<TunnelEnd> end = std::make_shared<TunnelEnd>(machine.reactor, TunnelEnd::Options{});
  int door = listen_on("127.0.0.1", 0);
  Eavesdropper wire{machine, port_of(door)};
  std::unique_ptr<Relay> relay = std::make_unique<Relay>(machine.reactor, Relay::Options{.hold = 1s, .avoid = 100ms});
  std::vector<App*> apps;

 private:
  static Task<> talk(std::shared_ptr<Request> request, std::string text) {
    (void)co_await request->stream->write(text);
    std::array<char, 4096> piece;
    while (const auto got = co_await request->stream->read(piece)) request->answer.append(piece.data(), got);
    request->over = true;
  }
};

TEST_F(TunnelTest, WhoListensOnTheWayReadsNothing) {
  App& a = app("secret-answer");
  serve_with({&a}, way());
  ASSERT_TRUE(opens());
  EXPECT_THAT(answer_to(get("X-Mine: secret-question\r\n")), HasSubstr("secret-answer"));
  EXPECT_THAT(a.seen, HasSubstr("X-Mine: secret-question"));
  EXPECT_THAT(*wire.heard, Not(HasSubstr("secret")));
  EXPECT_THAT(*wire.heard, Not(HasSubstr("HTTP/1.1")));
  EXPECT_GT(wire.heard->size(), 500U);
  EXPECT_EQ(used, TunnelEnd::known_by(authority.certificate));
}

TEST_F(TunnelTest, OneHandshakeServesManyRequests) {
  App& a = app("a");
  serve_with({&a}, way());
  ASSERT_TRUE(opens());
  for (int i = 0; i < 20; ++i) EXPECT_THAT(answer_to(get()), HasSubstr("200 OK"));
  EXPECT_EQ(tunnel().int_or("handshakes", 0), 1);
  EXPECT_EQ(a.connections, 20);
  std::vector<std::shared_ptr<Request>> many;
  for (int i = 0; i < 5; ++i) many.push_back(get());
  for (const auto& one : many) EXPECT_THAT(answer_to(one), HasSubstr("200 OK"));
  EXPECT_GT(tunnel().int_or("resumed", 0), 0) << "further connections resume the first one's session";
}

TEST_F(TunnelTest, AWebSocketGoesThroughAndSurvivesNewCertificatesOnBothSides) {
  App& a = app("a", App::Mood::Echoes);
  serve_with({&a}, way());
  ASSERT_TRUE(opens());
  const auto socket = get("Connection: Upgrade\r\nUpgrade: websocket\r\n");
  ASSERT_TRUE(until([&] { return socket->answer.find("101") != std::string::npos; }));
  serving = pki::issue_serving(authority, {"127.0.0.1"}, for_days(6));
  shown = pki::issue_client(authority, kRelayUser, {}, for_days(6));
  serve_with({&a}, way());
  machine.await(socket->stream->write("hello"));
  EXPECT_TRUE(until([&] { return socket->answer.find("a:hello") != std::string::npos; })) << socket->answer;
  const auto other = get();
  EXPECT_TRUE(until([&] { return other->answer.find("101") != std::string::npos; }));
  EXPECT_GT(tunnel().int_or("handshakes", 0), 1) << "with the new one";
  socket->stream->close();
  other->stream->close();
  EXPECT_TRUE(until([&] { return end->state().int_or("connections", 0) <= 1; })) << "the App's side is closed too";
}

TEST_F(TunnelTest, MuchGoesThroughInBothDirectionsUnchanged) {
  App& a = app("a", App::Mood::Echoes);
  serve_with({&a}, way());
  ASSERT_TRUE(opens());
  const auto request = get();
  ASSERT_TRUE(until([&] { return request->answer.find("\r\n\r\n") != std::string::npos; }));
  request->answer.clear();
  auto much = std::make_shared<std::string>();
  for (int i = 0; much->size() < (4U << 20); ++i) *much += std::to_string(i) + ",";
  machine.reactor.spawn(
      [](auto stream, auto text) -> Task<> { (void)co_await stream->write(*text); }(request->stream, much));
  const auto echoed = [&] {
    std::string text = request->answer;
    for (auto at = text.find("a:"); at != std::string::npos; at = text.find("a:", at)) text.erase(at, 2);
    return text;
  };
  ASSERT_TRUE(until([&] { return request->answer.size() > much->size() && echoed().size() == much->size(); }));
  EXPECT_TRUE(echoed() == *much);
  request->stream->close();
}

TEST_F(TunnelTest, OnlyPortsOfInstancesAreReached) {
  App& a = app("a");
  App& hidden = app("hidden");
  serve_with({&a}, way(true));
  ASSERT_TRUE(opens());
  Config config;
  config.identity = {shown.certificate, shown.key.reveal()};
  config.routes["r"] = {"b", 0, 0};
  config.backends["b"].upstreams.push_back({"a", hidden.port(), "127.0.0.1", way(true)});
  relay->configure(config);
  EXPECT_THAT(answer_to(get()), StartsWith("HTTP/1.1 503"));
  hidden.look();
  EXPECT_EQ(hidden.connections, 0);
}

TEST_F(TunnelTest, WhoIsNoRelayOfThisControllerIsNotLetIn) {
  App& a = app("a");
  const auto foreign = pki::make_authority("theirs", for_days(10));
  shown = pki::issue_client(foreign, kRelayUser, {}, for_days(5));
  serve_with({&a}, way(true));
  EXPECT_THAT(problem(), HasSubstr("is not of that controller's authority, or its time is over"));
  EXPECT_THAT(answer_to(get()), StartsWith("HTTP/1.1 503")) << "and nothing goes in plain instead";
  shown = pki::issue_client(authority, kRelayUser, {}, for_days(-1));
  serve_with({&a}, way(true));
  EXPECT_THAT(answer_to(get()), StartsWith("HTTP/1.1 503")) << "its time is over";
  shown = pki::issue_client(authority, "gantry-admin", {"system:masters"}, for_days(5));
  serve_with({&a}, way(true));
  EXPECT_THAT(answer_to(get()), StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(tunnel().string_or("problem"), HasSubstr("\"gantry-admin\" is no relay"));
  EXPECT_THAT(used, IsEmpty());
  EXPECT_EQ(a.connections, 0);
}

TEST_F(TunnelTest, AnEndThatIsNotTheServersOwnHearsNothing) {
  App& a = app("a");
  const auto foreign = pki::make_authority("theirs", for_days(10));
  serving = pki::issue_serving(foreign, {"127.0.0.1"}, for_days(5));
  serve_with({&a}, way(true));
  EXPECT_THAT(problem(), HasSubstr("certificate verify failed"));
  TunnelWay pinned{.port = wire.port(), .peer = "127.0.0.1", .pin = pki::fingerprint_of(authority.certificate)};
  pinned.required = true;
  serve_with({&a}, pinned);
  EXPECT_THAT(problem(), HasSubstr("certificate verify failed"));
  pinned.pin = pki::fingerprint_of(serving.certificate);
  serve_with({&a}, pinned);
  EXPECT_TRUE(opens());
  EXPECT_THAT(answer_to(get()), HasSubstr("200 OK"));
}

TEST_F(TunnelTest, PlainIsSpokenUntilItHasWorkedAndNeverAgain) {
  App& a = app("a");
  TunnelWay nobody = way();
  nobody.port = 1;
  serve_with({&a}, nobody);
  EXPECT_THAT(problem(), HasSubstr("refused"));
  EXPECT_THAT(answer_to(get()), HasSubstr("200 OK")) << "as before there were tunnels";
  serve_with({&a}, way());
  ASSERT_TRUE(opens());
  const int served = a.connections;
  end->configure(
      {serving.certificate, serving.key.reveal(), pki::make_authority("theirs", for_days(10)).certificate, {}});
  EXPECT_THAT(answer_to(get()), StartsWith("HTTP/1.1 503"));
  EXPECT_EQ(a.connections, served);
}

TEST_F(TunnelTest, ANewEndTakesOverAndNoRequestIsCut) {
  App& slow = app("slow", App::Mood::Waits);
  serve_with({&slow}, way());
  ASSERT_TRUE(opens());
  const auto before = get();
  ASSERT_TRUE(until([&] { return slow.connections == 1; }));
  const std::shared_ptr<TunnelEnd> old = end;
  bool ended = false;
  old->on_successor([](int) { return true; });
  old->on_end([&ended] { ended = true; });
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ASSERT_GT(::send(ends[0], "POST /handover HTTP/1.1\r\n\r\n", 27, 0), 0);
  machine.reactor.spawn(old->serve_control(ends[1]));
  end = std::make_shared<TunnelEnd>(machine.reactor, TunnelEnd::Options{});
  open_end();
  const auto after = get();
  ASSERT_TRUE(until([&] { return slow.connections == 2; }));
  EXPECT_FALSE(ended) << "it finishes what it has";
  slow.released = true;
  EXPECT_THAT(answer_to(before), HasSubstr("\r\n\r\nslow"));
  EXPECT_THAT(answer_to(after), HasSubstr("\r\n\r\nslow"));
  EXPECT_TRUE(until([&] { return ended; }));
  EXPECT_EQ(end->state().int_or("requests", 0), 1);
  ::close(ends[0]);
}

TEST_F(TunnelTest, AnInstanceThatRefusesIsPassedOver) {
  App& dead = app("dead");
  App& alive = app("alive");
  serve_with({&dead, &alive}, way());
  ASSERT_TRUE(opens());
  dead.close();
  for (int i = 0; i < 6; ++i)
    EXPECT_THAT(answer_to(send("POST /x HTTP/1.1\r\nGantry-Route: r\r\nContent-Length: 2\r\n\r\nhi")),
                HasSubstr("alive"));
}

}  // namespace
}  // namespace gantry::providers::relay
