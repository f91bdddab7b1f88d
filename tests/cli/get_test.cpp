#include <gmock/gmock.h>

#include <filesystem>

#include "tests/cli/scripted_server.hpp"

namespace gantry::cli {
namespace {

using testing::HasSubstr;

constexpr const char* kApps = "GET /apis/gantry.dev/v1alpha1/namespaces/default/apps";
constexpr const char* kColumns =
    R"("columnDefinitions":[{"name":"Name","type":"string","priority":0},{"name":"Ready","type":"string","priority":0},
       {"name":"Replicas","type":"integer","priority":0},{"name":"Source","type":"string","priority":1},{"name":"Age","type":"date","priority":0}])";

std::string row(const std::string& name, const std::string& ready, int replicas, const std::string& ns = "default") {
  return R"({"cells":[")" + name + R"(",")" + ready + R"(",)" + std::to_string(replicas) +
         R"(,"nginx:1.27","5m"],"object":{"kind":"PartialObjectMetadata","metadata":{"name":")" + name +
         R"(","namespace":")" + ns + R"(","resourceVersion":"7","labels":{"team":"shop","tier":"web"}}}})";
}

std::string table(const std::string& rows, const std::string& metadata = R"("resourceVersion":"9")") {
  return R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{)" + metadata + "}," + kColumns + R"(,"rows":[)" +
         rows + "]}";
}

TEST(Get, PrintsTheServersTableAsKubectlDoes) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?limit=500", table(row("web", "True", 2) + "," + row("backend-llm", "False", 10)));
  const Outcome outcome = gantry.run("get apps");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out,
            "NAME          READY   REPLICAS   AGE\n"
            "web           True    2          5m\n"
            "backend-llm   False   10         5m\n");
  EXPECT_EQ(gantry.request("GET", "/apps").accept, kTable);
}

TEST(Get, WideShowsTheOtherColumnsToo) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?limit=500", table(row("web", "True", 2)));
  EXPECT_EQ(gantry.run("get ap -o wide --no-headers").out, "web   True   2     nginx:1.27   5m\n");
}

TEST(Get, RawIsTheServersOwnAnswer) {
  CommandLine gantry;
  gantry.on("GET /readyz?verbose", "[+]ping ok\n");
  EXPECT_EQ(gantry.run("get --raw /readyz?verbose").out, "[+]ping ok\n");
  gantry.on("GET /nothing", status(404, "NotFound", "the server could not find the requested resource"), 404);
  const Outcome missing = gantry.run("get --raw /nothing");
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("could not find"));
  EXPECT_EQ(gantry.run("get --raw metrics").code, 64);
  EXPECT_EQ(gantry.run("get apps --raw /metrics").code, 64);
}

TEST(Get, AllNamespacesAndLabelsAreColumns) {
  CommandLine gantry;
  gantry.on("GET /apis/gantry.dev/v1alpha1/apps?limit=500&labelSelector=team=shop",
            table(row("web", "True", 2, "prod")));
  EXPECT_EQ(gantry.run("get App -A -l team=shop --show-labels -L team").out,
            "NAMESPACE   NAME   READY   REPLICAS   AGE   TEAM   LABELS\n"
            "prod        web    True    2          5m    shop   team=shop,tier=web\n");
}

TEST(Get, FollowsThePages) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?limit=500",
            table(row("a", "True", 1), R"("resourceVersion":"9","continue":"next")"));
  gantry.on(std::string(kApps) + "?limit=500&continue=next", table(row("b", "True", 1)));
  EXPECT_EQ(gantry.run("get apps --no-headers").out,
            "a     True   1     5m\n"
            "b     True   1     5m\n");
}

TEST(Get, SeveralKindsStandApartUnderTheirKind) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?limit=500", table(row("web", "True", 2)));
  gantry.on(
      "GET /api/v1/namespaces/default/configmaps?limit=500",
      R"({"kind":"Table","columnDefinitions":[{"name":"Name"},{"name":"Data"}],"rows":[{"cells":["settings",3],"object":{}}]})");
  EXPECT_EQ(gantry.run("get apps,cm").out,
            "NAME                 READY   REPLICAS   AGE\n"
            "app.gantry.dev/web   True    2          5m\n"
            "\n"
            "NAME                 DATA\n"
            "configmap/settings   3\n");
}

