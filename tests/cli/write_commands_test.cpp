// delete, diff, plan, rollout, label, annotate.
#include <gmock/gmock.h>

#include "controller/cli/line_diff.hpp"
#include "tests/cli/scripted_server.hpp"

namespace gantry::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kApps = "/apis/gantry.dev/v1alpha1/namespaces/default/apps";
constexpr const char* kManifest =
    "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata:\n  name: web\nspec:\n  replicas: 2\n";

class DeleteTest : public testing::Test {
 protected:
  void deletes(const std::string& name) {
    gantry.on(std::string("DELETE ") + kApps + "/" + name,
              R"({"kind":"Status","status":"Success","details":{"name":")" + name + R"(","uid":"u-)" + name + R"("}})");
    gantry.on(std::string("GET ") + kApps + "?fieldSelector=metadata.name=" + name,
              R"({"metadata":{"resourceVersion":"9"},"items":[]})");
  }
  // With a finalizer that takes its time.
  void lingers(const std::string& name) { gantry.on(std::string("GET ") + kApps + "/" + name, app(name, "9")); }
  void lists(const std::string& query, const std::string& items) {
    gantry.on(std::string("GET ") + kApps + query, R"({"metadata":{},"items":[)" + items + "]}");
  }
  CommandLine gantry;
};

TEST_F(DeleteTest, SaysWhatWentAndWaitsUntilItIsGone) {
  deletes("web");
  lingers("web");
  const Outcome outcome = gantry.run("delete app web");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "app.gantry.dev \"web\" deleted\n");
  EXPECT_EQ(gantry.request("DELETE", "web").body, R"({"propagationPolicy":"Background"})");
  EXPECT_THAT(gantry.requests(), HasSubstr("?fieldSelector=metadata.name=web\n"));
}

TEST_F(DeleteTest, WhatDoesNotGoInTimeIsNamedWithWhatHoldsIt) {
  deletes("web");
  lingers("web");
  gantry.answers[std::string("GET ") + kApps + "?fieldSelector=metadata.name=web"] = {
      {.status = 200,
       .body =
           R"({"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"web","uid":"u-web","finalizers":["gantry.dev/cleanup"]}}]})"}};
  const Outcome outcome = gantry.run("delete app web --timeout=5s");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("app.gantry.dev/web is still there, held by [\"gantry.dev/cleanup\"]"));
}

TEST_F(DeleteTest, DoesNotWaitForAnotherObjectOfTheSameName) {
  deletes("web");
  lingers("web");
  gantry.answers[std::string("GET ") + kApps + "?fieldSelector=metadata.name=web"] = {
      {.status = 200, .body = R"({"metadata":{},"items":[{"metadata":{"name":"web","uid":"another"}}]})"}};
  EXPECT_EQ(gantry.run("delete app web").code, 0);
}

TEST_F(DeleteTest, AbsenceIsAnErrorUnlessToldOtherwise) {
  gantry.on(std::string("DELETE ") + kApps + "/web", status(404, "NotFound", "apps.gantry.dev \"web\" not found"), 404);
  EXPECT_EQ(gantry.run("delete app web").code, 1);
  EXPECT_EQ(gantry.run("delete app web --ignore-not-found").code, 0);
}

TEST_F(DeleteTest, ByLabelByManifestAndInOtherWays) {
  lists("?limit=500&labelSelector=team=shop",
        R"({"metadata":{"name":"a","namespace":"default"}},{"metadata":{"name":"b","namespace":"default"}})");
  deletes("a");
  deletes("b");
  deletes("web");
  EXPECT_EQ(gantry.run("delete apps -l team=shop").out, "app.gantry.dev \"a\" deleted\napp.gantry.dev \"b\" deleted\n");
  EXPECT_EQ(gantry.run("delete -f -", kManifest).out, "app.gantry.dev \"web\" deleted\n");
  EXPECT_EQ(gantry.run("delete app web --wait=false --cascade=orphan -o name").out, "app.gantry.dev/web\n");
  EXPECT_THAT(gantry.asked.back().body, HasSubstr("Orphan"));
  EXPECT_EQ(gantry.run("delete app web --dry-run=server").out, "app.gantry.dev \"web\" deleted (server dry run)\n");
  EXPECT_THAT(gantry.asked.back().body, HasSubstr(R"("dryRun":["All"])"));
}

