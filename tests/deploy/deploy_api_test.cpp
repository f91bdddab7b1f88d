// The Deploy API in front of a real API and store, behind the doors that are in front of it in a controller; the test
// plays the reconcilers, by writing what they would say.
#include "controller/deploy/routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "controller/api/access/doors.hpp"
#include "controller/base/base64.hpp"
#include "controller/base/log.hpp"
#include "tests/world/world.hpp"

namespace gantry::deploy {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;

// What a client of old makes of the stream: lines that begin with "data: ".
std::vector<json::Value> events_of(const std::string& bytes) {
  std::vector<json::Value> events;
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string line = bytes.substr(begin, end - begin);
    if (line.starts_with("data: ")) events.push_back(json::parse(line.substr(6)));
    begin = end + 1;
  }
  return events;
}

std::string last_id(const std::string& bytes) {
  const auto at = bytes.rfind("\nid: ");
  return bytes.substr(at + 5, bytes.find('\n', at + 1) - at - 5);
}

class DeployApi : public ::testing::Test {
 protected:
  DeployApi() : world(quiet()) {}
  // A run that a test left waiting gives up, as its patience ends.
  ~DeployApi() override {
    for (int i = 0; i < 200; ++i) world.advance(std::chrono::seconds(10));
  }

  static world::WorldOptions quiet() {
    world::WorldOptions options;
    options.setup = [](world::World&, world::Process&) {};
    return options;
  }

  api::HttpRequest request(std::string method, const std::string& target, json::Value body = {}) {
    api::HttpRequest asked;
    asked.method = std::move(method);
    asked.path = target.substr(0, target.find('?'));
    for (std::size_t begin = 1; begin <= asked.path.size();) {
      const std::size_t end = std::min(asked.path.find('/', begin), asked.path.size());
      asked.segments.push_back(asked.path.substr(begin, end - begin));
      begin = end + 1;
    }
    if (const auto mark = target.find('?'); mark != std::string::npos) {
      const std::string pair = target.substr(mark + 1);
      asked.query.emplace_back(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
    }
    if (!body.is_null()) asked.body = json::dump(body);
    asked.user = api::User{.name = "admin", .uid = {}, .groups = {"system:masters"}};
    return asked;
  }
  api::HttpResponse ask(api::HttpRequest asked) { return world.run(doors.handle(std::move(asked))); }
  api::HttpResponse ask(std::string method, const std::string& target, json::Value body = {}) {
    return ask(request(std::move(method), target, std::move(body)));
  }
  static std::string text(const api::HttpResponse& response) {
    std::string all;
    for (const auto& piece : response.body) all += api::text_of(piece);
    return all;
  }
  // Everything that a stream says until it ends, in the test's time.
  std::string read(api::BodyStream& stream, Duration patience = 1h) {
    std::string all;
    const Instant end = world.reactor.now() + patience;
    while (world.reactor.now() < end) {
      const auto pieces = next(stream);
      if (pieces.empty()) return all;
      for (const auto& piece : pieces) all += api::text_of(piece);
    }
    return all;
  }
  std::vector<api::Piece> next(api::BodyStream& stream) {
    std::optional<std::vector<api::Piece>> pieces;
    world.reactor.spawn([](api::BodyStream& from, std::optional<std::vector<api::Piece>>& into) -> Task<> {
      into = co_await from.next();
    }(stream, pieces));
    world.settle();
    while (!pieces) world.advance(100ms);
    return std::move(*pieces);
  }

  // What a reconciler would write.
  void say(const std::string& name, const std::string& reason, const std::string& message, json::Object status = {}) {
    const json::Value object = world.get(name);
    const bool ready = reason == "AllReplicasReady" || reason == "AgentAnswers" || reason == "Available";
    json::Array conditions;
    for (const char* type : {"Ready", "AgentReachable"})
      conditions.push_back(json::Object{{"type", type},
                                        {"status", ready ? "True" : "False"},
                                        {"reason", reason},
                                        {"message", message},
                                        {"lastTransitionTime", "2026-11-21T10:00:00Z"}});
    status.set("observedGeneration", object.at({"metadata", "generation"})->as_int());
    status.set("conditions", std::move(conditions));
    if (const json::Value* asked = object.at({"metadata", "annotations", "gantry.dev/reconcile-at"}))
      status.set("lastHandledReconcileAt", *asked);
    world.run(
        world.user().patch_status(world.key(name), api::PatchType::Merge, json::Object{{"status", std::move(status)}}));
  }
  void server(const std::string& name, const std::string& ip) {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name + "}\nspec: {address: " + ip +
                "}\n");
    say("Server/" + name, "AgentAnswers", "",
        {{"addresses", json::Array{json::Object{{"type", "InternalIP"}, {"address", ip}}}}});
  }
  static json::Object image_deploy() {
    return {{"name", "myapp"}, {"port", 8000}, {"source_type", "image"}, {"image", "nginx:latest"}};
  }

