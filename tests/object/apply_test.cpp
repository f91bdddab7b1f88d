#include "controller/object/apply.hpp"

#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kVersion = "infra.gantry.dev/v1alpha1";

// The fixture of the wire reference: an App with one of each kind of field.
const Schema& app() {
  static const auto schema = Schema::compile(R"({"type":"object","properties":{
    "spec":{"type":"object","properties":{
      "image":{"type":"string"},"replicas":{"type":"integer"},
      "env":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],
        "properties":{"name":{"type":"string"},"value":{"type":"string"},"note":{"type":"string"}}}},
      "ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["port","protocol"],"items":{"type":"object","required":["port"],
        "properties":{"port":{"type":"integer"},"protocol":{"type":"string","default":"TCP"},"name":{"type":"string"}}}},
      "tags":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}},
      "limits":{"type":"object","additionalProperties":{"x-kubernetes-int-or-string":true}},
      "affinity":{"type":"object","x-kubernetes-map-type":"atomic","properties":{"zone":{"type":"string"},"rack":{"type":"string"}}},
      "args":{"type":"array","items":{"type":"string"}},
      "health":{"type":"object","properties":{"path":{"type":"string"},"period":{"type":"integer"}}},
      "template":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}},
    "status":{"type":"object","properties":{"phase":{"type":"string"},"replicas":{"type":"integer"},
      "conditions":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["type"],"items":{"type":"object","required":["type"],
        "properties":{"type":{"type":"string"},"status":{"type":"string"}}}}}}}})"_json);
  return *schema;
}

json::Value app_with(std::string_view spec) {
  auto object =
      R"({"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App","metadata":{"name":"web","namespace":"default"}})"_json;
  object["spec"] = json::parse(spec);
  return object;
}

// An object on the server, written to by several managers at known times.
class ServerSideApply : public testing::Test {
 protected:
  FieldWriter writer(std::string_view manager, std::string_view subresource = "") {
    return {manager, kVersion, subresource, true, now_ += std::chrono::seconds(1)};
  }

  ApplyResult apply_config(std::string_view manager, const json::Value& config, bool force = false,
                           std::string_view subresource = "") {
    auto result = apply(live_.is_null() ? nullptr : &live_, config, app(), writer(manager, subresource), force);
    if (result.changed) live_ = result.object;
    return result;
  }
  ApplyResult apply_spec(std::string_view manager, std::string_view spec, bool force = false) {
    return apply_config(manager, app_with(spec), force);
  }

  // An ordinary write of the whole object.
  void update_spec(std::string_view manager, std::string_view spec) {
    json::Value object = live_.is_null() ? app_with(spec) : live_;
    object["spec"] = json::parse(spec);
    update(manager, std::move(object));
  }
  void update(std::string_view manager, json::Value object, std::string_view subresource = "") {
    track_update(live_.is_null() ? nullptr : &live_, object, app(), writer(manager, subresource));
    live_ = std::move(object);
  }

  const json::Value& spec() { return live_["spec"]; }
  json::Value fields(std::string_view manager, std::string_view operation, std::string_view subresource = "") {
    const auto* managed = live_.at({"metadata", "managedFields"});
    for (const auto& entry : managed ? managed->as_array() : json::Array()) {
      if (entry.string_or("manager") == manager && entry.string_or("operation") == operation &&
          entry.string_or("subresource") == subresource)
        return *entry.find("fieldsV1");
    }
    return {};
  }
  json::Value applied(std::string_view manager) { return fields(manager, "Apply"); }
  json::Value updated(std::string_view manager) { return fields(manager, "Update"); }

  WallTime now_ = parse_time("2026-01-01T00:00:00Z");
  json::Value live_;
};

