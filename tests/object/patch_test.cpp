#include "controller/object/patch.hpp"

#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::HasSubstr;

// The examples of RFC 7386, appendix A.
TEST(MergePatch, DoesWhatTheRfcSays) {
  const std::vector<std::array<std::string_view, 3>> rows = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", "{}"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {R"({"a":"foo"})", "null", "null"},
      {R"({"a":"foo"})", R"("bar")", R"("bar")"},
      {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
      {"[1,2]", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {"{}", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const auto& [document, patch, result] : rows) {
    EXPECT_EQ(merge_patch(json::parse(document), json::parse(patch)), json::parse(result))
        << document << " + " << patch;
  }
}

TEST(MergePatch, AHundredThousandMembersIntoAsManyTakeNoTime) {
  json::Object even, odd;
  for (int i = 0; i < 200'000; ++i) (i % 2 ? odd : even).append_unsorted("k" + std::to_string(i), i);
  even.sort();
  odd.sort();
  EXPECT_EQ(merge_patch(json::Value(even), json::Value(odd)).as_object().size(), 200'000u);
}

struct Operation {
  std::string_view document, patch, result;
};

TEST(JsonPatch, DoesWhatTheRfcSays) {
  const std::vector<Operation> rows = {
      {R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])", R"({"baz":"qux","foo":"bar"})"},
      {R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])", R"({"foo":["bar","qux","baz"]})"},
      {R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])", R"({"foo":"bar"})"},
      {R"({"foo":["bar","qux","baz"]})", R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["bar","baz"]})"},
      {R"({"baz":"qux"})", R"([{"op":"replace","path":"/baz","value":"boo"}])", R"({"baz":"boo"})"},
      {R"({"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}})",
       R"([{"op":"move","from":"/foo/waldo","path":"/qux/thud"}])",
       R"({"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}})"},
      {R"({"foo":["all","grass","cows","eat"]})", R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])",
       R"({"foo":["all","cows","eat","grass"]})"},
      {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])", R"({"a":{"b":1},"c":{"b":1}})"},
      {R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/-","value":["abc"]}])", R"({"foo":["bar",["abc"]]})"},
      {R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":10},{"op":"replace","path":"/~1","value":1}])",
       R"({"/":1,"~1":10})"},
      {R"({"foo":"bar"})", R"([{"op":"add","path":"","value":{"x":1}}])", R"({"x":1})"},
      {R"({"metadata":{"managedFields":[1],"resourceVersion":"1"}})",
       R"([{"op":"replace","path":"/metadata/managedFields","value":[2]},{"op":"replace","path":"/metadata/resourceVersion","value":"7"}])",
       R"({"metadata":{"managedFields":[2],"resourceVersion":"7"}})"},
  };
  for (const auto& [document, patch, result] : rows) {
    EXPECT_EQ(json_patch(json::parse(document), json::parse(patch)), json::parse(result)) << document << " + " << patch;
  }
}

TEST(JsonPatch, SaysWhatDoesNotFit) {
  const std::vector<std::tuple<std::string_view, ErrorCode, std::string_view>> rows = {
      {R"([{"op":"test","path":"/a","value":2}])", ErrorCode::Invalid, "testing value \"/a\" failed"},
      {R"([{"op":"remove","path":"/zz"}])", ErrorCode::Invalid, "does not exist"},
      {R"([{"op":"replace","path":"/zz","value":1}])", ErrorCode::Invalid, "does not exist"},
      {R"([{"op":"add","path":"/l/5","value":1}])", ErrorCode::Invalid, "out of bounds"},
      {R"([{"op":"add","path":"/l/01","value":1}])", ErrorCode::Invalid, "invalid list index"},
      {R"([{"op":"add","path":"/a/b","value":1}])", ErrorCode::Invalid, "leads into a integer"},
      {R"([{"op":"move","from":"/o","path":"/o/x"}])", ErrorCode::Invalid, "into itself"},
      {R"([{"op":"add","path":"/a"}])", ErrorCode::BadRequest, "needs a value"},
      {R"([{"op":"zap","path":"/a"}])", ErrorCode::BadRequest, "unknown operation \"zap\""},
      {R"([{"op":"add","path":"a","value":1}])", ErrorCode::BadRequest, "must be empty or begin with '/'"},
      {R"([{"op":"add","path":"/~2","value":1}])", ErrorCode::BadRequest, "'~'"},
      {R"([1])", ErrorCode::BadRequest, "must be an object"},
      {R"({"op":"add"})", ErrorCode::BadRequest, "a list of operations"},
  };
  for (const auto& [patch, code, words] : rows) {
    const Error error = error_of([&] { json_patch(R"({"a":1,"l":[1],"o":{}})"_json, json::parse(patch)); });
    EXPECT_EQ(error.code(), code) << patch;
    EXPECT_THAT(error.message(), HasSubstr(std::string(words))) << patch;
  }
}

TEST(JsonPatch, RefusesAMillionOperations) {
  const auto operation = R"({"op":"add","path":"/a","value":1})"_json;
  const Error error = error_of([&] { json_patch("{}"_json, json::Value(json::Array(1'000'000, operation))); });
  EXPECT_EQ(error.code(), ErrorCode::TooLarge);
  EXPECT_EQ(error.message(), "The allowed maximum operations in a JSON patch is 10000, got 1000000");
}

