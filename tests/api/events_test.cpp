// Event is served twice over one storage: core/v1, and events.k8s.io/v1 with other names for some of its fields.
#include "controller/api/protobuf.hpp"
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kGroupEvents = "/apis/events.k8s.io/v1/namespaces/default/events";

// As a newer recorder writes it: what it does not set is there as a zero.
std::string group_event(std::string_view name, std::string_view more = "") {
  std::string out = R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":")";
  return out.append(name)
      .append(
          R"(","creationTimestamp":null},"eventTime":"2026-11-21T00:00:00.000001Z","reportingController":"example.com/c",
        "reportingInstance":"c-1","action":"Placing","reason":"Placed","type":"Normal","note":"placed on srv-1",
        "regarding":{"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App","name":"web","namespace":"default","uid":"u1"},
        "deprecatedSource":{},"deprecatedFirstTimestamp":null,"deprecatedLastTimestamp":null)")
      .append(more)
      .append("}");
}

std::string core_event(std::string_view name) {
  return R"({"metadata":{"name":")" + std::string(name) +
         R"("},"involvedObject":{"kind":"App","name":"web","namespace":"default"},"reason":"Started",
         "message":"it runs","source":{"component":"gantry"},"type":"Normal","count":3,
         "firstTimestamp":"2026-11-20T23:00:00Z","lastTimestamp":"2026-11-20T23:59:00Z"})";
}

class EventsTest : public ApiTest {
 protected:
  std::vector<std::string> causes(const Answer& answer) {
    std::vector<std::string> out;
    for (const auto& cause : answer.at("details.causes").as_array()) out.push_back(cause.string_or("field"));
    return out;
  }
};

TEST_F(EventsTest, WhatIsWrittenInOneFormIsReadInTheOther) {
  const auto made = post(kGroupEvents, group_event("a"));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.at("apiVersion"), json::Value("events.k8s.io/v1"));
  EXPECT_EQ(made.at("regarding.name"), json::Value("web"));
  const auto core = get(kEvents + "/a");
  EXPECT_EQ(core.at("apiVersion"), json::Value("v1"));
  EXPECT_EQ(core.at("message"), json::Value("placed on srv-1"));
  EXPECT_EQ(core.at("involvedObject.uid"), json::Value("u1"));
  EXPECT_EQ(core.at("reportingComponent"), json::Value("example.com/c"));
  EXPECT_EQ(core.at("metadata.uid"), made.at("metadata.uid"));

  ASSERT_EQ(post(kEvents, core_event("b")).status, 201);
  const auto group = get(kGroupEvents + "/b");
  EXPECT_EQ(group.at("note"), json::Value("it runs"));
  EXPECT_EQ(group.at("regarding.kind"), json::Value("App"));
  EXPECT_EQ(group.at("deprecatedSource.component"), json::Value("gantry"));
  EXPECT_EQ(group.at("deprecatedCount"), json::Value(3));
  EXPECT_EQ(group.at("deprecatedLastTimestamp"), json::Value("2026-11-20T23:59:00Z"));
  EXPECT_TRUE(group.at("message").is_null());

  EXPECT_EQ(get(kGroupEvents).at("items").as_array().size(), 2u);
  EXPECT_EQ(get(kGroupEvents).at("kind"), json::Value("EventList"));
  EXPECT_EQ(remove(kGroupEvents + "/b").status, 200);
  EXPECT_EQ(get(kEvents + "/b").status, 404) << "there is one Event, not two";
}

TEST_F(EventsTest, ARepeatedEventIsPatchedWhereverItIsSeen) {
  post(kGroupEvents, group_event("a"));
  const auto patched =
      patch(kGroupEvents + "/a", R"({"series":{"count":2,"lastObservedTime":"2026-11-21T00:00:01.000000Z"}})",
            "strategic-merge-patch+json");
  ASSERT_EQ(patched.status, 200) << patched.text;
  EXPECT_EQ(patched.at("series.count"), json::Value(2));
  EXPECT_EQ(get(kEvents + "/a").at("series.count"), json::Value(2));
  EXPECT_EQ(patch(kGroupEvents + "/a", R"({"series":{"count":1}})").status, 422) << "a series is two at least";
  EXPECT_EQ(patch(kGroupEvents + "/a", R"({"note":"another"})").status, 422) << "what happened does not change";
  EXPECT_EQ(patch(kEvents + "/a", R"({"message":"another"})").status, 200) << "core/v1 has always let it";
  EXPECT_EQ(get(kGroupEvents + "/a").at("note"), json::Value("another"));
  EXPECT_EQ(
      patch(kGroupEvents + "/a", R"([{"op":"add","path":"/metadata/labels","value":{"x":"y"}}])", "json-patch+json")
          .status,
      200);
}

TEST_F(EventsTest, ANewEventSaysAllThatAnEventMustSay) {
  const auto refused = post(kGroupEvents, R"({"metadata":{"name":"a"},"regarding":{"namespace":"other"},
      "deprecatedCount":1,"deprecatedSource":{"component":"x"}})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(causes(refused),
              ElementsAre("regarding.namespace", "eventTime", "type", "deprecatedCount", "deprecatedSource"));
  const auto timed = post(kEvents, R"({"metadata":{"name":"a"},"eventTime":"2026-11-21T00:00:00.000000Z",
      "involvedObject":{"namespace":"default"}})");
  EXPECT_THAT(causes(timed), ElementsAre("reportingComponent", "reportingInstance", "action", "reason"))
      << "under the names of the form that was written";
}