TEST_F(DeleteTest, EverythingIsAskedForOnATerminalOnly) {
  lists("?limit=500", R"({"metadata":{"name":"web","namespace":"default"}})");
  deletes("web");
  gantry.terminal = true;
  gantry.environment["NO_COLOR"] = "1";
  const Outcome refused = gantry.run("delete apps --all", "no\n");
  EXPECT_EQ(refused.code, 4);
  EXPECT_THAT(refused.err, HasSubstr("  app.gantry.dev/web in default\n"));
  EXPECT_THAT(refused.err, HasSubstr("Type \"default\" to go on: "));
  EXPECT_THAT(gantry.requests(), Not(HasSubstr("DELETE")));
  EXPECT_EQ(gantry.run("delete apps --all", "default\n").code, 0);
  EXPECT_EQ(gantry.run("delete apps --all --yes").code, 0);
  gantry.terminal = false;
  EXPECT_EQ(gantry.run("delete apps --all").code, 0);
}

TEST_F(DeleteTest, WhatIsMeantMustBeSaid) {
  EXPECT_EQ(gantry.run("delete apps").code, 64);
  EXPECT_EQ(gantry.run("delete").code, 64);
  EXPECT_EQ(gantry.run("delete app web --all").code, 64);
}

TEST(LineDiff, IsTheShortestScript) {
  EXPECT_EQ(unified_diff("a\nb\nc\n", "a\nb\nc\n"), "");
  EXPECT_EQ(unified_diff("a\nb\nc\n", "a\nx\nc\n"), "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
  EXPECT_EQ(unified_diff("", "a\nb\n"), "@@ -0,0 +1,2 @@\n+a\n+b\n");
  EXPECT_EQ(unified_diff("a\n", ""), "@@ -1 +0,0 @@\n-a\n");
  EXPECT_EQ(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nX\n5\n6\n7\n8\n"),
            "@@ -2,8 +2,8 @@\n 2\n 3\n 4\n+X\n 5\n 6\n 7\n 8\n-9\n");
}

TEST(LineDiff, FarChangesHaveHunksOfTheirOwn) {
  std::string before, after;
  for (int i = 1; i <= 20; ++i) {
    before += std::to_string(i) + "\n";
    after += (i == 2 ? "two" : i == 19 ? "nineteen" : std::to_string(i)) + "\n";
  }
  EXPECT_EQ(unified_diff(before, after),
            "@@ -1,5 +1,5 @@\n 1\n-2\n+two\n 3\n 4\n 5\n"
            "@@ -16,5 +16,5 @@\n 16\n 17\n 18\n-19\n+nineteen\n 20\n");
}

// Whatever the texts, taking the script's two sides gives them back.
TEST(LineDiff, BothTextsCanBeReadBackFromIt) {
  std::uint64_t seed = 42;
  const auto next = [&seed] {
    return seed = seed * 6364136223846793005ULL + 1442695040888963407ULL, static_cast<int>(seed >> 33);
  };
  for (int round = 0; round < 300; ++round) {
    std::string before, after;
    for (int i = next() % 12; i > 0; --i) before += std::string(1, static_cast<char>('a' + next() % 4)) + "\n";
    for (int i = next() % 12; i > 0; --i) after += std::string(1, static_cast<char>('a' + next() % 4)) + "\n";
    std::string one, other;
    for (const DiffLine& line : diff_lines(before, after)) {
      if (line.mark != '+') one.append(line.text).append("\n");
      if (line.mark != '-') other.append(line.text).append("\n");
    }
    EXPECT_EQ(one, before);
    EXPECT_EQ(other, after);
  }
}

constexpr const char* kDryRun = "?fieldManager=gantry&force=false&dryRun=All";

TEST(Diff, ShowsWhatApplyWouldChange) {
  CommandLine gantry;
  gantry.on(std::string("GET ") + kApps + "/web",
            app("web", "3", R"("spec":{"replicas":1},"status":{"readyReplicas":1})"));
  gantry.on(std::string("PATCH ") + kApps + "/web" + kDryRun,
            app("web", "3", R"("spec":{"replicas":2},"status":{"readyReplicas":0})"));
  const Outcome outcome = gantry.run("diff -f -", kManifest);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.out,
            "--- live app.gantry.dev/web in default\n"
            "+++ applied app.gantry.dev/web in default\n"
            "@@ -4,4 +4,4 @@\n"
            "   name: web\n"
            "   namespace: default\n"
            " spec:\n"
            "-  replicas: 1\n"
            "+  replicas: 2\n");
}

