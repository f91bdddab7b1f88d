#include "controller/base/json_partial.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/error.hpp"

namespace gantry {
namespace {

using json::Value;
using testing::ElementsAre;
using testing::HasSubstr;

std::string again(std::string_view text) { return json::dump(json::parse(text)); }

std::string complaint(std::string_view text) {
  try {
    json::parse(text);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::BadRequest);
    return error.message();
  }
}

TEST(Json, IsWrittenCanonically) {
  EXPECT_EQ(again(R"( { "b" : [1, 2.5, true, null] , "a" : {"z":"","y":[ ]} } )"),
            R"({"a":{"y":[],"z":""},"b":[1,2.5,true,null]})");
  EXPECT_EQ(again(R"({"b":1,"a":2})"), again(R"({"a":2,"b":1})"));
}

TEST(Json, KeepsIntegersExactAndFloatsFloats) {
  EXPECT_EQ(again("[9223372036854775807,-9223372036854775808,0]"), "[9223372036854775807,-9223372036854775808,0]");
  EXPECT_EQ(again("[1.0,1e3,0.1]"), "[1.0,1000.0,0.1]");
  EXPECT_TRUE(json::parse("18446744073709551615").is_double());
}

TEST(Json, EscapesWhatMustBe) { EXPECT_EQ(again(R"("\u0001\t\n\"\\\/é😀\ud83d\ude00")"), R"("\u0001\t\n\"\\/é😀😀")"); }

TEST(Json, ReportsKeysThatStandTwice) {
  std::vector<std::string> twice;
  const Value value = json::parse(R"({"a":1,"b":[{"c":1,"c":2,"c":3}],"a":2})", &twice);
  EXPECT_THAT(twice, testing::UnorderedElementsAre("a", "b[0].c"));
  EXPECT_EQ(json::dump(value), R"({"a":2,"b":[{"c":3}]})");
}

TEST(Json, RefusesWhatIsNot) {
  EXPECT_THAT(complaint("{"), HasSubstr("JSON is"));
  EXPECT_THAT(complaint(""), HasSubstr("empty"));
  EXPECT_THAT(complaint("{\"a\":\"\xff\"}"), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(complaint("[1] [2]"), HasSubstr("JSON is"));
  EXPECT_THAT(complaint("[1e999]"), HasSubstr("number"));
  EXPECT_THAT(complaint(std::string(5000, '[')), HasSubstr("JSON is"));
  EXPECT_THAT(complaint(std::string(101, '[') + std::string(101, ']')), HasSubstr("nested too deeply"));
  EXPECT_EQ(complaint(std::string(90, '[') + std::string(90, ']')), "");
}

// The reader keeps its buffers between documents: a large one must not spoil the small ones after it.
TEST(Json, ReadsSmallAfterLarge) {
  std::string large = "[\"";
  large.append(8 << 20, 'x').append("\"]");
  EXPECT_EQ(again(large), large);
  EXPECT_EQ(again("[1]"), "[1]");
}

TEST(JsonValue, IsBuiltByPath) {
  Value value;
  value["spec"]["replicas"] = 3;
  value["metadata"]["name"] = "web";
  EXPECT_EQ(json::dump(value), R"({"metadata":{"name":"web"},"spec":{"replicas":3}})");
  EXPECT_EQ(value.at({"spec", "replicas"})->as_int(), 3);
  EXPECT_EQ(value.at({"spec", "replicas", "deeper"}), nullptr);
  EXPECT_EQ(value.string_or("absent", "otherwise"), "otherwise");
  EXPECT_THROW(value["metadata"]["name"]["first"] = "w", Error);
}

TEST(JsonValue, SaysWhichTypesDidNotMatch) {
  try {
    static_cast<void>(Value("text").as_int());
    FAIL() << "text is no integer";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "expected integer, got string");
  }
}

TEST(JsonObject, KeepsItsMembersSorted) {
  json::Object object{{"b", 2}, {"a", 1}};
  object.set("c", 3);
  object["aa"] = 4;
  EXPECT_TRUE(object.erase("b"));
  EXPECT_FALSE(object.erase("b"));
  std::vector<std::string> keys;
  for (const auto& member : object) keys.push_back(member.key);
  EXPECT_THAT(keys, ElementsAre("a", "aa", "c"));
}

TEST(JsonPretty, IsWhatKubectlPrints) {
  EXPECT_EQ(json::dump_pretty(json::parse(R"({"a":{"b":[1,{}]},"c":[]})")),
            "{\n    \"a\": {\n        \"b\": [\n            1,\n            {}\n        ]\n    },\n    \"c\": []\n}\n");
}

TEST(Json, AViewOfNothingIsNoJson) { EXPECT_THROW(json::parse(std::string_view()), Error); }

TEST(Json, OneMemberOfAMemberCanBePassedOver) {
  const json::MemberPath owners{"metadata", "managedFields"};
  const std::string text =
      R"({"managedFields":1,"metadata":{"managedFields":[{"a":1}],"name":"x"},"spec":{"metadata":{"managedFields":2}}})";
  EXPECT_EQ(json::dump(json::parse_without(text, owners)),
            R"({"managedFields":1,"metadata":{"name":"x"},"spec":{"metadata":{"managedFields":2}}})");
  EXPECT_THROW(json::parse_without(R"({"metadata":{"managedFields":[}})", owners), Error);
}

}  // namespace
}  // namespace gantry