TEST_F(EventsTest, EachFormIsSelectedByItsOwnFields) {
  post(kGroupEvents, group_event("a"));
  post(kEvents, core_event("b"));
  const auto names = [&](const std::string& target) {
    std::vector<std::string> out;
    const json::Value list = get(target).json();
    for (const auto& item : list.find("items")->as_array()) out.push_back(at(item, "metadata.name").as_string());
    return out;
  };
  EXPECT_THAT(names(kGroupEvents + "?fieldSelector=regarding.uid%3Du1"), ElementsAre("a"));
  EXPECT_THAT(names(kGroupEvents + "?fieldSelector=regarding.name%3Dweb,reason%3DStarted"), ElementsAre("b"));
  EXPECT_THAT(names(kEvents + "?fieldSelector=involvedObject.name%3Dweb"), ElementsAre("a", "b"));
  EXPECT_EQ(get(kGroupEvents + "?fieldSelector=involvedObject.name%3Dweb").status, 400);
  EXPECT_EQ(get(kEvents + "?fieldSelector=regarding.name%3Dweb").status, 400);
}

TEST_F(EventsTest, AWatchTellsEachFormOfWhatTheOtherWrote) {
  const auto stream = get(kGroupEvents + "?watch=1").stream;
  ASSERT_TRUE(stream);
  post(kEvents, core_event("b"));
  remove(kEvents + "/b");
  const auto seen = frames(*stream);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(at(seen[0], "type"), json::Value("ADDED"));
  EXPECT_EQ(at(seen[0], "object.apiVersion"), json::Value("events.k8s.io/v1"));
  EXPECT_EQ(at(seen[0], "object.note"), json::Value("it runs"));
  EXPECT_EQ(at(seen[1], "type"), json::Value("DELETED"));
  EXPECT_GT(std::stoll(at(seen[1], "object.metadata.resourceVersion").as_string()),
            std::stoll(at(seen[0], "object.metadata.resourceVersion").as_string()));
}

TEST_F(EventsTest, ATableIsTheSameForBoth) {
  post(kGroupEvents, group_event("a"));
  const Headers table{{"accept", kTable}};
  const auto core = get(kEvents, table).json(), group = get(kGroupEvents, table).json();
  EXPECT_EQ(at(core, "columnDefinitions"), at(group, "columnDefinitions"));
  EXPECT_EQ(json::dump(*group.find("rows")->as_array()[0].find("cells")),
            json::dump(*core.find("rows")->as_array()[0].find("cells")));
  EXPECT_THAT(json::dump(group), HasSubstr("placed on srv-1"));
}

TEST_F(EventsTest, WhoAppliesInOneFormOwnsTheFieldsInBoth) {
  // A manifest has no zeros.
  json::Value manifest = json::parse(group_event("a"));
  for (const auto* field : {"deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"})
    manifest.as_object().erase(field);
  manifest["metadata"].as_object().erase("creationTimestamp");
  const auto made = apply(kGroupEvents + "/a?fieldManager=one", json::dump(manifest));
  ASSERT_EQ(made.status, 201) << made.text;
  const json::Value of_group = *made.at("metadata.managedFields").as_array()[0].find("fieldsV1");
  EXPECT_TRUE(of_group.find("f:note"));
  const auto core = get(kEvents + "/a").at("metadata.managedFields").as_array()[0];
  EXPECT_EQ(core.string_or("apiVersion"), "v1");
  EXPECT_TRUE(core.find("fieldsV1")->find("f:message"));
  const auto conflict = apply(kEvents + "/a?fieldManager=two",
                              R"({"apiVersion":"v1","kind":"Event","metadata":{"name":"a"},"message":"mine"})");
  EXPECT_EQ(conflict.status, 409);
  EXPECT_THAT(conflict.message(), HasSubstr(".message"));
  const auto again = apply(kGroupEvents + "/a?fieldManager=one", json::dump(manifest));
  EXPECT_EQ(again.at("metadata.resourceVersion"), made.at("metadata.resourceVersion")) << "nothing is new";
}

TEST_F(EventsTest, ADryRunAnswersInTheFormThatWasAsked) {
  const auto dry = post(kGroupEvents + "?dryRun=All", group_event("a"));
  EXPECT_EQ(dry.status, 201);
  EXPECT_EQ(dry.at("note"), json::Value("placed on srv-1"));
  EXPECT_EQ(get(kEvents + "/a").status, 404);
}

TEST_F(EventsTest, DiscoveryAndOpenApiNameBoth) {
  EXPECT_THAT(get("/apis").text, HasSubstr("events.k8s.io/v1"));
  EXPECT_THAT(get("/apis/events.k8s.io/v1").text, HasSubstr(R"("shortNames":["ev"])"));
  const auto schema = get("/openapi/v3/apis/events.k8s.io/v1").text;
  EXPECT_THAT(schema, HasSubstr("io.k8s.api.events.v1.Event"));
  EXPECT_THAT(schema, HasSubstr("deprecatedLastTimestamp"));
  EXPECT_THAT(schema, Not(HasSubstr("involvedObject")));
}

// metadata.name "a", note "hi", type "Normal": the numbers of events.k8s.io/v1, not those of core/v1.
TEST_F(EventsTest, ARecordersProtobufIsReadByItsGroup) {
  const auto field = [](char number, const std::string& bytes) {
    return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
  };
  const std::string event = field(1, field(1, "a")) + field(10, "hi") + field(11, "Normal");
  const std::string body =
      std::string("k8s\0", 4) + field(1, field(1, "events.k8s.io/v1") + field(2, "Event")) + field(2, event);
  EXPECT_EQ(json::dump(decode_protobuf(body)),
            R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"a"},"note":"hi","type":"Normal"})");
}

}  // namespace
}  // namespace gantry::api