TEST(Diff, SameIsZeroAndErrorsAreTwo) {
  CommandLine gantry;
  gantry.on(std::string("GET ") + kApps + "/web", app("web", "3"));
  gantry.on(std::string("PATCH ") + kApps + "/web" + kDryRun, app("web", "3"));
  EXPECT_EQ(gantry.run("diff -f -", kManifest).code, 0);
  CommandLine broken;
  broken.on(std::string("GET ") + kApps + "/web", app("web", "3"));
  broken.on(std::string("PATCH ") + kApps + "/web" + kDryRun, status(422, "Invalid", "no"), 422);
  EXPECT_EQ(broken.run("diff -f -", kManifest).code, 2);
  EXPECT_EQ(broken.run("diff -f -", "kind: {").code, 2);
}

TEST(Diff, ASecretsValuesAreStars) {
  CommandLine gantry;
  const auto secret = [](const std::string& data) {
    return R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"k","namespace":"default"},"data":)" + data + "}";
  };
  gantry.on("GET /api/v1/namespaces/default/secrets/k", secret(R"({"same":"YQ==","other":"YQ=="})"));
  gantry.on(std::string("PATCH /api/v1/namespaces/default/secrets/k") + kDryRun,
            secret(R"({"same":"YQ==","other":"Yg=="})"));
  const Outcome outcome = gantry.run("diff -f -", secret(R"({"same":"YQ==","other":"Yg=="})"));
  EXPECT_THAT(outcome.out, HasSubstr("-  other: '*** (before)'\n+  other: '*** (after)'\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("Yg==")));
}

constexpr const char* kPlans = "POST /apis/plan.gantry.dev/v1alpha1/plans";

TEST(Plan, ReadsLikeTerraforms) {
  CommandLine gantry;
  gantry.on(kPlans, R"({"items":[
    {"object":{"apiVersion":"gantry.dev/v1alpha1","kind":"App","namespace":"default","name":"web"},"change":"configure",
     "fields":[{"path":"spec.replicas","before":1,"after":2},{"path":"spec.runtime","before":null,"after":"process"}],
     "plan":{"actions":[{"verb":"Create","type":"process","target":"web-1","reason":"replica 1 is not running","before":null,"after":null,"destructive":false},
                        {"verb":"Replace","type":"volume","target":"data","reason":"size changed","before":{"size":"1Gi"},"after":{"size":"2Gi"},"destructive":true}]}},
    {"object":{"apiVersion":"gantry.dev/v1alpha1","kind":"App","name":"same"},"change":"unchanged","fields":[],"plan":{"actions":[]}},
    {"object":{"apiVersion":"v1","kind":"Secret","name":"key"},"change":"create","fields":[{"path":"data.token","before":null,"after":"aHVudGVyMg=="}],"plan":null}]})");
  const Outcome outcome = gantry.run("plan -f -", kManifest);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "  ~ app.gantry.dev/web in default will be changed\n"
            "      ~ spec.replicas: 1 -> 2\n"
            "      + spec.runtime: \"process\"\n"
            "    and then:\n"
            "        + process web-1: replica 1 is not running\n"
            "      -/+ volume data: size changed # destroys what it holds\n"
            "            size: \"1Gi\" -> \"2Gi\"\n"
            "  + secret/key will be created\n"
            "      + data.token: (sensitive value)\n"
            "\n"
            "Plan: 1 to add, 1 to change, 0 to destroy.\n"
            "1 of the actions destroy what they hold.\n");
  EXPECT_EQ(gantry.run("plan --detailed-exitcode -f -", kManifest).code, 2);
  EXPECT_THAT(gantry.asked.back().body, HasSubstr(R"("items":[{"apiVersion":"gantry.dev/v1alpha1","kind":"App")"));
}

TEST(Plan, ManyManifestsAreAskedAboutInSeveralRequests) {
  CommandLine gantry;
  gantry.on(kPlans, R"({"items":[]})");
  std::string list;
  for (int i = 0; i < 3; ++i) {
    list += R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c)" + std::to_string(i) +
            R"("},"data":{"k":")" + std::string(900'000, 'x') + R"("}},)";
  }
  list.pop_back();
  EXPECT_EQ(gantry.run("plan -f -", R"({"kind":"List","items":[)" + list + "]}").out, "No changes.\n");
  EXPECT_EQ(gantry.requests(),
            "POST /apis/plan.gantry.dev/v1alpha1/plans\nPOST /apis/plan.gantry.dev/v1alpha1/plans\n");
}

