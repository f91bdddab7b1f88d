// The client's side: connections, pools, streams, kubeconfig, the remote client against the real API.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "controller/api/kubeconfig.hpp"
#include "controller/api/remote_client.hpp"
#include "controller/base/cpprest_transport.hpp"
#include "controller/base/files.hpp"
#include "controller/base/pki.hpp"
#include "controller/base/unix_transport.hpp"
#include "tests/api/fixture.hpp"
#include "tests/api/http_fixture.hpp"

namespace gantry::api::http {
namespace {

using gantry::http::Connection;
using gantry::http::CpprestTransport;
using gantry::http::Endpoint;
using gantry::http::FrameSplitter;
using gantry::http::LineSplitter;
using gantry::http::Pool;
using gantry::http::Request;
using gantry::http::Response;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A server that says what it is told to, byte by byte; one connection after the other, on a Unix socket or a port.
class Script {
 public:
  explicit Script(std::vector<std::string> answers) : answers_(std::move(answers)) {
    path = testing::TempDir() + "script-" + system_random().suffix(8);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::listen(fd_, 16);
    thread_ = std::thread([this] { run(); });
  }
  ~Script() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
    ::unlink(path.c_str());
  }
  Endpoint endpoint() const { return {.kind = Endpoint::Kind::Unix, .host = path, .port = 0, .tls_name = ""}; }
  std::string path;
  std::atomic<int> connections{0};