TEST(Get, ACategoryIsAllItsKinds) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?limit=500", table(row("web", "True", 2)));
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/default/releases?limit=500", table(""));
  EXPECT_THAT(gantry.run("get all").out, HasSubstr("app.gantry.dev/web"));
  EXPECT_THAT(gantry.requests(), HasSubstr("/releases?limit=500"));
}

TEST(Get, NothingThereIsSaidOnStandardError) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?limit=500", table(""));
  const Outcome outcome = gantry.run("get apps");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "No resources found in default namespace.\n");
}

TEST(Get, OneMissingNameDoesNotHideTheOthers) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "/web", table(row("web", "True", 2)));
  gantry.on(std::string(kApps) + "/wbe", status(404, "NotFound", "apps.gantry.dev \"wbe\" not found"), 404);
  const Outcome outcome = gantry.run("get app web wbe");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("web    True"));
  EXPECT_EQ(outcome.err, "Error from server (NotFound): apps.gantry.dev \"wbe\" not found\n");
  EXPECT_EQ(gantry.run("get app web wbe --ignore-not-found").code, 0);
}

TEST(Get, AServerWithoutTablesStillGivesNameAndAge) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?limit=500", R"({"kind":"AppList","metadata":{},"items":[)" + app("web", "7") + "]}");
  EXPECT_EQ(gantry.run("get apps").out,
            "NAME   AGE\n"
            "web    5m\n");
}

TEST(Get, AnUnknownTypeNamesTheNearest) {
  CommandLine gantry;
  const Outcome outcome = gantry.run("get appz");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(outcome.err,
            "error: the server doesn't have a resource type \"appz\"; did you mean \"apps\"? (gantry api-resources "
            "lists them all)\n");
}

TEST(Get, PrintsOneObjectInEveryForm) {
  CommandLine gantry;
  gantry.on(
      std::string(kApps) + "/web",
      R"({"apiVersion":"gantry.dev/v1alpha1","kind":"App","metadata":{"name":"web","namespace":"default","managedFields":[{}]},"spec":{"replicas":2}})");
  EXPECT_EQ(gantry.run("get app web -o yaml").out,
            "apiVersion: gantry.dev/v1alpha1\n"
            "kind: App\n"
            "metadata:\n"
            "  name: web\n"
            "  namespace: default\n"
            "spec:\n"
            "  replicas: 2\n");
  EXPECT_EQ(gantry.run("get app/web -o name").out, "app.gantry.dev/web\n");
  EXPECT_EQ(gantry.run("get app web -o jsonpath={.spec.replicas}").out, "2");
  EXPECT_EQ(gantry.run("get app web -o custom-columns=NAME:.metadata.name,N:.spec.replicas,X:.spec.none").out,
            "NAME   N     X\n"
            "web    2     <none>\n");
  EXPECT_EQ(gantry.run("get app web -o json").out.substr(0, 2), "{\n");
}

TEST(Get, AListIsAList) {
  CommandLine gantry;
  gantry.on("GET /api/v1/namespaces/default/configmaps?limit=500",
            R"({"kind":"ConfigMapList","metadata":{},"items":[{"metadata":{"name":"b"}},{"metadata":{"name":"a"}}]})");
  EXPECT_EQ(gantry.run("get cm -o name").out, "configmap/b\nconfigmap/a\n");
  EXPECT_EQ(gantry.run("get cm -o name --sort-by=.metadata.name").code, 1);  // another request: unscripted
  gantry.on("GET /api/v1/namespaces/default/configmaps?limit=500&includeObject=Object",
            R"({"kind":"ConfigMapList","metadata":{},"items":[{"metadata":{"name":"b"}},{"metadata":{"name":"a"}}]})");
  EXPECT_EQ(gantry.run("get cm -o name --sort-by=.metadata.name").out, "configmap/a\nconfigmap/b\n");
  EXPECT_THAT(gantry.run("get cm -o yaml").out, HasSubstr("kind: List\n"));
}

TEST(Get, SortsRowsByAFieldOfTheirObjects) {
  CommandLine gantry;
  const auto sized = [](const std::string& name, int size) {
    return R"({"cells":[")" + name + R"(","True",1,"x","5m"],"object":{"spec":{"replicas":)" + std::to_string(size) +
           "}}}";
  };
  gantry.on(std::string(kApps) + "?limit=500&includeObject=Object", table(sized("ten", 10) + "," + sized("nine", 9)));
  EXPECT_EQ(gantry.run("get apps --no-headers --sort-by=.spec.replicas").out,
            "nine   True   1     5m\n"
            "ten    True   1     5m\n");
}

