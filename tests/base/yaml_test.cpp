#include "controller/base/yaml.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/error.hpp"

namespace gantry::yaml {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string as_json(std::string_view text) { return json::dump(parse(text)); }

// What `kubectl create --dry-run=client -o json` makes of the same text.
TEST(YamlScalars, AreReadAsKubectlReadsThem) {
  EXPECT_EQ(as_json("[y, yes, On, TRUE, n, no, off, False]"), "[true,true,true,true,false,false,false,false]");
  EXPECT_EQ(as_json("[1, -1, +7, 0x1f, 017, 0o17, 0b101, 1_000]"), "[1,-1,7,31,15,15,5,1000]");
  EXPECT_EQ(as_json("[1.5, .5, -2.5e-3]"), "[1.5,0.5,-0.0025]");
  EXPECT_EQ(as_json("[1.0, 1e3, 08]"), "[1,1000,8]");
  EXPECT_EQ(as_json("[~, null, Null, ]"), "[null,null,null]");
  EXPECT_EQ(as_json("[2026-11-21, 2026-11-21T10:00:00Z, 12:30, 1.2.3, 10.0.0.5, 500m, 1Gi, 0x, +, -, .]"),
            R"(["2026-11-21","2026-11-21T10:00:00Z","12:30","1.2.3","10.0.0.5","500m","1Gi","0x","+","-","."])");
  EXPECT_EQ(as_json("['yes', \"1\", !!str 5, !!int \"5\", !!bool yes]"), R"(["yes","1","5",5,true])");
  EXPECT_EQ(as_json("[9223372036854775807, -9223372036854775808]"), "[9223372036854775807,-9223372036854775808]");
}

TEST(YamlScalars, KeepBlocksAndFolds) {
  EXPECT_EQ(as_json("a: |\n  one\n   two\nb: >-\n  one\n  two\nc: |+\n  x\n\n"),
            R"({"a":"one\n two\n","b":"one two","c":"x\n\n"})");
}

TEST(YamlMappings, HaveTextForKeys) {
  EXPECT_EQ(as_json("{1: a, true: b, 1.5: c, 'x': d}"), R"({"1":"a","1.5":"c","true":"b","x":"d"})");
  EXPECT_THAT(parse_all("? [a]\n: b\n").at(0).error, HasSubstr("a mapping key must be text"));
  EXPECT_THAT(parse_all("~: b\n").at(0).error, HasSubstr("a mapping key must be text"));
}

TEST(YamlMappings, ReportKeysThatStandTwice) {
  const auto documents = parse_all("spec:\n  replicas: 1\n  ports:\n  - port: 1\n    port: 2\n  replicas: 2\n");
  ASSERT_THAT(documents, SizeIs(1));
  EXPECT_THAT(documents[0].duplicates, ElementsAre("spec.ports[0].port", "spec.replicas"));
  EXPECT_EQ(json::dump(documents[0].value), R"({"spec":{"ports":[{"port":2}],"replicas":2}})");
}

TEST(YamlMappings, MergeWhatTheyAreToldTo) {
  EXPECT_EQ(as_json("base: &b {x: 1, y0: 2}\nuse:\n  <<: *b\n  x: 9\n"),
            R"({"base":{"x":1,"y0":2},"use":{"x":9,"y0":2}})");
  EXPECT_EQ(as_json("{'<<': {a: 1}}"), R"({"<<":{"a":1}})");
}

TEST(YamlTags, OfCloudFormationBecomeFunctions) {
  EXPECT_EQ(as_json("a: !Ref Vpc\nb: !GetAtt Web.Arn\nc: !Join [',', [x, !Ref Y]]\n"),
            R"({"a":{"Ref":"Vpc"},"b":{"Fn::GetAtt":["Web","Arn"]},"c":{"Fn::Join":[",",["x",{"Ref":"Y"}]]}})");
  EXPECT_THAT(parse_all("a: !Unheard x").at(0).error, HasSubstr("the tag !Unheard is not known"));
}

TEST(YamlLines, AreKnownForEachField) {
  const auto documents =
      parse_all("# App\nkind: App\nspec:\n  ports:\n  - name: http\n    port: 80\n---\nkind: Server\n");
  ASSERT_THAT(documents, SizeIs(2));
  EXPECT_EQ(documents[0].line, 2U);
  EXPECT_EQ(documents[0].line_of("spec"), 3U);
  EXPECT_EQ(documents[0].line_of("spec.ports[0].port"), 6U);
  EXPECT_EQ(documents[0].line_of("spec.ports[0].hostPort"), 5U) << "the nearest ancestor stands in for what is absent";
  EXPECT_EQ(documents[0].line_of("status"), 2U);
  EXPECT_EQ(documents[1].line, 8U);
  EXPECT_EQ(documents[1].line_of("kind"), 8U);
}

TEST(YamlStreams, LoseNothingButTheBrokenDocument) {
  const auto documents =
      parse_all("a: 1\n---\nb: [1, 2\nc: 3\n---\n# nothing\n---\nd: \xff\n---\ne: 5\n...\n---\nf: 6\n");
  ASSERT_THAT(documents, SizeIs(5));
  EXPECT_EQ(json::dump(documents[0].value), R"({"a":1})");
  EXPECT_THAT(documents[1].error, testing::StartsWith("line 4: ")) << documents[1].error;
  EXPECT_EQ(documents[1].error_line, 4U);
  EXPECT_EQ(documents[2].error, "line 8: not valid UTF-8");
  EXPECT_EQ(json::dump(documents[3].value), R"({"e":5})");
  EXPECT_EQ(json::dump(documents[4].value), R"({"f":6})");
}

TEST(YamlStreams, MayBeginAsWindowsWritesThem) {
  EXPECT_EQ(as_json("\xEF\xBB\xBF%YAML 1.1\r\n---\r\na: b\r\n"), R"({"a":"b"})");
  EXPECT_THAT(parse_all(""), IsEmpty());
  EXPECT_THAT(parse_all("---\n---\n# only words\n"), IsEmpty());
}

TEST(YamlStreams, CutOnlyWhereTheGrammarDoes) {
  EXPECT_EQ(as_json("a: |\n  ---\n  b\n"), R"({"a":"---\nb\n"})");
  EXPECT_EQ(as_json("a: ---b\n"), R"({"a":"---b"})");
}

TEST(YamlStreams, RefuseWhatStandsAfterTheEnd) {
  const auto documents = parse_all("- a\n, b\n---\n[c]\n]\n---\nd: e\n...\nf: g\n");
  ASSERT_THAT(documents, SizeIs(4));
  EXPECT_EQ(documents[0].error, "line 2: unexpected text after the end of the document");
  EXPECT_EQ(documents[1].error_line, 5U);
  EXPECT_EQ(json::dump(documents[2].value), R"({"d":"e"})");
  EXPECT_EQ(json::dump(documents[3].value), R"({"f":"g"})");
  EXPECT_EQ(documents[3].line, 9U);
}

TEST(YamlStreams, ReadJsonToo) {
  const auto documents = parse_all("\n{\"a\": {\"b\": 1, \"b\": 2}}");
  ASSERT_THAT(documents, SizeIs(1));
  EXPECT_EQ(documents[0].line, 2U);
  EXPECT_THAT(documents[0].duplicates, ElementsAre("a.b"));
  EXPECT_EQ(as_json("{a: 1, b: [x]}"), R"({"a":1,"b":["x"]})") << "a flow mapping only looks like JSON";
  EXPECT_THAT(parse_all("{\"a\": 1,\n\"b\": }}").at(0).error, HasSubstr("line 2"));
}

TEST(YamlLimits, EndAliasBombs) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const auto before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 9; ++j) bomb += ", " + before;
    bomb += "]\n";
  }
  EXPECT_THAT(parse_all(bomb).at(0).error, HasSubstr("more than 500000 values once its aliases are expanded"));

  std::string heavy = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [*a";
  for (int i = 0; i < 100; ++i) heavy += ", *a";
  EXPECT_THAT(parse_all(heavy + "]\n").at(0).error, HasSubstr("bytes once its aliases are expanded"));

  EXPECT_THAT(parse_all("a: &a [*a]\n").at(0).error, HasSubstr("an alias stands inside the node it refers to"));
}

