// The server under TLS, and our own client against it; certificates made for each test.
#include <openssl/ssl.h>

#include <filesystem>

#include "controller/api/http/certificate_watch.hpp"
#include "controller/base/blocking.hpp"
#include "controller/base/byte_stream.hpp"
#include "controller/base/files.hpp"
#include "controller/base/http_connection.hpp"
#include "controller/base/pki.hpp"
#include "tests/api/http_fixture.hpp"

namespace gantry::api::http {
namespace {

using gantry::http::Connection;
using gantry::http::Endpoint;
using std::chrono::hours;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

pki::Life valid_now() { return {system_clock().wall() - hours(1), system_clock().wall() + hours(24)}; }
pki::Life long_over() { return {system_clock().wall() - hours(48), system_clock().wall() - hours(24)}; }

class HttpTlsTest : public HttpServerTest {
 protected:
  void start_tls(pki::Life life = valid_now()) {
    const auto serving = pki::issue_serving(authority, {"127.0.0.1", "localhost"}, life);
    start({}, tls::Context::Server{serving.certificate, serving.key, authority.certificate});
  }

  // Runs a task of the client's to its end.
  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    std::exception_ptr failure;
    here.spawn(finish<T>(std::move(task), result, failure));
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!result && !failure && std::chrono::steady_clock::now() < give_up) here.poll();
    if (failure) std::rethrow_exception(failure);
    if (!result) throw std::runtime_error("no answer for twenty seconds");
    return std::move(*result);
  }

  std::shared_ptr<Connection> connect(tls::Context& context) {
    return await(Connection::open(here,
                                  {.kind = Endpoint::Kind::Tls, .host = "127.0.0.1", .port = port(), .tls_name = ""},
                                  &context, here.now() + std::chrono::seconds(20)));
  }
  // The answer of /echo, as a client with these options gets it.
  json::Value echo(const tls::Context::Client& options, const std::string& token = "") {
    tls::Context context(options);
    const auto connection = connect(context);
    gantry::http::Request request{.url = "/echo"};
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
    const auto response = await(connection->exchange(std::move(request)));
    return json::parse(response.body);
  }
  std::string failure_of(const tls::Context::Client& options) {
    try {
      echo(options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Unavailable);
      return error.message();
    }
    return "it worked";
  }

  pki::Credential authority = pki::make_authority("test-ca", valid_now());
  pki::Credential stranger = pki::make_authority("other-ca", valid_now());
  Reactor here{"client", system_clock()};

 private:
  template <class T>
  static Task<> finish(Task<T> task, std::optional<T>& result, std::exception_ptr& failure) {
    try {
      result = co_await std::move(task);
    } catch (...) {
      failure = std::current_exception();
    }
  }
};

TEST_F(HttpTlsTest, ATokenTellsWhoItIs) {
  start_tls();
  EXPECT_EQ(echo({.ca = authority.certificate}, "alice-token").string_or("user"), "alice");
}

TEST_F(HttpTlsTest, ACertificateTellsWhoItIs) {
  start_tls();
  const auto bob = pki::issue_client(authority, "bob", {"dev", "system:masters"}, valid_now());
  const json::Value seen = echo({.ca = authority.certificate, .certificate = bob.certificate, .key = bob.key});
  EXPECT_EQ(seen.string_or("user"), "bob");
  EXPECT_THAT(seen.find("groups")->as_array(), ElementsAre("dev", "system:masters", "system:authenticated"));
}

TEST_F(HttpTlsTest, AResumedSessionKeepsItsIdentity) {
  start_tls();
  const auto bob = pki::issue_client(authority, "bob", {"dev"}, valid_now());
  tls::Context context(
      tls::Context::Client{.ca = authority.certificate, .certificate = bob.certificate, .key = bob.key});
  for (int i = 0; i < 3; ++i) {
    const auto connection = connect(context);
    const auto response = await(connection->exchange({.url = "/echo"}));
    EXPECT_EQ(json::parse(response.body).string_or("user"), "bob");
    EXPECT_EQ(connection->resumed(), i > 0);
  }
}

