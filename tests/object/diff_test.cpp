#include "controller/object/diff.hpp"

#include "tests/object/json_literal.hpp"

namespace gantry::object {
namespace {

using testing::ElementsAre;

// "path: before -> after", with - for what is absent.
std::vector<std::string> shown(const std::vector<FieldChange>& changes) {
  std::vector<std::string> lines;
  const auto text = [](const std::optional<json::Value>& value) { return value ? json::dump(*value) : "-"; };
  for (const auto& change : changes)
    lines.push_back(change.path + ": " + text(change.before) + " -> " + text(change.after));
  return lines;
}

TEST(Diff, NamesEachFieldThatDiffers) {
  EXPECT_THAT(shown(diff(R"({"spec":{"image":"a","replicas":1,"old":{"x":1}}})"_json,
                         R"({"spec":{"image":"b","replicas":1,"new":[1]}})"_json)),
              ElementsAre(R"(spec.image: "a" -> "b")", "spec.new: - -> [1]", "spec.old.x: 1 -> -"));
  EXPECT_TRUE(diff("{}"_json, "{}"_json).empty());
}

TEST(Diff, LeavesOutWhatTheServerKeeps) {
  EXPECT_THAT(shown(diff(R"({"metadata":{"resourceVersion":"1","generation":1,"managedFields":[]}})"_json,
                         R"({"metadata":{"resourceVersion":"2","generation":2,"labels":{"a.io/b":"c"}}})"_json)),
              ElementsAre(R"(metadata.labels[a.io/b]: - -> "c")"));
}

TEST(Diff, PairsItemsByKeyWhereThereIsOne) {
  const auto schema = Schema::compile(
      R"({"type":"object","properties":{"env":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
      "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"value":{"type":"string"}}}}}})"_json);
  const auto before = R"({"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}]})"_json;
  const auto after = R"({"env":[{"name":"B","value":"3"},{"name":"C"}]})"_json;
  DiffOptions options;
  EXPECT_THAT(shown(diff(before, after, options)),
              ElementsAre(R"(env[0].name: "A" -> "B")", R"(env[0].value: "1" -> "3")", R"(env[1].name: "B" -> "C")",
                          R"(env[1].value: "2" -> -)"));
  options.node = &schema->root();
  EXPECT_THAT(shown(diff(before, after, options)),
              ElementsAre(R"(env[name=A].name: "A" -> -)", R"(env[name=A].value: "1" -> -)",
                          R"(env[name=B].value: "2" -> "3")", R"(env[name=C].name: - -> "C")"));
}

TEST(Diff, NeverShowsASecret) {
  const auto before =
      R"({"apiVersion":"v1","kind":"Secret","data":{"password":"b2xk"},"type":"Opaque","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{b2xk}"}}})"_json;
  const auto after =
      R"({"apiVersion":"v1","kind":"Secret","data":{"password":"bmV3","tls.key":"a2V5"},"stringData":{"x":"plain"},"type":"Opaque"})"_json;
  const auto changes = diff(before, after);
  EXPECT_THAT(shown(changes),
              ElementsAre(R"(data.password: "***" -> "***")", R"(data[tls.key]: - -> "***")",
                          R"(metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]: "***" -> -)",
                          R"(stringData.x: - -> "***")"));
  for (const auto& change : changes) EXPECT_TRUE(change.hidden);
  for (const auto& line : shown(diff(json::Value(json::Object()), before)))
    EXPECT_THAT(line, testing::Not(testing::HasSubstr("b2xk")));
}

TEST(Diff, AMillionChangesAreCutOff) {
  EXPECT_EQ(
      diff(json::Value(json::Array(1'000'000, json::Value(1))), json::Value(json::Array(1'000'000, json::Value(2))))
          .size(),
      1000u);
}

}  // namespace
}  // namespace gantry::object