  world::World world;
  std::vector<std::string> uploaded;
  std::vector<std::string> asked_of_agents;
  Service service{
      {.reactor = world.reactor,
       .client = world.user(),
       .random = world.random,
       .keep_code = [this](std::string archive) -> Task<std::string> {
         uploaded.push_back(std::move(archive));
         co_return "sha256:" + std::string(64, 'a');
       },
       .ask_agent = [this](std::string server, std::string path, json::Value, Duration) -> Task<json::Value> {
         asked_of_agents.push_back(server + path);
         co_return json::Object{{"asked", server + path}};
       }}};
  Routes routes{world.api(), service, world.api()};
  // Whom the API asks now: tests change that.
  struct AsTheApi final : api::Authorizer {
    explicit AsTheApi(api::Api& api) : api(api) {}
    bool allow(const api::User& user, const api::Access& access) const override {
      return api.authorizer().allow(user, access);
    }
    json::Value rules(const api::User& user, std::string_view ns) const override {
      return api.authorizer().rules(user, ns);
    }
    api::Api& api;
  } authorizer{world.api()};
  api::access::FlowControl flow{world.reactor};
  api::access::Doors doors{routes, world.reactor, {authorizer, flow, nullptr}, {"/infra", "/api/v1/infra"}};
};

TEST_F(DeployApi, ADeployEndsInAnAppAndIsToldUntilItServes) {
  server("web-1", "10.0.0.1");
  json::Object body = image_deploy();
  body.set("server_ips", json::Array{"10.0.0.1"});
  body.set("env_vars", json::Object{{"KEY", "very-secret-value"}});
  body.set("environment", "prod");
  body.set("tags", json::Array{"api", "v2"});
  const auto response = ask("POST", "/api/v1/infra/deploy", body);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.content_type, "text/event-stream");
  world.advance(1s);
  const json::Value app = world.get("App/myapp-prod");
  EXPECT_EQ(json::dump(*app.at({"spec", "placement"})), R"({"servers":[{"name":"web-1"}]})");
  EXPECT_EQ(app.at({"spec", "source", "image", "ref"})->as_string(), "nginx:latest");
  EXPECT_EQ(app.at({"metadata", "labels", "environment"})->as_string(), "prod");
  EXPECT_EQ(app.at({"metadata", "labels", "tag.gantry.dev/v2"})->as_string(), "true");
  EXPECT_THAT(json::dump(app), Not(HasSubstr("very-secret-value")));

  say("App/myapp-prod", "RolloutInProgress", "0 of 1 replicas answer");
  world.advance(1s);
  say("App/myapp-prod", "AllReplicasReady", "1 of 1 replicas answer");
  const std::string bytes = read(*response.stream);
  const auto events = events_of(bytes);
  ASSERT_GE(events.size(), 4U);
  EXPECT_THAT(events.front().string_or("message"), HasSubstr("🚀 Deploying myapp-prod"));
  EXPECT_THAT(bytes, HasSubstr("0 of 1 replicas answer"));
  EXPECT_EQ(events.back().string_or("type"), "done");
  EXPECT_TRUE(events.back().bool_or("success", false));
  EXPECT_EQ(json::dump(*events.back().find("servers")), R"([{"ip":"10.0.0.1","name":"web-1","success":true}])");
  EXPECT_EQ(
      std::count_if(events.begin(), events.end(), [](const auto& event) { return event.string_or("type") == "done"; }),
      1);
  EXPECT_THAT(bytes, AllOf(Not(HasSubstr("very-secret-value")), Not(HasSubstr("__END__"))));
}

TEST_F(DeployApi, EachEventIsOneLineAndAnEmptyOne) {
  const auto response = ask("POST", "/infra/deploy/unified", image_deploy());
  world.advance(1s);
  say("App/myapp", "AllReplicasReady", "");
  const std::string bytes = read(*response.stream);
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::size_t end = bytes.find("\n\n", at);
    ASSERT_NE(end, std::string::npos);
    const std::string block = bytes.substr(at, end - at);
    EXPECT_THAT(block, Not(HasSubstr("\n")));
    EXPECT_TRUE(block.starts_with("data: {") || block.starts_with("id: ") || block.starts_with(": ")) << block;
    at = end + 2;
  }
}

TEST_F(DeployApi, WhoComesBackGoesOnWhereTheyWereAndTheDeployDidNotWait) {
  auto first = ask("POST", "/infra/deploy", image_deploy());
  world.advance(1s);
  std::string seen;
  for (const auto& piece : next(*first.stream)) seen += api::text_of(piece);
  ASSERT_FALSE(events_of(seen).empty());
  first.stream->close();
  first.stream.reset();
  say("App/myapp", "AllReplicasReady", "");
  world.advance(2s);

  auto again = request("POST", "/infra/deploy", image_deploy());
  again.headers.emplace_back("last-event-id", last_id(seen));
  const auto second = ask(std::move(again));
  const auto rest = events_of(read(*second.stream));
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(rest.back().string_or("type"), "done");
  for (const auto& event : rest) EXPECT_THAT(seen, Not(HasSubstr(json::dump(event)))) << "nothing is told twice";
  EXPECT_THAT(world.list("App"), SizeIs(1));

  auto lost = request("POST", "/infra/deploy", image_deploy());
  lost.headers.emplace_back("last-event-id", "0123456789abcdef-4");
  EXPECT_EQ(ask(std::move(lost)).status, 410);
}

TEST_F(DeployApi, SilenceIsFilledSoThatNoProxyCutsTheStream) {
  const auto response = ask("POST", "/infra/deploy", image_deploy());
  world.advance(1s);
  next(*response.stream);
  const Instant before = world.reactor.now();
  const auto pieces = next(*response.stream);
  ASSERT_THAT(pieces, SizeIs(1));
  EXPECT_THAT(std::string(api::text_of(pieces[0])), AllOf(StartsWith(": "), EndsWith("\n\n")));
  EXPECT_LE(world.reactor.now() - before, 15s + 100ms);
  response.stream->close();
  EXPECT_THAT(next(*response.stream), IsEmpty());
}

