#include "controller/object/schema.hpp"

#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::shared_ptr<const Schema> schema_of(std::string_view spec) {
  return Schema::compile(json::parse(R"({"type":"object","properties":{"spec":)" + std::string(spec) + "}}"));
}

// An object with the given spec, as a client would send it.
json::Value with_spec(std::string_view spec) {
  return json::parse(R"({"apiVersion":"g/v1","kind":"App","metadata":{"name":"web"},"spec":)" + std::string(spec) +
                     "}");
}

struct Case {
  std::string_view name;
  std::string_view schema;  // of spec
  std::string_view spec;
  std::vector<std::string> errors;
};

class Wording : public testing::TestWithParam<Case> {};

TEST_P(Wording, IsThatOfKubernetes) {
  const auto& c = GetParam();
  EXPECT_EQ(lines_of(schema_of(c.schema)->validate(with_spec(c.spec))), c.errors);
}

INSTANTIATE_TEST_SUITE_P(
    Types, Wording,
    testing::Values(
        Case{"WrongType",
             R"({"type":"object","properties":{"replicas":{"type":"integer"}}})",
             R"({"replicas":"three"})",
             {R"(spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string")"}},
        Case{"FractionForInteger",
             R"({"type":"object","properties":{"replicas":{"type":"integer"}}})",
             R"({"replicas":1.5})",
             {R"(spec.replicas: Invalid value: "number": spec.replicas in body must be of type integer: "number")"}},
        Case{"IntegralFloat",
             R"({"type":"object","properties":{"replicas":{"type":"integer"}}})",
             R"({"replicas":2.0})",
             {}},
        Case{"IntegerForNumber", R"({"type":"number"})", "3", {}},
        Case{"ObjectForList",
             R"({"type":"array","items":{"type":"string"}})",
             "{}",
             {R"(spec: Invalid value: "object": spec in body must be of type array: "object")"}},
        Case{"NullIsNotAnyString",
             R"({"type":"array","items":{"type":"string"}})",
             "[null]",
             {R"(spec[0]: Invalid value: "null": spec[0] in body must be of type string: "null")"}},
        Case{"NullWhereAllowed", R"({"type":"string","nullable":true})", "null", {}},
        Case{"IntOrString",
             R"({"type":"array","items":{"x-kubernetes-int-or-string":true}})",
             R"([1,"500m",true])",
             {R"(spec[2]: Invalid value: "boolean": spec[2] in body must be of type integer,string: "boolean")"}}),
    [](const auto& c) { return std::string(c.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Values, Wording,
    testing::Values(
        Case{"Maximum",
             R"({"type":"integer","maximum":100})",
             "500",
             {"spec: Invalid value: 500: spec in body should be less than or equal to 100"}},
        Case{"Minimum",
             R"({"type":"integer","minimum":1})",
             "0",
             {"spec: Invalid value: 0: spec in body should be greater than or equal to 1"}},
        Case{"ExclusiveMaximum",
             R"({"type":"number","maximum":1,"exclusiveMaximum":true})",
             "1",
             {"spec: Invalid value: 1: spec in body should be less than 1"}},
        Case{"ExclusiveMinimum",
             R"({"type":"number","minimum":0.5,"exclusiveMinimum":true})",
             "0.5",
             {"spec: Invalid value: 0.5: spec in body should be greater than 0.5"}},
        Case{"MultipleOf",
             R"({"type":"integer","multipleOf":5})",
             "7",
             {"spec: Invalid value: 7: spec in body should be a multiple of 5"}},
        Case{"MultipleOfFraction", R"({"type":"number","multipleOf":0.1})", "0.3", {}},
        Case{"Int32",
             R"({"type":"integer","format":"int32"})",
             "3000000000",
             {"spec: Invalid value: 3000000000: Checked value must be of type integer with format int32 in spec"}},
        Case{"MinLength",
             R"({"type":"string","minLength":3})",
             R"("ab")",
             {R"(spec: Invalid value: "ab": spec in body should be at least 3 chars long)"}},
        Case{"LengthCountsCodePoints", R"({"type":"string","minLength":2,"maxLength":2})", R"("日本")", {}},
        Case{"MaxLength",
             R"({"type":"string","maxLength":2})",
             R"("日本語")",
             {"spec: Too long: may not be more than 2 bytes"}},
        Case{"Pattern",
             R"({"type":"string","pattern":"^a"})",
             R"("b")",
             {R"(spec: Invalid value: "b": spec in body should match '^a')"}},
        Case{"PatternIsUnanchored", R"({"type":"string","pattern":"b+"})", R"("abc")", {}},
        Case{"Enum",
             R"({"type":"string","enum":["a","b"]})",
             R"("v")",
             {R"(spec: Unsupported value: "v": supported values: "a", "b")"}},
        Case{"EnumOfNumbers",
             R"({"type":"integer","enum":[1,2]})",
             "3",
             {R"(spec: Unsupported value: 3: supported values: "1", "2")"}},
        Case{"MinItems",
             R"({"type":"array","minItems":1,"items":{"type":"string"}})",
             "[]",
             {"spec: Invalid value: 0: spec in body should have at least 1 items"}},
        Case{"MaxItems",
             R"({"type":"array","maxItems":2,"items":{"type":"integer"}})",
             "[1,2,3]",
             {"spec: Too many: 3: must have at most 2 items"}},
        Case{"MinProperties",
             R"({"type":"object","minProperties":1,"additionalProperties":{"type":"string"}})",
             "{}",
             {"spec: Invalid value: 0: spec in body should have at least 1 properties"}},
        Case{"MaxProperties",
             R"({"type":"object","maxProperties":1,"additionalProperties":{"type":"string"}})",
             R"({"a":"","b":""})",
             {"spec: Too many: 2: must have at most 1 item"}},
        Case{"Required",
             R"({"type":"object","required":["image"],"properties":{"image":{"type":"string"}}})",
             "{}",
             {"spec.image: Required value"}},
        Case{
            "RequiredInItem",
            R"({"type":"array","items":{"type":"object","required":["name","port"],"properties":{"name":{"type":"string"},"port":{"type":"integer"}}}})",
            R"([{"name":"a","port":1},{"other":1}])",
            {"spec[1].name: Required value", "spec[1].port: Required value"}}),
    [](const auto& c) { return std::string(c.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Formats, Wording,
    testing::Values(Case{"DateTime",
                         R"({"type":"string","format":"date-time"})",
                         R"("yesterday")",
                         {R"(spec: Invalid value: "yesterday": spec in body must be of type date-time: "yesterday")"}},
                    Case{"UnknownFormat", R"({"type":"string","format":"haiku"})", R"("x")", {}},
                    Case{"Duration",
                         R"({"type":"string","format":"duration"})",
                         R"("5 parsecs")",
                         {R"(spec: Invalid value: "5 parsecs": spec in body must be of type duration: "5 parsecs")"}},
                    Case{"Ipv4",
                         R"({"type":"string","format":"ipv4"})",
                         R"("1.2.3.256")",
                         {R"(spec: Invalid value: "1.2.3.256": spec in body must be of type ipv4: "1.2.3.256")"}}),
    [](const auto& c) { return std::string(c.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Lists, Wording,
    testing::Values(
        Case{"Set",
             R"({"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}})",
             R"(["a","b","a","a"])",
             {R"(spec[2]: Duplicate value: "a")"}},
        Case{
            "Map",
            R"({"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}})",
            R"([{"name":"A"},{"name":"B"},{"name":"A"}])",
            {R"(spec[2]: Duplicate value: {"name":"A"})"}},
        Case{
            "MapByTwoKeys",
            R"({"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["port","protocol"],"items":{"type":"object","required":["port","protocol"],"properties":{"port":{"type":"integer"},"protocol":{"type":"string"}}}})",
            R"([{"port":53,"protocol":"TCP"},{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"}])",
            {R"(spec[2]: Duplicate value: {"port":53,"protocol":"TCP"})"}}),
    [](const auto& c) { return std::string(c.param.name); });