TEST(Plan, SaysWhenThereIsNothingToDo) {
  CommandLine gantry;
  gantry.on(kPlans, R"({"items":[{"object":{"kind":"App"},"change":"unchanged","fields":[],"plan":{"actions":[]}}]})");
  const Outcome outcome = gantry.run("plan --detailed-exitcode -f -", kManifest);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "No changes.\n");
}

TEST(Plan, WhatWouldBeRefusedIsAnError) {
  CommandLine gantry;
  gantry.on(
      kPlans,
      R"({"items":[{"object":{"apiVersion":"gantry.dev/v1alpha1","kind":"App","name":"web"},"change":"invalid","error":{"message":"spec.replicas: Invalid value"}}]})");
  const Outcome outcome = gantry.run("plan -f -", kManifest);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("! app.gantry.dev/web would be refused: spec.replicas: Invalid value\n"));
}

TEST(Plan, CanBeKeptForApply) {
  CommandLine gantry;
  const TemporaryFolder files;
  gantry.on(std::string("GET ") + kApps + "/web", app("web", "3"));
  gantry.on(kPlans, R"({"items":[]})");
  gantry.on(std::string("PATCH ") + kApps + "/web?fieldManager=gantry&fieldValidation=Strict&force=false",
            app("web", "4", R"("spec":{"replicas":2})"));
  EXPECT_EQ(gantry.run("plan -f - --out " + files.path("p"), kManifest).code, 0);
  EXPECT_EQ(gantry.run("apply --plan " + files.path("p")).out, "app.gantry.dev/web configured\n");
}

class RolloutTest : public testing::Test {
 protected:
  void is(const std::string& more) {
    gantry.on(std::string("GET ") + kApps + "/web", app("web", "5", more));
    gantry.on(std::string("GET ") + kApps + "?fieldSelector=metadata.name=web",
              R"({"metadata":{"resourceVersion":"5"},"items":[)" + app("web", "5", more) + "]}");
  }
  void has_releases() {
    const auto release = [](int revision, const std::string& phase, const std::string& more = "") {
      const std::string number = std::to_string(revision);
      return R"({"metadata":{"name":"web-)" + number +
             R"(","namespace":"default","creationTimestamp":"2026-11-21T09:5)" + number +
             R"(:00Z"},"spec":{"revision":)" + number +
             R"(,"cause":"the spec has changed","source":{"image":{"ref":"nginx:1.2)" + number + R"("}})" + more +
             R"(},"status":{"phase":")" + phase + R"("}})";
    };
    gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/default/releases?limit=500&labelSelector=gantry.dev/app=web",
              R"({"metadata":{},"items":[)" + release(3, "Active") + "," +
                  release(1, "Superseded", R"(,"rollbackRequest":"1")") + "," + release(2, "Failed") + "]}");
    gantry.on(std::string("PATCH ") + kApps + "/web?fieldManager=gantry-rollout", app("web", "6"));
  }
  static std::string conditions(const std::string& ready, const std::string& progressing, const std::string& reason) {
    return R"("spec":{"replicas":2},"status":{"observedGeneration":1,"updatedReplicas":1,"readyReplicas":1,"release":"web-3","conditions":[{"type":"Ready","status":")" +
           ready + R"("},{"type":"Progressing","status":")" + progressing + R"(","reason":")" + reason +
           R"(","message":"m"}]})";
  }
  CommandLine gantry;
};

TEST_F(RolloutTest, StatusShowsProgressUntilItIsComplete) {
  is(conditions("False", "True", "RolloutInProgress"));
  gantry.on_stream(
      std::string("GET ") + kApps +
          "?watch=true&allowWatchBookmarks=true&resourceVersion=5&fieldSelector=metadata.name=web",
      {R"({"type":"MODIFIED","object":)" + app("web", "6", conditions("True", "True", "RolloutComplete")) + "}"});
  has_releases();
  const Outcome outcome = gantry.run("rollout status web");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out,
            "Waiting for rollout of \"web\": 1 of 2 replicas updated, 1 ready...\n"
            "app \"web\" successfully rolled out\n");
}

