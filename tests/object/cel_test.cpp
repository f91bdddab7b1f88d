// Rules in CEL: what they say of objects, what is refused when a schema is written, and that none takes for ever.
#include "controller/object/schema.hpp"
#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kFields = R"({
  "type":"object","required":["spec"],"properties":{"spec":{"type":"object","x-kubernetes-validations":RULES,"properties":{
    "min":{"type":"integer"},"max":{"type":"integer"},"ratio":{"type":"number"},
    "name":{"type":"string","maxLength":64},"mode":{"type":"string","enum":["a","b"]},"on":{"type":"boolean"},
    "free":{"type":"string"},
    "cpu":{"x-kubernetes-int-or-string":true,"maxLength":20},
    "a-b":{"type":"string","maxLength":8},
    "tags":{"type":"array","maxItems":10,"x-kubernetes-list-type":"set","items":{"type":"string","maxLength":20}},
    "limits":{"type":"object","maxProperties":8,"additionalProperties":{"type":"integer"}},
    "wild":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
    "ports":{"type":"array","maxItems":20,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["port"],
      "items":{"type":"object","required":["port"],"properties":{"port":{"type":"integer"},"name":{"type":"string","maxLength":20}}}},
    "many":{"type":"array","items":{"type":"array","items":{"type":"string"}}}}}}})";

std::string quoted_json(std::string_view text) {
  std::string out;
  json::append_quoted(out, text);
  return out;
}

std::shared_ptr<const Schema> schema_with(const std::string& rules) {
  std::string text(kFields);
  return Schema::compile(json::parse(text.replace(text.find("RULES"), 5, rules)));
}

std::shared_ptr<const Schema> schema_of(std::string_view rule) {
  return schema_with(R"([{"rule":)" + quoted_json(rule) + R"(,"message":"no"}])");
}

json::Value spec(std::string_view members) { return json::parse(R"({"spec":{)" + std::string(members) + "}}"); }

// Whether the rule holds for a spec with these members.
bool holds(std::string_view rule, std::string_view members) {
  const auto errors = schema_of(rule)->validate(spec(members));
  for (const auto& error : errors) EXPECT_THAT(error.message, testing::EndsWith(": no")) << rule;
  return errors.empty();
}

std::string refusal(std::string_view rule) {
  const Error error = error_of([&] { schema_of(rule); });
  return error.causes.empty() ? error.message() : error.causes[0].message;
}

TEST(Cel, ComparesFields) {
  EXPECT_TRUE(holds("self.min <= self.max", R"("min":1,"max":2)"));
  EXPECT_FALSE(holds("self.min <= self.max", R"("min":3,"max":2)"));
  EXPECT_TRUE(holds("self.ratio > 0.5 && self.ratio < 2", R"("ratio":1)")) << "a number without a fraction is one too";
  EXPECT_TRUE(holds("self.name == 'web' || self.name != \"db\"", R"("name":"x")"));
  EXPECT_TRUE(holds("self.on ? self.min > 0 : self.min == 0", R"("on":false,"min":0)"));
  EXPECT_FALSE(holds("!self.on", R"("on":true)"));
  EXPECT_TRUE(holds("'b' > self.mode", R"("mode":"a")"));
  EXPECT_TRUE(holds("self.cpu == 1 || self.cpu == '500m'", R"("cpu":"500m")"));
  EXPECT_TRUE(holds("self.cpu == 1 || self.cpu == '500m'", R"("cpu":1)"));
  EXPECT_TRUE(holds("self.a__dash__b == 'x'", R"("a-b":"x")")) << "names that are no identifiers are escaped";
}

TEST(Cel, KnowsWhatIsThere) {
  EXPECT_TRUE(holds("!has(self.max) || self.min < self.max", R"("min":1)"));
  EXPECT_FALSE(holds("has(self.max)", R"("min":1)"));
  EXPECT_TRUE(holds("has(self.limits) && has(self.limits.cpu)", R"("limits":{"cpu":1})"));
  EXPECT_TRUE(holds("self.mode in ['a', 'b']", R"("mode":"b")"));
  EXPECT_TRUE(holds("'cpu' in self.limits && self.limits['cpu'] == 3", R"("limits":{"cpu":3})"));
  EXPECT_TRUE(holds("'x' in self.tags && !('y' in self.tags)", R"("tags":["w","x"])"));
}