TEST_F(ServerSideApply, CreatesAndRemembersWhoSetWhat) {
  const auto result = apply_spec(
      "kubectl",
      R"({"image":"nginx:1","replicas":2,"env":[{"name":"A","value":"1"}],"tags":["a"],"limits":{"cpu":"1"},"args":["x","y"],"affinity":{"zone":"a"}})");
  EXPECT_TRUE(result.created);
  EXPECT_EQ(
      live_.at({"metadata", "managedFields"})->as_array()[0],
      R"({"apiVersion":"infra.gantry.dev/v1alpha1","fieldsType":"FieldsV1","manager":"kubectl","operation":"Apply","time":"2026-01-01T00:00:01Z",
                "fieldsV1":{"f:spec":{"f:affinity":{},"f:args":{},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:limits":{"f:cpu":{}},"f:replicas":{},"f:tags":{"v:\"a\"":{}}}}})"_json);
}

TEST_F(ServerSideApply, KeysOfItemsIncludeTheirDefaults) {
  apply_spec("kubectl", R"({"ports":[{"port":80}]})");
  EXPECT_EQ(applied("kubectl"),
            R"({"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}})"_json);
}

TEST_F(ServerSideApply, ContentOfAnyKindIsNestedMapsAndWholeLists) {
  apply_spec("kubectl", R"({"template":{"a":{"b":1},"list":[1,2]}})");
  EXPECT_EQ(applied("kubectl"), R"({"f:spec":{"f:template":{"f:a":{".":{},"f:b":{}},"f:list":{}}}})"_json);
}

TEST_F(ServerSideApply, TheSameAgainChangesNothing) {
  constexpr std::string_view kSpec = R"({"image":"nginx:1","env":[{"name":"A","value":"1"}],"tags":["a","b"]})";
  apply_spec("kubectl", kSpec);
  live_["spec"]["replicas"] = 1;  // a default, which nobody owns
  const auto before = live_;
  EXPECT_FALSE(apply_spec("kubectl", kSpec).changed);
  EXPECT_EQ(live_, before);
}

TEST_F(ServerSideApply, ALaterFieldIsRefusedWhileAnotherManagerHoldsIt) {
  apply_spec("other", R"({"image":"nginx:1"})");
  const auto before = live_;
  const Error error = error_of([&] { apply_spec("kubectl", R"({"image":"nginx:2"})"); });
  EXPECT_EQ(error.code(), ErrorCode::Conflict);
  EXPECT_EQ(error.message(), R"(Apply failed with 1 conflict: conflict with "other": .spec.image)");
  ASSERT_EQ(error.causes.size(), 1u);
  EXPECT_EQ(error.causes[0].reason, "FieldManagerConflict");
  EXPECT_EQ(error.causes[0].field, ".spec.image");
  EXPECT_EQ(error.causes[0].message, R"(conflict with "other")");
  EXPECT_EQ(live_, before);
}

TEST_F(ServerSideApply, SeveralConflictsAreListedByManager) {
  apply_spec("a", R"({"image":"nginx:1","env":[{"name":"A","value":"1"}]})");
  update_spec("controller", R"({"image":"nginx:1","env":[{"name":"A","value":"1"}],"replicas":3})");
  const Error error =
      error_of([&] { apply_spec("kubectl", R"({"image":"nginx:2","env":[{"name":"A","value":"2"}],"replicas":5})"); });
  EXPECT_EQ(
      error.message(),
      "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec.image\n- .spec.env[name=\"A\"].value\nconflicts "
      "with \"controller\" using infra.gantry.dev/v1alpha1:\n- .spec.replicas");
  EXPECT_EQ(error.causes[2].message, R"(conflict with "controller" using infra.gantry.dev/v1alpha1)");
}

TEST_F(ServerSideApply, ForceMovesTheOwnership) {
  apply_spec("other", R"({"image":"nginx:1","replicas":1})");
  apply_spec("kubectl", R"({"image":"nginx:2"})", true);
  EXPECT_EQ(spec(), R"({"image":"nginx:2","replicas":1})"_json);
  EXPECT_EQ(applied("other"), R"({"f:spec":{"f:replicas":{}}})"_json);
  EXPECT_EQ(applied("kubectl"), R"({"f:spec":{"f:image":{}}})"_json);
}

