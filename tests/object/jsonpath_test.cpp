#include "controller/object/jsonpath.hpp"

#include "controller/object/quantity.hpp"
#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

const json::Value& sample() {
  static const auto value = R"({"kind":"List","items":[
      {"metadata":{"name":"web","labels":{"a.b/c":"x"}},"spec":{"replicas":2,"ports":[80,443,8080]},"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Synced","status":"False"}]}},
      {"metadata":{"name":"api"},"spec":{"replicas":5,"paused":true}}]})"_json;
  return value;
}

TEST(JsonPath, PrintsWhatKubectlPrints) {
  const std::vector<std::pair<std::string_view, std::string_view>> rows = {
      {"{.kind}", "List"},
      {"{.items[*].metadata.name}", "web api"},
      {"{.items[0].spec.ports[-1]}", "8080"},
      {"{.items[0].spec.ports[0:2]}", "80 443"},
      {"{.items[0].spec.ports[::2]}", "80 8080"},
      {"{.items[0].spec.ports[1:]}", "443 8080"},
      {"{.items[0].spec.ports[0,2]}", "80 8080"},
      {"{.items[-1:].metadata.name}", "api"},
      {"{.items[0].spec.ports}", "[80,443,8080]"},
      {"{.items[0].metadata.labels.a\\.b/c}", "x"},
      {"{.items[0].metadata['name']}", "web"},
      {"{.items[0]['metadata','spec'].name}", "web"},
      {R"({.items[0].status.conditions[?(@.type=="Ready")].status})", "True"},
      {R"({.items[?(@.spec.replicas>2)].metadata.name})", "api"},
      {R"({.items[?(@.spec.paused)].metadata.name})", "api"},
      {R"({.items[?(@.spec.paused==true)].metadata.name})", "api"},
      {R"({.items[?(@.metadata.name!='web')].metadata.name})", "api"},
      {"{..name}", "web api"},
      {"{.items[*].missing}", ""},
      {"{.items[9].x}", ""},
      {"{range .items[*]}{.metadata.name}={.spec.replicas}{\"\\n\"}{end}", "web=2\napi=5\n"},
      {"{range .items[*]}{@.metadata.name} {end}", "web api "},
      {"{range .items[*]}{range .spec.ports[*]}<{}>{end};{end}", "<80><443><8080>;;"},
      {"kind: {.kind}!", "kind: List!"},
      {"{.kind} {'and'} {$.kind}", "List and List"},
      {"{.kind}{\"\\t\"}{.items[0].metadata.name}", "List\tweb"},
  };
  for (const auto& [text, printed] : rows) EXPECT_EQ(JsonPath::parse_template(text).print(sample()), printed) << text;
}

TEST(JsonPath, ColumnsNeedNeitherBracesNorDot) {
  for (const std::string_view text : {".kind", "kind", "{.kind}", "{kind}", "$.kind"})
    EXPECT_EQ(JsonPath::parse(text).print(sample()), "List") << text;
  EXPECT_EQ(JsonPath::parse(".items[0].spec.replicas").find(sample()).at(0)->as_int(), 2);
  EXPECT_TRUE(JsonPath::parse(".items[0].spec.none").find(sample()).empty());
}

TEST(JsonPath, SaysWhereItIsWrong) {
  for (const std::string_view bad : {"{.a", "{.a[}", "{.a[1}", "{.a[?(@.x==]}", "{range .a}", "{end}", "{.a[x]}",
                                     "{.a['b}", "{.a[1:2:0]}", "{.a[?(@.x==nope)]}", "{.a)}"}) {
    EXPECT_EQ(error_of([&] { JsonPath::parse_template(bad); }).code(), ErrorCode::BadRequest) << bad;
  }
  EXPECT_EQ(error_of([] { JsonPath::parse(".a b"); }).code(), ErrorCode::BadRequest);
}

TEST(Quantity, ReadsEveryNotation) {
  const std::vector<std::tuple<std::string_view, std::int64_t, std::int64_t>> rows = {
      {"1", 1000, 1},
      {"500m", 500, 1},
      {"1.5", 1500, 2},
      {"0.0001", 1, 1},
      {"2k", 2'000'000, 2000},
      {"1Ki", 1'024'000, 1024},
      {"1.5Gi", 1'610'612'736'000, 1'610'612'736},
      {"1e3", 1'000'000, 1000},
      {"1E", 0, 1'000'000'000'000'000'000},
      {"-2", -2000, -2},
      {"+3", 3000, 3},
      {"100u", 1, 1},
      {".5", 500, 1},
      {"5.", 5000, 5},
      {"0", 0, 0},
      {"1E2", 100'000, 100},
      {"12e-1", 1200, 2}};
  for (const auto& [text, milli, units] : rows) {
    EXPECT_EQ(parse_units(text), units) << text;
    if (milli != 0 || units == 0) EXPECT_EQ(parse_milli(text), milli) << text;
  }
  EXPECT_EQ(milli_of(json::Value(2)), 2000);
  EXPECT_EQ(units_of(json::Value("1Gi")), 1 << 30);
}

TEST(Quantity, RefusesWhatIsNone) {
  for (const std::string_view bad :
       {"", "x", "1x", "1 Gi", "1gi", "--1", "1e", "1e999", ".", "9999999999999999999", "8Ei0", "99999P", "1ki"}) {
    EXPECT_EQ(error_of([&] { parse_units(bad); }).code(), ErrorCode::Invalid) << bad;
  }
}

TEST(Quantity, IsWrittenShort) {
  EXPECT_EQ(format_milli(1500), "1500m");
  EXPECT_EQ(format_milli(2000), "2");
  EXPECT_EQ(format_bytes(3 << 20), "3Mi");
  EXPECT_EQ(format_bytes(5000), "5k");
  EXPECT_EQ(format_bytes(1001), "1001");
}

}  // namespace
}  // namespace gantry::object