TEST_F(DeployApi, AFailureIsToldAndEndsTheStreamWithOneDone) {
  server("web-1", "10.0.0.1");
  server("web-2", "10.0.0.2");
  json::Object body = image_deploy();
  body.set("server_ips", json::Array{"10.0.0.1", "10.0.0.2"});
  const auto response = ask("POST", "/infra/deploy", body);
  world.advance(1s);
  const json::Object answers{{"address", "10.0.0.1"}, {"port", 8000}, {"ready", true}};
  say("App/myapp", "RolloutFailed", "1 of 2 did not answer", {{"endpoints", json::Array{answers}}});
  const auto events = events_of(read(*response.stream));
  EXPECT_FALSE(events.back().bool_or("success", true));
  const auto& servers = events.back().find("servers")->as_array();
  ASSERT_THAT(servers, SizeIs(2));
  EXPECT_TRUE(servers[0].bool_or("success", false)) << "one server's failure is told apart";
  EXPECT_FALSE(servers[1].bool_or("success", true));
  EXPECT_THAT(servers[1].string_or("error"), HasSubstr("1 of 2"));
  EXPECT_THAT(events.back().string_or("error"), HasSubstr("1 of 2"));

  body.set("server_ips", json::Array{"192.0.2.77"});
  const auto unknown = events_of(read(*ask("POST", "/infra/deploy", body).stream));
  EXPECT_EQ(unknown.back().string_or("type"), "done");
  EXPECT_FALSE(unknown.back().bool_or("success", true));
  EXPECT_THAT(unknown.back().string_or("error"), HasSubstr("192.0.2.77"));
}

TEST_F(DeployApi, AnAgentThatIsLateIsWaitedForBeforeAnythingIsDeclared) {
  server("web-1", "10.0.0.1");
  say("Server/web-1", "AgentSilent", "it was last heard a minute ago",
      {{"addresses", json::Array{json::Object{{"type", "InternalIP"}, {"address", "10.0.0.1"}}}}});
  json::Object body = image_deploy();
  body.set("server_ips", json::Array{"10.0.0.1"});
  const auto late = ask("POST", "/infra/deploy", body);
  world.advance(1min);
  EXPECT_THAT(world.list("App"), IsEmpty());
  server("web-1", "10.0.0.1");
  world.advance(2s);
  EXPECT_THAT(world.list("App"), SizeIs(1));
  say("App/myapp", "AllReplicasReady", "");
  const std::string told = read(*late.stream);
  EXPECT_THAT(told, AllOf(HasSubstr("Waiting for the agent of web-1 (10.0.0.1)"), HasSubstr(R"("success":true)")));

  // One that never comes: the end names it, and how long it was waited for.
  say("Server/web-1", "AgentSilent", "it was last heard a minute ago",
      {{"addresses", json::Array{json::Object{{"type", "InternalIP"}, {"address", "10.0.0.1"}}}}});
  body.set("agent_timeout_seconds", 20);
  const auto never = events_of(read(*ask("POST", "/infra/deploy", body).stream, 1min));
  EXPECT_THAT(never.back().string_or("error"),
              AllOf(HasSubstr("web-1 (10.0.0.1) does not answer within 20s"), HasSubstr("last heard a minute ago")));
}

TEST_F(DeployApi, WhatWasSaidBeforeIsNoAnswerToTheNextDeploy) {
  json::Object body = image_deploy();
  body.set("env_vars", json::Object{{"VERSION", "one"}});
  const auto first = ask("POST", "/infra/deploy", body);
  world.advance(1s);
  say("App/myapp", "AllReplicasReady", "");
  read(*first.stream);
  // Only a Secret's value differs: the App's own fields are as before, and so is what is said of it.
  body.set("env_vars", json::Object{{"VERSION", "two"}});
  const auto second = ask("POST", "/infra/deploy", body);
  EXPECT_THAT(read(*second.stream, 10s), Not(HasSubstr(R"("type":"done")")));
  say("App/myapp", "AllReplicasReady", "");
  EXPECT_THAT(read(*second.stream), HasSubstr(R"("success":true)"));
}

TEST_F(DeployApi, ADeployThatNeverEndsIsEnded) {
  const auto response = ask("POST", "/infra/deploy", image_deploy());
  const auto events = events_of(read(*response.stream, 2h));
  EXPECT_EQ(events.back().string_or("type"), "done");
  EXPECT_THAT(events.back().string_or("error"), HasSubstr("not done within 30m"));
  EXPECT_THAT(json::dump(*events.back().find("servers")), HasSubstr(R"("name":"local","success":false)"));
}

TEST_F(DeployApi, WhatHalfOfIsRefusedIsTakenBack) {
  world.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: base}\nspec: {providerRef: {name: do}, from: "
      "{image: ubuntu-24-04-x64}}\n");
  std::set<std::string> made;
  world.api().add_check(object::Resource::of("gantry.dev", "servers"),
                        [&](const api::Review& review, std::vector<FieldError>& causes) {
                          made.insert(review.object.text_at({"metadata", "name"}));
                          if (made.size() > 2) causes.push_back({"FieldValueForbidden", "spec", "2 is the limit"});
                        });
  json::Object body = image_deploy();
  for (const auto& [field, value] : std::initializer_list<std::pair<const char*, json::Value>>{
           {"new_server_count", 3}, {"snapshot_id", "base"}, {"region", "lon1"}, {"size", "s-1vcpu-1gb"}})
    body.set(field, value);
  const std::string told = read(*ask("POST", "/infra/deploy", body).stream);
  EXPECT_THAT(told, AllOf(HasSubstr("2 is the limit"), HasSubstr("taken back"), HasSubstr(R"("success":false)")));
  EXPECT_THAT(world.list("Server"), IsEmpty());
  EXPECT_THAT(world.list("App"), IsEmpty());
}