TEST_F(ServerSideApply, TheSameValueIsSharedAndStaysUntilTheLastOwnerLetsGo) {
  apply_spec("a", R"({"image":"nginx:1","replicas":1})");
  EXPECT_TRUE(apply_spec("b", R"({"image":"nginx:1"})").changed);  // the object is the same, but b is an owner now
  apply_spec("a", R"({"replicas":1})");
  EXPECT_EQ(spec(), R"({"image":"nginx:1","replicas":1})"_json);
  apply_spec("b", "{}");
  EXPECT_EQ(spec(), R"({"replicas":1})"_json);
}

TEST_F(ServerSideApply, DroppedFieldsGoUnlessSomebodyElseHoldsThem) {
  apply_spec(
      "kubectl",
      R"({"image":"nginx:1","env":[{"name":"A"},{"name":"Z","value":"z"}],"tags":["a","b"],"limits":{"cpu":"1","memory":"2"}})");
  update_spec(
      "controller",
      R"({"image":"nginx:1","env":[{"name":"A"},{"name":"C"},{"name":"Z","value":"z"}],"tags":["a","b","c"],"limits":{"cpu":"1","memory":"2"}})");
  apply_spec("kubectl", R"({"image":"nginx:1","env":[{"name":"A"}],"tags":["a"],"limits":{"cpu":"1"}})");
  EXPECT_EQ(spec(),
            R"({"image":"nginx:1","env":[{"name":"A"},{"name":"C"}],"tags":["a","c"],"limits":{"cpu":"1"}})"_json);
}

TEST_F(ServerSideApply, AWholeSectionGoesWithItsLastOwner) {
  apply_spec("kubectl", R"({"image":"nginx:1","health":{"path":"/","period":5}})");
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  EXPECT_EQ(spec(), R"({"image":"nginx:1"})"_json);
}

TEST_F(ServerSideApply, ASectionStaysForWhatOthersPutIntoIt) {
  apply_spec("kubectl", R"({"image":"nginx:1","health":{"path":"/"}})");
  update_spec("controller", R"({"image":"nginx:1","health":{"path":"/","period":9}})");
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  EXPECT_EQ(spec(), R"({"image":"nginx:1","health":{"period":9}})"_json);
}

TEST_F(ServerSideApply, WhatNobodyOwnsStaysWhenItsSectionIsLetGo) {
  apply_spec("kubectl", R"({"image":"nginx:1","health":{"path":"/"}})");
  live_["spec"]["health"]["period"] = 5;  // a default
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  EXPECT_EQ(spec(), R"({"image":"nginx:1"})"_json) << "the default goes with the section it stands in";
}

TEST_F(ServerSideApply, LettingGoOfLabelsLeavesTheRestOfMetadata) {
  auto config = app_with("{}");
  config["metadata"]["labels"] = json::Object{{"app", "web"}};
  apply_config("kubectl", config);
  live_["metadata"]["uid"] = "u1";
  apply_config("kubectl", app_with("{}"));
  EXPECT_EQ(live_.at({"metadata", "uid"})->as_string(), "u1");
  EXPECT_EQ(live_.at({"metadata", "labels"}), nullptr);
}

TEST_F(ServerSideApply, AtomicFieldsAreReplacedAsWholes) {
  apply_spec("kubectl", R"({"affinity":{"zone":"a","rack":"1"},"args":["x","y"]})");
  apply_spec("kubectl", R"({"affinity":{"zone":"b"},"args":["z"]})");
  EXPECT_EQ(spec(), R"({"affinity":{"zone":"b"},"args":["z"]})"_json);
  const Error error = error_of([&] { apply_spec("other", R"({"affinity":{"zone":"b","rack":"2"}})"); });
  EXPECT_EQ(error.causes.at(0).field, ".spec.affinity");
}

