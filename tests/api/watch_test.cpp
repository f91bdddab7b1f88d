// Watches: what is told, in which order, and how they begin and end.
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WatchTest : public ApiTest {
 protected:
  explicit WatchTest(store::StoreOptions options = {}) : ApiTest(std::move(options)) {}

  // "ADDED web 5": type, name and revision of each event.
  std::vector<std::string> told(Answer& watch) {
    std::vector<std::string> out;
    for (const auto& frame : frames(*watch.stream)) {
      const auto& object = *frame.find("object");
      const auto name = at(object, "metadata.name");
      const auto revision = at(object, "metadata.resourceVersion");
      out.push_back(frame.string_or("type") + (name.is_string() ? " " + name.as_string() : "") +
                    (revision.is_string() ? " @" + revision.as_string() : ""));
    }
    return out;
  }
  std::string now() const { return "@" + std::to_string(store->revision()); }
  std::string revision() const { return std::to_string(store->revision()); }
};

TEST_F(WatchTest, TellsEachChangeOnceInOrder) {
  auto watch = get(kApps + "?watch=true&resourceVersion=" + revision());
  ASSERT_EQ(watch.status, 200);
  EXPECT_THAT(told(watch), IsEmpty());
  post(kApps, app("web"));
  const auto added = "ADDED web " + now();
  patch(kApps + "/web", R"({"spec":{"replicas":2}})");
  const auto modified = "MODIFIED web " + now();
  remove(kApps + "/web");
  EXPECT_THAT(told(watch), ElementsAre(added, modified, "DELETED web " + now()));
}

TEST_F(WatchTest, BeginsWithTheStateWhenNoRevisionIsGiven) {
  post(kApps, app("a"));
  post(kApps, app("b"));
  for (const auto* query : {"?watch=1", "?watch=true&resourceVersion=0"}) {
    auto watch = get(kApps + query);
    EXPECT_THAT(told(watch), ElementsAre(testing::StartsWith("ADDED a"), testing::StartsWith("ADDED b"))) << query;
  }
}

TEST_F(WatchTest, ResumesBehindARevision) {
  post(kApps, app("a"));
  const auto from = revision();
  post(kApps, app("b"));
  auto watch = get(kApps + "?watch=true&resourceVersion=" + from);
  EXPECT_THAT(told(watch), ElementsAre("ADDED b " + now()));
}

TEST_F(WatchTest, SeesOnlyItsNamespaceAndItsName) {
  post(kNamespaces, R"({"metadata":{"name":"other"}})");
  auto here = get(kApps + "?watch=true&resourceVersion=" + revision());
  auto everywhere = get("/apis/infra.gantry.dev/v1alpha1/apps?watch=true&resourceVersion=" + revision());
  auto one = get(kApps + "?watch=true&fieldSelector=metadata.name%3Db&resourceVersion=" + revision());
  auto by_path = get("/apis/infra.gantry.dev/v1alpha1/watch/namespaces/default/apps/b?resourceVersion=" + revision());
  post("/apis/infra.gantry.dev/v1alpha1/namespaces/other/apps", app("a"));
  const auto a = "ADDED a " + now();
  post(kApps, app("b"));
  const auto b = "ADDED b " + now();
  post(kApps, app("c"));
  const auto c = "ADDED c " + now();
  EXPECT_THAT(told(here), ElementsAre(b, c));
  EXPECT_THAT(told(everywhere), ElementsAre(a, b, c));
  EXPECT_THAT(told(one), ElementsAre(b));
  EXPECT_THAT(told(by_path), ElementsAre(b));
}

TEST_F(WatchTest, EnteringAndLeavingTheSelectionIsAddingAndDeleting) {
  auto watch = get(kApps + "?watch=true&labelSelector=tier%3Dfront&resourceVersion=" + revision());
  post(kApps, app("web"));
  patch(kApps + "/web", R"({"metadata":{"labels":{"tier":"front"}}})");
  const auto entered = "ADDED web " + now();
  patch(kApps + "/web", R"({"spec":{"replicas":2}})");
  const auto inside = "MODIFIED web " + now();
  patch(kApps + "/web", R"({"metadata":{"labels":{"tier":"back"}},"spec":{"replicas":3}})");
  const auto left_at = now();
  remove(kApps + "/web");
  const auto seen = frames(*watch.stream);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].string_or("type"), "ADDED");
  EXPECT_EQ(seen[1].string_or("type"), "MODIFIED");
  EXPECT_EQ(seen[2].string_or("type"), "DELETED");
  EXPECT_EQ("@" + at(seen[2], "object.metadata.resourceVersion").as_string(), left_at);
  EXPECT_EQ(at(seen[2], "object.spec.replicas"), json::Value(2)) << "the last state that was selected";
  EXPECT_EQ(at(seen[2], "object.metadata.labels.tier"), json::Value("front"));
}

TEST_F(WatchTest, BookmarksSayHowFarItIs) {
  auto watch = get(kApps + "?watch=true&allowWatchBookmarks=true&resourceVersion=" + revision());
  EXPECT_THAT(told(watch), IsEmpty());
  post(kServers, R"({"metadata":{"name":"srv"}})");
  advance(std::chrono::seconds(61));
  const auto seen = frames(*watch.stream);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(json::dump(seen[0]),
            R"({"object":{"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App","metadata":{"resourceVersion":")" +
                revision() + R"("}},"type":"BOOKMARK"})");
  post(kApps, app("web"));
  EXPECT_THAT(told(watch), ElementsAre("ADDED web " + now())) << "and it goes on";
}

