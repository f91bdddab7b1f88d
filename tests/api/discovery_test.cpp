// Discovery, OpenAPI, health and metrics: what clients read before they do anything.
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DiscoveryTest : public ApiTest {
 protected:
  std::string accept(std::string version) {
    return "application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList,application/json";
  }
};

TEST_F(DiscoveryTest, SpeaksTheAggregatedFormInBothVersions) {
  for (const std::string version : {"v2", "v2beta1"}) {
    const auto groups = get("/apis?timeout=32s", {{"accept", accept(version)}});
    EXPECT_EQ(groups.content_type, "application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList");
    EXPECT_THAT(groups.all("Vary"), ElementsAre("Accept"));
    EXPECT_EQ(groups.at("apiVersion"), json::Value("apidiscovery.k8s.io/" + version));
    bool found = false;
    const auto items = groups.at("items");
    for (const auto& group : items.as_array()) {
      if (at(group, "metadata.name") != json::Value("infra.gantry.dev")) continue;
      found = true;
      const auto& resource = group.find("versions")->as_array()[0].find("resources")->as_array()[0];
      EXPECT_EQ(
          json::dump(resource),
          R"({"categories":["all","gantry"],"resource":"apps","responseKind":{"group":"infra.gantry.dev","kind":"App","version":"v1alpha1"},)"
          R"("scope":"Namespaced","shortNames":["ap"],"singularResource":"app","subresources":[{"responseKind":{"group":"infra.gantry.dev",)"
          R"("kind":"App","version":"v1alpha1"},"subresource":"status","verbs":["get","patch","update"]},{"responseKind":{"group":"autoscaling",)"
          R"("kind":"Scale","version":"v1"},"subresource":"scale","verbs":["get","patch","update"]}],"verbs":["create","delete",)"
          R"("deletecollection","get","list","patch","update","watch"]})");
    }
    EXPECT_TRUE(found);
    const auto core = get("/api", {{"accept", accept(version)}});
    EXPECT_TRUE(at(core.at("items").as_array().at(0), "metadata.name").is_null());
  }
}

TEST_F(DiscoveryTest, SpeaksTheOlderForm) {
  EXPECT_EQ(json::dump(get("/api").at("versions")), R"(["v1"])");
  const auto groups = get("/apis", {{"accept", "application/json, */*"}});
  EXPECT_EQ(groups.at("kind"), json::Value("APIGroupList"));
  const auto group = get("/apis/infra.gantry.dev");
  EXPECT_EQ(
      group.text,
      R"({"apiVersion":"v1","kind":"APIGroup","name":"infra.gantry.dev","preferredVersion":{"groupVersion":"infra.gantry.dev/v1alpha1",)"
      R"("version":"v1alpha1"},"versions":[{"groupVersion":"infra.gantry.dev/v1alpha1","version":"v1alpha1"}]})");
  const auto resources = get("/apis/infra.gantry.dev/v1alpha1").at("resources");
  std::vector<std::string> names;
  for (const auto& resource : resources.as_array()) names.push_back(resource.string_or("name"));
  EXPECT_THAT(names, ElementsAre("apps", "apps/status", "apps/scale", "servers"));
  EXPECT_EQ(get("/apis/nope").status, 404);
  EXPECT_EQ(get("/apis/infra.gantry.dev/v9").status, 404);
  EXPECT_EQ(get("/api/v1").status, 200);
}

TEST_F(DiscoveryTest, WhatIsKnownAlreadyIsNotSentAgain) {
  for (const std::string target : {"/api", "/apis", "/openapi/v2", "/openapi/v3", "/api/v1"}) {
    const auto etag = get(target).all("ETag").at(0);
    const auto again = get(target, {{"if-none-match", etag}});
    EXPECT_EQ(again.status, 304) << target;
    EXPECT_EQ(again.text, "");
  }
}

