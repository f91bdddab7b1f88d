// describe, events, logs, wait, explain, api-resources, completion, config.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "controller/base/yaml.hpp"
#include "tests/cli/scripted_server.hpp"

namespace gantry::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kApps = "/apis/gantry.dev/v1alpha1/namespaces/default/apps";

TEST(Describe, LaysAnObjectOutForPeople) {
  CommandLine gantry;
  gantry.on(
      std::string("GET ") + kApps + "/web",
      app("web", "7",
          R"("spec":{"replicas":2,"command":["python","server.py"],"ports":[{"name":"http","port":8000},{"name":"admin","port":9000}],
              "source":{"code":{"path":"./server"}},"env":[]},
              "status":{"readyReplicas":1,"conditions":[{"type":"Ready","status":"False","reason":"Unhealthy","message":"replica 1: refused","lastTransitionTime":"2026-11-21T09:58:00Z"}]})"));
  gantry.on(
      "GET "
      "/api/v1/namespaces/default/"
      "events?limit=500&fieldSelector=involvedObject.kind=App,involvedObject.name=web,involvedObject.uid=u-web",
      R"({"kind":"EventList","metadata":{},"items":[
              {"metadata":{},"type":"Warning","reason":"Unhealthy","message":"refused","count":4,"firstTimestamp":"2026-11-21T09:55:00Z","lastTimestamp":"2026-11-21T09:59:00Z","source":{"component":"app"}},
              {"metadata":{},"type":"Normal","reason":"Started","message":"web-0","lastTimestamp":"2026-11-21T09:56:00Z","reportingComponent":"app"}]})");
  EXPECT_EQ(gantry.run("describe app web").out,
            "Name:          web\n"
            "Namespace:     default\n"
            "Kind:          App (gantry.dev/v1alpha1)\n"
            "Labels:        <none>\n"
            "Annotations:   <none>\n"
            "Created:       2026-11-21T09:55:00Z (5m ago)\n"
            "Generation:    1\n"
            "Spec:\n"
            "  Command:\n"
            "    - python\n"
            "    - server.py\n"
            "  Env:       <none>\n"
            "  Ports:\n"
            "    - Name:  http\n"
            "      Port:  8000\n"
            "    - Name:  admin\n"
            "      Port:  9000\n"
            "  Replicas:  2\n"
            "  Source:\n"
            "    Code:\n"
            "      Path:  ./server\n"
            "Status:\n"
            "  Ready Replicas:  1\n"
            "Conditions:\n"
            "  Type    Status   Reason      Since   Message\n"
            "  Ready   False    Unhealthy   2m      replica 1: refused\n"
            "Events:\n"
            "  Type      Reason      Age                From   Message\n"
            "  Normal    Started     4m                 app    web-0\n"
            "  Warning   Unhealthy   60s (x4 over 5m)   app    refused\n");
}

TEST(Describe, ShowsTheLastCallsToAProvider) {
  CommandLine gantry;
  const std::string server = "/apis/gantry.dev/v1alpha1/namespaces/default/servers/web-1";
  gantry.on("GET " + server, R"({"metadata":{"name":"web-1","namespace":"default"},"spec":{"size":"cx23"}})");
  gantry.on(
      "GET " + server + "/calls",
      R"({"items":[{"time":"2026-11-21T09:59:00Z","operation":"POST /v1/servers","status":201,"millis":412,"problem":""},
                         {"time":"2026-11-21T09:58:00Z","operation":"POST /v1/servers","status":0,"millis":30000,"problem":"no answer"}]})");
  const std::string out = gantry.run("describe server web-1").out;
  EXPECT_THAT(out, HasSubstr("Calls to the provider:\n"
                             "  Age   Operation          Status   Time      Problem\n"
                             "  60s   POST /v1/servers   201      412ms     \n"
                             "  2m    POST /v1/servers   none     30000ms   no answer\n"));
}

TEST(Import, WritesManifestsThatCanBeApplied) {
  CommandLine gantry;
  const std::string existing = "GET /apis/gantry.dev/v1alpha1/namespaces/default/providers/do/existing";
  gantry.on(existing, R"({"items":[{"apiVersion":"gantry.dev/v1alpha1","kind":"Server","metadata":{"name":"a"}},
                                   {"apiVersion":"gantry.dev/v1alpha1","kind":"Server","metadata":{"name":"b"}}]})");
  const Outcome outcome = gantry.run("import do");
  EXPECT_THAT(outcome.out, HasSubstr("---\n"));
  const auto documents = yaml::parse_all(outcome.out);
  ASSERT_EQ(documents.size(), 2U);
  EXPECT_EQ(documents[1].value.at({"metadata", "name"})->as_string(), "b");
}

