#include "controller/object/kind.hpp"

#include "controller/object/versions.hpp"
#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::ElementsAre;

json::Value definition() {
  return R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"apps.gantry.dev"},"spec":{
      "group":"gantry.dev","scope":"Namespaced","names":{"kind":"App","plural":"apps","shortNames":["ap"],"categories":["all"]},
      "versions":[{"name":"v1alpha1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object"}}}},
        "subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas","statusReplicasPath":".status.replicas"}},
        "additionalPrinterColumns":[{"name":"Ready","type":"string","jsonPath":".status.ready","priority":1}]}]}})"_json;
}

TEST(Kind, IsReadFromItsDefinition) {
  const KindPtr kind = kind_from_definition(definition());
  EXPECT_EQ(kind->api_version(), "gantry.dev/v1alpha1");
  EXPECT_EQ(kind->singular, "app");
  EXPECT_TRUE(kind->namespaced && kind->has_status && kind->has_generation);
  EXPECT_EQ(kind->scale->spec_path, ".spec.replicas");
  EXPECT_EQ(kind->columns.at(0).json_path, ".status.ready");
  EXPECT_EQ(kind->columns.at(0).priority, 1);
  EXPECT_EQ(kind->resource, Resource::of("gantry.dev", "apps"));
}

TEST(Kind, CoreKindsHaveNoGroupAndNoGeneration) {
  auto crd = definition();
  crd["spec"]["group"] = "";
  crd["metadata"]["annotations"]["gantry.dev/no-generation"] = "true";
  const KindPtr kind = kind_from_definition(crd);
  EXPECT_EQ(kind->api_version(), "v1alpha1");
  EXPECT_TRUE(kind->is_core());
  EXPECT_FALSE(kind->has_generation);
}

TEST(Kind, ABrokenDefinitionIsRefusedWithItsFields) {
  auto crd = definition();
  crd["spec"]["versions"].as_array()[0]["schema"]["openAPIV3Schema"] =
      R"({"type":"object","properties":{"spec":{"type":"array"}}})"_json;
  const Error error = error_of([&] { kind_from_definition(crd); });
  EXPECT_THAT(
      lines_of(error.causes),
      ElementsAre("spec.versions[0].schema.openAPIV3Schema.properties[spec].items: Required value: must be specified"));
  EXPECT_EQ(error.about->name, "apps.gantry.dev");

  crd = definition();
  crd["spec"]["names"] = json::Object();
  crd["spec"]["scope"] = "Everywhere";
  EXPECT_THAT(lines_of(error_of([&] { kind_from_definition(crd); }).causes),
              ElementsAre("spec.names.kind: Required value", "spec.names.plural: Required value",
                          R"(spec.scope: Unsupported value: "Everywhere": supported values: "Cluster", "Namespaced")"));
  EXPECT_EQ(error_of([] { kind_from_definition("{}"_json); }).code(), ErrorCode::Invalid);
}

TEST(Kind, IsTheVersionThatIsStoredAndTheOthersStandBesideIt) {
  auto crd = definition();
  json::Array& versions = crd["spec"]["versions"].as_array();
  for (const char* name : {"v1", "v1beta1"}) {
    json::Value version = versions[0];
    version["name"] = name;
    versions.push_back(std::move(version));
  }
  versions[0]["storage"] = false;
  versions[2]["storage"] = false;
  EXPECT_EQ(kind_from_definition(crd)->version, "v1");
  std::vector<std::string> others;
  for (const auto& kind : further_versions(crd)) others.push_back(kind->version);
  EXPECT_THAT(others, ElementsAre("v1alpha1", "v1beta1"));
  versions[0]["served"] = false;
  EXPECT_EQ(further_versions(crd).size(), 1u);
  EXPECT_TRUE(has_version(*kind_from_definition(crd), "v1alpha1")) << "it is there, though nobody is shown it";
  EXPECT_FALSE(has_version(*kind_from_definition(crd), "v2"));
  versions[1]["storage"] = false;
  EXPECT_EQ(error_of([&] { kind_from_definition(crd); }).code(), ErrorCode::Invalid);
}

TEST(Versions, ArePreferredAsKubernetesHasIt) {
  std::vector<std::string> versions{"foo10",    "v3beta1", "v1", "v12alpha1", "foo1",     "v10beta3",
                                    "v11beta2", "v10",     "v2", "v01",       "v11alpha2"};
  std::ranges::sort(versions, is_preferred);
  EXPECT_THAT(versions, ElementsAre("v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2",
                                    "foo1", "foo10", "v01"));
}

TEST(KindTable, FindsByPathAndByKind) {
  const KindTable table({kind_from_definition(definition())});
  EXPECT_NE(table.find("gantry.dev", "v1alpha1", "apps"), nullptr);
  EXPECT_EQ(table.find("gantry.dev", "v1", "apps"), nullptr);
  EXPECT_NE(table.find(Resource::of("gantry.dev", "apps")), nullptr);
  EXPECT_NE(table.find_kind("gantry.dev/v1alpha1", "App"), nullptr);
  EXPECT_EQ(table.find_kind("gantry.dev/v1alpha1", "Apps"), nullptr);
}

}  // namespace
}  // namespace gantry::object
