#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/base/error.hpp"
#include "controller/base/yaml.hpp"
#include "controller/object/kind.hpp"
#include "crds/alarm.hpp"
#include "crds/app.hpp"
#include "crds/embedded.hpp"
#include "crds/provider.hpp"
#include "crds/release.hpp"
#include "crds/server.hpp"
#include "crds/snapshot.hpp"
#include "crds/source.hpp"
#include "crds/stack.hpp"
#include "crds/tunnel.hpp"
#include "tests/crds/schema_walk.hpp"

namespace gantry::crds {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const object::KindTable& kinds() {
  static const object::KindTable table = [] {
    std::vector<object::KindPtr> all;
    for (const auto& file : embedded_files()) {
      try {
        for (auto& document : yaml::parse_all(file.text)) {
          EXPECT_THAT(document.error, IsEmpty()) << file.name;
          EXPECT_THAT(document.duplicates, IsEmpty()) << file.name;
          all.push_back(object::kind_from_definition(document.value));
        }
      } catch (const Error& error) {
        ADD_FAILURE() << file.name << ": " << error.message();
        for (const auto& cause : error.causes)
          ADD_FAILURE() << file.name << ": " << cause.field << ": " << cause.message;
      }
    }
    return object::KindTable(std::move(all));
  }();
  return table;
}

object::KindPtr kind_named(std::string_view name) {
  for (const auto& kind : kinds().all()) {
    if (kind->kind == name) return kind;
  }
  throw Error(ErrorCode::NotFound, "no kind " + std::string(name));
}

TEST(Definitions, AreThoseOfTheApi) {
  std::vector<std::string> names;
  for (const auto& kind : kinds().all()) names.emplace_back(kind->resource.qualified());
  EXPECT_THAT(names,
              UnorderedElementsAre(
                  "apps.gantry.dev", "servers.gantry.dev", "snapshots.gantry.dev", "tunnels.gantry.dev",
                  "stacks.gantry.dev", "providers.gantry.dev", "sources.gantry.dev", "alarms.gantry.dev",
                  "releases.gantry.dev", "namespaces", "secrets", "configmaps", "events", "leases.coordination.k8s.io",
                  "serviceaccounts", "pods", "nodes", "services", "roles.rbac.authorization.k8s.io",
                  "clusterroles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
                  "clusterrolebindings.rbac.authorization.k8s.io", "customresourcedefinitions.apiextensions.k8s.io"));
}

TEST(Definitions, OfOurKindsHaveWhatEveryKindHas) {
  for (const auto& kind : kinds().all()) {
    SCOPED_TRACE(kind->kind);
    EXPECT_EQ(kind->has_generation, !kind->is_core() || kind->kind == "CustomResourceDefinition");
    if (kind->is_core()) continue;
    EXPECT_TRUE(kind->namespaced);
    EXPECT_TRUE(kind->has_status);
    EXPECT_FALSE(kind->short_names.empty());
    EXPECT_THAT(kind->categories, ElementsAre("gantry", "all"));
    const json::Value& schema = kind->schema->source();
    EXPECT_TRUE(schema.at({"properties", "status", "properties", "observedGeneration"}));
    EXPECT_EQ(
        json::dump(*schema.at({"properties", "status", "properties", "conditions", "x-kubernetes-list-map-keys"})),
        R"(["type"])");
    if (kind->kind != "Release") EXPECT_TRUE(schema.at({"properties", "spec", "properties", "dependsOn"}));
  }
  const auto app = kind_named("App");
  ASSERT_TRUE(app->scale);
  EXPECT_EQ(app->scale->selector_path, ".status.selector");
}

// Every field teaches, is bounded, and has no default where kubectl apply would stumble over it.
void every_field_is_sound(const json::Value& node, const std::string& path, bool in_list) {
  SCOPED_TRACE(path);
  EXPECT_GE(node.string_or("description").size(), 4U) << "every field is described";
  const std::string type = node.string_or("type");
  if (in_list)
    EXPECT_FALSE(node.find("default")) << "defaults inside list items make kubectl apply say 'configured' for ever";
  if (type == "array") {
    EXPECT_TRUE(node.find("maxItems"));
    EXPECT_TRUE(node.find("x-kubernetes-list-type"));
    every_field_is_sound(*node.find("items"), path + "[]", true);
  }
  if (const auto* values = node.find("additionalProperties")) every_field_is_sound(*values, path + "{}", in_list);
  if (const auto* members = node.find("properties")) {
    for (const auto& [name, member] : members->as_object())
      every_field_is_sound(member, path.empty() ? name : path + "." + name, in_list);
  }
}

TEST(Definitions, TeachAndBoundEveryField) {
  for (const auto& kind : kinds().all()) {
    SCOPED_TRACE(kind->kind);
    every_field_is_sound(kind->schema->source(), "", false);
  }
}

template <class Spec>
void agree(std::string_view kind) {
  SCOPED_TRACE(kind);
  const auto known = kind_named(kind);
  Spec spec;
  SchemaWalk walk(*known->schema->source().at({"properties", "spec"}), "spec");
  fields(walk, spec);
  walk.everything_was_read();
}

TEST(Views, AgreeWithTheirSchemasFieldByField) {
  agree<AlarmSpec>("Alarm");
  agree<AppSpec>("App");
  agree<ProviderSpec>("Provider");
  agree<ReleaseSpec>("Release");
  agree<ServerSpec>("Server");
  agree<SnapshotSpec>("Snapshot");
  agree<SourceSpec>("Source");
  agree<StackSpec>("Stack");
  agree<TunnelSpec>("Tunnel");
}

// Everything that is wrong with an object: unknown fields first, then violations, "path: message".
std::vector<std::string> complaints(json::Value object) {
  std::vector<std::string> all;
  const auto kind = kinds().find_kind(object.string_or("apiVersion"), object.string_or("kind"));
  if (!kind) return {"unknown kind " + object.string_or("kind")};
  std::vector<std::string> unknown;
  kind->schema->prune(object, &unknown);
  for (const auto& path : unknown) all.push_back(path + ": unknown field");
  kind->schema->set_defaults(object);
  for (const auto& error : kind->schema->validate(object)) all.push_back(error.field + ": " + error.message);
  return all;
}

TEST(Manifests, AreAllValid) {
  namespace fs = std::filesystem;
  std::size_t seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(GANTRY_SOURCE_DIR) / "manifests")) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path().string());
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    for (const auto& document : yaml::parse_all(text.str())) {
      EXPECT_THAT(document.error, IsEmpty());
      EXPECT_THAT(document.duplicates, IsEmpty());
      EXPECT_THAT(complaints(document.value), IsEmpty()) << "document at line " << document.line;
      ++seen;
    }
  }
  EXPECT_GE(seen, kinds().all().size());
}

