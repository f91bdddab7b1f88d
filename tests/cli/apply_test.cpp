#include <gmock/gmock.h>

#include "tests/cli/scripted_server.hpp"

namespace gantry::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kDefault = "/apis/gantry.dev/v1alpha1/namespaces/default/apps/";
constexpr const char* kOptions = "?fieldManager=gantry&fieldValidation=Strict&force=false";

std::string manifest(const std::string& name, const std::string& spec = "replicas: 1") {
  return "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata:\n  name: " + name + "\nspec:\n  " + spec + "\n";
}

class ApplyTest : public testing::Test {
 protected:
  // Not there before, there afterwards.
  void creates(const std::string& name) {
    gantry.on(std::string("GET ") + kDefault + name, status(404, "NotFound", "no"), 404);
    gantry.on(std::string("PATCH ") + kDefault + name + kOptions, app(name, "5"), 201);
  }
  void updates(const std::string& name, const std::string& before, const std::string& after) {
    gantry.on(std::string("GET ") + kDefault + name, app(name, before));
    const std::string spec = before == after ? "" : R"("spec":{"replicas":1})";
    gantry.on(std::string("PATCH ") + kDefault + name + kOptions, app(name, after, spec));
  }

  CommandLine gantry;
  TemporaryFolder files;
};

TEST_F(ApplyTest, SaysWhatBecameOfEachObject) {
  creates("a");
  updates("b", "3", "4");
  updates("c", "3", "3");
  const std::string file = files.write("all.yaml", manifest("a") + "---\n" + manifest("b") + "---\n" + manifest("c"));
  const Outcome outcome = gantry.run("apply -f " + file);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "app.gantry.dev/a created\n"
            "app.gantry.dev/b configured\n"
            "app.gantry.dev/c unchanged\n");
  const Request& patch = gantry.request("PATCH", "/a");
  EXPECT_EQ(patch.content_type, "application/apply-patch+yaml");
  EXPECT_EQ(
      patch.body,
      R"({"apiVersion":"gantry.dev/v1alpha1","kind":"App","metadata":{"name":"a","namespace":"default"},"spec":{"replicas":1}})");
}

TEST_F(ApplyTest, WhatTheControllerWritesMeanwhileIsNoChangeOfOurs) {
  gantry.on(std::string("GET ") + kDefault + "a", app("a", "3", R"("spec":{"replicas":1})"));
  gantry.on(std::string("PATCH ") + kDefault + "a" + kOptions,
            app("a", "4", R"("spec":{"replicas":1},"status":{"readyReplicas":1})"));
  EXPECT_EQ(gantry.run("apply -f -", manifest("a")).out, "app.gantry.dev/a unchanged\n");
}

TEST_F(ApplyTest, ReadsFoldersInOrderAndStandardInput) {
  creates("a");
  creates("b");
  creates("deep");
  files.write("set/2.yaml", manifest("b"));
  files.write("set/1.yml", manifest("a"));
  files.write("set/notes.txt", "not a manifest");
  files.write("set/below/3.json",
              R"({"apiVersion":"gantry.dev/v1alpha1","kind":"App","metadata":{"name":"deep"},"spec":{}})");
  EXPECT_EQ(gantry.run("apply -f " + files.path("set")).out, "app.gantry.dev/a created\napp.gantry.dev/b created\n");
  EXPECT_THAT(gantry.run("apply -R -f " + files.path("set")).out, HasSubstr("app.gantry.dev/deep created\n"));
  EXPECT_EQ(gantry.run("apply -f -", manifest("a")).out, "app.gantry.dev/a created\n");
}