INSTANTIATE_TEST_SUITE_P(
    Junctors, Wording,
    testing::Values(
        Case{
            "OneOfNone",
            R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"oneOf":[{"required":["a"]},{"required":["b"]}]})",
            "{}",
            {R"(spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid)",
             "spec.a: Required value"}},
        Case{
            "OneOfTwo",
            R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"oneOf":[{"required":["a"]},{"required":["b"]}]})",
            R"({"a":"","b":""})",
            {R"(spec: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives)"}},
        Case{"AnyOf",
             R"({"type":"string","anyOf":[{"pattern":"^a"},{"pattern":"^b"}]})",
             R"("c")",
             {R"(spec: Invalid value: "": "spec" must validate at least one schema (anyOf))",
              R"(spec: Invalid value: "c": spec in body should match '^a')"}},
        Case{"AllOf",
             R"({"type":"string","allOf":[{"pattern":"^a"},{"pattern":"z$"}]})",
             R"("ay")",
             {R"(spec: Invalid value: "ay": spec in body should match 'z$')",
              R"(spec: Invalid value: "": "spec" must validate all the schemas (allOf))"}},
        Case{"Not",
             R"({"type":"string","not":{"pattern":"^x"}})",
             R"("xy")",
             {R"(spec: Invalid value: "": "spec" must not validate the schema (not))"}}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(Validation, NamesEveryViolationButAtMostAHundred) {
  const auto schema = schema_of(R"({"type":"array","items":{"type":"integer","minimum":1}})");
  std::string zeros = "[0";
  for (int i = 1; i < 5000; ++i) zeros += ",0";
  EXPECT_EQ(schema->validate(with_spec(zeros + "]")).size(), 100u);
}