TEST(YamlLimits, EndDeepNesting) {
  for (const char* opening : {"[", "{a: ", "- ", "? "}) {
    SCOPED_TRACE(opening);
    std::string deep = "x:\n ";
    for (int i = 0; i < 100'000; ++i) deep += opening;
    const auto documents = parse_all(deep);
    ASSERT_THAT(documents, SizeIs(1));
    EXPECT_THAT(documents[0].error, HasSubstr("line 2"));
  }
}

TEST(YamlLimits, RefuseWhatYamlCppWouldMisread) {
  EXPECT_EQ(parse_all(std::string_view("a: b\nc: \x04 d", 12)).at(0).error,
            "line 2: a control character stands in the text");
  EXPECT_EQ(parse_all("a: .inf").at(0).error, "line 1: .inf is a number that JSON cannot hold");
  EXPECT_THAT(parse_all("a: b", Limits{.bytes_max = 3}).at(0).error, HasSubstr("larger than 3 bytes"));
}

TEST(YamlParse, WantsExactlyOneDocument) {
  EXPECT_THROW(parse("a: 1\n---\nb: 1\n"), Error);
  EXPECT_THROW(parse(""), Error);
  EXPECT_THROW(parse("a: [\n"), Error);
}

// The style of `kubectl create configmap --dry-run=client -o yaml`.
TEST(YamlDump, WritesAsKubectl) {
  EXPECT_EQ(
      yaml::dump(json::parse(
          R"({"apiVersion":"v1","data":{"a":"b","b":"1_000","c":"off","d":"@x","e":"2026-01-01","f":"x ","g":"","h":"x\ny\n",
    "i":"x\ny","j":"a: b","k":"trail \nx","l":"\ttab","m":"  a\nb","n":"~","o":"a\n\n","p":"it's","q":"say \"x\"","r":"é"}})")),
      R"(apiVersion: v1
data:
  a: b
  b: "1_000"
  c: "off"
  d: '@x'
  e: "2026-01-01"
  f: 'x '
  g: ""
  h: |
    x
    y
  i: |-
    x
    y
  j: 'a: b'
  k: "trail \nx"
  l: "\ttab"
  m: |2-
      a
    b
  "n": "~"
  o: |+
    a

  p: it's
  q: say "x"
  r: é
)");
  EXPECT_EQ(
      yaml::dump(json::parse(
          R"({"spec":{"ports":[{"name":"http","port":80},{"list":[["a"],[]]}],"empty":{},"none":null,"command":["sh","-c"]}})")),
      R"(spec:
  command:
  - sh
  - -c
  empty: {}
  none: null
  ports:
  - name: http
    port: 80
  - list:
    - - a
    - []
)");
}