 private:
  void run() {
    for (const auto& answer : answers_) {
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      ++connections;
      std::string request;
      std::array<char, 4096> bytes;
      while (request.find("\r\n\r\n") == std::string::npos) {
        const auto got = ::recv(client, bytes.data(), bytes.size(), 0);
        if (got <= 0) break;
        request.append(bytes.data(), static_cast<std::size_t>(got));
      }
      for (const char c : answer) {
        if (::send(client, &c, 1, MSG_NOSIGNAL) != 1) break;
      }
      ::close(client);
    }
  }
  std::vector<std::string> answers_;
  int fd_ = -1;
  std::thread thread_;
};

class HttpClientTest : public HttpServerTest {
 protected:
  template <class T>
  T await(Task<T> task) {
    std::optional<T> result;
    std::exception_ptr failure;
    here.spawn(finish<T>(std::move(task), result, failure));
    const auto give_up = std::chrono::steady_clock::now() + seconds(20);
    while (!result && !failure && std::chrono::steady_clock::now() < give_up) here.poll();
    if (failure) std::rethrow_exception(failure);
    if (!result) throw std::runtime_error("no answer for twenty seconds");
    return std::move(*result);
  }
  template <class T>
  ErrorCode code_of(Task<T> task, std::string* message = nullptr) {
    try {
      await(std::move(task));
    } catch (const Error& error) {
      if (message) *message = error.message();
      return error.code();
    }
    ADD_FAILURE() << "no error";
    return ErrorCode::Internal;
  }
  Endpoint endpoint() { return {.kind = Endpoint::Kind::Tcp, .host = "127.0.0.1", .port = port(), .tls_name = ""}; }
  static Request request(std::string url) {
    return {.url = std::move(url), .headers = {{"Authorization", "Bearer alice-token"}}};
  }
  std::string url(const std::string& path) { return "http://127.0.0.1:" + std::to_string(port()) + path; }

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

TEST_F(HttpClientTest, APoolUsesOneConnectionAgainAndAgain) {
  start();
  Pool pool(here, endpoint(), nullptr);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(await(pool.send(request("/echo"))).status, 200);
  EXPECT_EQ(connections(), 1U);
}

TEST_F(HttpClientTest, APoolDoesNotMindThatTheServerClosedAnIdleConnection) {
  start();
  Pool pool(here, endpoint(), nullptr);
  EXPECT_EQ(await(pool.send(request("/echo"))).status, 200);
  clock.advance(seconds(200));
  eventually("the server has closed it", [&] { return connections() == 0; });
  Request post = request("/echo");
  post.method = "POST";
  post.body = "once";
  EXPECT_EQ(await(pool.send(std::move(post))).status, 200);
  EXPECT_EQ(handler.handled, 2);
}

TEST_F(HttpClientTest, AnAnswerThatDoesNotComeInTimeIsATimeout) {
  start();
  Pool pool(here, endpoint(), nullptr);
  Request slow = request("/slow");
  slow.timeout = std::chrono::milliseconds(50);
  std::string message;
  EXPECT_EQ(code_of(pool.send(std::move(slow)), &message), ErrorCode::Timeout);
  EXPECT_THAT(message, HasSubstr("127.0.0.1"));
}

TEST_F(HttpClientTest, NobodyThereIsUnavailable) {
  start();
  Endpoint nobody = endpoint();
  {
    // A port that was free a moment ago.
    Server probe(reactor, handler, authenticator,
                 {.address = "127.0.0.1", .port = 0, .tls = std::nullopt, .limits = {}});
    there([&] { probe.listen(); });
    nobody.port = probe.port();
    std::promise<void> done;
    reactor.spawn([](Server& server, std::promise<void>& told) -> Task<> {
      co_await server.shutdown(seconds(0));
      told.set_value();
    }(probe, done));
    done.get_future().get();
  }
  Pool pool(here, nobody, nullptr);
  std::string message;
  EXPECT_EQ(code_of(pool.send(request("/")), &message), ErrorCode::Unavailable);
  EXPECT_THAT(message, HasSubstr("connecting failed"));
  Pool socket(here, {.kind = Endpoint::Kind::Unix, .host = "/nowhere/docker.sock", .port = 0, .tls_name = ""}, nullptr);
  EXPECT_EQ(code_of(socket.send(request("/")), &message), ErrorCode::Unavailable);
  EXPECT_THAT(message, HasSubstr("/nowhere/docker.sock"));
}

TEST_F(HttpClientTest, ReadsAnswersThatComeByteByByte) {
  Script script(
      {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
       "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.0 200 OK\r\n\r\nuntil the end",
       "HTTP/1.1 204 No Content\r\n\r\n"});
  gantry::http::UnixTransport transport(here, script.path);
  EXPECT_EQ(await(transport.send({.url = "http://docker/v1.41/info"})).body, "abcde");
  EXPECT_EQ(await(transport.send({.url = "/"})).body, "hello");
  EXPECT_EQ(await(transport.send({.url = "/"})).body, "until the end");
  EXPECT_EQ(await(transport.send({.url = "/"})).status, 204);
}

TEST_F(HttpClientTest, SaysWhenAnAnswerIsCutOffOrNoHttpOrTooLarge) {
  Script script({"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "", "SSH-2.0-OpenSSH_9.2\r\n\r\n",
                 "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + std::string(500, 'x')});
  gantry::http::UnixTransport transport(here, script.path);
  std::string message;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(code_of(transport.send({.url = "/"}), &message), ErrorCode::Unavailable);
  EXPECT_THAT(message, HasSubstr("no valid HTTP"));
  EXPECT_EQ(code_of(transport.send({.url = "/", .body_max = 100})), ErrorCode::TooLarge);
}

TEST_F(HttpClientTest, AHeaderThatWouldBecomeTwoIsRefused) {
  start();
  Pool pool(here, endpoint(), nullptr);
  EXPECT_EQ(code_of(pool.send({.url = "/echo", .headers = {{"X", "a\r\nY: b"}}})), ErrorCode::Invalid);
  EXPECT_EQ(code_of(pool.send({.url = "/echo HTTP/1.1\r\nX: y"})), ErrorCode::Invalid);
}

TEST_F(HttpClientTest, AStreamGivesPiecesAsTheyComeAndEndsWhenClosed) {
  start();
  Pool pool(here, endpoint(), nullptr);
  const auto stream = await(gantry::http::open_stream(pool, request("/stream")));
  EXPECT_EQ(stream->status(), 200);
  handler.feed->say("one");
  EXPECT_EQ(await(stream->next()), "one");
  handler.feed->say("two");
  EXPECT_EQ(await(stream->next()), "two");
  here.post([&] { stream->close(); });
  EXPECT_EQ(code_of(stream->next()), ErrorCode::Cancelled);
  eventually("the server sees it", [&] { return handler.feed->closed(); });
}

TEST(HttpUrls, NameAServer) {
  EXPECT_EQ(Endpoint::of_url("https://[::1]:6443/x").host, "::1");
  EXPECT_EQ(Endpoint::of_url("https://[::1]:6443").authority(), "[::1]:6443");
  EXPECT_EQ(Endpoint::of_url("https://example.org").port, 443);
  EXPECT_EQ(Endpoint::of_url("http://example.org?x").to_string(), "http://example.org");
  EXPECT_EQ(Endpoint::of_url("unix:///var/run/docker.sock").host, "/var/run/docker.sock");
  EXPECT_EQ(gantry::http::target_of("https://h:1/a?b=http://c"), "/a?b=http://c");
  EXPECT_EQ(gantry::http::target_of("https://h:1"), "/");
  for (const char* bad : {"", "example.org", "ftp://x", "https://", "https://h:0", "https://h:99999", "https://h:1x",
                          "https://u:p@h", "https://[::1", "unix://x"}) {
    EXPECT_THROW(Endpoint::of_url(bad), Error) << bad;
  }
}

TEST(HttpLines, AreCutOutOfAnyPieces) {
  const std::string text = "one\n\ntwo three\nrest";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    LineSplitter lines;
    std::vector<std::string> got;
    for (std::size_t at = 0; at < text.size(); at += step) {
      lines.feed(std::string_view(text).substr(at, step));
      while (const auto line = lines.next()) got.emplace_back(*line);
    }
    EXPECT_THAT(got, ElementsAre("one", "", "two three"));
    EXPECT_EQ(lines.rest(), "rest");
  }
  LineSplitter endless(10);
  endless.feed("0123456789ab");
  EXPECT_THROW(endless.next(), Error);
}

TEST(HttpFrames, AreCutOutOfAnyPieces) {
  const std::string text = std::string("\x01\0\0\0\0\0\0\x05", 8) + "hello" + std::string("\x02\0\0\0\0\0\0\0", 8) +
                           std::string("\x02\0\0\0\0\0\0\x03", 8) + "bad";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    FrameSplitter frames;
    std::string out, err;
    for (std::size_t at = 0; at < text.size(); at += step) {
      frames.feed(std::string_view(text).substr(at, step));
      while (const auto frame = frames.next())
        (frame->source == FrameSplitter::Frame::Source::Output ? out : err) += frame->bytes;
    }
    EXPECT_EQ(out, "hello");
    EXPECT_EQ(err, "bad");
  }
  FrameSplitter terminal;
  terminal.feed("plain text of a terminal");
  EXPECT_THROW(terminal.next(), Error);
}

// ---- cpprestsdk.

TEST_F(HttpClientTest, CpprestAsksAndIsAnswered) {
  start();
  CpprestTransport transport(here);
  Request post = request(url("/echo?a=b"));
  post.method = "POST";
  post.body = "hello";
  const Response response = await(transport.send(std::move(post)));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("content-type"), "application/json");
  const json::Value seen = json::parse(response.body);
  EXPECT_EQ(seen.string_or("body"), "hello");
  EXPECT_EQ(seen.string_or("user"), "alice");
  EXPECT_EQ(await(transport.send(request(url("/throw")))).status, 409);
  EXPECT_EQ(await(transport.send(request(url("/big?n=300000")))).body.size(), 300'000U);
}

TEST_F(HttpClientTest, CpprestKeepsItsLimits) {
  start();
  CpprestTransport transport(here);
  Request slow = request(url("/slow"));
  slow.timeout = std::chrono::milliseconds(100);
  EXPECT_EQ(code_of(transport.send(std::move(slow))), ErrorCode::Timeout);
  // A stream that drips for ever: each byte would start cpprestsdk's own timeout anew.
  Request drip = request(url("/stream"));
  drip.timeout = std::chrono::milliseconds(300);
  handler.feed->say("x");
  EXPECT_EQ(code_of(transport.send(std::move(drip))), ErrorCode::Timeout);
  Request big = request(url("/big?n=300000"));
  big.body_max = 1000;
  EXPECT_EQ(code_of(transport.send(std::move(big))), ErrorCode::TooLarge);
  EXPECT_EQ(code_of(transport.send({.url = "http://127.0.0.1:1/", .timeout = seconds(5)})), ErrorCode::Unavailable);
}

// ---- kubeconfig.

class KubeconfigTest : public ::testing::Test {
 protected:
  KubeconfigTest() { files::make_directories(folder, 0700); }
  ~KubeconfigTest() override { std::filesystem::remove_all(folder); }
  std::string file(const std::string& name, const std::string& text) {
    const std::string path = folder + "/" + name;
    files::write_file_atomically(path, text, 0600);
    return path;
  }
  std::string message_of(const std::vector<std::string>& paths, const std::string& context = "") {
    try {
      read_kubeconfig(paths, context);
    } catch (const Error& error) {
      return error.message();
    }
    return "it worked";
  }
  std::string folder = testing::TempDir() + "kubeconfig-" + system_random().suffix(8);
};

constexpr const char* kTwo = R"(
current-context: here
clusters:
- {name: here, cluster: {server: "https://127.0.0.1:6443/", certificate-authority: pki/ca.crt}}
- {name: there, cluster: {server: "https://there:1", insecure-skip-tls-verify: true, tls-server-name: x}}
users:
- {name: me, user: {client-certificate-data: aGVsbG8=, client-key-data: d29ybGQ=}}
- {name: robot, user: {tokenFile: token}}
- {name: cloud, user: {exec: {command: aws}}}
contexts:
- {name: here, context: {cluster: here, user: me, namespace: prod}}
- {name: there, context: {cluster: there, user: robot}}
- {name: cloud, context: {cluster: there, user: cloud}}
- {name: broken, context: {cluster: gone, user: me}}
)";

TEST_F(KubeconfigTest, ReadsTheCurrentContextOrTheOneAskedFor) {
  files::make_directories(folder + "/pki", 0700);
  file("pki/ca.crt", "CA");
  file("token", "secret\n");
  const std::string path = file("config", kTwo);
  const Kubeconfig here = read_kubeconfig({path});
  EXPECT_EQ(here.server, "https://127.0.0.1:6443");
  EXPECT_EQ(here.ca, "CA") << "relative to the file";
  EXPECT_EQ(here.ns, "prod");
  EXPECT_EQ(here.certificate, "hello");
  EXPECT_EQ(here.key.reveal(), "world");
  const Kubeconfig there = read_kubeconfig({path}, "there");
  EXPECT_TRUE(there.insecure);
  EXPECT_EQ(there.tls_server_name, "x");
  EXPECT_EQ(there.token.reveal(), "secret");
}

TEST_F(KubeconfigTest, MergesFilesAndTheFirstToNameSomethingWins) {
  const std::string first = file("a",
                                 "contexts:\n- {name: there, context: {cluster: there, user: robot, namespace: mine}}\n"
                                 "users:\n- {name: robot, user: {token: first}}\ncurrent-context: there\n");
  const std::string second = file("b", kTwo);
  const Kubeconfig config = read_kubeconfig({folder + "/absent", first, second});
  EXPECT_EQ(config.ns, "mine");
  EXPECT_EQ(config.token.reveal(), "first");
  EXPECT_EQ(config.server, "https://there:1");
}

TEST_F(KubeconfigTest, SaysWhatIsWrongAndWhere) {
  const std::string path = file("config", kTwo);
  EXPECT_THAT(message_of({folder + "/absent"}), AllOf(HasSubstr("absent"), HasSubstr("KUBECONFIG")));
  EXPECT_THAT(message_of({path}, "nobody"), AllOf(HasSubstr("nobody"), HasSubstr("here, there")));
  EXPECT_THAT(message_of({path}, "broken"), AllOf(HasSubstr(path), HasSubstr("gone")));
  EXPECT_THAT(message_of({path}, "cloud"), HasSubstr("exec"));
  EXPECT_THAT(message_of({file("yaml", "a: [")}), HasSubstr("/yaml"));
  EXPECT_THAT(message_of({file("list", "- a")}), HasSubstr("/list"));
}

TEST_F(KubeconfigTest, WhatIsWrittenIsReadAgain) {
  const Kubeconfig written{.context = "c",
                           .server = "https://h:1",
                           .ns = "n",
                           .tls_server_name = "t",
                           .ca = "CA\n",
                           .insecure = false,
                           .user = "u",
                           .certificate = "CERT",
                           .key = Secret("KEY"),
                           .token = Secret("TOKEN")};
  const Kubeconfig read = read_kubeconfig({file("config", to_yaml(written))});
  EXPECT_EQ(read.context, "c");
  EXPECT_EQ(read.server, written.server);
  EXPECT_EQ(read.ns, "n");
  EXPECT_EQ(read.ca, written.ca);
  EXPECT_EQ(read.certificate, "CERT");
  EXPECT_EQ(read.key.reveal(), "KEY");
  EXPECT_EQ(read.token.reveal(), "TOKEN");
}

TEST_F(KubeconfigTest, FilesAreFoundAsKubectlFindsThem) {
  EXPECT_THAT(kubeconfig_files("/x", "/a:/b", "/home/me"), ElementsAre("/x"));
  EXPECT_THAT(kubeconfig_files("", "/a::/b", "/home/me"), ElementsAre("/a", "/b"));
  EXPECT_THAT(kubeconfig_files("", std::nullopt, "/home/me"), ElementsAre("/home/me/.kube/config"));
}

// ---- The remote client, against the real API in the same thread.

class RemoteClientTest : public ApiTest {
 protected:
  RemoteClientTest() {
    authenticator.add_token("t", {.name = "alice", .uid = "", .groups = {"ops"}});
    server =
        std::make_unique<Server>(front, *api, authenticator,
                                 ServerOptions{.address = "127.0.0.1", .port = 0, .tls = std::nullopt, .limits = {}});
    server->listen();
    Kubeconfig config;
    config.server = "http://127.0.0.1:" + std::to_string(server->port());
    config.token = Secret("t");
    client = std::make_unique<RemoteClient>(front, config);
  }
  ~RemoteClientTest() override {
    client.reset();
    run(stop(*server));
  }
  static Task<int> stop(Server& server) {
    co_await server.shutdown(Duration::zero());
    co_return 0;
  }
  static Task<int> remove(RemoteClient& client, Key key) {
    co_await client.remove(std::move(key));
    co_return 0;
  }
  ErrorCode code_of(Task<ObjectPtr> task) {
    try {
      run(std::move(task));
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  }

  const Resource apps = Resource::of("infra.gantry.dev", "apps");
  Authenticator authenticator;
  std::unique_ptr<Server> server;
  std::unique_ptr<RemoteClient> client;
};

TEST_F(RemoteClientTest, DoesWhatAnyClientDoes) {
  const Key web{apps, "default", "web"};
  EXPECT_EQ(run(client->find(web)), nullptr);
  json::Value draft = json::parse(app("web"));
  draft["metadata"]["namespace"] = "default";
  const ObjectPtr made = run(client->create(apps, draft));
  EXPECT_EQ(made->key(), web);
  EXPECT_EQ(made->bytes(), run(client->find(web))->bytes());
  EXPECT_EQ(code_of(client->create(apps, draft)), ErrorCode::AlreadyExists);

  json::Value changed = made->decode();
  changed["spec"]["replicas"] = 3;
  const ObjectPtr updated = run(client->update(apps, changed));
  EXPECT_GT(updated->revision(), made->revision());
  EXPECT_EQ(code_of(client->update(apps, changed)), ErrorCode::Conflict) << "the revision is an old one";

  const ObjectPtr patched = run(client->patch(web, PatchType::Merge, json::parse(R"({"spec":{"image":"nginx:2"}})")));
  EXPECT_EQ(patched->decode().find("spec")->string_or("image"), "nginx:2");
  const ObjectPtr status =
      run(client->patch_status(web, PatchType::Merge, json::parse(R"({"status":{"phase":"Running"}})")));
  EXPECT_EQ(status->decode().find("status")->string_or("phase"), "Running");

  const List list = run(client->list(apps, {.ns = "default",
                                            .label_selector = "",
                                            .field_selector = "metadata.name=web",
                                            .limit = 0,
                                            .continue_token = ""}));
  ASSERT_EQ(list.items.size(), 1U);
  EXPECT_EQ(list.items[0]->bytes(), status->bytes());
  EXPECT_EQ(list.revision, status->revision());

  run(remove(*client, web));
  EXPECT_EQ(run(client->find(web)), nullptr);
}

TEST_F(RemoteClientTest, ErrorsAreThoseOfTheServer) {
  json::Value wrong = json::parse(app("web", R"({"image":5})"));
  wrong["metadata"]["namespace"] = "default";
  try {
    run(client->create(apps, wrong));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Invalid);
    ASSERT_FALSE(error.causes.empty());
    EXPECT_EQ(error.causes[0].field, "spec.image");
  }
  EXPECT_EQ(code_of(client->find({Resource::of("nowhere.dev", "things"), "default", "x"})), ErrorCode::NotFound);
}

TEST_F(RemoteClientTest, WatchesFromARevision) {
  json::Value draft = json::parse(app("one"));
  draft["metadata"]["namespace"] = "default";
  const ObjectPtr one = run(client->create(apps, draft));
  const auto watch = run(client->watch(apps, one->revision()));
  draft["metadata"]["name"] = "two";
  const ObjectPtr two = run(client->create(apps, draft));
  const auto changes = run(watch->next());
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].type, Change::Type::Added);
  EXPECT_EQ(changes[0].object->bytes(), two->bytes());
  EXPECT_EQ(watch->revision(), two->revision());
  watch->close();
  EXPECT_TRUE(run(watch->next()).empty());
}

}  // namespace
}  // namespace gantry::api::http