TEST_F(ServerSideApply, ItemsKeepTheirPlaceAndFollowTheConfiguration) {
  apply_spec("a", R"({"env":[{"name":"A"},{"name":"B"},{"name":"C"}]})");
  apply_spec("b", R"({"env":[{"name":"C"},{"name":"X"},{"name":"A"}]})");
  std::vector<std::string> names;
  for (const auto& item : spec().find("env")->as_array()) names.push_back(item.string_or("name"));
  EXPECT_THAT(names, ElementsAre("B", "C", "X", "A"));
}

TEST_F(ServerSideApply, ConflictPathsNameKeysValuesAndNumbers) {
  apply_spec("a", R"({"ports":[{"port":80,"name":"http"}]})");
  const Error error = error_of([&] { apply_spec("b", R"({"ports":[{"port":80,"name":"web"}]})"); });
  EXPECT_EQ(error.causes.at(0).field, R"(.spec.ports[port=80,protocol="TCP"].name)");
}

TEST_F(ServerSideApply, RefusesWhatTheSchemaDoesNotKnowInWordsOfItsOwn) {
  const Error error = error_of([&] { apply_spec("kubectl", R"({"replicsa":1})"); });
  EXPECT_EQ(error.code(), ErrorCode::BadRequest);
  EXPECT_EQ(error.message(),
            "failed to create typed patch object (default/web; infra.gantry.dev/v1alpha1, Kind=App): .spec.replicsa: "
            "field not declared in schema");
  EXPECT_THAT(error_of([&] { apply_spec("kubectl", R"({"replicas":"many"})"); }).message(),
              HasSubstr(".spec.replicas: expected numeric (int or float), got \"many\""));
  EXPECT_THAT(error_of([&] { apply_spec("kubectl", R"({"env":{}})"); }).message(),
              HasSubstr(".spec.env: expected list, got {}"));
}

TEST_F(ServerSideApply, RefusesTheSameItemTwice) {
  EXPECT_THAT(error_of([&] { apply_spec("kubectl", R"({"env":[{"name":"A"},{"name":"A"}]})"); }).message(),
              HasSubstr(R"(.spec.env: duplicate entries for key [name="A"])"));
  EXPECT_THAT(error_of([&] { apply_spec("kubectl", R"({"tags":["a","a"]})"); }).message(),
              HasSubstr(R"(.spec.tags: duplicate entries for key [="a"])"));
  EXPECT_THAT(error_of([&] { apply_spec("kubectl", R"({"env":[{"value":"1"}]})"); }).message(),
              HasSubstr("element 0: associative list with keys has an element that omits all key fields [\"name\"]"));
}

TEST_F(ServerSideApply, RefusesManagedFields) {
  auto config = app_with("{}");
  config["metadata"]["managedFields"] = json::Array();
  EXPECT_EQ(error_of([&] { apply_config("kubectl", config); }).message(), "metadata.managedFields must be nil");
}

TEST_F(ServerSideApply, StatusIsAWorldOfItsOwn) {
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  auto config = app_with(R"({"image":"nginx:9"})");
  config["status"] = json::Object{{"phase", "Up"}};
  apply_config("controller", config, false, "status");
  EXPECT_EQ(spec(), R"({"image":"nginx:1"})"_json);
  EXPECT_EQ(live_["status"], R"({"phase":"Up"})"_json);
  EXPECT_EQ(fields("controller", "Apply", "status"), R"({"f:status":{"f:phase":{}}})"_json);
  // And the main endpoint neither takes nor owns the status.
  config["status"]["phase"] = "Down";
  config["spec"]["image"] = "nginx:1";
  apply_config("kubectl", config);
  EXPECT_EQ(live_["status"], R"({"phase":"Up"})"_json);
  EXPECT_EQ(applied("kubectl"), R"({"f:spec":{"f:image":{}}})"_json);
}