TEST(Manifests, ShowEveryKindOfOurs) {
  for (const auto& kind : kinds().all()) {
    if (kind->is_core()) continue;
    EXPECT_TRUE(
        std::filesystem::exists(std::string(GANTRY_SOURCE_DIR) + "/manifests/examples/" + kind->singular + ".yaml"))
        << kind->kind;
    EXPECT_TRUE(std::filesystem::exists(std::string(GANTRY_SOURCE_DIR) + "/docs/kinds/" + kind->singular + ".md"))
        << kind->kind;
  }
}

json::Value app_with(std::string_view more) {
  return yaml::parse(
      "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  source: {image: {ref: nginx}}\n" +
      std::string(more));
}

TEST(AppSchema, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(complaints(app_with("")), IsEmpty());
  EXPECT_THAT(complaints(app_with("  replicsa: 2\n")), ElementsAre("spec.replicsa: unknown field"));
  EXPECT_THAT(complaints(app_with("  replicas: two\n")), ElementsAre(HasSubstr("spec.replicas: Invalid value")));
  EXPECT_THAT(complaints(app_with("  runtime: podman\n")), ElementsAre(HasSubstr("spec.runtime: Unsupported value")));
  EXPECT_THAT(complaints(app_with("  ports: [{name: a, port: 1}, {name: a, port: 2}]\n")),
              ElementsAre(HasSubstr("spec.ports[1]: Duplicate value")));
  EXPECT_THAT(complaints(app_with("  ports: [{name: a, port: 70000}]\n")),
              ElementsAre(HasSubstr("spec.ports[0].port: Invalid value")));
  EXPECT_THAT(complaints(app_with("  resources: {memory: lots}\n")),
              ElementsAre(HasSubstr("spec.resources.memory: Invalid value")));
  EXPECT_THAT(complaints(app_with("  env: [{value: x}]\n")),
              ElementsAre(HasSubstr("spec.env[0].name: Required value")));
  EXPECT_THAT(complaints(app_with("  env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n")),
              Not(IsEmpty()));
  EXPECT_THAT(complaints(app_with("  env: [{name: A, valueFrom: {}}]\n")), Not(IsEmpty()));
  EXPECT_THAT(complaints(app_with("  health: {httpGet: {}, tcpSocket: {}}\n")), Not(IsEmpty()));
}