TEST(JsonPatch, CannotDoubleADocumentForEver) {
  json::Array patch;
  for (int i = 0; i < 200; ++i) patch.push_back(R"({"op":"copy","from":"","path":"/a"})"_json);
  EXPECT_EQ(error_of([&] { json_patch(R"({"x":"some text"})"_json, json::Value(patch)); }).code(), ErrorCode::Invalid)
      << "too deep";
  patch.clear();
  for (int i = 0; i < 64; ++i) patch.push_back(R"({"op":"copy","from":"/l","path":"/l/-"})"_json);
  EXPECT_NE(error_of([&] { json_patch(R"({"l":["some text"]})"_json, json::Value(patch)); }).code(),
            ErrorCode::Internal);
  patch.clear();
  for (int i = 0; i < 9999; ++i)
    patch.push_back(json::Value(json::Object{{"op", "copy"}, {"from", "/big"}, {"path", "/c" + std::to_string(i)}}));
  EXPECT_EQ(error_of([&] {
              json_patch(json::Value(json::Object{{"big", std::string(1 << 20, 'x')}}), json::Value(patch));
            }).code(),
            ErrorCode::TooLarge);
}

TEST(JsonPatch, CannotMakeAResultThatIsTooDeep) {
  json::Array patch;
  std::string path;
  for (int i = 0; i < 200; ++i) {
    path += "/a";
    patch.push_back(json::Value(json::Object{{"op", "add"}, {"path", path}, {"value", json::Object()}}));
  }
  EXPECT_THAT(error_of([&] { json_patch("{}"_json, json::Value(patch)); }).message(), HasSubstr("nested too deeply"));
}

TEST(JsonPatch, CannotShuffleAHugeListForEver) {
  const json::Value huge(json::Object{{"l", json::Array(1'000'000, json::Value(1))}});
  const json::Value patch(json::Array(10'000, R"({"op":"add","path":"/l/0","value":1})"_json));
  EXPECT_EQ(error_of([&] { json_patch(huge, patch); }).code(), ErrorCode::TooLarge);
}

TEST(StrategicMergePatch, MergesTheListsOfMetadata) {
  const auto document =
      R"({"metadata":{"finalizers":["a","b"],"ownerReferences":[{"uid":"1","name":"x"}],"labels":{"l":"1","m":"2"}},"data":{"k":"v","list":[1]}})"_json;
  const std::vector<std::pair<std::string_view, std::string_view>> rows = {
      {R"({"data":{"z":"9","k":null}})",
       R"({"metadata":{"finalizers":["a","b"],"ownerReferences":[{"uid":"1","name":"x"}],"labels":{"l":"1","m":"2"}},"data":{"z":"9","list":[1]}})"},
      {R"({"metadata":{"finalizers":["c","a"]}})",
       R"({"metadata":{"finalizers":["a","b","c"],"ownerReferences":[{"uid":"1","name":"x"}],"labels":{"l":"1","m":"2"}},"data":{"k":"v","list":[1]}})"},
      {R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"$setElementOrder/finalizers":["c","b"],"finalizers":["c"]}})",
       R"({"metadata":{"finalizers":["c","b"],"ownerReferences":[{"uid":"1","name":"x"}],"labels":{"l":"1","m":"2"}},"data":{"k":"v","list":[1]}})"},
      {R"({"metadata":{"ownerReferences":[{"uid":"1","name":"y"},{"uid":"2","name":"z"}]}})",
       R"({"metadata":{"finalizers":["a","b"],"ownerReferences":[{"uid":"1","name":"y"},{"uid":"2","name":"z"}],"labels":{"l":"1","m":"2"}},"data":{"k":"v","list":[1]}})"},
      {R"({"metadata":{"ownerReferences":[{"$patch":"delete","uid":"1"}]}})",
       R"({"metadata":{"finalizers":["a","b"],"ownerReferences":[],"labels":{"l":"1","m":"2"}},"data":{"k":"v","list":[1]}})"},
      {R"({"metadata":{"labels":{"$patch":"replace","n":"3"}}})",
       R"({"metadata":{"finalizers":["a","b"],"ownerReferences":[{"uid":"1","name":"x"}],"labels":{"n":"3"}},"data":{"k":"v","list":[1]}})"},
      {R"({"data":{"$retainKeys":["k"],"k":"w"}})",
       R"({"metadata":{"finalizers":["a","b"],"ownerReferences":[{"uid":"1","name":"x"}],"labels":{"l":"1","m":"2"}},"data":{"k":"w"}})"},
      {R"({"data":{"list":[2]}})",
       R"({"metadata":{"finalizers":["a","b"],"ownerReferences":[{"uid":"1","name":"x"}],"labels":{"l":"1","m":"2"}},"data":{"k":"v","list":[2]}})"},
  };
  for (const auto& [patch, result] : rows) {
    EXPECT_EQ(strategic_merge_patch(document, json::parse(patch)), json::parse(result)) << patch;
  }
}

TEST(StrategicMergePatch, RefusesMalformedDirectives) {
  EXPECT_EQ(error_of([] { strategic_merge_patch("{}"_json, R"({"data":{"$patch":"explode"}})"_json); }).code(),
            ErrorCode::BadRequest);
  EXPECT_EQ(error_of([] { strategic_merge_patch("{}"_json, R"({"data":{"$retainKeys":["a"],"b":1}})"_json); }).code(),
            ErrorCode::BadRequest);
  EXPECT_EQ(error_of([] {
              strategic_merge_patch("{}"_json, R"({"metadata":{"ownerReferences":[{"name":"x"}]}})"_json);
            }).code(),
            ErrorCode::BadRequest);
  EXPECT_EQ(error_of([] { strategic_merge_patch("{}"_json, "[]"_json); }).code(), ErrorCode::BadRequest);
}

}  // namespace
}  // namespace gantry::object