TEST_F(DeployApi, ATokenThatIsRefusedEndsTheBuildAndTheNextOneBeginsAnew) {
  const auto refused = [&](const std::string& reason) {
    const json::Value object = world.get("Snapshot/base-docker-ubuntu");
    json::Array conditions;
    for (const char* type : {"Ready", "Synced"})
      conditions.push_back(json::Object{{"type", type},
                                        {"status", type == std::string("Ready") ? "Unknown" : "False"},
                                        {"reason", reason},
                                        {"message", "the account refuses the token"},
                                        {"lastTransitionTime", "2026-11-21T10:00:00Z"}});
    world.run(world.user().patch_status(
        world.key("Snapshot/base-docker-ubuntu"), api::PatchType::Merge,
        json::Object{{"status", json::Object{{"observedGeneration", 1},
                                             {"lastHandledReconcileAt",
                                              *object.at({"metadata", "annotations", "gantry.dev/reconcile-at"})},
                                             {"conditions", std::move(conditions)}}}}));
  };
  const auto first = ask("POST", "/infra/setup/init/stream");
  world.advance(1s);
  refused("Unauthorized");
  const auto events = events_of(read(*first.stream));
  EXPECT_FALSE(events.back().bool_or("success", true));
  EXPECT_THAT(events.back().string_or("error"), HasSubstr("the account refuses the token"));
  // What was said to the first is no answer to the second.
  const auto second = ask("POST", "/infra/setup/init/stream");
  EXPECT_THAT(read(*second.stream, 10s), Not(HasSubstr(R"("type":"done")")));
  say("Snapshot/base-docker-ubuntu", "Available", "");
  EXPECT_THAT(read(*second.stream), HasSubstr(R"("success":true)"));
}

// E-34 and E-36: pages know these sequences, so a change of one is a change here.
TEST_F(DeployApi, TheEventsOfABuildAreAlwaysTheseInThisOrder) {
  for (const auto& [path, body, name] :
       {std::tuple("/infra/setup/init/stream", json::Value(), std::string("base-docker-ubuntu")),
        std::tuple("/infra/images/build/stream", json::Value(json::Object{{"name", "media"}}), std::string("media"))}) {
    const auto response = ask("POST", path, body);
    world.advance(100ms);
    say("Snapshot/" + name, "Building", "there is no image yet");
    world.advance(1s);
    say("Snapshot/" + name, "Copying", "it is not in all regions yet");
    world.advance(1s);
    say("Snapshot/" + name, "Available", "", {{"id", "77"}});
    std::vector<std::string> told;
    for (const auto& event : events_of(read(*response.stream)))
      told.push_back(event.string_or("type") + " " + event.string_or("step") + " " + event.string_or("message"));
    EXPECT_THAT(told, ElementsAre("log begin 🚀 Building " + name, "log declare 📄 Snapshot " + name + " declared",
                                  "log follow " + name + ": Building: there is no image yet",
                                  "log follow " + name + ": Copying: it is not in all regions yet",
                                  "log follow " + name + ": Available", "done  "));
  }
}

TEST_F(DeployApi, CodeMayBeLargerThanAnyOtherRequest) {
  auto large = request("POST", "/api/v1/infra/deploy");
  const auto sink = doors.sink(large);
  ASSERT_TRUE(sink);
  const std::string code(8 << 20, 'c');
  const std::string body = json::dump(
      json::Object{{"name", "big"}, {"port", 80}, {"source_type", "code"}, {"code_tar_b64", base64_encode(code)}});
  for (std::size_t at = 0; at < body.size(); at += 1 << 20) world.run(sink->take(body.substr(at, 1 << 20)));
  large.sink = sink;
  EXPECT_EQ(ask(std::move(large)).status, 200);
  world.advance(1s);
  EXPECT_THAT(uploaded, ElementsAre(code));

  EXPECT_FALSE(doors.sink(request("POST", "/infra/servers/provision"))) << "nothing else here is";
  auto stranger = request("POST", "/infra/deploy");
  stranger.user.reset();
  EXPECT_FALSE(doors.sink(stranger));
  // Many at once are told to come back, before their memory is all there is.
  std::vector<std::shared_ptr<api::BodySink>> many;
  for (int i = 0; i < 20; ++i) many.push_back(doors.sink(request("POST", "/infra/deploy")));
  EXPECT_NO_THROW(world.run(many.back()->take(std::string(1 << 20, 'x'))));
  EXPECT_THROW(world.run(many.back()->take(std::string(4 << 20, 'x'))), Error);
}