// Whoever shows a bad certificate hears the same as whoever shows none, and not what is wrong with it.
TEST_F(HttpTlsTest, ABadClientCertificateIsAsGoodAsNone) {
  start_tls();
  const auto soon = pki::Life{system_clock().wall() + hours(1), system_clock().wall() + hours(24)};
  const std::map<std::string, pki::Credential> bad{
      {"another authority's", pki::issue_client(stranger, "bob", {"system:masters"}, valid_now())},
      {"expired", pki::issue_client(authority, "bob", {"system:masters"}, long_over())},
      {"not valid yet", pki::issue_client(authority, "bob", {"system:masters"}, soon)},
      {"a server's", pki::issue_serving(authority, {"localhost"}, valid_now())}};
  const auto ask = [&](const tls::Context::Client& options, const std::string& token) {
    tls::Context context(options);
    gantry::http::Request request{.url = "/echo"};
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
    return await(connect(context)->exchange(std::move(request)));
  };
  const auto none = ask({.ca = authority.certificate}, "");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(json::parse(none.body).string_or("reason"), "Unauthorized");
  for (const auto& [what, credential] : bad) {
    SCOPED_TRACE(what);
    const tls::Context::Client options{
        .ca = authority.certificate, .certificate = credential.certificate, .key = credential.key};
    const auto answer = ask(options, "");
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.body, none.body);
    EXPECT_EQ(handler.handled, 0);
    EXPECT_EQ(json::parse(ask(options, "alice-token").body).string_or("user"), "alice") << "a good token still counts";
    handler.handled = 0;
  }
}

TEST_F(HttpTlsTest, ACertificateThatEndsWhileItsConnectionGoesOnIsNoneFromThen) {
  start_tls();
  const auto brief = pki::issue_client(authority, "bob", {},
                                       {system_clock().wall() - hours(1), clock.wall() + std::chrono::seconds(100)});
  tls::Context context(
      tls::Context::Client{.ca = authority.certificate, .certificate = brief.certificate, .key = brief.key});
  const auto connection = connect(context);
  EXPECT_EQ(await(connection->exchange({.url = "/echo"})).status, 200);
  clock.advance(std::chrono::seconds(101));
  EXPECT_EQ(await(connection->exchange({.url = "/echo"})).status, 401);
}

TEST_F(HttpTlsTest, TheClientDoesNotTalkToAServerThatItDoesNotTrust) {
  start_tls();
  EXPECT_THAT(failure_of({.ca = stranger.certificate}),
              AllOf(HasSubstr("TLS handshake"), HasSubstr("certificate verify failed")));
  EXPECT_EQ(echo({.insecure = true}, "alice-token").string_or("user"), "alice");
}

TEST_F(HttpTlsTest, APinnedCertificateIsTrustedWhoeverSignedItAndNoOtherIs) {
  const auto serving = pki::issue_serving(authority, {"somewhere.else"}, long_over());
  start({}, tls::Context::Server{serving.certificate, serving.key, ""});
  const std::string pin = pki::fingerprint_of(serving.certificate);
  EXPECT_THAT(pin, ::testing::MatchesRegex("sha256:[0-9a-f]+"));
  EXPECT_EQ(echo({.pin = pin}, "alice-token").string_or("user"), "alice");
  EXPECT_THAT(failure_of({.pin = pki::fingerprint_of(authority.certificate)}), HasSubstr("certificate verify failed"));
}

TEST_F(HttpTlsTest, TheClientDoesNotTalkToAServerWhoseCertificateIsOver) {
  start_tls(long_over());
  EXPECT_THAT(failure_of({.ca = authority.certificate}), HasSubstr("expired"));
}

TEST_F(HttpTlsTest, TheClientDoesNotTalkToAnotherName) {
  const auto elsewhere = pki::issue_serving(authority, {"example.org", "10.0.0.1"}, valid_now());
  start({}, tls::Context::Server{elsewhere.certificate, elsewhere.key, authority.certificate});
  EXPECT_THAT(failure_of({.ca = authority.certificate}), HasSubstr("IP address mismatch"));
}

TEST_F(HttpTlsTest, LargeBodiesPassInBothDirections) {
  start_tls();
  tls::Context context(tls::Context::Client{.ca = authority.certificate});
  const auto connection = connect(context);
  const gantry::http::Headers alice{{"Authorization", "Bearer alice-token"}};
  const auto big = await(connection->exchange({.url = "/big?n=10000000", .headers = alice}));
  EXPECT_EQ(big.body.size(), 10'000'000U);
  const auto echoed = await(
      connection->exchange({.method = "POST", .url = "/echo", .headers = alice, .body = std::string(2'000'000, 'b')}));
  EXPECT_EQ(json::parse(echoed.body).string_or("body").size(), 2'000'000U);
  EXPECT_TRUE(connection->reusable());
}