TEST_F(ServerSideApply, WhatWasThereBeforeTheFirstApplyBelongsToSomebody) {
  live_ = app_with(R"({"image":"nginx:1","replicas":1})");
  live_["metadata"]["uid"] = "u1";
  const Error error = error_of([&] { apply_spec("kubectl", R"({"image":"nginx:2"})"); });
  EXPECT_EQ(
      error.message(),
      R"(Apply failed with 1 conflict: conflict with "before-first-apply" using infra.gantry.dev/v1alpha1: .spec.image)");
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  EXPECT_EQ(updated("before-first-apply"), R"({"f:spec":{".":{},"f:image":{},"f:replicas":{}}})"_json);
}

TEST_F(ServerSideApply, TheServersOwnMetadataDoesNotComeFromAConfiguration) {
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  live_["metadata"]["generation"] = 3;
  auto config = app_with(R"({"image":"nginx:2"})");
  config["metadata"]["generation"] = 99;
  config["metadata"]["creationTimestamp"] = json::Value();
  apply_config("kubectl", config);
  EXPECT_EQ(live_.at({"metadata", "generation"})->as_int(), 3);
  EXPECT_EQ(live_.at({"metadata", "creationTimestamp"}), nullptr);
}

TEST_F(ServerSideApply, AListThatBecameAtomicIsOwnedAsAWhole) {
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  live_["spec"]["args"] = json::Array{"a"};
  live_["metadata"]["managedFields"].as_array()[0]["fieldsV1"] =
      R"({"f:spec":{"f:args":{"v:\"a\"":{}},"f:image":{}}})"_json;
  const Error error = error_of([&] { apply_spec("other", R"({"args":["b"]})"); });
  EXPECT_EQ(error.causes.at(0).field, ".spec.args");
}

// kubectl, coming from client-side apply.

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

class FromClientSideApply : public ServerSideApply {
 protected:
  void SetUp() override {
    auto object = app_with(R"({"image":"nginx:1","replicas":1})");
    const std::string text = json::dump(object) + "\n";
    object["metadata"]["annotations"][kLastApplied] = text;
    update("kubectl-client-side-apply", object);
  }
};

TEST_F(FromClientSideApply, KubectlTakesOverWhatItsAnnotationSays) {
  apply_spec("kubectl", R"({"image":"nginx:2","replicas":1})");
  EXPECT_EQ(spec(), R"({"image":"nginx:2","replicas":1})"_json);
  const auto annotation = json::parse(live_["metadata"]["annotations"][kLastApplied].as_string());
  EXPECT_EQ(annotation, app_with(R"({"image":"nginx:2","replicas":1})")) << "the annotation follows";
}

TEST_F(FromClientSideApply, OtherManagersGetNoSuchFavour) {
  EXPECT_EQ(error_of([&] { apply_spec("robot", R"({"image":"nginx:2"})"); }).code(), ErrorCode::Conflict);
}

TEST_F(FromClientSideApply, WhatSomebodyChangedSinceIsAConflict) {
  update_spec("controller", R"({"image":"nginx:1","replicas":7})");
  const Error error = error_of([&] { apply_spec("kubectl", R"({"image":"nginx:2","replicas":2})"); });
  EXPECT_EQ(
      error.message(),
      R"(Apply failed with 1 conflict: conflict with "controller" using infra.gantry.dev/v1alpha1: .spec.replicas)");
}

// Ordinary writes.

class UpdateTracking : public ServerSideApply {};

TEST_F(UpdateTracking, ACreateOwnsEverythingItBrings) {
  auto object = app_with(R"({"image":"nginx:1","env":[{"name":"A","value":"1"}],"limits":{}})");
  object["metadata"]["labels"] = json::Object{{"app", "web"}};
  object["status"] = json::Object{{"phase", "x"}};
  update("curl", object);
  EXPECT_EQ(updated("curl"), R"({"f:metadata":{"f:labels":{".":{},"f:app":{}}},
      "f:spec":{".":{},"f:env":{".":{},"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:limits":{}}})"_json);
}