TEST(Validation, TypesOfMetadataAreKnownToEverySchema) {
  const auto schema = schema_of(R"({"type":"string"})");
  EXPECT_THAT(
      lines_of(
          schema->validate(R"({"apiVersion":"g/v1","kind":"App","metadata":{"name":"web","labels":{"a":1}}})"_json)),
      ElementsAre(
          R"(metadata.labels.a: Invalid value: "integer": metadata.labels.a in body must be of type string: "integer")"));
}

TEST(Validation, RootMetadataMayRestrictTheName) {
  const auto schema = Schema::compile(
      R"({"type":"object","properties":{"metadata":{"type":"object","properties":{"name":{"type":"string","maxLength":3}}}}})"_json);
  EXPECT_THAT(lines_of(schema->validate(R"({"metadata":{"name":"long"}})"_json)),
              ElementsAre("metadata.name: Too long: may not be more than 3 bytes"));
}

TEST(Validation, AnEmbeddedObjectSaysWhatItIs) {
  const auto schema = schema_of(
      R"({"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true})");
  EXPECT_THAT(lines_of(schema->validate(with_spec(R"({"any":1})"))),
              ElementsAre("spec.apiVersion: Required value: must not be empty",
                          "spec.kind: Required value: must not be empty"));
  EXPECT_THAT(schema->validate(with_spec(R"({"apiVersion":"v1","kind":"X","metadata":{"name":"a"},"any":1})")),
              IsEmpty());
}

TEST(Pruning, DropsWhatIsUnknownAndSaysWhere) {
  const auto schema = schema_of(
      R"({"type":"object","properties":{"replicas":{"type":"integer"},"env":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"}}}},
      "limits":{"type":"object","additionalProperties":{"type":"object","properties":{"cpu":{"type":"string"}}}}}})");
  auto object =
      with_spec(R"({"replicsa":1,"replicas":2,"env":[{"name":"A","valu":1}],"limits":{"a":{"cpu":"1","gpu":2}}})");
  object["metadata"]["nmae"] = 1;
  object["extra"] = json::Object{{"deep", 1}};
  std::vector<std::string> unknown;
  schema->prune(object, &unknown);
  EXPECT_THAT(unknown,
              UnorderedElementsAre("extra", "metadata.nmae", "spec.env[0].valu", "spec.limits.a.gpu", "spec.replicsa"));
  EXPECT_EQ(object, with_spec(R"({"replicas":2,"env":[{"name":"A"}],"limits":{"a":{"cpu":"1"}}})"));
}