TEST(Import, SaysSoWhenThereIsNothing) {
  CommandLine gantry;
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/default/providers/do/existing", R"({"items":[]})");
  const Outcome outcome = gantry.run("import do");
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("nothing at do"));
}

TEST(Describe, NeverShowsASecretsValues) {
  CommandLine gantry;
  gantry.on(
      "GET /api/v1/namespaces/default/secrets/key",
      R"({"metadata":{"name":"key","namespace":"default"},"type":"Opaque","data":{"token":"aHVudGVyMg==","empty":""}})");
  const Outcome outcome = gantry.run("describe secret key --show-events=false");
  EXPECT_THAT(outcome.out, HasSubstr("  token:  7 bytes\n"));
  EXPECT_THAT(outcome.out, HasSubstr("  empty:  0 bytes\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("aHVud")));
}

TEST(Events, AreShownOldestFirst) {
  CommandLine gantry;
  gantry.on("GET /api/v1/namespaces/default/events", R"({"metadata":{"resourceVersion":"9"},"items":[
    {"metadata":{"namespace":"default"},"type":"Normal","reason":"Started","message":"replica 1\nis up","lastTimestamp":"2026-11-21T09:59:50Z","involvedObject":{"kind":"App","name":"web"}},
    {"metadata":{"namespace":"default"},"type":"Warning","reason":"Unhealthy","message":"refused","lastTimestamp":"2026-11-21T09:58:00Z","involvedObject":{"kind":"App","name":"web"}}]})");
  EXPECT_EQ(gantry.run("events").out,
            "LAST SEEN   TYPE      REASON      OBJECT    MESSAGE\n"
            "2m          Warning   Unhealthy   app/web   refused\n"
            "10s         Normal    Started     app/web   replica 1 is up\n");
  EXPECT_THAT(gantry.run("events --types=Warning").out, Not(HasSubstr("Started")));
}

TEST(Events, MayBeAboutOneObject) {
  CommandLine gantry;
  gantry.on(
      "GET "
      "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind=App,involvedObject.apiVersion=gantry.dev/"
      "v1alpha1,involvedObject.name=web",
      R"({"metadata":{},"items":[]})");
  EXPECT_EQ(gantry.run("events --for=app/web").err, "No events found in default namespace.\n");
}

TEST(Logs, PassOnWhatTheServerSends) {
  CommandLine gantry;
  gantry.on_stream(std::string("GET ") + kApps + "/web/log?follow=true&tailLines=20&sinceSeconds=600&slot=1",
                   {"one", "two"});
  EXPECT_EQ(gantry.run("logs web -f --tail=20 --since=10m --slot=1").out, "one\ntwo\n");
  gantry.on_stream(std::string("GET ") + kApps + "/web/log", {"all"});
  EXPECT_EQ(gantry.run("logs app/web").out, "all\n");
  EXPECT_EQ(gantry.run("logs").code, 64);
}

class WaitTest : public testing::Test {
 protected:
  void is(const std::string& more, const std::string& revision = "5") {
    gantry.on(std::string("GET ") + kApps + "?fieldSelector=metadata.name=web",
              R"({"metadata":{"resourceVersion":"5"},"items":[)" +
                  (more == "absent" ? "" : app("web", revision, more)) + "]}");
  }
  void becomes(const std::string& type, const std::string& more) {
    gantry.on_stream(std::string("GET ") + kApps +
                         "?watch=true&allowWatchBookmarks=true&resourceVersion=5&fieldSelector=metadata.name=web",
                     {R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}})",
                      R"({"type":")" + type + R"(","object":)" + app("web", "6", more) + "}"});
  }
  static std::string ready(const std::string& status, int generation = 1) {
    return R"("status":{"conditions":[{"type":"Ready","status":")" + status +
           R"(","reason":"Why","observedGeneration":)" + std::to_string(generation) + "}]}";
  }
  CommandLine gantry;
};

TEST_F(WaitTest, ReturnsAtOnceWhenItIsSo) {
  is(ready("True"));
  const Outcome outcome = gantry.run("wait app web --for=condition=Ready");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out, "app.gantry.dev/web condition met\n");
}

TEST_F(WaitTest, WaitsForTheChange) {
  is(ready("False"));
  becomes("MODIFIED", ready("True"));
  EXPECT_EQ(gantry.run("wait app/web --for=condition=ready").code, 0);
}