TEST(Cel, CountsAndLooksThroughLists) {
  EXPECT_TRUE(holds("size(self.tags) == 2 && self.tags.size() < 3", R"("tags":["a","b"])"));
  EXPECT_TRUE(holds("self.ports.all(p, p.port > 0)", R"("ports":[{"port":1},{"port":2}])"));
  EXPECT_FALSE(holds("self.ports.all(p, p.port > 1)", R"("ports":[{"port":1},{"port":2}])"));
  EXPECT_TRUE(holds("self.ports.exists(p, p.port == 2)", R"("ports":[{"port":1},{"port":2}])"));
  EXPECT_FALSE(holds("self.ports.exists_one(p, p.port > 0)", R"("ports":[{"port":1},{"port":2}])"));
  EXPECT_TRUE(holds("self.limits.all(key, key.startsWith('c'))", R"("limits":{"cpu":1,"cores":2})"));
  EXPECT_TRUE(holds("self.ports.filter(p, has(p.name)).map(p, p.name) == ['x']",
                    R"("ports":[{"port":1},{"port":2,"name":"x"}])"));
  EXPECT_TRUE(holds("self.tags == ['b', 'a']", R"("tags":["a","b"])")) << "a set has no order";
  EXPECT_TRUE(holds("self.ports[1].port == 2", R"("ports":[{"port":1},{"port":2}])"));
}

TEST(Cel, KnowsText) {
  EXPECT_TRUE(
      holds("self.name.startsWith('we') && self.name.endsWith('b') && self.name.contains('e')", R"("name":"web")"));
  EXPECT_TRUE(holds("self.name.matches('^[a-z]+$')", R"("name":"web")"));
  EXPECT_TRUE(holds(R"(self.name.matches(r'^\w+$'))", R"("name":"web")"));
  EXPECT_TRUE(holds("size(self.name) == 3", R"("name":"äöü")")) << "characters, not bytes";
  EXPECT_TRUE(holds("self.name.upperAscii() == 'WEB' && self.name.substring(1) == 'eb'", R"("name":"web")"));
  EXPECT_TRUE(holds("self.name.split('.').size() == 3 && self.name.indexOf('.') == 1", R"("name":"a.b.c")"));
  EXPECT_TRUE(holds("self.name.trim() == 'x' && self.name.substring(1, 2) == 'x'", R"("name":" x ")"));
  EXPECT_TRUE(holds(R"(self.name == 'a\u00e4\n\x41')", "\"name\":\"a\u00e4\\nA\""));
}

TEST(Cel, CountsWithIntegersAndNumbers) {
  EXPECT_TRUE(holds("self.min + 2 * 3 - 1 == 6 && 7 / 2 == 3 && 7 % 2 == 1", R"("min":1)"));
  EXPECT_TRUE(holds("self.ratio * 2.0 == 3.0 && -self.min == -1", R"("min":1,"ratio":1.5)"));
  EXPECT_TRUE(holds("string(self.min) + 'x' == '7x' && int('12') == 12 && double('1.5') == 1.5", R"("min":7)"));
  EXPECT_TRUE(holds("0x10 == 16 && 1e2 == 100.0 && -5 < -4", R"("min":7)"));
}

TEST(Cel, WhatCannotBeAnsweredIsAViolation) {
  const auto message = [](std::string_view rule, std::string_view members) {
    const auto errors = schema_of(rule)->validate(spec(members));
    return errors.size() == 1 ? errors[0].message : std::string();
  };
  EXPECT_THAT(message("self.min < self.max", R"("min":1)"), HasSubstr("no such key: max"));
  EXPECT_THAT(message("10 / self.min == 1", R"("min":0)"), HasSubstr("division by zero"));
  EXPECT_THAT(message("self.min + 9223372036854775807 > 0", R"("min":1)"), HasSubstr("integer overflow"));
  EXPECT_THAT(message("self.ports[3].port == 1", R"("ports":[])"), HasSubstr("index out of bounds: 3"));
  EXPECT_TRUE(holds("self.max > 1 || self.min == 1", R"("min":1)")) << "either side of || may decide alone";
  EXPECT_TRUE(holds("!(self.max > 1 && self.min == 2)", R"("min":1)"));
  EXPECT_TRUE(holds("self.ports.exists(p, p.name == 'x')", R"("ports":[{"port":1},{"port":2,"name":"x"}])"));
}