TEST_F(UpdateTracking, ChangesMoveToWhoMadeThem) {
  apply_spec("kubectl", R"({"image":"nginx:1","replicas":1})");
  update_spec("scaler", R"({"image":"nginx:1","replicas":5})");
  EXPECT_EQ(applied("kubectl"), R"({"f:spec":{"f:image":{}}})"_json);
  EXPECT_EQ(updated("scaler"), R"({"f:spec":{"f:replicas":{}}})"_json);
  update_spec("scaler", R"({"image":"nginx:1"})");
  EXPECT_EQ(updated("scaler"), json::Value());
}

TEST_F(UpdateTracking, StatusWritesHaveAnEntryOfTheirOwn) {
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  auto object = live_;
  object["status"] = R"({"conditions":[{"type":"Ready","status":"True"}]})"_json;
  update("gantry", object, "status");
  EXPECT_EQ(
      fields("gantry", "Update", "status"),
      R"({"f:status":{".":{},"f:conditions":{".":{},"k:{\"type\":\"Ready\"}":{".":{},"f:status":{},"f:type":{}}}}})"_json);
  object = live_;
  object["status"]["conditions"].as_array()[0]["status"] = "False";
  update("gantry", object, "status");
  EXPECT_EQ(fields("gantry", "Update", "status").at({"f:status", "f:conditions"})->as_object().size(), 2u)
      << "nothing is forgotten";
}

TEST_F(UpdateTracking, AWriteThatChangesNothingLeavesTheBooksAlone) {
  update_spec("a", R"({"image":"nginx:1"})");
  const auto before = live_;
  update_spec("b", R"({"image":"nginx:1"})");
  EXPECT_EQ(live_, before);
  EXPECT_TRUE(changes_nothing(before, live_));
}

TEST_F(UpdateTracking, ManagersCanBeWrittenAndCleared) {
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  auto object = live_;
  object["metadata"]["managedFields"] =
      R"([{"manager":"x","operation":"Apply","apiVersion":"infra.gantry.dev/v1alpha1","fieldsType":"FieldsV1","fieldsV1":{"f:spec":{"f:env":{"k:{\"name\": \"A\"}":{}},"f:image":{}}}}])"_json;
  update("kubectl", object);
  EXPECT_EQ(applied("x"), R"({"f:spec":{"f:env":{"k:{\"name\":\"A\"}":{}},"f:image":{}}})"_json) << "in canonical form";
  EXPECT_EQ(applied("kubectl"), json::Value());
  for (const auto& reset : {"[]"_json, "[{}]"_json}) {
    object = live_;
    object["metadata"]["managedFields"] = reset;
    update("kubectl", object);
    EXPECT_EQ(live_.at({"metadata", "managedFields"}), nullptr);
  }
}

TEST_F(UpdateTracking, InvalidManagersAreIgnoredInFavourOfTheStoredOnes) {
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  const auto before = live_;
  for (
      const auto& bad :
      {R"([{"manager":"x","operation":"Steal","apiVersion":"v1","fieldsType":"FieldsV1"}])"_json,
       R"([{"manager":"x","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"x":{}}}])"_json,
       R"([{"manager":"x","operation":"Apply","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"k:nonsense":{}}}])"_json}) {
    auto object = before;
    object["metadata"]["managedFields"] = bad;
    update("kubectl", object);
    EXPECT_EQ(live_, before);
  }
}

TEST_F(UpdateTracking, SubresourcesCannotRewriteTheBooks) {
  apply_spec("kubectl", R"({"image":"nginx:1"})");
  auto object = live_;
  object["metadata"]["managedFields"] = json::Array();
  update("x", object, "status");
  EXPECT_EQ(applied("kubectl"), R"({"f:spec":{"f:image":{}}})"_json);
}