TEST_F(DiscoveryTest, OpenApiHasWhatKubectlLooksFor) {
  const auto index = get("/openapi/v3");
  const auto url = index.at("paths").find("apis/infra.gantry.dev/v1alpha1")->string_or("serverRelativeURL");
  EXPECT_THAT(url, HasSubstr("/openapi/v3/apis/infra.gantry.dev/v1alpha1?hash="));
  const auto document = get(url);
  EXPECT_THAT(document.all("Cache-Control"), Contains(HasSubstr("immutable")));
  const auto value = document.json();
  const auto* item = value.find("paths")->find("/apis/infra.gantry.dev/v1alpha1/namespaces/{namespace}/apps/{name}");
  ASSERT_TRUE(item);
  EXPECT_EQ(item->at({"patch", "x-kubernetes-group-version-kind", "kind"})->as_string(), "App");
  EXPECT_THAT(json::dump(*item->at({"patch", "parameters"})), HasSubstr("fieldValidation"));
  const auto* schema = value.find("components")->find("schemas")->find("dev.gantry.infra.v1alpha1.App");
  ASSERT_TRUE(schema);
  EXPECT_TRUE(schema->at({"properties", "spec", "properties", "image"}));
  EXPECT_EQ(get("/openapi/v3/apis/infra.gantry.dev/v1alpha1?hash=old").status, 301);
  EXPECT_EQ(get("/openapi/v3/apis/nope/v1").status, 404);
  const auto core = get("/openapi/v3/api/v1").json();
  EXPECT_THAT(json::dump(*core.find("paths")->find("/api/v1/namespaces/{namespace}/secrets/{name}")),
              HasSubstr("strategic-merge-patch"));
}

TEST_F(DiscoveryTest, OpenApiV2IsAnEmptyProtobufDocument) {
  const auto v2 = get("/openapi/v2", {{"accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}});
  EXPECT_EQ(v2.status, 200);
  EXPECT_EQ(v2.text, "");
  EXPECT_EQ(v2.content_type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
}

TEST_F(DiscoveryTest, TellsItsVersion) {
  EXPECT_EQ(get("/version").at("gitVersion"), json::Value("v1.33.0+gantry.0.1.0"));
}

TEST_F(DiscoveryTest, HealthIsTheHealthOfItsChecks) {
  bool synced = false;
  api->add_health_check("informers", false, [&] { return synced ? std::string() : std::string("App is not synced"); });
  EXPECT_EQ(get("/livez").text, "ok");
  const auto sick = get("/readyz");
  EXPECT_EQ(sick.status, 500);
  EXPECT_THAT(sick.text, HasSubstr("[-]informers failed: App is not synced"));
  EXPECT_EQ(get("/readyz/ping").status, 200);
  EXPECT_EQ(get("/readyz/informers").status, 500);
  EXPECT_EQ(get("/livez/informers").status, 404);
  synced = true;
  EXPECT_EQ(get("/readyz").text, "ok");
  EXPECT_EQ(get("/readyz?verbose").text, "[+]ping ok\n[+]informers ok\nreadyz check passed\n");
}

TEST_F(DiscoveryTest, CountsItsRequests) {
  get(kApps);
  get(kApps + "/nosuch");
  EXPECT_THAT(get("/metrics").text,
              AllOf(HasSubstr(R"(gantry_api_requests_total{code="200",resource="apps.infra.gantry.dev",verb="list"})"),
                    HasSubstr(R"(gantry_api_requests_total{code="404",resource="apps.infra.gantry.dev",verb="get"})"),
                    HasSubstr("gantry_api_request_duration_seconds_bucket")));
}

struct Rollout final : Subresource {
  std::vector<std::string> verbs() const override { return {"create", "get"}; }
  std::string response_kind() const override { return "Rollout"; }
  Task<HttpResponse> handle(SubresourceRequest request) override {
    HttpResponse response;
    response.content_type = "text/plain";
    response.body.emplace_back(request.verb + " " + request.object->key().name + " by " + request.user.name +
                               " tail=" + request.parameter("tail") + " " + json::dump(request.body));
    co_return response;
  }
};

TEST_F(DiscoveryTest, SubresourcesComeFromOutside) {
  api->add_subresource(object::Resource::of("infra.gantry.dev", "apps"), "rollout", std::make_shared<Rollout>());
  post(kApps, app("web"));
  EXPECT_EQ(get(kApps + "/web/rollout?tail=5").text, "get web by alice tail=5 null");
  EXPECT_EQ(post(kApps + "/web/rollout", R"({"undo":true})").text, R"(create web by alice tail= {"undo":true})");
  EXPECT_EQ(put(kApps + "/web/rollout", "{}").status, 405);
  EXPECT_EQ(get(kApps + "/nosuch/rollout").status, 404);
  EXPECT_THAT(get("/apis/infra.gantry.dev/v1alpha1").text, HasSubstr("apps/rollout"));
}

}  // namespace
}  // namespace gantry::api