TEST_F(HttpTlsTest, AWatcherThatIsGoneIsNoticed) {
  start_tls();
  tls::Context context(tls::Context::Client{.ca = authority.certificate});
  auto connection = connect(context);
  await(connection->begin({.url = "/stream", .headers = {{"Authorization", "Bearer alice-token"}}}));
  handler.feed->say("hello");
  EXPECT_EQ(await(connection->next()), "hello");
  connection->close();
  eventually("the stream is closed", [&] { return handler.feed->closed(); });
}

TEST_F(HttpTlsTest, PlainHttpOnATlsPortIsToldWhatToDo) {
  start_tls();
  RawClient client(port());
  client.send(get("/echo"));
  EXPECT_THAT(client.read_to_end(), HasSubstr("Use https://"));
  eventually("the connection is gone", [&] { return connections() == 0; });
  EXPECT_EQ(handler.handled, 0);
}

TEST_F(HttpTlsTest, AHandshakeThatStallsIsCutOff) {
  start_tls();
  RawClient client(port());
  client.send("\x16\x03\x01");
  eventually("the server is there", [&] { return connections() == 1; });
  clock.advance(std::chrono::seconds(13));
  EXPECT_TRUE(client.closed_by_server());
}

// The version that a client gets which can do no better than max; empty when refused.
std::string negotiate(std::uint16_t port, int max) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, max);
  BIO* bio = BIO_new_ssl_connect(context);
  BIO_set_conn_hostname(bio, ("127.0.0.1:" + std::to_string(port)).c_str());
  std::string version;
  if (BIO_do_handshake(bio) == 1) {
    SSL* ssl = nullptr;
    BIO_get_ssl(bio, &ssl);
    version = SSL_get_version(ssl);
  }
  BIO_free_all(bio);
  SSL_CTX_free(context);
  return version;
}

TEST_F(HttpTlsTest, OnlyModernVersionsAreSpoken) {
  start_tls();
  EXPECT_EQ(negotiate(port(), TLS1_3_VERSION), "TLSv1.3");
  EXPECT_EQ(negotiate(port(), TLS1_2_VERSION), "TLSv1.2");
  EXPECT_EQ(negotiate(port(), TLS1_1_VERSION), "");
}

TEST_F(HttpTlsTest, AnotherCertificateIsServedFromTheNextConnectionOn) {
  const auto first = pki::issue_serving(authority, {"127.0.0.1"}, valid_now());
  const auto second = pki::issue_serving(authority, {"127.0.0.1"}, valid_now());
  const auto served = [&](const pki::Credential& credential) {
    return tls::Context::Server{credential.certificate, credential.key, authority.certificate};
  };
  start({}, served(first));
  ThreadPool pool("look", 1);
  std::mutex mutex;
  std::function<tls::Context::Server()> found = [&] { return served(first); };
  const auto find = [&](std::function<tls::Context::Server()> now) {
    const std::lock_guard lock(mutex);
    found = std::move(now);
  };
  CertificateWatch watch(reactor, pool, *server, served(first), [&] {
    const std::lock_guard lock(mutex);
    return found();
  });
  there([&] { watch.start(); });
  const auto shows = [&](const pki::Credential& credential) {
    return failure_of({.pin = pki::fingerprint_of(credential.certificate)}) == "it worked";
  };
  tls::Context context(tls::Context::Client{.ca = authority.certificate});
  const auto old = connect(context);
  const auto wait_a_minute = [&] {
    clock.advance(std::chrono::seconds(61));
    EXPECT_EQ(await(old->exchange({.url = "/echo", .headers = {{"Authorization", "Bearer alice-token"}}})).status, 200)
        << "a connection that was open goes on";
  };
  EXPECT_TRUE(shows(first));

  find([]() -> tls::Context::Server { throw Error(ErrorCode::Unavailable, "the disk is gone"); });
  wait_a_minute();
  EXPECT_TRUE(shows(first));
  find([&] { return tls::Context::Server{"half a file", second.key, authority.certificate}; });
  wait_a_minute();
  EXPECT_TRUE(shows(first));
  find([&] { return served(second); });
  eventually("the new certificate is served", [&] {
    wait_a_minute();
    return shows(second);
  });
  std::promise<void> done;
  reactor.spawn([](CertificateWatch& ending, std::promise<void>& told) -> Task<> {
    co_await ending.stop();
    told.set_value();
  }(watch, done));
  done.get_future().get();
}

// ---- The folder of keys.

class PkiFolderTest : public ::testing::Test {
 protected:
  PkiFolderTest() { std::filesystem::create_directories(root); }
  ~PkiFolderTest() override { std::filesystem::remove_all(root); }
  static mode_t mode_of(const std::string& path) {
    return static_cast<mode_t>(std::filesystem::status(path).permissions());
  }

