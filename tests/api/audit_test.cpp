// Goal: what was done, by whom, to what, can be read afterwards; a Secret's value cannot.
#include <filesystem>

#include "controller/base/digest.hpp"
#include "controller/base/files.hpp"
#include "controller/base/metrics.hpp"
#include "tests/api/rbac_fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AuditTest : public RbacTest {
 protected:
  AuditTest() { listen(false); }
  ~AuditTest() override { std::filesystem::remove_all(folder); }

  void listen(bool reads, std::size_t queue_max = 16'384) {
    watch_over({},
               access::AuditLog::Options{.path = path, .reads = reads, .queue_max = queue_max, .key = Secret("key")});
    std::filesystem::resize_file(path, 0);
  }
  std::vector<json::Value> lines() {
    std::vector<json::Value> out;
    const std::string text = files::read_file(path);
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      out.push_back(json::parse(std::string_view(text).substr(at, end - at)));
      at = end + 1;
    }
    return out;
  }
  static std::string note(const json::Value& line, const std::string& name) {
    const json::Value* found = line.at({"annotations", name});
    return found ? found->as_string() : "(none)";
  }

  std::string folder = testing::TempDir() + "audit-" + system_random().suffix(8);
  std::string path = folder + "/audit.log";
};

TEST_F(AuditTest, AWriteIsOneLineWithWhoWhatAndTheObjectBeforeAndAfter) {
  post(kApps, app("web"));
  const std::string before = get(kApps + "/web").text;
  send("PATCH", kApps + "/web", R"({"spec":{"replicas":2}})",
       {{"content-type", "application/merge-patch+json"}, {"user-agent", "kubectl/v1.33"}});
  const std::string after = get(kApps + "/web").text;
  remove(kApps + "/web");
  const auto all = lines();
  ASSERT_EQ(all.size(), 3u) << "looking at an App is not recorded";
  const json::Value& patched = all[1];
  EXPECT_EQ(at(patched, "user.username"), json::Value("root"));
  EXPECT_EQ(at(patched, "verb"), json::Value("patch"));
  EXPECT_EQ(at(patched, "userAgent"), json::Value("kubectl/v1.33"));
  EXPECT_EQ(at(patched, "requestURI"), json::Value(kApps + "/web"));
  EXPECT_EQ(at(patched, "objectRef.resource"), json::Value("apps"));
  EXPECT_EQ(at(patched, "objectRef.apiGroup"), json::Value("infra.gantry.dev"));
  EXPECT_EQ(at(patched, "objectRef.name"), json::Value("web"));
  EXPECT_EQ(at(patched, "responseStatus.code"), json::Value(200));
  EXPECT_EQ(note(patched, "authorization.k8s.io/decision"), "allow");
  EXPECT_EQ(note(patched, "gantry.dev/before"), "sha256:" + sha256_hex(before));
  EXPECT_EQ(note(patched, "gantry.dev/after"), "sha256:" + sha256_hex(after));
  EXPECT_EQ(note(all[0], "gantry.dev/before"), "(none)");
  EXPECT_EQ(at(all[0], "objectRef.name"), json::Value("web")) << "a create names what it made";
  EXPECT_EQ(note(all[2], "gantry.dev/before"), "sha256:" + sha256_hex(after));
  EXPECT_EQ(note(all[2], "gantry.dev/after"), "(none)");
}

TEST_F(AuditTest, ARefusalIsRecordedWhateverWasAsked) {
  as("alice", {"ops"});
  get(kApps);
  get("/metrics");
  get("/apis");
  const auto all = lines();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(note(all[0], "authorization.k8s.io/decision"), "forbid");
  EXPECT_EQ(at(all[0], "responseStatus.code"), json::Value(403));
  EXPECT_EQ(at(all[1], "requestURI"), json::Value("/metrics"));
}

TEST_F(AuditTest, ASecretIsNamedAndItsValueCannotBeGuessedFromTheLine) {
  post(kSecrets, R"({"metadata":{"name":"s"},"stringData":{"password":"hunter2"}})");
  const std::string stored = get(kSecrets + "/s").text;
  const std::string text = files::read_file(path);
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, Not(HasSubstr("aHVudGVyMg")));
  EXPECT_THAT(text, Not(HasSubstr(sha256_hex(stored))));
  EXPECT_THAT(text, HasSubstr("hmac-sha256:" + hmac_sha256_hex("key", stored)));
  ASSERT_EQ(lines().size(), 2u) << "a look at a Secret is recorded";
  EXPECT_EQ(at(lines()[1], "verb"), json::Value("get"));
}

TEST_F(AuditTest, WhoActsAsAnotherIsNamedFirst) {
  send("POST", kApps, app("web"), {{"content-type", "application/json"}, {"impersonate-user", "bob"}});
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(at(lines()[0], "user.username"), json::Value("root"));
  EXPECT_EQ(at(lines()[0], "impersonatedUser.username"), json::Value("bob"));
}

TEST_F(AuditTest, QuestionsAboutAccessAreNoActsAndATokenIs) {
  post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "{}");
  EXPECT_THAT(lines(), IsEmpty());
  post(kAccounts, R"({"metadata":{"name":"robot"}})");
  const auto token = post(kAccounts + "/robot/token", "{}").at("status.token");
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_EQ(at(lines()[1], "objectRef.subresource"), json::Value("token"));
  EXPECT_THAT(files::read_file(path), Not(HasSubstr(token.as_string())));
}

TEST_F(AuditTest, EverythingIsRecordedWhenAskedFor) {
  listen(true);
  get(kApps);
  get("/apis");
  EXPECT_EQ(lines().size(), 2u);
}

