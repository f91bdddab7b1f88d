// Create, read, update, delete: what is answered, and what is stored.
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class CrudTest : public ApiTest {};

TEST_F(CrudTest, CreatesAnAppWithDefaultsAndStamps) {
  const auto made = post(kApps + "?fieldManager=kubectl-create", app("web"));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.at("spec.replicas"), json::Value(1));
  EXPECT_EQ(made.at("spec.strategy"), json::Value("rolling"));
  EXPECT_EQ(made.at("metadata.generation"), json::Value(1));
  EXPECT_EQ(made.at("metadata.namespace"), json::Value("default"));
  EXPECT_EQ(made.at("metadata.creationTimestamp"), json::Value("2026-11-21T01:00:00Z"));
  EXPECT_EQ(made.at("metadata.uid").as_string().size(), 36u);
  EXPECT_EQ(get(kApps + "/web").text, made.text);
}

TEST_F(CrudTest, RecordsWhoSetWhichFields) {
  const auto made = post(kApps + "?fieldManager=kubectl-create", app("web"));
  const auto entries = made.at("metadata.managedFields").as_array();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].string_or("manager"), "kubectl-create");
  EXPECT_EQ(entries[0].string_or("operation"), "Update");
  EXPECT_TRUE(entries[0].at({"fieldsV1", "f:spec", "f:image"}));
}

TEST_F(CrudTest, NamesTheManagerAfterTheUserAgentWhenNoneIsGiven) {
  const auto made =
      post(kApps, app("web"), {{"content-type", "application/json"}, {"user-agent", "gantry-controller/v1 (linux)"}});
  EXPECT_EQ(made.at("metadata.managedFields").as_array()[0].string_or("manager"), "gantry-controller");
}