TEST(Get, AWrongOutputNamesTheNearest) {
  CommandLine gantry;
  const Outcome outcome = gantry.run("get apps -o yml");
  EXPECT_EQ(outcome.code, 64);
  EXPECT_THAT(outcome.err, HasSubstr("did you mean \"yaml\"?"));
  EXPECT_EQ(gantry.run("get apps -o jsonpath").code, 64);
  EXPECT_EQ(gantry.run("get apps -o jsonpath={.a").code, 64);
}

TEST(Get, WordsThatMakeNoSenseTogetherAreRefused) {
  CommandLine gantry;
  EXPECT_EQ(gantry.run("get").code, 64);
  EXPECT_EQ(gantry.run("get app web -A").code, 64);
  EXPECT_EQ(gantry.run("get app web -l a=b").code, 64);
  EXPECT_EQ(gantry.run("get app/web other").code, 64);
  EXPECT_EQ(gantry.run("get app app/web").code, 64);
}

TEST(Get, WatchShowsWhatIsAndThenWhatChanges) {
  CommandLine gantry;
  gantry.on(kApps, table(row("web", "False", 1)));
  const auto event = [](const std::string& ready, const std::string& revision) {
    std::string text =
        R"({"type":"MODIFIED","object":{"kind":"Table","metadata":{},"rows":[)" + row("web", ready, 2) + "]}}";
    return text.replace(text.find(R"("resourceVersion":"7")"), 21, R"("resourceVersion":")" + revision + "\"");
  };
  gantry.on_stream(std::string(kApps) + "?watch=true&allowWatchBookmarks=true&resourceVersion=9",
                   {event("Unknown", "10"), event("True", "11")});
  gantry.on_stream(
      std::string(kApps) + "?watch=true&allowWatchBookmarks=true&resourceVersion=11",
      {R"({"type":"ERROR","object":{"kind":"Status","reason":"Expired","message":"too old resource version","code":410}})"});
  const Outcome outcome = gantry.run("get apps -w");
  EXPECT_EQ(outcome.out,
            "NAME   READY   REPLICAS   AGE\n"
            "web    False   1          5m\n"
            "web    Unknown   2          5m\n"
            "web    True      2          5m\n");
  EXPECT_EQ(outcome.err, "Error from server (Expired): too old resource version\n");
}

TEST(Get, WatchesOneObjectByItsName) {
  CommandLine gantry;
  gantry.on(std::string(kApps) + "?fieldSelector=metadata.name=web", table(row("web", "True", 2)));
  const Outcome outcome = gantry.run("get app web -w");
  EXPECT_THAT(outcome.out, HasSubstr("web    True"));
  EXPECT_THAT(gantry.requests(), HasSubstr("resourceVersion=9&fieldSelector=metadata.name=web"));
}

TEST(Get, DiscoveryIsKeptOnDiskAndAskedAnewForAnUnknownWord) {
  const TemporaryFolder home;
  CommandLine gantry;
  gantry.home = home.folder();
  gantry.on(std::string(kApps) + "?limit=500", table(row("web", "True", 2)));
  EXPECT_EQ(gantry.run("get apps").code, 0);
  EXPECT_EQ(gantry.asked.size(), 3u);
  EXPECT_TRUE(std::filesystem::exists(home.path(".kube/cache/gantry/127.0.0.1_6443/discovery.json")));
  gantry.asked.clear();
  EXPECT_EQ(gantry.run("get apps").code, 0);
  EXPECT_EQ(gantry.asked.size(), 1u) << "only its own question";
  gantry.asked.clear();
  EXPECT_EQ(gantry.run("get widgets").code, 1);
  EXPECT_EQ(gantry.asked.size(), 2u) << "both discovery documents";
  gantry.asked.clear();
  gantry.clock.advance(std::chrono::minutes(11));
  EXPECT_EQ(gantry.run("get apps").code, 0);
  EXPECT_EQ(gantry.asked.size(), 3u) << "too old";
  home.write(".kube/cache/gantry/127.0.0.1_6443/discovery.json", "{damaged");
  EXPECT_EQ(gantry.run("get apps").code, 0);
}

TEST(Get, ANameCannotLeaveItsPath) {
  CommandLine gantry;
  gantry.run(std::vector<std::string>{"get", "app", "a?b"});
  EXPECT_THAT(gantry.requests(), HasSubstr("/apps/a%3Fb\n"));
}

}  // namespace
}  // namespace gantry::cli
