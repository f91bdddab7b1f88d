// Goal: code is fetched, built and released in this order and once each; and whatever goes wrong on that road, the
// release before serves and is kept alive.
#include "tests/reconcilers/app_world.hpp"

namespace gantry::reconcilers::app {
namespace {

std::string built_app(const std::string& command) {
  return "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: hello, namespace: default}\nspec:\n  runtime: "
         "process\n  source: {git: {url: 'https://example.org/mono.git', path: backend}}\n  build: {command: make}\n  "
         "command: [" +
         command + "]\n  ports: [{name: http, port: 8080}]\n";
}

TEST_F(AppWorld, CodeIsFetchedThenBuiltThenReleased) {
  parts.code.now = {.fetching = true};
  world.apply(built_app("/one"));
  world.advance(1s);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "Fetching");
  EXPECT_EQ(parts.shop.begun, 0);
  parts.code.now = {.digest = "sha256:one", .revision = std::string(40, 'a'), .staged = true};
  for (const auto& listener : parts.code.listeners) listener(parts.code.last.owner_uid);
  world.advance(1s);
  EXPECT_EQ(world.reason("App/hello", "Built"), "Building");
  EXPECT_EQ(parts.shop.begun, 1);
  EXPECT_EQ(machine.alive(), 0U);
  parts.shop.end(Shop::Phase::Done);
  until_ready(world);
  EXPECT_EQ(world.reason("App/hello", "Built"), "Built");
  const json::Value release = world.get("Release/hello-1");
  EXPECT_EQ(release.at({"spec", "sourceRevision"})->as_string(), std::string(40, 'a'));
  EXPECT_EQ(release.at({"spec", "buildKey"})->as_string().size(), 64U);
  EXPECT_EQ(parts.shop.begun, 1) << "built once";
}

TEST_F(AppWorld, ACommitElsewhereInTheRepositoryRedeploysNothing) {
  parts.code.now = {.digest = "sha256:one", .revision = "a", .staged = true};
  world.apply(built_app("/one"));
  world.advance(1s);
  parts.shop.end(Shop::Phase::Done);
  until_ready(world);
  parts.code.now.revision = "b";
  for (const auto& listener : parts.code.listeners) listener(parts.code.last.owner_uid);
  world.advance(5min);
  EXPECT_EQ(world.list("Release").size(), 1U);
  EXPECT_EQ(parts.shop.begun, 1);
  parts.code.now.digest = "sha256:two";
  for (const auto& listener : parts.code.listeners) listener(parts.code.last.owner_uid);
  world.advance(1s);
  parts.shop.end(Shop::Phase::Done);
  world.advance(1min);
  EXPECT_EQ(world.list("Release").size(), 2U);
}

TEST_F(AppWorld, WhileABuildFailsTheReleaseBeforeServesAndIsKeptAlive) {
  parts.code.now = {.digest = "sha256:one", .staged = true};
  world.apply(built_app("/one"));
  world.advance(1s);
  parts.shop.end(Shop::Phase::Done);
  until_ready(world);
  parts.code.now.digest = "sha256:broken";
  for (const auto& listener : parts.code.listeners) listener(parts.code.last.owner_uid);
  world.advance(1s);
  EXPECT_EQ(world.reason("App/hello", "Ready"), "Building");
  parts.shop.end(Shop::Phase::Failed, "cannot find module x");
  world.advance(1s);
  EXPECT_EQ(world.condition("App/hello", "Built"), "False");
  EXPECT_EQ(world.reason("App/hello", "Ready"), "BuildFailed");
  EXPECT_THAT(world.message("App/hello", "Built"), testing::HasSubstr("cannot find module x"));
  EXPECT_EQ(world.condition("App/hello", "Available"), "True");
  EXPECT_EQ(machine.alive("hello-1"), 1U);
  // Whoever dies meanwhile is started again.
  machine.end(machine.instances.begin()->first, 1, world.clock.wall());
  world.advance(30s);
  EXPECT_EQ(machine.alive("hello-1"), 1U);
  EXPECT_EQ(world.condition("App/hello", "Available"), "True");
}

TEST_F(AppWorld, ARepositoryThatIsGoneChangesNothing) {
  parts.code.now = {.digest = "sha256:one", .staged = true};
  world.apply(built_app("/one"));
  world.advance(1s);
  parts.shop.end(Shop::Phase::Done);
  until_ready(world);
  parts.code.now = {.problem = "fetching https://example.org/mono.git: no answer"};
  world.restart();
  world.advance(5min);
  EXPECT_EQ(world.condition("App/hello", "Ready"), "True") << world.message("App/hello", "Ready");
  EXPECT_EQ(world.reason("App/hello", "Built"), "FetchFailed");
  EXPECT_THAT(world.message("App/hello", "Built"), testing::HasSubstr("no answer"));
  EXPECT_EQ(world.list("Release").size(), 1U);
}

// On two Servers with agents that answer.
std::string placed_app(Machine& machine) {
  machine.reached = {"default/web-1", "default/web-2"};
  std::string text = built_app("/one");
  text.insert(text.find("  build:"), "  placement: {servers: [{name: web-2}, {name: web-1}]}\n  replicas: 2\n");
  for (const char* name : {"web-1", "web-2"})
    text = std::string("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: ") + name +
           "}\nspec: {address: 10.0.0.5}\n---\n" + text;
  return text;
}

TEST_F(AppWorld, WhatRunsOnServersIsBuiltForThemAndStartedFromWhatWasBuiltThere) {
  parts.code.now = {.digest = "sha256:one", .staged = true};
  world.apply(placed_app(machine));
  world.advance(1s);
  EXPECT_EQ(world.reason("App/hello", "Built"), "Building");
  EXPECT_THAT(parts.shop.last.servers, testing::ElementsAre("default/web-1", "default/web-2"));
  parts.shop.end(Shop::Phase::Done);
  until_ready(world);
  ASSERT_EQ(machine.specs.size(), 2U);
  const std::string key = world.get("Release/hello-1").at({"spec", "buildKey"})->as_string();
  std::set<std::string> servers;
  for (const auto& [id, spec] : machine.specs) {
    EXPECT_EQ(spec.build_key, key);
    EXPECT_EQ(spec.working_directory, "") << "where that lies is the Server's business";
    servers.insert(spec.server);
  }
  EXPECT_THAT(servers, testing::ElementsAre("default/web-1", "default/web-2"));
}

TEST_F(AppWorld, ARouteThatLeavesThisMachineSaysThatTheWayIsNotEncrypted) {
  parts.code.now = {.digest = "sha256:one", .staged = true};
  world.apply(placed_app(machine) + kRoute);
  world.advance(1s);
  parts.shop.end(Shop::Phase::Done);
  until_ready(world);
  EXPECT_EQ(world.condition("App/hello", "RouteReady"), "True");
  EXPECT_THAT(world.message("App/hello", "RouteReady"),
              testing::HasSubstr("the way from here to 10.0.0.5 is not encrypted"));
}

TEST_F(AppWorld, WhatWasBuiltOnAServerAndIsGoneThereIsBuiltAgain) {
  parts.code.now = {.digest = "sha256:one", .staged = true};
  world.apply(placed_app(machine));
  world.advance(1s);
  parts.shop.end(Shop::Phase::Done);
  until_ready(world);
  parts.shop.lost = true;
  machine.missing = "what was built under abc is not on this host";
  machine.end(machine.instances.begin()->first, 1, world.clock.wall());
  world.advance(10s);
  EXPECT_EQ(parts.shop.begun, 2);
  machine.missing.clear();
  parts.shop.end(Shop::Phase::Done);
  world.advance(1min);
  EXPECT_EQ(machine.alive("hello-1"), 2U);
  EXPECT_EQ(world.list("Release").size(), 1U) << "it is the same release";
}

}  // namespace
}  // namespace gantry::reconcilers::app