TEST(Cel, ARuleIsToldInTheWordsOfItsSchema) {
  const auto said = [](const std::string& rest) {
    const auto schema = schema_with(R"([{"rule":"self.min <= self.max")" + rest + "}]");
    return lines_of(schema->validate(spec(R"("min":3,"max":2)")));
  };
  EXPECT_THAT(said(R"(,"message":"min may not exceed max")"),
              ElementsAre(R"(spec: Invalid value: "object": min may not exceed max)"));
  EXPECT_THAT(said(""), ElementsAre(R"(spec: Invalid value: "object": failed rule: self.min <= self.max)"));
  EXPECT_THAT(said(R"j(,"messageExpression":"'min is ' + string(self.min)","message":"x")j"),
              ElementsAre(R"(spec: Invalid value: "object": min is 3)"));
  EXPECT_THAT(said(R"(,"messageExpression":"self.free","message":"x")"),
              ElementsAre(R"(spec: Invalid value: "object": x)"))
      << "an expression that fails leaves the word to the message";
  EXPECT_THAT(said(R"(,"reason":"FieldValueForbidden","fieldPath":".max","message":"x")"),
              ElementsAre("spec.max: Forbidden: x"));
}

TEST(Cel, ATransitionIsJudgedOnlyWhenThereWasSomethingBefore) {
  const auto schema = schema_of("self.name == oldSelf.name");
  EXPECT_THAT(schema->validate(spec(R"("name":"a")")), IsEmpty());
  EXPECT_THAT(schema->validate_update(spec(R"("name":"a","min":1)"), spec(R"("name":"a")")), IsEmpty());
  EXPECT_THAT(lines_of(schema->validate_update(spec(R"("name":"b")"), spec(R"("name":"a")"))),
              ElementsAre(R"(spec: Invalid value: "object": no)"));
}

TEST(Cel, WhatDidNotChangeIsNotJudgedAgain) {
  const auto schema = schema_of("self.min <= self.max");
  const auto broken = spec(R"("min":3,"max":2)");
  EXPECT_THAT(schema->validate_update(broken, broken), IsEmpty()) << "the rule is younger than the object";
  EXPECT_FALSE(schema->validate_update(spec(R"("min":4,"max":2)"), broken).empty());
}

TEST(Cel, RulesWaitForTheRestOfTheSchema) {
  const auto errors = schema_of("self.min <= self.max")->validate(spec(R"("min":"one","max":2)"));
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_THAT(errors[1].message, HasSubstr("some validation rules were not checked because the object was invalid"));
}

TEST(Cel, RulesStandAnywhereInASchema) {
  const auto schema = Schema::compile(
      R"j({"type":"object","x-kubernetes-validations":[{"rule":"self.metadata.name.startsWith('app-')"}],
    "properties":{"spec":{"type":"object","properties":{
      "ports":{"type":"array","maxItems":5,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["port"],"items":{"type":"object","required":["port"],
        "x-kubernetes-validations":[{"rule":"self.name == oldSelf.name","message":"the name stays"}],
        "properties":{"port":{"type":"integer","x-kubernetes-validations":[{"rule":"self > 0"}]},"name":{"type":"string","maxLength":9}}}},
      "limits":{"type":"object","maxProperties":5,"additionalProperties":{"type":"integer","x-kubernetes-validations":[{"rule":"self < 10"}]}}}}}})j"_json);
  const auto object = [](std::string_view name, std::string_view members) {
    return json::parse(R"({"metadata":{"name":")" + std::string(name) + R"("},"spec":{)" + std::string(members) + "}}");
  };
  EXPECT_THAT(lines_of(schema->validate(object("web", R"("ports":[{"port":0,"name":"a"}],"limits":{"cpu":11})"))),
              ElementsAre(R"(<nil>: Invalid value: "object": failed rule: self.metadata.name.startsWith('app-'))",
                          R"(spec.limits.cpu: Invalid value: "integer": failed rule: self < 10)",
                          R"(spec.ports[0].port: Invalid value: "integer": failed rule: self > 0)"));
  const auto before = object("app-1", R"("ports":[{"port":1,"name":"a"},{"port":2,"name":"b"}])");
  EXPECT_THAT(
      schema->validate_update(object("app-1", R"("ports":[{"port":2,"name":"b"},{"port":1,"name":"a"}])"), before),
      IsEmpty())
      << "items of a keyed list are compared by their key";
  EXPECT_THAT(lines_of(schema->validate_update(object("app-1", R"("ports":[{"port":2,"name":"c"}])"), before)),
              ElementsAre(R"(spec.ports[0]: Invalid value: "object": the name stays)"));
}