TEST_F(DeployApi, WhatCannotBeLookedAtSaysWhy) {
  const auto response = ask("POST", "/infra/deploy", image_deploy());
  world.advance(1s);
  json::Array conditions;
  for (const auto& [type, status, message] : {std::tuple("Ready", "Unknown", "not known yet"),
                                              std::tuple("Synced", "False", "the account refuses the token")})
    conditions.push_back(json::Object{{"type", type},
                                      {"status", status},
                                      {"reason", "ServiceUnavailable"},
                                      {"message", message},
                                      {"lastTransitionTime", "2026-11-21T10:00:00Z"}});
  world.run(world.user().patch_status(
      world.key("App/myapp"), api::PatchType::Merge,
      json::Object{{"status", json::Object{{"observedGeneration", 1}, {"conditions", std::move(conditions)}}}}));
  EXPECT_THAT(read(*response.stream, 10s), HasSubstr("the account refuses the token"));
}

TEST_F(DeployApi, AllMistakesAreToldAtOnceAndNothingIsMade) {
  const auto response = ask("POST", "/infra/deploy",
                            json::Object{{"name", "My App"},
                                         {"port", 70000},
                                         {"source_type", "code"},
                                         {"code_tar_b64", "?"},
                                         {"image", "nginx"},
                                         {"env_vars", json::Array{}},
                                         {"new_server_count", 2}});
  EXPECT_EQ(response.status, 422);
  for (const char* field : {"name:", "port:", "code_tar_b64:", "image: is for source_type image",
                            "env_vars:", "snapshot_id: Required", "region: Required", "size: Required"})
    EXPECT_THAT(text(response), HasSubstr(field));
  EXPECT_THAT(world.list("App"), IsEmpty());
  EXPECT_EQ(ask("POST", "/infra/deploy", json::Array{}).status, 400);
}

TEST_F(DeployApi, CodeAndGitDifferOnlyInHowTheyCome) {
  json::Object code{{"name", "one"},
                    {"port", 80},
                    {"source_type", "code"},
                    {"code_tar_b64", base64_encode("a tar")},
                    {"dockerfile", "FROM scratch\n"}};
  ask("POST", "/infra/deploy", code);
  json::Object git{{"name", "two"},        {"port", 80},
                   {"source_type", "git"}, {"git_url", "https://git.example.org/a.git"},
                   {"git_branch", "main"}, {"git_token", "ghp_secret_token"}};
  const auto response = ask("POST", "/infra/deploy", git);
  world.advance(1s);
  EXPECT_THAT(uploaded, ElementsAre("a tar"));
  EXPECT_EQ(json::dump(*world.get("App/one").at({"spec", "source"})),
            R"({"code":{"upload":"sha256:)" + std::string(64, 'a') + R"("}})");
  EXPECT_EQ(world.get("App/one").at({"spec", "build", "dockerfile"})->as_string(), "FROM scratch\n");
  const json::Value two = world.get("App/two");
  EXPECT_EQ(two.at({"spec", "source", "git", "secretRef", "name"})->as_string(), "two-git");
  EXPECT_EQ(base64_decode(world.get("Secret/two-git").at({"data", "token"})->as_string()), "ghp_secret_token");
  say("App/two", "BuildFailed", "cannot clone with ghp_secret_token");
  EXPECT_THAT(read(*response.stream), AllOf(Not(HasSubstr("ghp_secret_token")), HasSubstr("cannot clone with ***")));
}

TEST_F(DeployApi, AVariableMayComeFromASecretThatIsThere) {
  json::Object body = image_deploy();
  const json::Object ref{{"name", "openai"}, {"key", "token"}};
  body.set("env_vars", json::Object{{"KEY", json::Object{{"secretKeyRef", ref}}}});
  ask("POST", "/infra/deploy", body);
  world.advance(1s);
  EXPECT_EQ(json::dump(*world.get("App/myapp").at({"spec", "env"})),
            R"([{"name":"KEY","valueFrom":{"secretKeyRef":{"key":"token","name":"openai"}}}])");
  EXPECT_FALSE(world.find("Secret/myapp-env")) << "nothing of it is kept a second time";
  for (const auto& wrong : {json::Value(7), json::Value(json::Object{}), json::Value(json::Object{{"secretKeyRef", 7}}),
                            json::Value(json::Object{{"secretKeyRef", json::Object{{"name", "openai"}}}})}) {
    body.set("env_vars", json::Object{{"KEY", wrong}});
    EXPECT_EQ(ask("POST", "/infra/deploy", body).status, 422) << json::dump(wrong);
  }
}

TEST_F(DeployApi, NewServersAndOldOnesTogether) {
  server("web-1", "10.0.0.1");
  world.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: base}\nspec: {providerRef: {name: do}, from: "
      "{image: ubuntu-24-04-x64}}\n");
  world.run(world.user().patch_status(world.key("Snapshot/base"), api::PatchType::Merge,
                                      json::Object{{"status", json::Object{{"id", "123"}}}}));
  json::Object body = image_deploy();
  body.set("server_ips", json::Array{"10.0.0.1"});
  body.set("new_server_count", 2);
  body.set("snapshot_id", "123");
  body.set("region", "lon1");
  body.set("size", "s-1vcpu-1gb");
  ask("POST", "/infra/deploy", body);
  world.advance(1s);
  EXPECT_THAT(world.list("Server"), SizeIs(3));
  const json::Value app = world.get("App/myapp");
  EXPECT_THAT(app.at({"spec", "placement", "servers"})->as_array(), SizeIs(3));
  EXPECT_EQ(app.at({"spec", "replicas"})->as_int(), 3);
  const std::string fresh = app.at({"spec", "placement", "servers"})->as_array()[1].string_or("name");
  EXPECT_EQ(world.get("Server/" + fresh).at({"spec", "snapshotRef", "name"})->as_string(), "base");

  // Again, with nothing said of servers: it stays where it is.
  ask("POST", "/infra/deploy", image_deploy());
  world.advance(1s);
  EXPECT_THAT(world.get("App/myapp").at({"spec", "placement", "servers"})->as_array(), SizeIs(3));
  EXPECT_THAT(world.list("Server"), SizeIs(3));
}