TEST(AppSchema, WantsExactlyOneSource) {
  for (const char* source : {"{}", "{image: {ref: a}, code: {path: b}}"}) {
    SCOPED_TRACE(source);
    auto app = app_with("");
    app["spec"]["source"] = yaml::parse("{s: " + std::string(source) + "}")["s"];
    EXPECT_THAT(complaints(app), testing::Contains(HasSubstr("spec.source")));
  }
}

TEST(AppView, ReadsWhatTheSchemaFilledIn) {
  auto app = app_with(
      "  health: {httpGet: {port: http}}\n  strategy: {maxSurge: 25%}\n  resources: {cpu: 500m, memory: 1Gi}\n");
  kind_named("App")->schema->set_defaults(app);
  const AppSpec spec = decode_app_spec(app);
  EXPECT_EQ(spec.source.image->ref, "nginx");
  EXPECT_EQ(spec.runtime, Runtime::Docker);
  EXPECT_EQ(spec.health->http_get->path, "/");
  EXPECT_EQ(spec.health->http_get->port->text, "http");
  EXPECT_EQ(spec.strategy.max_surge.text, "25%");
  EXPECT_EQ(spec.strategy.max_unavailable, IntOrString{});
  EXPECT_EQ(spec.resources->cpu->milli(), 500);
  EXPECT_EQ(spec.resources->memory->whole(), 1073741824);
  EXPECT_FALSE(spec.scaling);
}

// An object that was stored before a field had its default, or before the schema was what it is.
TEST(AppView, ReadsAnythingWithoutThrowing) {
  const AppSpec bare = decode_app_spec(json::Value());
  EXPECT_EQ(bare.replicas, 1);
  EXPECT_EQ(bare.stop_grace_seconds, 10);
  const AppSpec odd = decode_app_spec(
      yaml::parse("spec: {replicas: many, source: 5, ports: {a: b}, env: [1, null], strategy: [], runtime: podman}"));
  EXPECT_EQ(odd.replicas, 1);
  EXPECT_EQ(odd.runtime, Runtime::Docker);
  EXPECT_THAT(odd.ports, IsEmpty());
}

TEST(Quantities, AreReadAsTheObjectRoomReadsThem) {
  EXPECT_EQ(Quantity{"500m"}.milli(), 500);
  EXPECT_EQ(Quantity{"0.1"}.milli(), 100);
  EXPECT_EQ(Quantity{"1.5Gi"}.whole(), 1610612736);
  for (const char* odd : {"", "Gi", "1 Gi", "1gi", "16Ei"})
    EXPECT_THROW(static_cast<void>(Quantity{odd}.whole()), Error) << odd;
}

// Every page names every field that its kind allows, two levels down.
TEST(Pages, SpeakOfEveryField) {
  for (const auto& kind : kinds().all()) {
    if (kind->is_core()) continue;
    SCOPED_TRACE(kind->kind);
    std::ostringstream page;
    page << std::ifstream(std::string(GANTRY_SOURCE_DIR) + "/docs/kinds/" + kind->singular + ".md").rdbuf();
    const std::string text = page.str();
    for (const auto& [name, field] : kind->schema->source().at({"properties", "spec", "properties"})->as_object()) {
      EXPECT_THAT(text, HasSubstr("| `" + name + "` |"));
      const json::Value* below = field.find("properties");
      if (!below) continue;
      for (const auto& [inner, ignored] : below->as_object())
        EXPECT_THAT(text, HasSubstr("| `" + name + "." + inner + "` |"));
    }
  }
}

}  // namespace
}  // namespace gantry::crds
