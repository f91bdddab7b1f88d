#include "controller/object/kind.hpp"

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