  std::string root = testing::TempDir() + "pki-" + system_random().suffix(8);
  std::string folder = root + "/pki";
  SteppedClock clock;
};

TEST_F(PkiFolderTest, KeepsWhatItMadeAndRenewsWhatEndsSoon) {
  const std::vector<std::string> names{"127.0.0.1", "localhost"};
  pki::Folder first(folder, clock);
  const auto serving = first.serving(names);
  EXPECT_TRUE(pki::serves(serving.certificate, names, first.authority_certificate()));
  EXPECT_EQ(mode_of(folder), 0700U);
  EXPECT_EQ(mode_of(folder + "/ca.key"), 0600U);
  EXPECT_EQ(mode_of(folder + "/serving.key"), 0600U);

  pki::Folder second(folder, clock);
  EXPECT_EQ(second.authority_certificate(), first.authority_certificate());
  EXPECT_EQ(second.serving(names).certificate, serving.certificate);
  EXPECT_NE(second.serving({"127.0.0.1", "example.org"}).certificate, serving.certificate) << "another name";

  const auto kept = second.serving(names);
  clock.advance(std::chrono::duration_cast<std::chrono::seconds>(pki::kCertificateLife - pki::kRenewBefore) / 3600);
  EXPECT_EQ(second.serving(names).certificate, kept.certificate);
}

TEST_F(PkiFolderTest, RefusesAKeyThatOthersCanRead) {
  {
    const pki::Folder made(folder, clock);
  }
  std::filesystem::permissions(folder + "/ca.key", std::filesystem::perms(0644));
  try {
    const pki::Folder again(folder, clock);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Forbidden);
    EXPECT_THAT(error.message(), HasSubstr("chmod 600 " + folder + "/ca.key"));
  }
}

TEST_F(PkiFolderTest, DoesNotSilentlyReplaceAnAuthorityWhoseKeyIsLost) {
  {
    const pki::Folder made(folder, clock);
  }
  std::filesystem::remove(folder + "/ca.key");
  EXPECT_THROW(pki::Folder(folder, clock), Error);
}

TEST(Pki, ACertificateThatEndsWithinAMonthIsIssuedAnew) {
  const std::string root = testing::TempDir() + "pki-" + system_random().suffix(8);
  SteppedClock clock;
  pki::Folder folder(root, clock);
  const auto authority = pki::make_authority("x", valid_now());
  const auto soon_over =
      pki::issue_serving({folder.authority_certificate(), Secret(files::read_file(root + "/ca.key"))}, {"localhost"},
                         {clock.wall() - hours(1), clock.wall() + hours(24 * 29)});
  files::write_file_atomically(root + "/serving.crt", soon_over.certificate);
  files::write_file_atomically(root + "/serving.key", soon_over.key.reveal(), 0600);
  const auto renewed = folder.serving({"localhost"});
  EXPECT_NE(renewed.certificate, soon_over.certificate);
  EXPECT_GT(pki::life_of(renewed.certificate).until, clock.wall() + hours(24 * 300));
  std::filesystem::remove_all(root);
}

// ---- Tokens.

TEST(Authenticator, ReadsTokensWithGroups) {
  Authenticator authenticator;
  authenticator.read_tokens("# a comment\nt1,carol,7,\"ops, dev\"\r\n\nt2,\"d,ave\"\n");
  const auto carol = authenticator.identify(nullptr, "bearer  t1");
  ASSERT_TRUE(carol);
  EXPECT_EQ(carol->name, "carol");
  EXPECT_EQ(carol->uid, "7");
  EXPECT_THAT(carol->groups, ElementsAre("ops", "dev", "system:authenticated"));
  EXPECT_EQ(authenticator.identify(nullptr, "Bearer t2")->name, "d,ave");
  for (const char* wrong : {"", "t1", "Bearer", "Bearer ", "Bearer t", "Bearer t11", "Basic t1"}) {
    EXPECT_FALSE(authenticator.identify(nullptr, wrong)) << wrong;
  }
}

TEST(Authenticator, NamesTheLineOfABrokenTokenFileAndNotTheToken) {
  Authenticator authenticator;
  try {
    authenticator.read_tokens("t1,carol\nvery-secret-token\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), AllOf(HasSubstr("line 2"), testing::Not(HasSubstr("very-secret"))));
  }
}

}  // namespace
}  // namespace gantry::api::http
