// Lists: selection, pages, revisions, and the forms in which they are written.
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ListTest : public ApiTest {
 protected:
  std::vector<std::string> names(const Answer& answer) {
    std::vector<std::string> out;
    const auto items = answer.at("items");
    for (const auto& item : items.as_array()) out.push_back(item.find("metadata")->string_or("name"));
    return out;
  }
  void three() {
    post(kApps, app("a", R"({"image":"x"})", R"(,"labels":{"tier":"front"})"));
    post(kApps, app("b", R"({"image":"x"})", R"(,"labels":{"tier":"back"})"));
    post(kApps, app("c"));
  }
};

TEST_F(ListTest, AnEmptyListHasItemsAndARevision) {
  const auto list = get(kApps);
  EXPECT_EQ(list.at("kind"), json::Value("AppList"));
  EXPECT_EQ(list.at("apiVersion"), json::Value("infra.gantry.dev/v1alpha1"));
  EXPECT_THAT(list.at("items").as_array(), IsEmpty());
  EXPECT_GT(std::stoi(list.at("metadata.resourceVersion").as_string()), 0);
}

TEST_F(ListTest, SelectsByLabelsAndFields) {
  three();
  EXPECT_THAT(names(get(kApps)), ElementsAre("a", "b", "c"));
  EXPECT_THAT(names(get(kApps + "?labelSelector=tier%3Dfront")), ElementsAre("a"));
  EXPECT_THAT(names(get(kApps + "?labelSelector=tier+in+(front,back)")), ElementsAre("a", "b"));
  EXPECT_THAT(names(get(kApps + "?labelSelector=tier!%3Dfront")), ElementsAre("b", "c"));
  EXPECT_THAT(names(get(kApps + "?labelSelector=!tier")), ElementsAre("c"));
  EXPECT_THAT(names(get(kApps + "?fieldSelector=metadata.name%3Db")), ElementsAre("b"));
  EXPECT_THAT(names(get(kApps + "?fieldSelector=metadata.name!%3Db")), ElementsAre("a", "c"));
  EXPECT_THAT(names(get(kApps + "?fieldSelector=metadata.name%3Db&labelSelector=tier%3Dfront")), IsEmpty());
  EXPECT_THAT(names(get("/apis/infra.gantry.dev/v1alpha1/apps?fieldSelector=metadata.namespace%3Ddefault")),
              ElementsAre("a", "b", "c"));
}

TEST_F(ListTest, SelectsEventsByWhatTheyAreAbout) {
  const auto event = [](std::string name, std::string about, std::string type) {
    return R"({"metadata":{"name":")" + name + R"("},"involvedObject":{"kind":"App","name":")" + about +
           R"(","namespace":"default"},"reason":"Placed","type":")" + type + R"("})";
  };
  ASSERT_EQ(post(kEvents, event("e1", "web", "Normal")).status, 201);
  ASSERT_EQ(post(kEvents, event("e2", "web", "Warning")).status, 201);
  ASSERT_EQ(post(kEvents, event("e3", "Normal", "Warning")).status, 201);
  EXPECT_THAT(names(get(kEvents + "?fieldSelector=involvedObject.name%3Dweb,type%3DNormal")), ElementsAre("e1"));
  EXPECT_THAT(names(get(kEvents + "?fieldSelector=type!%3DNormal")), ElementsAre("e2", "e3"));
  EXPECT_THAT(names(get(kEvents + "?fieldSelector=reason%3DPlaced,involvedObject.uid%3D")),
              ElementsAre("e1", "e2", "e3"));
}

TEST_F(ListTest, PagesShowOneRevisionWhateverHappensMeanwhile) {
  three();
  const auto first = get(kApps + "?limit=2");
  EXPECT_THAT(names(first), ElementsAre("a", "b"));
  EXPECT_EQ(first.at("metadata.remainingItemCount"), json::Value(1));
  remove(kApps + "/c");
  post(kApps, app("d"));
  const auto second = get(kApps + "?limit=2&continue=" + first.at("metadata.continue").as_string());
  EXPECT_THAT(names(second), ElementsAre("c"));
  EXPECT_EQ(second.at("metadata.resourceVersion"), first.at("metadata.resourceVersion"));
  EXPECT_TRUE(second.at("metadata.continue").is_null());
}

