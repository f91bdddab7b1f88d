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

}  // namespace
}  // namespace gantry::reconcilers::app