TEST_F(DeployApi, ATokenIsKeptAsAProviderAndSeenNowhere) {
  const auto response = ask("GET", "/infra/setup/status?do_token=dop_v1_of_somebody");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(text(response), HasSubstr(R"("exists":false)"));
  EXPECT_EQ(base64_decode(world.get("Secret/do-token").at({"data", "token"})->as_string()), "dop_v1_of_somebody");
  EXPECT_EQ(world.get("Provider/do").at({"spec", "type"})->as_string(), "digitalocean");
  EXPECT_EQ(log::redacted("with dop_v1_of_somebody in it"), "with *** in it");
  EXPECT_THAT(response.headers, ::testing::Contains(::testing::Pair("Warning", HasSubstr("deprecated"))));

  // A Provider of that name may be of another vendor: the next token is that one's, and it stays what it is.
  world.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n");
  world.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: do, namespace: other}\nspec: {type: hetzner, "
      "credentials: {secretRef: {name: theirs}}}\n");
  auto with_header = request("GET", "/infra/servers?namespace=other");
  with_header.headers.emplace_back("x-cloud-token", "token-of-hetzner");
  EXPECT_EQ(ask(std::move(with_header)).status, 200);
  const auto key = object::Key{world.key("Provider/do").resource, "other", "do"};
  const json::Value provider = world.run(world.user().find(key))->decode();
  EXPECT_EQ(provider.text_at({"spec", "type"}), "hetzner");
  EXPECT_EQ(provider.text_at({"spec", "credentials", "secretRef", "name"}), "do-token");
}

TEST_F(DeployApi, ServersThatAreMadeHaveNamesOfTheirOwn) {
  world.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: base}\nspec: {providerRef: {name: do}, from: "
      "{image: ubuntu-24-04-x64}}\n");
  for (int i = 0; i < 10; ++i) {
    ask("POST", "/infra/servers/provision",
        json::Object{{"snapshot_id", "base"}, {"region", "lon1"}, {"size", "s-1vcpu-1gb"}, {"count", 100}});
    world.advance(1s);
  }
  EXPECT_THAT(world.list("Server"), SizeIs(1000)) << "one that came twice would be one Server";
}

TEST_F(DeployApi, SnapshotsAreBuiltListedCopiedAndKeptWhileNeeded) {
  const auto early = ask("POST", "/infra/images/build/stream", json::Object{{"name", "media"}});
  EXPECT_THAT(read(*early.stream), HasSubstr("there is no snapshot base-docker-ubuntu to build it from"));
  EXPECT_THAT(world.list("Snapshot"), IsEmpty());
  const auto base = ask("POST", "/infra/setup/init/stream");
  world.advance(1s);
  EXPECT_EQ(json::dump(*world.get("Snapshot/base-docker-ubuntu").at({"spec", "regions"})), R"(["*"])");
  say("Snapshot/base-docker-ubuntu", "Available", "", {{"id", "77"}});
  const auto events = events_of(read(*base.stream));
  EXPECT_TRUE(events.back().bool_or("success", false));
  EXPECT_EQ(events.back().at({"snapshot", "id"})->as_string(), "77");

  ask("POST", "/infra/images/build/stream", json::Object{{"name", "media"}, {"packages", json::Array{"ffmpeg"}}});
  world.advance(1s);
  EXPECT_EQ(world.get("Snapshot/media").at({"spec", "from", "snapshotRef", "name"})->as_string(), "base-docker-ubuntu");
  const json::Value list = json::parse(text(ask("GET", "/infra/snapshots")));
  EXPECT_THAT(list.as_array(), SizeIs(2));
  EXPECT_EQ(ask("POST", "/infra/snapshots/media/transfer-all").status, 202);
  EXPECT_EQ(json::dump(*world.get("Snapshot/media").at({"spec", "regions"})), R"(["*"])");

  const auto refused = ask("DELETE", "/infra/snapshots/77");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(text(refused), HasSubstr("Snapshot media"));
  EXPECT_EQ(ask("DELETE", "/infra/snapshots/media").status, 200);
  EXPECT_EQ(ask("DELETE", "/infra/snapshots/77?force=true").status, 200);
  EXPECT_EQ(ask("DELETE", "/infra/snapshots/77").status, 404);
}