TEST(Pruning, KeepsUnknownFieldsWhereToldSoButPrunesTheKnownOnes) {
  const auto schema = schema_of(
      R"({"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"known":{"type":"object","properties":{"a":{"type":"string"}}}}})");
  auto object = with_spec(R"({"any":{"thing":[1]},"known":{"a":"1","b":2}})");
  schema->prune(object);
  EXPECT_EQ(object, with_spec(R"({"any":{"thing":[1]},"known":{"a":"1"}})"));
}

TEST(Pruning, DropsNullsThatAreNotAllowed) {
  const auto schema =
      schema_of(R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string","nullable":true}}})");
  auto object = with_spec(R"({"a":null,"b":null})");
  schema->prune(object);
  EXPECT_EQ(object, with_spec(R"({"b":null})"));
}

TEST(Pruning, AMillionUnknownFieldsTakeNoTime) {
  const auto schema = schema_of(R"({"type":"object","properties":{"a":{"type":"string"}}})");
  json::Object many;
  for (int i = 0; i < 1'000'000; ++i) many.append_unsorted("k" + std::to_string(i), 0);
  many.sort();
  auto object = with_spec("{}");
  object["spec"] = std::move(many);
  std::vector<std::string> unknown;
  schema->prune(object, &unknown);
  EXPECT_EQ(object, with_spec("{}"));
  EXPECT_EQ(unknown.size(), 1000u);
}

TEST(Defaulting, FillsInTopDown) {
  const auto schema = schema_of(R"({"type":"object","properties":{
      "replicas":{"type":"integer","default":1},
      "strategy":{"type":"object","default":{},"properties":{"type":{"type":"string","default":"RollingUpdate"}}},
      "health":{"type":"object","properties":{"periodSeconds":{"type":"integer","default":5}}},
      "ports":{"type":"array","items":{"type":"object","properties":{"protocol":{"type":"string","default":"TCP"}}}},
      "note":{"type":"string","nullable":true,"default":"n"}}})");
  auto object = with_spec(R"({"ports":[{},{"protocol":"UDP"}],"note":null,"replicas":null})");
  schema->set_defaults(object);
  EXPECT_EQ(
      object,
      with_spec(
          R"({"note":null,"ports":[{"protocol":"TCP"},{"protocol":"UDP"}],"replicas":1,"strategy":{"type":"RollingUpdate"}})"));
}

TEST(Ratcheting, WhatDidNotChangeIsNotJudgedAgain) {
  const auto schema = schema_of(
      R"({"type":"object","required":["must"],"properties":{"must":{"type":"string"},"size":{"type":"integer","maximum":10},
      "env":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"value":{"type":"string","maxLength":1}}}},
      "list":{"type":"array","items":{"type":"string","maxLength":1}}}})");
  const auto old = with_spec(R"({"must":"","size":50,"env":[{"name":"A","value":"long"}],"list":["long"]})");
  // Unrelated edits pass, and an item of a keyed list is found again wherever it stands.
  EXPECT_THAT(
      schema->validate_update(
          with_spec(R"({"must":"x","size":50,"env":[{"name":"B"},{"name":"A","value":"long"}],"list":["long"]})"), old),
      IsEmpty());
  // What is touched must be right.
  EXPECT_THAT(
      lines_of(schema->validate_update(
          with_spec(R"({"must":"","size":51,"env":[{"name":"A","value":"longer"}],"list":["long","a"]})"), old)),
      ElementsAre("spec.env[0].value: Too long: may not be more than 1 byte",
                  "spec.list[0]: Too long: may not be more than 1 byte",
                  "spec.size: Invalid value: 51: spec.size in body should be less than or equal to 10"));
  EXPECT_THAT(lines_of(schema->validate_update(with_spec(R"({"size":50})"), old)),
              ElementsAre("spec.must: Required value"));
}

TEST(Ratcheting, AListThatHadDuplicatesMayKeepThem) {
  const auto schema = schema_of(R"({"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}})");
  EXPECT_THAT(schema->validate_update(with_spec(R"(["a","a","b"])"), with_spec(R"(["a","a"])")), IsEmpty());
  EXPECT_THAT(schema->validate_update(with_spec(R"(["a","a"])"), with_spec(R"(["a"])")), testing::SizeIs(1));
}