TEST_F(RolloutTest, StatusIsNotFooledByTheReleaseBeforeARestart) {
  has_releases();
  const std::string request = std::string("GET ") + kApps + "?fieldSelector=metadata.name=web";
  const auto answer = [](std::string object) {
    const std::string annotated = R"("metadata":{"annotations":{"gantry.dev/restarted-at":"T"},)";
    object.replace(object.find(R"("metadata":{)"), 12, annotated);
    return R"({"metadata":{"resourceVersion":"5"},"items":[)" + object + "]}";
  };
  gantry.on(request, answer(app("web", "5", conditions("True", "True", "RolloutComplete"))));
  const Outcome outcome = gantry.run("rollout status web --timeout=1s");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.out, "Waiting for the newest release of \"web\" to be started...\n");
}

TEST_F(RolloutTest, StatusFailsWithTheReason) {
  is(conditions("False", "False", "ProgressDeadlineExceeded"));
  const Outcome outcome = gantry.run("rollout status app/web");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err, "error: the rollout of \"web\" has failed: ProgressDeadlineExceeded: m\n");
}

TEST_F(RolloutTest, StatusEndsWhenTheTimeIsUp) {
  is(conditions("False", "True", "RolloutInProgress"));
  EXPECT_EQ(gantry.run("rollout status web --timeout=10s").code, 3);
}

TEST_F(RolloutTest, HistoryListsReleasesByRevision) {
  is("");
  has_releases();
  EXPECT_EQ(gantry.run("rollout history web").out,
            "REVISION   AGE   RESULT       SOURCE       CAUSE\n"
            "1          9m    Superseded   nginx:1.21   the spec has changed\n"
            "2          8m    Failed       nginx:1.22   the spec has changed\n"
            "3          7m    Active       nginx:1.23   the spec has changed\n");
  EXPECT_THAT(gantry.run("rollout history web --revision=2").out, HasSubstr("ref: nginx:1.22\n"));
  EXPECT_EQ(gantry.run("rollout history web --revision=9").code, 1);
}

TEST_F(RolloutTest, UndoGoesToTheLastOneThatServed) {
  is(conditions("True", "True", "RolloutComplete"));
  has_releases();
  EXPECT_EQ(gantry.run("rollout undo web").out, "app.gantry.dev/web rolled back to revision 1\n");
  // "1" was obeyed once already, so this request must differ from it.
  EXPECT_EQ(gantry.request("PATCH", "/web").body,
            R"({"metadata":{"annotations":{"gantry.dev/rollback-to":"1 at 2026-11-21T10:00:00Z"}}})");
  gantry.asked.clear();
  EXPECT_EQ(gantry.run("rollout undo web --to-revision=3").code, 0);
  EXPECT_EQ(gantry.request("PATCH", "/web").body, R"({"metadata":{"annotations":{"gantry.dev/rollback-to":"3"}}})");
  EXPECT_EQ(gantry.run("rollout undo web --to-revision=8").code, 1);
}

TEST_F(RolloutTest, RestartPauseAndResumeAreAnnotations) {
  has_releases();
  EXPECT_EQ(gantry.run("rollout restart web").out, "app.gantry.dev/web restarted\n");
  EXPECT_THAT(gantry.asked.back().body, HasSubstr(R"("gantry.dev/restarted-at":"2026-11-21T10:00:00.000000Z")"));
  EXPECT_EQ(gantry.run("rollout pause web").out, "app.gantry.dev/web paused\n");
  EXPECT_EQ(gantry.run("rollout resume web").out, "app.gantry.dev/web resumed\n");
  EXPECT_EQ(gantry.asked.back().body, R"({"metadata":{"annotations":{"gantry.dev/paused":null}}})");
}

TEST(Label, SetsAndRemoves) {
  CommandLine gantry;
  gantry.on(std::string("GET ") + kApps + "/web",
            R"({"metadata":{"name":"web","resourceVersion":"1","labels":{"team":"shop"}}})");
  gantry.on(std::string("PATCH ") + kApps + "/web?fieldManager=gantry-edit",
            R"({"metadata":{"name":"web","resourceVersion":"2"}})");
  EXPECT_EQ(gantry.run("label app web tier=web team-").out, "app.gantry.dev/web labeled\n");
  EXPECT_EQ(gantry.asked.back().body, R"({"metadata":{"labels":{"team":null,"tier":"web"}}})");
  const Outcome refused = gantry.run("label app web team=other");
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("--overwrite changes it"));
  EXPECT_EQ(gantry.run("label app/web team=other --overwrite").code, 0);
  EXPECT_EQ(gantry.run("annotate app web gantry.dev/paused=true").out, "app.gantry.dev/web annotated\n");
  EXPECT_EQ(gantry.run("label app web").code, 64);
}

}  // namespace
}  // namespace gantry::cli