TEST_F(ApplyTest, WhatOthersNeedGoesFirst) {
  creates("web");
  gantry.on("GET /api/v1/namespaces/default/secrets/key", status(404, "NotFound", "no"), 404);
  gantry.on(std::string("PATCH /api/v1/namespaces/default/secrets/key") + kOptions,
            R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"key"}})", 201);
  gantry.on("GET /api/v1/namespaces/prod", status(404, "NotFound", "no"), 404);
  gantry.on(std::string("PATCH /api/v1/namespaces/prod") + kOptions,
            R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"prod"}})", 201);
  const std::string list = R"({"kind":"List","apiVersion":"v1","items":[
    {"apiVersion":"gantry.dev/v1alpha1","kind":"App","metadata":{"name":"web"}},
    {"apiVersion":"v1","kind":"Secret","metadata":{"name":"key"}},
    {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"prod"}}]})";
  EXPECT_EQ(gantry.run("apply -f -", list).out,
            "namespace/prod created\n"
            "secret/key created\n"
            "app.gantry.dev/web created\n");
}

TEST_F(ApplyTest, ABrokenDocumentIsReportedAndTheOthersAreApplied) {
  creates("a");
  const std::string file = files.write("x.yaml", manifest("a") + "---\nkind: [unclosed\n");
  const Outcome outcome = gantry.run("apply -f " + file);
  EXPECT_EQ(outcome.code, 5);
  EXPECT_EQ(outcome.out, "app.gantry.dev/a created\n");
  EXPECT_THAT(outcome.err, HasSubstr("error: " + file + ":"));
}

TEST_F(ApplyTest, WhenNothingWorkedTheCodeIsOne) {
  const std::string file = files.write("x.yaml", "apiVersion: gantry.dev/v1alpha1\nkind: Ap\nmetadata: {name: x}\n");
  const Outcome outcome = gantry.run("apply -f " + file);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "error: " + file +
                             ":1: no matches for kind \"Ap\" in version \"gantry.dev/v1alpha1\"; did you mean App?\n");
  EXPECT_EQ(gantry.run("apply -f " + files.path("absent.yaml")).code, 1);
  EXPECT_EQ(gantry.run("apply").code, 64);
}

TEST_F(ApplyTest, MissingPartsAreNamed) {
  const auto complaint = [&](const std::string& text) { return gantry.run("apply -f -", text).err; };
  EXPECT_EQ(complaint("kind: App\n"),
            "error: standard input:1: apiVersion is missing (gantry.dev/v1alpha1 for Gantry's kinds)\n");
  EXPECT_EQ(complaint("apiVersion: v1\n"), "error: standard input:1: kind is missing\n");
  EXPECT_EQ(complaint("apiVersion: v1\nkind: Secret\n"), "error: standard input:1: metadata.name is missing\n");
  EXPECT_EQ(complaint("- 1\n"), "error: standard input:1: not an object but integer\n");
}

TEST_F(ApplyTest, AViolationNamesTheLineOfItsField) {
  const std::string file = files.write("x.yaml", manifest("a", "replicas: -1"));
  gantry.on(std::string("GET ") + kDefault + "a", status(404, "NotFound", "no"), 404);
  gantry.on(
      std::string("PATCH ") + kDefault + "a" + kOptions,
      status(
          422, "Invalid",
          "App.gantry.dev \"a\" is invalid: spec.replicas: Invalid value: -1: should be greater than or equal to 0",
          R"({"kind":"App","group":"gantry.dev","name":"a","causes":[{"reason":"FieldValueInvalid","field":"spec.replicas","message":"Invalid value: -1: should be greater than or equal to 0"}]})"),
      422);
  const Outcome outcome = gantry.run("apply -f " + file);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "Error from server (Invalid): " + file + ":1: App.gantry.dev \"a\" is invalid\n" + "  " +
                             file + ":6: spec.replicas: Invalid value: -1: should be greater than or equal to 0\n" +
                             "What is allowed there: gantry explain app.spec.replicas\n");
}