TEST(Validation, AHundredLevelsAreNoProblem) {
  std::string schema = R"({"type":"string"})";
  std::string value = R"("x")";
  for (int i = 0; i < 40; ++i) {
    schema = R"({"type":"object","properties":{"a":)" + schema + "}}";
    value = R"({"a":)" + value + "}";
  }
  EXPECT_THAT(schema_of(schema)->validate(with_spec(value)), IsEmpty());
  // Below a field of any content, as deep as JSON may be.
  std::string deep(90, '[');
  deep += std::string(90, ']');
  const auto any = schema_of(R"({"type":"object","x-kubernetes-preserve-unknown-fields":true})");
  auto object = with_spec(R"({"a":)" + deep + "}");
  any->prune(object);
  EXPECT_THAT(any->validate(object), IsEmpty());
}

struct Refused {
  std::string_view name;
  std::string_view schema;
  std::string_view error;
};

class Structural : public testing::TestWithParam<Refused> {};

TEST_P(Structural, IsDemanded) {
  const Error error = error_of([] { schema_of(GetParam().schema); });
  EXPECT_EQ(error.code(), ErrorCode::Invalid);
  EXPECT_THAT(lines_of(error.causes), testing::Contains(HasSubstr(std::string(GetParam().error))));
}

INSTANTIATE_TEST_SUITE_P(
    Schema, Structural,
    testing::Values(
        Refused{"NoType", "{}",
                "openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields"},
        Refused{"NoItems", R"({"type":"array"})",
                "openAPIV3Schema.properties[spec].items: Required value: must be specified"},
        Refused{"NoTypeOfItems", R"({"type":"array","items":{}})",
                "properties[spec].items.type: Required value: must not be empty for specified array items"},
        Refused{"BothKindsOfProperties",
                R"({"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"string"}})",
                "additionalProperties and properties are mutual exclusive"},
        Refused{"TypeInAnyOf", R"({"type":"object","anyOf":[{"type":"object"}]})",
                "anyOf[0].type: Forbidden: must be undefined to be structural"},
        Refused{"UndeclaredInOneOf", R"({"type":"object","oneOf":[{"properties":{"a":{"maxLength":1}}}]})",
                "oneOf[0].properties[a]: Required value"},
        Refused{"Reference", R"({"type":"object","$ref":"#/x"})", "$ref: Forbidden"},
        Refused{"UniqueItems", R"({"type":"array","uniqueItems":true,"items":{"type":"string"}})",
                "uniqueItems: Forbidden"},
        Refused{
            "BadRule",
            R"({"type":"object","properties":{"a":{"type":"integer","x-kubernetes-validations":[{"rule":"self = 1"}]}}})",
            "x-kubernetes-validations[0].rule: Invalid value: \"self = 1\": compilation failed"},
        Refused{"UnknownWord", R"({"type":"integer","minmum":1})", "minmum: Forbidden: unknown in a schema"},
        Refused{"BadPattern", R"({"type":"string","pattern":"("})",
                "pattern: Invalid value: \"(\": must be a valid regular expression"},
        Refused{"BadDefault", R"({"type":"object","default":{"a":1},"properties":{"a":{"type":"string"}}})",
                R"(default.a: Invalid value: "integer")"},
        Refused{"UnknownInDefault", R"({"type":"object","default":{"b":1},"properties":{"a":{"type":"string"}}})",
                "must not contain unknown fields"},
        Refused{"NoKeys", R"({"type":"array","x-kubernetes-list-type":"map","items":{"type":"object"}})",
                "x-kubernetes-list-map-keys: Required value"},
        Refused{
            "OptionalKey",
            R"({"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"],"items":{"type":"object","properties":{"a":{"type":"string"}}}})",
            "must have a default or be a required property"},
        Refused{"BadType", R"({"type":"text"})", R"(type: Unsupported value: "text")"}),
    [](const auto& c) { return std::string(c.param.name); });

}  // namespace
}  // namespace gantry::object