TEST_F(ListTest, WithASelectorNobodyKnowsHowManyRemain) {
  three();
  const auto first = get(kApps + "?limit=1&labelSelector=tier");
  EXPECT_THAT(names(first), ElementsAre("a"));
  EXPECT_TRUE(first.at("metadata.remainingItemCount").is_null());
  EXPECT_THAT(names(get(kApps + "?limit=5&labelSelector=tier&continue=" + first.at("metadata.continue").as_string())),
              ElementsAre("b"));
}

TEST_F(ListTest, AnExpiredPageOffersToGoOnInconsistently) {
  three();
  const auto first = get(kApps + "?limit=1");
  post(kApps, app("aa"));
  front.spawn(store->compact(store->revision()));
  while (front.poll() > 0) {
  }
  const auto expired = get(kApps + "?limit=1&continue=" + first.at("metadata.continue").as_string());
  EXPECT_EQ(expired.status, 410);
  EXPECT_EQ(expired.reason(), "Expired");
  EXPECT_THAT(names(get(kApps + "?continue=" + expired.at("metadata.continue").as_string())),
              ElementsAre("aa", "b", "c"));
}

TEST_F(ListTest, GoesBackToAnExactRevision) {
  post(kApps, app("a"));
  const auto then = std::to_string(store->revision());
  post(kApps, app("b"));
  EXPECT_THAT(names(get(kApps + "?resourceVersion=" + then + "&resourceVersionMatch=Exact")), ElementsAre("a"));
  EXPECT_THAT(names(get(kApps + "?resourceVersion=" + then + "&limit=10")), ElementsAre("a"));
  EXPECT_THAT(names(get(kApps + "?resourceVersion=" + then)), ElementsAre("a", "b"));
  EXPECT_THAT(names(get(kApps + "?resourceVersion=" + then + "&resourceVersionMatch=NotOlderThan")),
              ElementsAre("a", "b"));
  EXPECT_THAT(names(get(kApps + "?resourceVersion=0")), ElementsAre("a", "b"));
}

TEST_F(ListTest, WaitsALittleForARevisionFromTheFuture) {
  std::optional<HttpResponse> late;
  const auto ask = [&](std::string revision) -> Task<> {
    HttpRequest request;
    request.method = "GET";
    request.path = kApps;
    request.segments = {"apis", "infra.gantry.dev", "v1alpha1", "namespaces", "default", "apps"};
    request.query = {{"resourceVersion", revision}};
    request.user = user;
    late = co_await api->handle(std::move(request));
  };
  const std::string next = std::to_string(store->revision() + 1);
  front.spawn(ask(next));
  advance(std::chrono::seconds(1));
  EXPECT_FALSE(late);
  post(kApps, app("a"));
  advance(std::chrono::seconds(1));
  ASSERT_TRUE(late);
  EXPECT_EQ(late->status, 200);

  late.reset();
  front.spawn(ask("99999"));
  for (int i = 0; i < 100 && !late; ++i) advance(std::chrono::milliseconds(100));
  ASSERT_TRUE(late);
  EXPECT_EQ(late->status, 504);
  const auto status = json::parse(text_of(late->body[0]));
  EXPECT_THAT(status.string_or("message"), HasSubstr("Timeout: Too large resource version: 99999, current: "));
  EXPECT_EQ(status.find("details")->find("causes")->as_array()[0].string_or("reason"), "ResourceVersionTooLarge");
}

