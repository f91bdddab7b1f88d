// Discovery, OpenAPI, health and metrics: what clients read before they do anything.
#include <map>

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

// The fields of a protobuf message, of those that have a length: what stands in them, by number.
std::multimap<std::uint64_t, std::string> fields_of(std::string_view message) {
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0; !message.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(message.front());
      message.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  std::multimap<std::uint64_t, std::string> fields;
  while (!message.empty()) {
    const std::uint64_t tag = varint();
    const std::size_t size = (tag & 7) == 2 ? varint() : (tag & 7) == 1 ? 8 : 0;
    if ((tag & 7) == 0) varint();
    EXPECT_LE(size, message.size()) << "a field is longer than its message";
    if ((tag & 7) == 2) fields.emplace(tag >> 3, message.substr(0, size));
    message.remove_prefix(std::min(size, message.size()));
  }
  return fields;
}

TEST_F(DiscoveryTest, OpenApiV2SaysTheSameInProtobuf) {
  const auto v2 = get("/openapi/v2", {{"accept", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"}});
  EXPECT_EQ(v2.status, 200);
  EXPECT_EQ(v2.content_type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  const auto document = fields_of(v2.text);
  ASSERT_EQ(document.count(1) * document.count(8) * document.count(9), 1u) << "swagger, paths, definitions";
  EXPECT_EQ(document.find(1)->second, "2.0");
  std::map<std::string, std::string> schemas;
  for (const auto& [number, named] : fields_of(document.find(9)->second)) {
    const auto parts = fields_of(named);
    schemas[parts.find(1)->second] = parts.find(2)->second;
  }
  ASSERT_TRUE(schemas.contains("dev.gantry.infra.v1alpha1.App"));
  EXPECT_TRUE(schemas.contains("io.k8s.api.core.v1.Secret"));
  const std::string& app = schemas["dev.gantry.infra.v1alpha1.App"];
  EXPECT_THAT(app, HasSubstr("x-kubernetes-list-map-keys"));
  EXPECT_THAT(app, HasSubstr("#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
  EXPECT_THAT(app, HasSubstr(R"([{"group":"infra.gantry.dev","kind":"App","version":"v1alpha1"}])"));
  bool found = false;
  for (const auto& [number, named] : fields_of(document.find(8)->second)) {
    const auto parts = fields_of(named);
    if (parts.find(1)->second != "/apis/infra.gantry.dev/v1alpha1/namespaces/{namespace}/apps/{name}") continue;
    found = true;
    EXPECT_THAT(parts.find(2)->second, HasSubstr("fieldValidation"));
  }
  EXPECT_TRUE(found);
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