TEST(Cel, WhatIsNotSupportedIsRefusedWhenItIsWritten) {
  EXPECT_THAT(refusal("self.nosuch == 1"),
              HasSubstr("compilation failed: ERROR: <input>:1:5: undefined field 'nosuch'"));
  EXPECT_THAT(refusal("self.min == 'x'"),
              HasSubstr("found no matching overload for '_==_' applied to '(int, string)'"));
  EXPECT_THAT(refusal("self.min + 1"), HasSubstr("must evaluate to a bool"));
  EXPECT_THAT(refusal("quantity(self.name).isInteger()"), HasSubstr("undeclared reference to 'quantity'"));
  EXPECT_THAT(refusal("self.name.reverse() == 'x'"), HasSubstr("undeclared reference to 'reverse'"));
  EXPECT_THAT(refusal("self.wild.x == 1"), HasSubstr("undefined field 'wild'"));
  EXPECT_THAT(refusal("other.min == 1"), HasSubstr("undeclared reference to 'other'"));
  EXPECT_THAT(refusal("self.name.matches(self.free)"), HasSubstr("a pattern that is written out"));
  EXPECT_THAT(refusal("self.name.matches('(')"), HasSubstr("compilation failed"));
  EXPECT_THAT(refusal("self.min == 1u"), HasSubstr("unsigned numbers are not supported"));
  EXPECT_THAT(refusal("self.?min.hasValue()"), HasSubstr("optional values are not supported"));
  EXPECT_THAT(refusal("self.min ="), HasSubstr("unexpected ="));
  EXPECT_THAT(refusal("self.name == 'x"), HasSubstr("a string without an end"));
  EXPECT_THAT(refusal(std::string(200, '(') + "true" + std::string(200, ')')), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal(""), HasSubstr("rule is not specified"));
  const auto unknown = error_of([] { schema_with(R"([{"rule":"true","optionalOldSelf":"x"}])"); });
  EXPECT_THAT(lines_of(unknown.causes), ElementsAre(HasSubstr("optionalOldSelf is not supported")));
}

TEST(Cel, OldValuesCannotBeToldApartInListsWithoutKeys) {
  const auto refused = error_of([] {
    Schema::compile(
        R"({"type":"object","properties":{"a":{"type":"array","maxItems":3,"items":{"type":"integer","x-kubernetes-validations":[{"rule":"self == oldSelf"}]}}}})"_json);
  });
  EXPECT_THAT(lines_of(refused.causes), ElementsAre(HasSubstr("oldSelf cannot be used on the uncorrelatable portion")));
}

TEST(Cel, ARuleThatCouldTakeTooLongIsRefused) {
  EXPECT_THAT(refusal("self.many.all(x, x.all(y, self.many.exists(z, z == x && y in z)))"),
              HasSubstr("estimated rule cost exceeds budget by factor of more than 100x"));
  EXPECT_TRUE(holds("self.ports.all(p, self.ports.exists_one(q, q.port == p.port))", R"("ports":[{"port":1}])"))
      << "what is bounded may be looked through twice";
}

TEST(Cel, DeepTreesAndLongChainsAreEvaluated) {
  std::string rule = "true";
  for (int i = 0; i < 1000; ++i) rule += " && true";
  EXPECT_TRUE(holds(rule, ""));
}

}  // namespace
}  // namespace gantry::object