TEST_F(WaitTest, AConditionOfAnOlderGenerationDoesNotCount) {
  is(ready("True", 0));
  const Outcome outcome = gantry.run("wait app web --for=condition=Ready --timeout=5s");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.err, "error: timed out waiting for condition=Ready of app.gantry.dev/web: Ready=True (Why)\n");
}

TEST_F(WaitTest, OtherValuesMayBeWaitedFor) {
  is(ready("False"));
  EXPECT_EQ(gantry.run("wait app web --for=condition=Ready=False").code, 0);
}

TEST_F(WaitTest, DeletionAndCreation) {
  is("absent");
  EXPECT_EQ(gantry.run("wait app web --for=delete").out, "app.gantry.dev/web deleted\n");
  EXPECT_EQ(gantry.run("wait app web --for=create --timeout=1s").code, 3);
  const Outcome outcome = gantry.run("wait app web --for=condition=Ready");
  EXPECT_EQ(outcome.code, 1) << "what is not there has no condition";
  EXPECT_THAT(outcome.err, HasSubstr("(NotFound): apps.gantry.dev \"web\" not found"));
}

TEST_F(WaitTest, SeesADeletionHappen) {
  is("");
  becomes("DELETED", "");
  EXPECT_EQ(gantry.run("wait app web --for=delete").code, 0);
}

TEST_F(WaitTest, APathMayHaveAValue) {
  is(R"("status":{"readyReplicas":2})");
  EXPECT_EQ(gantry.run("wait app web --for=jsonpath={.status.readyReplicas}=2").code, 0);
  EXPECT_EQ(gantry.run("wait app web --for=jsonpath={.status.readyReplicas}").code, 0);
  const Outcome outcome = gantry.run("wait app web --for=jsonpath={.status.readyReplicas}=3 --timeout=1s");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("{.status.readyReplicas} is \"2\""));
}

TEST_F(WaitTest, WaitsOutAServerThatIsAway) {
  const std::string request = std::string("GET ") + kApps + "?fieldSelector=metadata.name=web";
  gantry.on(request, "starting", 503);
  is(ready("True"));
  EXPECT_EQ(gantry.run("wait app web --for=condition=Ready").code, 0);
}

TEST_F(WaitTest, WrongWordsAreUsageErrors) {
  EXPECT_EQ(gantry.run("wait app web --for=love").code, 64);
  EXPECT_EQ(gantry.run("wait app web --for=jsonpath={.x").code, 64);
  EXPECT_EQ(gantry.run("wait apps --for=delete").code, 64);
}

TEST(Explain, PrintsFieldsWithTheirTypesAndLimits) {
  CommandLine gantry;
  gantry.on(
      "GET /openapi/v3",
      R"({"paths":{"apis/gantry.dev/v1alpha1":{"serverRelativeURL":"/openapi/v3/apis/gantry.dev/v1alpha1?hash=H"}}})");
  gantry.on("GET /openapi/v3/apis/gantry.dev/v1alpha1?hash=H", R"({"components":{"schemas":{
    "dev.gantry.v1alpha1.App":{"description":"Something that runs.","type":"object","x-kubernetes-group-version-kind":[{"group":"gantry.dev","version":"v1alpha1","kind":"App"}],
      "properties":{"metadata":{"description":"Standard.","allOf":[{"$ref":"#/components/schemas/Meta"}],"default":{}},
        "spec":{"description":"What to run.","type":"object","required":["source"],"properties":{
          "source":{"type":"object","description":"Where it comes from."},
          "runtime":{"type":"string","enum":["docker","process"],"default":"process"},
          "ports":{"description":"What it listens on.","type":"array","items":{"type":"object","properties":{"port":{"type":"integer","minimum":1}}}}}}}},
    "Meta":{"description":"Names.","type":"object","properties":{"name":{"type":"string"},"labels":{"type":"object","additionalProperties":{"type":"string"}}}}}}})");
  EXPECT_EQ(gantry.run("explain app.spec").out,
            "GROUP:      gantry.dev\n"
            "KIND:       App\n"
            "VERSION:    v1alpha1\n"
            "\n"
            "FIELD: spec <Object>\n"
            "\n"
            "DESCRIPTION:\n"
            "    What to run.\n"
            "\n"
            "FIELDS:\n"
            "  ports\t<[]Object>\n"
            "    What it listens on.\n"
            "\n"
            "  runtime\t<string>\n"
            "    one of: docker, process\n"
            "    default: process\n"
            "\n"
            "  source\t<Object> -required-\n"
            "    Where it comes from.\n"
            "\n");
  EXPECT_THAT(gantry.run("explain app.spec.ports.port").out, HasSubstr("FIELD: port <integer>\n    at least: 1\n"));
  EXPECT_THAT(gantry.run("explain app.metadata").out, HasSubstr("labels\t<map[string]string>"));
  EXPECT_THAT(gantry.run("explain app --recursive").out, HasSubstr("    ports\t<[]Object>\n      port\t<integer>\n"));
  EXPECT_EQ(gantry.run("explain app.spec.prots").err,
            "error: field \"prots\" does not exist; did you mean \"ports\"?\n");
  EXPECT_EQ(gantry.run("explain").code, 64);
}