TEST_F(DeployApi, ServersAreListedMadeAndRemoved) {
  server("web-1", "10.0.0.1");
  json::Object body = image_deploy();
  body.set("server_ips", json::Array{"10.0.0.1"});
  ask("POST", "/infra/deploy", body);
  world.advance(1s);
  const json::Value list = json::parse(text(ask("GET", "/infra/servers")));
  ASSERT_THAT(list.as_array(), SizeIs(1));
  EXPECT_EQ(list.as_array()[0].string_or("ip"), "10.0.0.1");
  // What a page filters by is there for a Server that leaves it to its Provider, too; and tags are as they were given.
  world.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: do}\nspec: {type: digitalocean, region: lon1, "
      "credentials: {secretRef: {name: t}}}\n");
  world.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: web-2, labels: {tag.gantry.dev/api: \"true\", "
      "pool: web}}\nspec: {providerRef: {name: do}, size: s-1vcpu-1gb, image: ubuntu-24-04-x64}\n");
  EXPECT_THAT(text(ask("GET", "/infra/servers")),
              AllOf(HasSubstr(R"("region":"lon1")"), HasSubstr(R"("tags":["api"])")));
  world.remove("Server/web-2");
  EXPECT_TRUE(list.as_array()[0].find("image")->is_object());
  EXPECT_THAT(text(ask("GET", "/infra/agent/health?server_ip=10.0.0.1")), HasSubstr(R"("success":true)"));
  EXPECT_EQ(ask("GET", "/infra/agent/health?server_ip=192.0.2.1").status, 404) << "no open relay";
  const auto removed = ask("DELETE", "/infra/servers/web-1");
  EXPECT_THAT(text(removed), HasSubstr(R"("apps":["myapp"])"));
  EXPECT_EQ(ask("DELETE", "/infra/servers/web-1").status, 200) << "gone is what was asked for";
}

TEST_F(DeployApi, StrangersAndUnknownPathsAreToldApart) {
  auto stranger = request("GET", "/infra/servers");
  stranger.user.reset();
  EXPECT_EQ(ask(std::move(stranger)).status, 401);
  EXPECT_EQ(ask("GET", "/infra/nothing").status, 404);
  EXPECT_EQ(ask("PUT", "/infra/deploy").status, 405);
  EXPECT_EQ(ask("GET", "/version").status, 200) << "what is not ours goes on to the API";
}

// The rows of the acceptance list (E-33 to E-51), each with the endpoint that it is about.
struct Endpoint {
  const char* row;
  const char* method;
  const char* path;
  json::Value body;
  int status;
  const char* answer;                // in its body
  std::vector<std::string> needs{};  // "verb resource", each of which is demanded
};
std::ostream& operator<<(std::ostream& out, const Endpoint& one) {
  return out << one.row << " " << one.method << " " << one.path;
}