TEST_F(ApplyTest, AConflictSaysHowToTakeOver) {
  gantry.on(std::string("GET ") + kDefault + "a", app("a", "1"));
  gantry.on(
      std::string("PATCH ") + kDefault + "a" + kOptions,
      status(
          409, "Conflict", "Apply failed with 1 conflict: conflict with \"ops\": .spec.replicas",
          R"({"causes":[{"reason":"FieldManagerConflict","field":".spec.replicas","message":"conflict with \"ops\""}]})"),
      409);
  EXPECT_THAT(gantry.run("apply -f -", manifest("a")).err, HasSubstr("--force-conflicts"));
}

TEST_F(ApplyTest, AFieldThatStandsTwiceIsRefusedUnlessToldOtherwise) {
  creates("a");
  const std::string twice = manifest("a", "replicas: 1\n  replicas: 2");
  const Outcome strict = gantry.run("apply -f -", twice);
  EXPECT_EQ(strict.code, 1);
  EXPECT_EQ(strict.err, "error: standard input:6: spec.replicas stands twice\n");
  gantry.on(std::string("PATCH ") + kDefault + "a?fieldManager=gantry&fieldValidation=Warn&force=false", app("a", "5"),
            201);
  const Outcome warned = gantry.run("apply --validate=warn -f -", twice);
  EXPECT_EQ(warned.code, 0);
  EXPECT_EQ(warned.err, "Warning: standard input:6: spec.replicas stands twice\n");
}

TEST_F(ApplyTest, WarningsOfTheServerArePrinted) {
  gantry.on(std::string("GET ") + kDefault + "a", status(404, "NotFound", "no"), 404);
  gantry.on(std::string("PATCH ") + kDefault + "a" + kOptions, app("a", "5"), 201, {"unknown field \"spec.x\""});
  EXPECT_EQ(gantry.run("apply -f -", manifest("a")).err, "Warning: unknown field \"spec.x\"\n");
}

TEST_F(ApplyTest, DryRunsSayTheyAre) {
  gantry.on(std::string("GET ") + kDefault + "a", app("a", "1", R"("spec":{"replicas":1})"));
  gantry.on(std::string("PATCH ") + kDefault + "a" + kOptions + "&dryRun=All",
            app("a", "1", R"("spec":{"replicas":1})"));
  EXPECT_EQ(gantry.run("apply --dry-run=server -f -", manifest("a")).out,
            "app.gantry.dev/a unchanged (server dry run)\n");
  gantry.asked.clear();
  EXPECT_EQ(gantry.run("apply --dry-run=client -f -", manifest("a")).out, "app.gantry.dev/a configured (dry run)\n");
  EXPECT_THAT(gantry.requests(), Not(HasSubstr("PATCH")));
  EXPECT_EQ(gantry.run("apply --dry-run=maybe -f -", manifest("a")).code, 64);
}

TEST_F(ApplyTest, TheNamespaceIsTheManifestsOrTheCommandLines) {
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/prod/apps/a", status(404, "NotFound", "no"), 404);
  gantry.on(std::string("PATCH /apis/gantry.dev/v1alpha1/namespaces/prod/apps/a") + kOptions, app("a", "5"), 201);
  EXPECT_EQ(gantry.run("apply -n prod -f -", manifest("a")).code, 0);
  const std::string placed = "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: a, namespace: prod}\n";
  EXPECT_EQ(gantry.run("apply -f -", placed).code, 0);
  EXPECT_THAT(gantry.run("apply -n dev -f -", placed).err,
              HasSubstr("it belongs to the namespace prod, and --namespace says dev"));
}