TEST(ApiResources, AreListedByGroup) {
  CommandLine gantry;
  EXPECT_EQ(gantry.run("api-resources --api-group=gantry.dev").out,
            "NAME        SHORTNAMES   APIVERSION            NAMESPACED   KIND\n"
            "apps        ap           gantry.dev/v1alpha1   true         App\n"
            "providers                gantry.dev/v1alpha1   true         Provider\n"
            "releases    rel          gantry.dev/v1alpha1   true         Release\n"
            "servers                  gantry.dev/v1alpha1   true         Server\n");
  EXPECT_THAT(gantry.run("api-resources -o name").out, HasSubstr("apps.gantry.dev\n"));
  EXPECT_THAT(gantry.run("api-resources --namespaced=false").out, HasSubstr("namespaces   ns"));
}

TEST(Completion, KnowsCommandsFlagsTypesAndNames) {
  CommandLine gantry;
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "ro"}).out, "rollout\n");
  EXPECT_THAT(gantry.run(std::vector<std::string>{"__complete", "rollout", "st"}).out, testing::StartsWith("status\t"));
  EXPECT_THAT(gantry.run(std::vector<std::string>{"__complete", "get", "--sho"}).out, HasSubstr("--show-labels\t"));
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "get", "-o", "ya"}).out, "yaml\n");
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "apply", "-f", ""}).out, ":files\n");
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "get", "ap"}).out, "apps\tApp\n");
  gantry.on("GET /apis/gantry.dev/v1alpha1/namespaces/prod/apps?limit=500",
            R"({"metadata":{},"items":[{"metadata":{"name":"web"}},{"metadata":{"name":"api"}}]})");
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "get", "-n", "prod", "app", "w"}).out, "web\n");
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "-n", "prod", "get", "x"}).code, 0);
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "describe", "-n", "prod", "app/w"}).out, "app/web\n");
  EXPECT_EQ(gantry.run(std::vector<std::string>{"__complete", "logs", "-n", "prod", "a"}).out, "api\n");
}

TEST(Completion, PrintsAScriptForEachShell) {
  CommandLine gantry;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = gantry.run(std::string("completion ") + shell);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("gantry __complete")) << shell;
  }
  EXPECT_EQ(gantry.run("completion tcsh").code, 64);
}

TEST(Config, ShowsTheKubeconfigWithoutItsKeysAndSwitchesContexts) {
  const TemporaryFolder files;
  const std::string file =
      files.write("config",
                  "current-context: a\ncontexts:\n- name: a\n  context: {cluster: c, user: u, namespace: prod}\n"
                  "- name: b\n  context: {cluster: c, user: u}\nusers:\n- name: u\n  user: {token: hunter2, "
                  "client-key-data: aaaa}\n");
  CommandLine gantry;
  const std::string at = " --kubeconfig " + file;
  EXPECT_THAT(gantry.run("config view" + at).out, HasSubstr("token: REDACTED"));
  EXPECT_THAT(gantry.run("config view" + at).out, Not(HasSubstr("aaaa")));
  EXPECT_EQ(gantry.run("config get-contexts" + at).out,
            "CURRENT   NAME   CLUSTER   AUTHINFO   NAMESPACE\n"
            "*         a      c         u          prod\n"
            "          b      c         u          \n");
  EXPECT_EQ(gantry.run("config use-context b" + at).out, "Switched to context \"b\".\n");
  std::ifstream in(file);
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(in), {}), HasSubstr("current-context: b"));
  EXPECT_EQ(gantry.run("config use-context z" + at).code, 1);
}

TEST(Config, SaysWhereEachValueComesFrom) {
  CommandLine gantry;
  gantry.environment["GANTRY_NAMESPACE"] = "prod";
  const std::string out = gantry.run("config view --show-origin").out;
  EXPECT_THAT(out, HasSubstr("namespace         prod    GANTRY_NAMESPACE\n"));
  EXPECT_THAT(out, HasSubstr("request-timeout   30s     default\n"));
}

}  // namespace
}  // namespace gantry::cli