TEST_F(WatchTest, EndsWhenItsTimeIsOverWithABookmarkBefore) {
  auto watch = get(kApps + "?watch=true&allowWatchBookmarks=true&timeoutSeconds=10&resourceVersion=" + revision());
  EXPECT_FALSE(ended(*watch.stream));
  advance(std::chrono::seconds(9));
  EXPECT_THAT(told(watch), ElementsAre("BOOKMARK " + now()));
  EXPECT_FALSE(ended(*watch.stream));
  advance(std::chrono::seconds(2));
  EXPECT_TRUE(ended(*watch.stream));
}

TEST_F(WatchTest, AWatchWithoutATimeEndsWithinTheHour) {
  auto watch = get(kApps + "?watch=true&resourceVersion=" + revision());
  EXPECT_FALSE(ended(*watch.stream));
  advance(std::chrono::minutes(29));
  EXPECT_FALSE(ended(*watch.stream));
  advance(std::chrono::minutes(32));
  EXPECT_TRUE(ended(*watch.stream));
}

TEST_F(WatchTest, ClosingWakesTheReader) {
  auto watch = get(kApps + "?watch=true&resourceVersion=" + revision());
  EXPECT_FALSE(ended(*watch.stream));
  watch.stream->close();
  EXPECT_TRUE(ended(*watch.stream));
}

TEST_F(WatchTest, StreamsTheListWithAMarkAtItsEnd) {
  post(kApps, app("a"));
  auto watch =
      get(kApps + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  const auto seen = frames(*watch.stream);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].string_or("type"), "ADDED");
  EXPECT_EQ(seen[1].string_or("type"), "BOOKMARK");
  EXPECT_EQ(seen[1].at({"object", "metadata", "annotations", "k8s.io/initial-events-end"})->as_string(), "true");
  EXPECT_EQ(at(seen[1], "object.metadata.resourceVersion").as_string(), revision());
  post(kApps, app("b"));
  EXPECT_THAT(told(watch), ElementsAre("ADDED b " + now()));
}

TEST_F(WatchTest, AnOldRevisionIsToldInTheStream) {
  for (int i = 0; i < 5; ++i) post(kApps, app("a" + std::to_string(i)));
  front.spawn(store->compact(store->revision()));
  while (front.poll() > 0) {
  }
  auto watch = get(kApps + "?watch=true&resourceVersion=1");
  EXPECT_EQ(watch.status, 200);
  const auto seen = frames(*watch.stream);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].string_or("type"), "ERROR");
  EXPECT_EQ(at(seen[0], "object.reason"), json::Value("Expired"));
  EXPECT_EQ(at(seen[0], "object.code"), json::Value(410));
  EXPECT_THAT(at(seen[0], "object.message").as_string(), HasSubstr("too old resource version: 1 ("));
  EXPECT_TRUE(ended(*watch.stream));
}

TEST_F(WatchTest, RowsComeOneByOneInATable) {
  post(kApps, app("web"));
  auto watch = get(kApps + "?watch=true", {{"accept", kTable}});
  auto seen = frames(*watch.stream);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(at(seen[0], "object.kind"), json::Value("Table"));
  EXPECT_EQ(at(seen[0], "object.columnDefinitions").as_array().size(), 6u);
  patch(kApps + "/web", R"({"spec":{"replicas":7}})");
  seen = frames(*watch.stream);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(at(seen[0], "object.columnDefinitions").is_null()) << "told once";
  EXPECT_EQ(json::dump(*at(seen[0], "object.rows").as_array()[0].find("cells")),
            R"(["web","nginx:1",7,null,null,"0s"])");
}

TEST_F(WatchTest, AWatchCanBeOfMetadataAlone) {
  auto watch = get(kApps + "?watch=true", {{"accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}});
  post(kApps, app("web"));
  const auto seen = frames(*watch.stream);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(at(seen[0], "object.kind"), json::Value("PartialObjectMetadata"));
  EXPECT_TRUE(at(seen[0], "object.spec").is_null());
}

TEST_F(WatchTest, ManyWatchersShareOneFrame) {
  auto first = get(kApps + "?watch=true&resourceVersion=" + revision());
  auto second = get(kApps + "?watch=true&resourceVersion=" + revision());
  post(kApps, app("web"));
  const auto a = run(first.stream->next()), b = run(second.stream->next());
  ASSERT_EQ(a.size(), 1u);
  EXPECT_EQ(text_of(a[0]).data(), text_of(b[0]).data());
}

class SlowWatchTest : public WatchTest {
 protected:
  SlowWatchTest()
      : WatchTest([] {
          store::StoreOptions options;
          options.window_events = 10;
          return options;
        }()) {}
};

TEST_F(SlowWatchTest, WhoReadsTooSlowlyIsToldToListAnew) {
  auto slow = get(kApps + "?watch=true&resourceVersion=" + revision());
  post(kApps, app("web"));
  for (int i = 0; i < 50; ++i) patch(kApps + "/web", R"({"spec":{"replicas":)" + std::to_string(i) + "}}");
  advance(std::chrono::minutes(1));
  const auto seen = frames(*slow.stream);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back().string_or("type"), "ERROR");
  EXPECT_EQ(at(seen.back(), "object.reason"), json::Value("Expired"));
}

}  // namespace
}  // namespace gantry::api