TEST_F(ListTest, MetadataAloneIsGivenToWhoAsksForIt) {
  three();
  const auto list = get(kApps, {{"accept",
                                 "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
                                 "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}});
  EXPECT_EQ(list.at("kind"), json::Value("PartialObjectMetadataList"));
  EXPECT_THAT(names(list), ElementsAre("a", "b", "c"));
  EXPECT_FALSE(list.at("items").as_array()[0].find("spec"));
  const auto one = get(kApps + "/a", {{"accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}});
  EXPECT_EQ(one.at("kind"), json::Value("PartialObjectMetadata"));
  EXPECT_EQ(one.at("metadata.labels.tier"), json::Value("front"));
  EXPECT_EQ(get(kApps, {{"accept", "text/html"}}).status, 406);
  EXPECT_EQ(get(kApps, {{"accept", "application/json, */*;q=0.8"}}).at("kind"), json::Value("AppList"));
}

TEST_F(ListTest, ATableShowsThePrinterColumns) {
  post(kApps, app("web", R"({"image":"nginx:1","replicas":2})", R"(,"labels":{"app":"web"})"));
  patch(kApps + "/web/status", R"({"status":{"phase":"Running"}})");
  advance(std::chrono::minutes(5));
  const auto table = get(kApps + "?limit=500", {{"accept", kTable}});
  EXPECT_EQ(table.at("kind"), json::Value("Table"));
  std::vector<std::string> columns;
  const auto definitions = table.at("columnDefinitions");
  for (const auto& column : definitions.as_array())
    columns.push_back(column.string_or("name") + ":" + column.string_or("type") + ":" +
                      std::to_string(column.int_or("priority", -1)));
  EXPECT_THAT(columns, ElementsAre("Name:string:0", "Image:string:0", "Desired:integer:0", "Ready:integer:0",
                                   "Phase:string:1", "Age:date:0"));
  const auto row = table.at("rows").as_array()[0];
  EXPECT_EQ(json::dump(*row.find("cells")), R"(["web","nginx:1",2,null,"Running","5m"])");
  EXPECT_EQ(row.find("object")->string_or("kind"), "PartialObjectMetadata");
  EXPECT_EQ(at(row, "object.metadata.labels.app"), json::Value("web"));
  EXPECT_TRUE(
      get(kApps + "?includeObject=Object", {{"accept", kTable}}).at("rows").as_array()[0].at({"object", "spec"}));
  EXPECT_FALSE(get(kApps + "?includeObject=None", {{"accept", kTable}}).at("rows").as_array()[0].find("object"));
  EXPECT_EQ(get(kApps + "?includeObject=Some", {{"accept", kTable}}).status, 400);
  EXPECT_EQ(get(kApps + "/web", {{"accept", kTable}}).at("rows").as_array().size(), 1u);
}

TEST_F(ListTest, ALongTableGoesOutPageByPage) {
  for (int i = 0; i < 1201; ++i) post(kServers, R"({"metadata":{"name":"s)" + std::to_string(i) + R"("}})");
  auto table = get(kServers, {{"accept", kTable}});
  ASSERT_TRUE(table.stream);
  int pages = 0;
  while (true) {
    const auto pieces = run(table.stream->next());
    if (pieces.empty()) break;
    ++pages;
    for (const auto& piece : pieces) table.text += text_of(piece);
  }
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(table.at("rows").as_array().size(), 1201u);
}

TEST_F(ListTest, CoreKindsHaveTheColumnsPeopleKnow) {
  post(kSecrets, R"({"metadata":{"name":"s"},"stringData":{"a":"1","b":"2"}})");
  post(kConfigMaps, R"({"metadata":{"name":"c"},"data":{"a":"1"},"binaryData":{"z":"AA=="}})");
  post(
      kEvents,
      R"({"metadata":{"name":"e"},"involvedObject":{"kind":"App","name":"web","namespace":"default"},"reason":"Placed","message":"on srv-1\n","type":"Normal","lastTimestamp":"2026-11-21T00:58:00Z"})");
  const auto cells = [&](const std::string& target) {
    return json::dump(*get(target, {{"accept", kTable}}).at("rows").as_array().at(0).find("cells"));
  };
  EXPECT_EQ(cells(kSecrets), R"(["s","Opaque",2,"0s"])");
  EXPECT_EQ(cells(kConfigMaps), R"(["c",2,"0s"])");
  EXPECT_EQ(cells(kEvents), R"(["2m","Normal","Placed","app/web","","","on srv-1",null,1,"e"])");
  EXPECT_EQ(cells(kNamespaces), R"(["default","Active","0s"])");
}

}  // namespace
}  // namespace gantry::api