TEST_F(ApplyTest, PruneRemovesWhatIsNoLongerDeclared) {
  updates("a", "3", "3");
  const auto item = [](const std::string& name, const std::string& more, const std::string& manager = "gantry") {
    return R"({"metadata":{"name":")" + name + R"(","namespace":"default","managedFields":[{"manager":")" + manager +
           R"(","operation":"Apply"}])" + more + "}}";
  };
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/default/apps?limit=500&labelSelector=team=shop",
            R"({"kind":"AppList","metadata":{},"items":[)" + item("a", "") + "," + item("old", "") + "," +
                item("kept", R"(,"annotations":{"gantry.dev/prune":"disabled"})") + "," +
                item("owned", R"(,"ownerReferences":[{}])") + "," + item("others", "", "source") + "]}");
  for (const char* plural : {"configmaps", "secrets"}) {
    gantry.on(std::string("GET /api/v1/namespaces/default/") + plural + "?limit=500&labelSelector=team=shop",
              R"({"kind":"List","metadata":{},"items":[]})");
  }
  gantry.on(std::string("DELETE ") + kDefault + "old", R"({"kind":"Status","status":"Success"})");
  const Outcome outcome = gantry.run("apply --prune -l team=shop -f -", manifest("a"));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "app.gantry.dev/a unchanged\napp.gantry.dev/old pruned\n");
  EXPECT_EQ(gantry.run("apply --prune -f -", manifest("a")).code, 64) << "it must be said what may go";
}

TEST_F(ApplyTest, NothingIsPrunedWhenAManifestIsBroken) {
  updates("a", "3", "3");
  const Outcome outcome = gantry.run("apply --prune --all -f -", manifest("a") + "---\nkind: {\n");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("Nothing was pruned"));
  EXPECT_THAT(gantry.requests(), Not(HasSubstr("DELETE")));
}

TEST_F(ApplyTest, WaitsUntilEverythingIsReady) {
  updates("a", "3", "4");
  const std::string list = "GET /apis/gantry.dev/v1alpha1/namespaces/default/apps?fieldSelector=metadata.name=a";
  gantry.on(
      list,
      R"({"kind":"AppList","metadata":{"resourceVersion":"4"},"items":[)" +
          app("a", "4",
              R"("status":{"conditions":[{"type":"Ready","status":"False","reason":"Starting","message":"0 of 1"}]})") +
          "]}");
  gantry.on_stream(
      "GET "
      "/apis/gantry.dev/v1alpha1/namespaces/default/"
      "apps?watch=true&allowWatchBookmarks=true&resourceVersion=4&fieldSelector=metadata.name=a",
      {R"({"type":"MODIFIED","object":)" +
       app("a", "6", R"("status":{"conditions":[{"type":"Ready","status":"True","observedGeneration":1}]})") + "}"});
  EXPECT_EQ(gantry.run("apply --wait -f -", manifest("a")).code, 0);
  const Outcome late = gantry.run("apply --wait --timeout=10s -f -", manifest("a"));
  EXPECT_EQ(late.code, 3);
  EXPECT_EQ(late.err, "error: app.gantry.dev/a is not ready in time: Ready=False (Starting): 0 of 1\n");
}

TEST_F(ApplyTest, AppliesASavedPlanOnlyIfNothingMoved) {
  const std::string file =
      files.write("web.plan", R"({"kind":"GantrySavedPlan","server":"https://127.0.0.1:6443","objects":[{"object":)" +
                                  app("a", "3") + R"(,"resourceVersion":"3"}]})");
  updates("a", "3", "4");
  EXPECT_EQ(gantry.run("apply --plan " + file).out, "app.gantry.dev/a configured\n");
  CommandLine moved;
  moved.on(std::string("GET ") + kDefault + "a", app("a", "9"));
  const Outcome outcome = moved.run("apply --plan " + file);
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(outcome.err, HasSubstr("app.gantry.dev/a has changed since the plan was made; nothing was changed"));
  EXPECT_THAT(moved.requests(), Not(HasSubstr("PATCH")));
}

TEST_F(ApplyTest, MayPrintTheObjects) {
  creates("a");
  EXPECT_EQ(gantry.run("apply -o name -f -", manifest("a")).out, "app.gantry.dev/a\n");
}

}  // namespace
}  // namespace gantry::cli