TEST_F(CrudTest, DropsAStatusThatIsCreated) {
  const auto made = post(kApps, R"({"metadata":{"name":"web"},"spec":{"image":"a"},"status":{"phase":"Lies"}})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_TRUE(made.at("status").is_null());
}

TEST_F(CrudTest, GeneratesAName) {
  const auto made = post(kApps, R"({"metadata":{"generateName":"gen-"},"spec":{"image":"a"}})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_THAT(made.at("metadata.name").as_string(), StartsWith("gen-"));
  EXPECT_EQ(made.at("metadata.name").as_string().size(), 9u);
}

TEST_F(CrudTest, TakesABodyWithoutContentTypeAsJsonAndReadsYaml) {
  EXPECT_EQ(post(kApps, app("a"), {}).status, 201);
  EXPECT_EQ(post(kApps, "metadata: {name: b}\nspec: {image: x}\n", {{"content-type", "application/yaml"}}).status, 201);
}

TEST_F(CrudTest, CreatesAClusterScopedObject) {
  EXPECT_EQ(post(kServers, R"({"metadata":{"name":"srv1"}})").status, 201);
  EXPECT_EQ(get(kServers + "/srv1").status, 200);
  EXPECT_EQ(post(kServers, R"({"metadata":{"name":"srv2","namespace":"default"}})").status, 422);
}

TEST_F(CrudTest, DryRunChangesNothing) {
  const auto before = store->revision();
  const auto made = post(kApps + "?dryRun=All", app("web"));
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.at("spec.replicas"), json::Value(1));
  EXPECT_TRUE(made.at("metadata.resourceVersion").is_null());
  EXPECT_EQ(get(kApps + "/web").status, 404);
  post(kApps, app("web"));
  const auto revision = get(kApps + "/web").at("metadata.resourceVersion");
  const auto patched = patch(kApps + "/web?dryRun=All", R"({"spec":{"replicas":5}})");
  EXPECT_EQ(patched.at("spec.replicas"), json::Value(5));
  EXPECT_EQ(patched.at("metadata.resourceVersion"), revision);
  EXPECT_EQ(remove(kApps + "/web?dryRun=All").status, 200);
  EXPECT_EQ(get(kApps + "/web").at("spec.replicas"), json::Value(1));
  EXPECT_EQ(store->revision(), before + 1);
}

TEST_F(CrudTest, UpdatesWithTheRevisionThatWasRead) {
  auto object = post(kApps, app("web")).json();
  object["spec"]["replicas"] = 3;
  const auto updated = put(kApps + "/web", json::dump(object));
  ASSERT_EQ(updated.status, 200) << updated.text;
  EXPECT_EQ(updated.at("metadata.generation"), json::Value(2));
  const auto stale = put(kApps + "/web", json::dump(object));
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(
      stale.message(),
      "Operation cannot be fulfilled on apps.infra.gantry.dev \"web\": the object has been modified; please apply your "
      "changes to the latest version and try again");
}

TEST_F(CrudTest, AWriteThatChangesNothingKeepsTheRevision) {
  const auto made = post(kApps, app("web"));
  const auto before = store->revision();
  const auto same = put(kApps + "/web", made.text);
  EXPECT_EQ(same.text, made.text);
  EXPECT_EQ(patch(kApps + "/web", R"({"spec":{"image":"nginx:1"}})").text, made.text);
  EXPECT_EQ(store->revision(), before);
}

TEST_F(CrudTest, LabelsDoNotRaiseTheGeneration) {
  post(kApps, app("web"));
  EXPECT_EQ(patch(kApps + "/web", R"({"metadata":{"labels":{"a":"b"}}})").at("metadata.generation"), json::Value(1));
  EXPECT_EQ(patch(kApps + "/web", R"({"spec":{"replicas":2}})").at("metadata.generation"), json::Value(2));
}

TEST_F(CrudTest, TheServersFieldsCannotBeChanged) {
  const auto made = post(kApps, app("web")).json();
  const auto patched =
      patch(kApps + "/web",
            R"({"metadata":{"creationTimestamp":"2001-01-01T00:00:00Z","generation":77},"spec":{"replicas":2}})");
  EXPECT_EQ(patched.at("metadata.creationTimestamp"), at(made, "metadata.creationTimestamp"));
  EXPECT_EQ(patched.at("metadata.generation"), json::Value(2));
}

TEST_F(CrudTest, StatusIsWrittenByItsOwnDoorOnly) {
  post(kApps, app("web"));
  const auto by_main = patch(kApps + "/web", R"({"spec":{"replicas":2},"status":{"phase":"Lies"}})");
  EXPECT_TRUE(by_main.at("status").is_null());
  const auto by_status = patch(kApps + "/web/status", R"({"spec":{"replicas":9},"status":{"phase":"Running"}})");
  ASSERT_EQ(by_status.status, 200) << by_status.text;
  EXPECT_EQ(by_status.at("status.phase"), json::Value("Running"));
  EXPECT_EQ(by_status.at("spec.replicas"), json::Value(2));
  EXPECT_EQ(by_status.at("metadata.generation"), json::Value(2));
  EXPECT_EQ(get(kApps + "/web/status").text, by_status.text);
}

TEST_F(CrudTest, AppliesAJsonPatch) {
  post(kApps, app("web"));
  EXPECT_EQ(patch(kApps + "/web", R"([{"op":"replace","path":"/spec/replicas","value":8}])", "json-patch+json")
                .at("spec.replicas"),
            json::Value(8));
  EXPECT_EQ(patch(kApps + "/web", R"([{"op":"test","path":"/spec/replicas","value":1}])", "json-patch+json").status,
            422);
  EXPECT_EQ(patch(kApps + "/web", R"({"op":"test"})", "json-patch+json").status, 400);
}

TEST_F(CrudTest, StrategicMergeIsForCoreKindsOnly) {
  post(kApps, app("web"));
  EXPECT_EQ(patch(kApps + "/web", R"({"spec":{"replicas":2}})", "strategic-merge-patch+json").status, 415);
  post(kConfigMaps, R"({"metadata":{"name":"cfg"},"data":{"a":"1"}})");
  const auto patched = patch(kConfigMaps + "/cfg", R"({"data":{"a":null,"b":"2"}})", "strategic-merge-patch+json");
  EXPECT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(json::dump(patched.at("data")), R"({"b":"2"})");
}

TEST_F(CrudTest, ARevisionInAPatchIsAPrecondition) {
  post(kApps, app("web"));
  EXPECT_EQ(patch(kApps + "/web", R"({"metadata":{"resourceVersion":"1"},"spec":{"replicas":2}})").status, 409);
}

TEST_F(CrudTest, DeletesAtOnceWithoutFinalizers) {
  const auto uid = post(kApps, app("web")).at("metadata.uid");
  const auto gone = remove(kApps + "/web", R"({"propagationPolicy":"Background"})");
  EXPECT_EQ(gone.status, 200);
  EXPECT_EQ(gone.at("status"), json::Value("Success"));
  EXPECT_EQ(gone.at("details.uid"), uid);
  EXPECT_EQ(get(kApps + "/web").status, 404);
}

TEST_F(CrudTest, FinalizersHoldAnObjectUntilTheyAreGone) {
  post(kApps, app("web", R"({"image":"a"})", R"(,"finalizers":["gantry.dev/cleanup"])"));
  const auto marked = remove(kApps + "/web");
  EXPECT_EQ(marked.status, 200);
  EXPECT_EQ(marked.at("metadata.deletionTimestamp"), json::Value("2026-11-21T01:00:00Z"));
  EXPECT_EQ(marked.at("metadata.generation"), json::Value(2));
  EXPECT_EQ(remove(kApps + "/web").text, marked.text) << "a second delete changes nothing";
  EXPECT_EQ(patch(kApps + "/web", R"({"metadata":{"finalizers":["gantry.dev/cleanup","gantry.dev/other"]}})").status,
            422);
  const auto last = patch(kApps + "/web", R"({"metadata":{"finalizers":null}})");
  EXPECT_EQ(last.status, 200) << last.text;
  EXPECT_EQ(get(kApps + "/web").status, 404);
}

TEST_F(CrudTest, ForegroundAndOrphanLeaveTheObjectToTheCollector) {
  post(kApps, app("a"));
  post(kApps, app("b"));
  EXPECT_EQ(json::dump(remove(kApps + "/a", R"({"propagationPolicy":"Foreground"})").at("metadata.finalizers")),
            R"(["foregroundDeletion"])");
  EXPECT_EQ(json::dump(remove(kApps + "/b?propagationPolicy=Orphan").at("metadata.finalizers")), R"(["orphan"])");
}

TEST_F(CrudTest, DeletionHonoursPreconditions) {
  post(kApps, app("web"));
  EXPECT_EQ(remove(kApps + "/web", R"({"preconditions":{"uid":"other"}})").status, 409);
  EXPECT_EQ(remove(kApps + "/web", R"({"preconditions":{"resourceVersion":"1"}})").status, 409);
  EXPECT_EQ(get(kApps + "/web").status, 200);
}

TEST_F(CrudTest, DeletesACollectionBySelector) {
  post(kApps, app("a", R"({"image":"x"})", R"(,"labels":{"tier":"front"})"));
  post(kApps, app("b"));
  EXPECT_EQ(remove(kApps + "?labelSelector=tier%3Dfront").status, 200);
  EXPECT_EQ(get(kApps + "/a").status, 404);
  EXPECT_EQ(get(kApps + "/b").status, 200);
}

TEST_F(CrudTest, ScalesThroughTheSubresource) {
  post(kApps, app("web"));
  EXPECT_EQ(get(kApps + "/web/scale").at("spec.replicas"), json::Value(1));
  const auto scaled = patch(kApps + "/web/scale", R"({"spec":{"replicas":3}})");
  ASSERT_EQ(scaled.status, 200) << scaled.text;
  EXPECT_EQ(scaled.at("kind"), json::Value("Scale"));
  EXPECT_EQ(scaled.at("spec.replicas"), json::Value(3));
  auto scale = scaled.json();
  scale["spec"]["replicas"] = 4;
  EXPECT_EQ(put(kApps + "/web/scale", json::dump(scale), {}).status, 200);
  EXPECT_EQ(put(kApps + "/web/scale", json::dump(scale), {}).status, 409)
      << "the Scale was read before the last change";
  EXPECT_EQ(get(kApps + "/web").at("spec.replicas"), json::Value(4));
  const auto wrong = patch(kApps + "/web/scale", R"({"spec":{"replicas":500}})");
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(get(kServers + "/x/scale").status, 404);
}

}  // namespace
}  // namespace gantry::api