std::vector<Endpoint> endpoints() {
  const std::vector<std::string> snapshot{"create snapshots", "patch snapshots"};
  const std::vector<std::string> app{"create apps", "patch apps"};
  const json::Object deploy{{"name", "a"}, {"port", 80}, {"source_type", "image"}, {"image", "nginx"}};
  json::Object with_secret = deploy;
  with_secret.set("env_vars", json::Object{{"K", "v"}});
  json::Object with_servers = deploy;
  for (const auto& [field, value] : std::initializer_list<std::pair<const char*, json::Value>>{
           {"new_server_count", 1}, {"snapshot_id", "123"}, {"region", "lon1"}, {"size", "s-1vcpu-1gb"}})
    with_servers.set(field, value);
  const auto plus = [](std::vector<std::string> all, std::vector<std::string> more) {
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  return {
      {"E-24", "POST", "/infra/deploy", with_servers, 200, "", plus(app, {"create servers", "patch servers"})},
      {"E-26",
       "GET",
       "/infra/servers?do_token=dop_v1_rows",
       {},
       200,
       "web-1",
       {"list servers", "list snapshots", "create providers", "patch providers", "create secrets", "patch secrets"}},
      {"E-33", "GET", "/infra/setup/status", {}, 200, R"("exists")", {"get snapshots"}},
      {"E-34", "POST", "/infra/setup/init/stream", json::Object{}, 200, "", snapshot},
      {"E-35", "GET", "/infra/snapshots", {}, 200, R"("id":"123")", {"list snapshots"}},
      {"E-36", "POST", "/infra/images/build/stream", json::Object{{"name", "media"}}, 200, "", snapshot},
      {"E-37", "POST", "/infra/snapshots/123/transfer-all", {}, 202, R"("name":"base")", {"patch snapshots"}},
      {"E-38", "DELETE", "/infra/snapshots/123", {}, 200, R"("success":true)", {"delete snapshots"}},
      {"E-39", "GET", "/infra/servers", {}, 200, R"("image":)", {"list servers", "list snapshots"}},
      {"E-40",
       "POST",
       "/infra/servers/provision",
       json::Object{{"snapshot_id", "123"}, {"region", "lon1"}, {"size", "s-1vcpu-1gb"}},
       202,
       R"("operation")",
       {"create servers", "patch servers"}},
      {"E-41", "DELETE", "/infra/servers/web-1", {}, 200, R"("apps":[])", {"delete servers"}},
      {"E-42", "POST", "/infra/deploy", deploy, 200, "", app},
      {"E-42", "POST", "/infra/deploy", with_secret, 200, "", plus(app, {"create secrets", "patch secrets"})},
      {"E-43", "POST", "/infra/deploy/unified", deploy, 200, "", app},
      {"E-45", "POST", "/infra/deploy/upload", json::Object{{"code_tar_b64", base64_encode("a tar")}}, 200,
       "sha256:", app},
      {"E-46", "GET", "/infra/agent/health?server_ip=10.0.0.1", {}, 200, R"("server":"web-1")", {"list servers"}},
      {"E-47",
       "POST",
       "/infra/agent/10.0.0.1/build",
       json::Object{{"app", "x"}},
       200,
       "/build?wait",
       {"create servers/agent"}},
      {"E-49",
       "POST",
       "/infra/agent/10.0.0.1/pull",
       json::Object{{"image", "nginx"}},
       200,
       "/pull",
       {"create servers/agent"}},
      {"E-50",
       "POST",
       "/infra/agent/10.0.0.1/git/clone",
       json::Object{{"url", "https://x"}},
       200,
       "/git/clone",
       {"create servers/agent"}},
      {"E-51",
       "POST",
       "/infra/agent/192.0.2.1/pull",
       json::Object{{"image", "nginx"}},
       404,
       "192.0.2.1",
       {"create servers/agent"}},
  };
}

// Allows exactly what it is told.
struct Allowed final : api::Authorizer {
  std::set<std::string> all;
  bool allow(const api::User&, const api::Access& access) const override {
    std::string what = std::string(access.verb) + " " + std::string(access.resource);
    if (!access.subresource.empty()) what += "/" + std::string(access.subresource);
    return access.ns == "default" && all.contains(what);
  }
  json::Value rules(const api::User&, std::string_view) const override { return {}; }
};

class EachEndpoint : public DeployApi, public testing::WithParamInterface<Endpoint> {
 protected:
  EachEndpoint() {
    server("web-1", "10.0.0.1");
    world.apply(
        "apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: base}\nspec: {providerRef: {name: do}, "
        "from: {image: ubuntu-24-04-x64}}\n");
    world.run(world.user().patch_status(world.key("Snapshot/base"), api::PatchType::Merge,
                                        json::Object{{"status", json::Object{{"id", "123"}}}}));
    world.api().set_authorizer(allowed);
  }
  std::shared_ptr<Allowed> allowed = std::make_shared<Allowed>();
};

TEST_P(EachEndpoint, AnswersWhoeverMayDoTheSameWithTheObjectsAndNobodyElse) {
  const Endpoint& one = GetParam();
  for (const auto& missing : one.needs) {
    allowed->all = {one.needs.begin(), one.needs.end()};
    allowed->all.erase(missing);
    const auto refused = ask(one.method, one.path, one.body);
    EXPECT_EQ(refused.status, 403) << "without " << missing;
    EXPECT_THAT(text(refused), HasSubstr(missing.substr(0, missing.find(' ')))) << missing;
  }
  EXPECT_THAT(asked_of_agents, IsEmpty());
  allowed->all = {one.needs.begin(), one.needs.end()};
  const auto response = ask(one.method, one.path, one.body);
  EXPECT_EQ(response.status, one.status) << text(response);
  EXPECT_THAT(text(response), HasSubstr(one.answer));
  EXPECT_EQ(response.stream != nullptr, response.content_type == "text/event-stream");
}
INSTANTIATE_TEST_SUITE_P(Rows, EachEndpoint, testing::ValuesIn(endpoints()));

// E-44 and E-48: they wait until it is done.
TEST_F(DeployApi, OneImageOnOneServerIsAnsweredWhenItServes) {
  server("web-1", "10.0.0.1");
  for (const char* path : {"/infra/deploy/single", "/infra/agent/10.0.0.1/containers/run"}) {
    json::Object body{{"name", "single"}, {"port", 80}, {"image", "nginx"}};
    if (std::string_view(path).ends_with("single")) body.set("server_ip", "10.0.0.1");
    std::optional<api::HttpResponse> response;
    world.reactor.spawn([](api::Handler& to, api::HttpRequest asked, std::optional<api::HttpResponse>& into) -> Task<> {
      into = co_await to.handle(std::move(asked));
    }(doors, request("POST", path, body), response));
    world.settle();
    EXPECT_FALSE(response) << path;
    say("App/single", "AllReplicasReady", "");
    world.advance(1s);
    ASSERT_TRUE(response) << path;
    EXPECT_THAT(text(*response), AllOf(HasSubstr(R"("success":true)"), HasSubstr(R"("ip":"10.0.0.1")")));
  }
}

TEST_F(DeployApi, ARunIsSeenByThoseWhoMaySeeWhatItMakes) {
  const auto begun = ask("POST", "/infra/deploy", image_deploy());
  world.advance(1s);
  std::string seen;
  for (const auto& piece : next(*begun.stream)) seen += api::text_of(piece);
  const std::string id = last_id(seen);
  const std::string path = "/infra/operations/" + id.substr(0, id.rfind('-'));
  EXPECT_EQ(ask("GET", path).status, 200);
  EXPECT_EQ(ask("GET", path + "?namespace=other").status, 404);
  const auto allowed = std::make_shared<Allowed>();
  world.api().set_authorizer(allowed);
  EXPECT_EQ(ask("GET", path).status, 403);
  auto resumed = request("POST", "/infra/deploy", image_deploy());
  resumed.headers.emplace_back("last-event-id", id);
  EXPECT_EQ(ask(std::move(resumed)).status, 403);
  allowed->all = {"get apps"};
  EXPECT_EQ(ask("GET", path).status, 200);
}

TEST_F(DeployApi, WhoActsForAnotherMayDoWhatThatOneMay) {
  auto as_guest = request("GET", "/infra/snapshots");
  as_guest.headers.emplace_back("impersonate-user", "guest");
  struct OnlyGuestMayNot final : api::Authorizer {
    bool allow(const api::User& user, const api::Access&) const override { return user.name != "guest"; }
    json::Value rules(const api::User&, std::string_view) const override { return {}; }
  };
  world.api().set_authorizer(std::make_shared<OnlyGuestMayNot>());
  EXPECT_EQ(ask("GET", "/infra/snapshots").status, 200);
  EXPECT_EQ(ask(std::move(as_guest)).status, 403);
}

}  // namespace
}  // namespace gantry::deploy
