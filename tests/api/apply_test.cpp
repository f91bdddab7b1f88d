// Server-side apply through the API: kubernetes-wire section 13 from end to end.
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ApplyTest : public ApiTest {
 protected:
  Answer by(std::string manager, std::string spec, std::string more = "") {
    return apply(kApps + "/web?fieldManager=" + manager + more, app("web", spec));
  }
};

TEST_F(ApplyTest, CreatesWhatIsAbsent) {
  const auto made = by("kubectl", R"({"image":"nginx:1","env":[{"name":"A","value":"1"}],"tags":["a"]})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.at("spec.replicas"), json::Value(1)) << "defaults are filled in";
  const auto entry = made.at("metadata.managedFields").as_array().at(0);
  EXPECT_EQ(entry.string_or("operation"), "Apply");
  EXPECT_EQ(
      json::dump(*entry.find("fieldsV1")),
      R"({"f:spec":{"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:tags":{"v:\"a\"":{}}}})");
}

TEST_F(ApplyTest, ApplyingTheSameAgainWritesNothing) {
  const auto made = by("kubectl", R"({"image":"nginx:1"})");
  const auto before = store->revision();
  advance(std::chrono::hours(1));
  const auto again = by("kubectl", R"({"image":"nginx:1"})");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.text, made.text);
  EXPECT_EQ(store->revision(), before);
}

TEST_F(ApplyTest, TakesAwayWhatIsNoLongerClaimed) {
  by("kubectl", R"({"image":"nginx:1","env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"tags":["a","b"]})");
  patch(kApps + "/web?fieldManager=other", R"([{"op":"add","path":"/spec/tags/-","value":"c"}])", "json-patch+json");
  const auto applied = by("kubectl", R"({"image":"nginx:1","env":[{"name":"B","value":"2"}],"tags":["b"]})");
  EXPECT_EQ(json::dump(applied.at("spec.env")), R"([{"name":"B","value":"2"}])");
  EXPECT_EQ(json::dump(applied.at("spec.tags")), R"(["b","c"])");
}

TEST_F(ApplyTest, AnothersFieldIsAConflictUnlessForced) {
  post(kApps + "?fieldManager=controller", app("web", R"({"image":"nginx:1"})"));
  const auto refused = by("kubectl", R"({"image":"nginx:9"})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.reason(), "Conflict");
  EXPECT_EQ(refused.message(),
            R"(Apply failed with 1 conflict: conflict with "controller" using infra.gantry.dev/v1alpha1: .spec.image)");
  const auto cause = refused.at("details.causes").as_array().at(0);
  EXPECT_EQ(cause.string_or("reason"), "FieldManagerConflict");
  EXPECT_EQ(cause.string_or("field"), ".spec.image");
  const auto forced = by("kubectl", R"({"image":"nginx:9"})", "&force=true");
  EXPECT_EQ(forced.at("spec.image"), json::Value("nginx:9"));
  EXPECT_EQ(by("kubectl", R"({"image":"nginx:9","replicas":1})").status, 200)
      << "the same value is shared, not fought over";
}

TEST_F(ApplyTest, StatusIsAppliedThroughItsOwnDoor) {
  by("kubectl", R"({"image":"nginx:1"})");
  const auto applied = apply(kApps + "/web/status?fieldManager=ctl",
                             R"({"metadata":{"name":"web"},"spec":{"image":"ignored"},"status":{"phase":"Applied"}})");
  ASSERT_EQ(applied.status, 200) << applied.text;
  EXPECT_EQ(applied.at("status.phase"), json::Value("Applied"));
  EXPECT_EQ(applied.at("spec.image"), json::Value("nginx:1"));
  bool found = false;
  const auto managed = applied.at("metadata.managedFields");
  for (const auto& entry : managed.as_array()) {
    if (entry.string_or("manager") != "ctl") continue;
    found = true;
    EXPECT_EQ(entry.string_or("subresource"), "status");
    EXPECT_EQ(json::dump(*entry.find("fieldsV1")), R"({"f:status":{"f:phase":{}}})");
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(apply(kApps + "/nosuch/status?fieldManager=ctl", R"({"status":{"phase":"x"}})").status, 404);
}

TEST_F(ApplyTest, DryRunShowsAndKeepsNothing) {
  by("kubectl", R"({"image":"nginx:1"})");
  const auto before = store->revision();
  EXPECT_EQ(by("kubectl", R"({"image":"nginx:2"})", "&dryRun=All").at("spec.image"), json::Value("nginx:2"));
  EXPECT_EQ(store->revision(), before);
}

TEST_F(ApplyTest, ReadsYaml) {
  const auto made =
      apply(kApps + "/web?fieldManager=m",
            "apiVersion: infra.gantry.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  image: x\n");
  EXPECT_EQ(made.status, 201) << made.text;
  const auto twice = apply(kApps + "/two?fieldManager=m&fieldValidation=Strict", "spec:\n  image: x\n  image: y\n");
  EXPECT_EQ(twice.status, 400);
  EXPECT_THAT(twice.message(), HasSubstr(R"(duplicate field "spec.image")"));
}

TEST_F(ApplyTest, WhatIsMergedIsValidated) {
  const auto refused = by("kubectl", R"({"image":"a","replicas":500})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(refused.message(), HasSubstr("spec.replicas"));
  EXPECT_EQ(by("kubectl", R"({"replicas":3})").status, 422) << "an image is required";
}

TEST_F(ApplyTest, ManagedFieldsCanBeHandedOverByAPatch) {
  // What kubectl does when it moves an object from client-side to server-side apply.
  post(kApps + "?fieldManager=kubectl-client-side-apply", app("web", R"({"image":"nginx:1"})"));
  auto live = get(kApps + "/web").json();
  auto managed = at(live, "metadata.managedFields");
  managed.as_array()[0]["manager"] = "kubectl";
  managed.as_array()[0]["operation"] = "Apply";
  const json::Array operations{
      json::Object{{"op", "replace"}, {"path", "/metadata/managedFields"}, {"value", managed}},
      json::Object{
          {"op", "replace"}, {"path", "/metadata/resourceVersion"}, {"value", at(live, "metadata.resourceVersion")}}};
  ASSERT_EQ(patch(kApps + "/web", json::dump(operations), "json-patch+json").status, 200);
  EXPECT_EQ(by("kubectl", R"({"image":"nginx:2"})").status, 200);
  EXPECT_EQ(patch(kApps + "/web", json::dump(operations), "json-patch+json").status, 409)
      << "the revision is a precondition";
}

TEST_F(ApplyTest, KubectlTakesOverFromItsOwnClientSideApply) {
  post(
      kApps + "?fieldManager=kubectl-client-side-apply",
      app("web", R"({"image":"nginx:1"})",
          R"(,"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"infra.gantry.dev/v1alpha1\",\"kind\":\"App\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"image\":\"nginx:1\"}}"})"));
  const auto applied = by("kubectl", R"({"image":"nginx:2"})");
  EXPECT_EQ(applied.status, 200) << applied.text;
  EXPECT_EQ(applied.at("spec.image"), json::Value("nginx:2"));
}

}  // namespace
}  // namespace gantry::api