TEST_F(UpdateTracking, OldUpdatesAreFoldedTogether) {
  update_spec("m0", R"({"limits":{"k0":"x"}})");
  for (int i = 1; i < 15; ++i) {
    auto object = live_;
    object["spec"]["limits"]["k" + std::to_string(i)] = "x";
    update("m" + std::to_string(i), object);
  }
  EXPECT_EQ(live_.at({"metadata", "managedFields"})->as_array().size(), 10u);
  EXPECT_EQ(
      updated("ancient-changes"),
      R"({"f:spec":{".":{},"f:limits":{".":{},"f:k0":{},"f:k1":{},"f:k2":{},"f:k3":{},"f:k4":{},"f:k5":{}}}})"_json);
}

TEST_F(UpdateTracking, ItemsThatStandTwiceAreTolerated) {
  update_spec("a", R"({"env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]})");
  EXPECT_EQ(updated("a"), R"({"f:spec":{".":{},"f:env":{".":{},"k:{\"name\":\"A\"}":{}}}})"_json);
  update_spec("b", R"({"env":[{"name":"A","value":"1"}]})");
  EXPECT_EQ(updated("b"), R"({"f:spec":{"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}}}})"_json);
}

TEST(ChangesNothing, LooksPastVersionsAndTimes) {
  const auto old =
      R"({"metadata":{"name":"a","resourceVersion":"1","managedFields":[{"manager":"m","time":"1"}]},"spec":{}})"_json;
  EXPECT_TRUE(
      changes_nothing(old, R"({"metadata":{"name":"a","managedFields":[{"manager":"m","time":"2"}]},"spec":{}})"_json));
  EXPECT_FALSE(
      changes_nothing(old, R"({"metadata":{"name":"a","managedFields":[{"manager":"n","time":"1"}]},"spec":{}})"_json));
  EXPECT_FALSE(changes_nothing(
      old,
      R"({"metadata":{"name":"a","resourceVersion":"1","labels":{},"managedFields":[{"manager":"m","time":"1"}]},"spec":{}})"_json));
  EXPECT_FALSE(changes_nothing(
      old,
      R"({"metadata":{"name":"a","resourceVersion":"1","managedFields":[{"manager":"m","time":"1"}]},"spec":{"a":1}})"_json));
}

TEST(FieldSets, AddRemoveAndIntersect) {
  const auto set = [](const char* text) { return FieldSet::parse(json::parse(text)); };
  FieldSet a = set(R"({"f:a":{},"f:b":{"f:c":{},"f:d":{}}})");
  a.add(set(R"({"f:a":{"f:x":{}},"f:b":{".":{}}})"));
  EXPECT_EQ(a, set(R"({"f:a":{".":{},"f:x":{}},"f:b":{".":{},"f:c":{},"f:d":{}}})"));
  EXPECT_TRUE(a.covers(set(R"({"f:b":{".":{},"f:d":{}}})")));
  EXPECT_FALSE(a.covers(set(R"({"f:b":{"f:d":{"f:e":{}}}})")));
  FieldSet exact = a;
  exact.remove(set(R"({"f:a":{},"f:b":{"f:c":{}}})"));
  EXPECT_EQ(exact, set(R"({"f:a":{"f:x":{}},"f:b":{".":{},"f:d":{}}})"));
  FieldSet deep = a;
  deep.remove_deep(set(R"({"f:a":{},"f:b":{".":{},"f:c":{},"f:d":{}}})"));
  EXPECT_TRUE(deep.empty());
  EXPECT_EQ(a.common_with(set(R"({"f:a":{},"f:b":{"f:d":{}},"f:z":{}})")), set(R"({"f:a":{},"f:b":{"f:d":{}}})"));
  EXPECT_THAT(
      set(R"({"f:a":{"k:{\"b\":1,\"a\":\"x\"}":{".":{},"f:v":{}}},"f:s":{"v:true":{}},"f:i":{"i:3":{}}})").paths(),
      ElementsAre(R"(.a[a="x",b=1])", R"(.a[a="x",b=1].v)", ".i[3]", ".s[=true]"));
}

}  // namespace
}  // namespace gantry::object