TEST(YamlDump, ReadsBackAsItWas) {
  const std::vector<std::string> awkward = {"",
                                            " ",
                                            "\n",
                                            "\n\n",
                                            "a\n\n\n",
                                            " a\n b\n",
                                            "a \nb",
                                            "yes",
                                            "No",
                                            "0x1",
                                            "1e3",
                                            "-",
                                            "- a",
                                            "?",
                                            "? a",
                                            ":",
                                            "a:",
                                            "a: b",
                                            "a #b",
                                            "#",
                                            "---",
                                            "--- a",
                                            "...",
                                            "<<",
                                            "=",
                                            "12:30",
                                            "'",
                                            "\"",
                                            "\\",
                                            "\t",
                                            "\r\n",
                                            "a\tb",
                                            "\x7f",
                                            "\x01",
                                            "é",
                                            "😀",
                                            "{a}",
                                            "[",
                                            "&a",
                                            "*a",
                                            "!a",
                                            "|",
                                            "> a",
                                            "%a",
                                            "@",
                                            "a\r\nb",
                                            "\xC2\x85",
                                            "a\xE2\x80\xA8"
                                            "b",
                                            "\xEF\xBB\xBF"
                                            "a",
                                            "null",
                                            "Null",
                                            "~",
                                            ".inf",
                                            "+1",
                                            "a,b",
                                            ",",
                                            "0777",
                                            std::string(300, 'k')};
  json::Object object;
  json::Array array;
  for (const auto& text : awkward) {
    object.set(text, text);
    array.push_back(text);
  }
  json::Object nested{{"list", json::Array{json::Value(array), json::Value(object)}},
                      {"object", object},
                      {"number", 1.25},
                      {"int", -3},
                      {"yes", true}};
  const json::Value value(nested);
  const std::string text = yaml::dump(value);
  EXPECT_EQ(parse(text), value) << text;
  for (const auto& one : awkward) EXPECT_EQ(parse(yaml::dump(json::Value(one + "x"))), json::Value(one + "x"));
}

TEST(YamlDump, QuotesWhatOlderReadersTakeForATimestamp) {
  for (const char* text :
       {"2026-11-21", "2026-11-21T10:00:00Z", "2026-1-2 03:04:05.6 +1", "2001-12-14t21:59:43.10-05:00"})
    EXPECT_EQ(yaml::dump(json::Value(text)), "\"" + std::string(text) + "\"\n");
  for (const char* text : {"2026-11", "2026-11-21-nightly", "v2026-11-21", "12026-11-21"})
    EXPECT_EQ(yaml::dump(json::Value(text)), std::string(text) + "\n");
}

}  // namespace
}  // namespace gantry::yaml