// A door beside the API, as those of controller/app are.
struct Door final : Handler {
  explicit Door(Handler& next) : next(next) {}
  Task<HttpResponse> handle(HttpRequest request) override {
    if (request.path != "/backup") co_return co_await next.handle(std::move(request));
    seen.push_back(request.user->name);
    asked_for_more = asked_for_more || request.header("impersonate-user");
    co_return HttpResponse{.status = request.method == "POST" ? 200 : 405, .headers = {}, .body = {}, .stream = {}};
  }
  Handler& next;
  std::vector<std::string> seen;
  bool asked_for_more = false;
};

class DoorsTest : public AuditTest {
 protected:
  int ask(std::string method, std::string path, Headers headers = {}) {
    HttpRequest request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.segments = {request.path.substr(1)};
    request.headers = std::move(headers);
    request.user = user;
    request.peer = "10.0.0.7";
    return run(doors.handle(std::move(request))).status;
  }

  Door door{*api};
  Handler& doors = guard->watch_doors(door, {"/backup"});
};

TEST_F(DoorsTest, WhatIsDoneBesideTheApiIsWrittenDownAsWell) {
  EXPECT_EQ(ask("POST", "/backup"), 200);
  EXPECT_EQ(ask("GET", "/healthz"), 200) << "what is no door passes through";
  as("alice");
  EXPECT_EQ(ask("POST", "/backups"), 403) << "a path that only begins alike is none of them";
  const auto all = lines();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(at(all[0], "user.username"), json::Value("root"));
  EXPECT_EQ(at(all[0], "verb"), json::Value("post"));
  EXPECT_EQ(at(all[0], "requestURI"), json::Value("/backup"));
  EXPECT_EQ(at(all[0], "responseStatus.code"), json::Value(200));
  EXPECT_EQ(at(all[0], "sourceIPs").as_array()[0], json::Value("10.0.0.7"));
  EXPECT_EQ(at(all[1], "responseStatus.code"), json::Value(403));
}

TEST_F(DoorsTest, WhoActsAsAnotherIsTheOtherBehindTheDoor) {
  EXPECT_EQ(ask("POST", "/backup", {{"impersonate-user", "bob"}}), 200);
  EXPECT_THAT(door.seen, testing::ElementsAre("bob"));
  EXPECT_FALSE(door.asked_for_more) << "who is bob already need not be allowed to become bob";
  EXPECT_EQ(at(lines()[0], "user.username"), json::Value("root"));
  EXPECT_EQ(at(lines()[0], "impersonatedUser.username"), json::Value("bob"));
  as("alice");
  EXPECT_EQ(ask("POST", "/backup", {{"impersonate-user", "root"}}), 403);
  EXPECT_EQ(door.seen.size(), 1u);
  EXPECT_EQ(at(lines()[1], "responseStatus.code"), json::Value(403));
}

TEST_F(DoorsTest, StrangersAreWrittenDownAndCannotFillTheLog) {
  user.reset();
  HttpRequest request;
  request.method = "GET";
  request.path = "/api/v1/secrets";
  request.peer = "10.6.6.6";
  const auto skipped = metrics::counter("gantry_audit_strangers_skipped_total", "");
  const double before = skipped.value();
  for (int i = 0; i < 500; ++i) EXPECT_EQ(doors.refuse_stranger(request).status, 401);
  const auto all = lines();
  EXPECT_EQ(all.size(), 60u);
  EXPECT_EQ(skipped.value() - before, 440);
  EXPECT_EQ(at(all[0], "responseStatus.code"), json::Value(401));
  EXPECT_EQ(at(all[0], "sourceIPs").as_array()[0], json::Value("10.6.6.6"));
  EXPECT_EQ(json::dump(at(all[0], "user")), "{}");
  EXPECT_EQ(note(all[0], "authorization.k8s.io/decision"), "forbid");
  clock.advance(std::chrono::seconds(10));
  for (int i = 0; i < 500; ++i) doors.refuse_stranger(request);
  EXPECT_EQ(lines().size(), 70u);
}

TEST_F(DoorsTest, AWriteThroughADoorTakesItsTurn) {
  watch_over({.writes_of_user = 1, .writes = 1, .waiting_of_user = 0});
  Door slow{*api};
  Handler& guarded = guard->watch_doors(slow, {"/backup"});
  as("alice");
  HttpRequest request;
  request.method = "POST";
  request.path = "/backup";
  request.user = user;
  EXPECT_EQ(run(guarded.handle(request)).status, 200) << "the seat is given back";
  EXPECT_EQ(run(guarded.handle(request)).status, 200);
}

// A helper that does not get to it: the queue fills, and the front goes on.
TEST_F(AuditTest, WhatTheQueueCannotHoldIsCountedAndNobodyWaits) {
  struct Never final : Blocking {
    void submit(std::move_only_function<void()> fn) override { kept.push_back(std::move(fn)); }
    std::vector<std::move_only_function<void()>> kept;
  } never;
  access::AuditLog log(never, {.path = path, .queue_max = 2, .key = Secret("key")});
  const auto dropped = metrics::counter("gantry_audit_dropped_total", "");
  const double before = dropped.value();
  for (int i = 0; i < 5; ++i) log.record({.user = {"alice", "", {}}, .verb = "create", .path = "/x", .code = 201});
  EXPECT_EQ(dropped.value() - before, 3);
  EXPECT_EQ(never.kept.size(), 1u);
  never.kept.front()();
  EXPECT_EQ(lines().size(), 2u);
}

}  // namespace
}  // namespace gantry::api
