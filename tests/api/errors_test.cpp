// What is refused, with which code, reason and words: kubernetes-wire sections 8 and 12.
#include "controller/object/field_error.hpp"
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ErrorsTest : public ApiTest {};

struct Refused {
  std::string method, target, body, type;
  int status;
  std::string reason, message;  // message: a part of it
};

TEST_F(ErrorsTest, EveryRefusalHasItsCodeItsReasonAndItsWords) {
  post(kApps, app("web"));
  post(kApps, app("held", R"({"image":"a"})", R"(,"finalizers":["gantry.dev/cleanup"])"));
  const std::string json = "application/json", merge = "application/merge-patch+json",
                    apply = "application/apply-patch+yaml";
  const Refused table[] = {
      {"GET", kApps + "/nosuch", "", "", 404, "NotFound", R"(apps.infra.gantry.dev "nosuch" not found)"},
      {"GET", "/api/v1/namespaces/default/secrets/x", "", "", 404, "NotFound", R"(secrets "x" not found)"},
      {"GET", "/nothing/here", "", "", 404, "NotFound", "the server could not find the requested resource"},
      {"GET", "/apis/nope/v1/things", "", "", 404, "NotFound", "the server could not find the requested resource"},
      {"GET", kApps + "/web/nosuch", "", "", 404, "NotFound", "the server could not find the requested resource"},
      {"GET", "/apis/infra.gantry.dev/v1alpha1/namespaces/default/servers", "", "", 404, "NotFound",
       "the server could not"},
      {"POST", kApps, app("web"), json, 409, "AlreadyExists", R"(apps.infra.gantry.dev "web" already exists)"},
      {"POST", "/apis/infra.gantry.dev/v1alpha1/namespaces/nonexist/apps", app("a"), json, 404, "NotFound",
       R"(namespaces "nonexist" not found)"},
      {"POST", kApps, "{", json, 400, "BadRequest", "JSON is"},
      {"POST", kApps, "[]", json, 400, "BadRequest", "must be an object, and is of type array"},
      {"POST", kApps, "\"\xff\"", json, 400, "BadRequest", "not valid UTF-8"},
      {"POST", kApps, "a: [", "application/yaml", 400, "BadRequest", "YAML"},
      {"POST", kApps, "{}", "text/html", 415, "UnsupportedMediaType", "accepted media types include: application/json"},
      {"POST", kApps, R"({"apiVersion":"v1","metadata":{"name":"a"}})", json, 400, "BadRequest",
       "the API version in the data (v1) does not match the expected API version (infra.gantry.dev/v1alpha1)"},
      {"POST", kApps, R"({"kind":"Server","metadata":{"name":"a"}})", json, 400, "BadRequest",
       "does not match the expected kind (App)"},
      {"POST", kApps, R"({"metadata":{"name":"a","namespace":"other"},"spec":{"image":"a"}})", json, 400, "BadRequest",
       "the namespace of the provided object does not match the namespace sent on the request"},
      {"POST", kApps, R"({"metadata":7})", json, 400, "BadRequest", "metadata must be an object"},
      {"POST", kApps, R"({"metadata":{},"spec":{"image":"a"}})", json, 422, "Invalid",
       "name or generateName is required"},
      {"POST", kApps, app("Bad_Name"), json, 422, "Invalid", "metadata.name: Invalid value: \"Bad_Name\""},
      {"POST", kApps, app("a", R"({"image":"x","replicas":"two"})"), json, 422, "Invalid", "must be of type integer"},
      {"POST", kApps + "?fieldValidation=Strict", app("a", R"({"image":"x","replicsa":2})"), json, 400, "BadRequest",
       R"(App in version "v1alpha1" cannot be handled as a App: strict decoding error: unknown field "spec.replicsa")"},
      {"POST", kApps + "?fieldValidation=Strict", app("a", R"({"image":"x","image":"y"})"), json, 400, "BadRequest",
       R"(duplicate field "spec.image")"},
      {"POST", kApps + "?fieldValidation=Maybe", app("a"), json, 422, "Invalid", "fieldValidation: Unsupported value"},
      {"POST", kApps + "?dryRun=Some", app("a"), json, 422, "Invalid", "dryRun: Unsupported value"},
      {"POST", kApps + "?fieldManager=" + std::string(129, 'x'), app("a"), json, 422, "Invalid",
       "fieldManager: Too long"},
      {"POST", kApps + "/web", app("web"), json, 405, "MethodNotAllowed", "is not supported on resources of kind"},
      {"POST", "/apis/infra.gantry.dev/v1alpha1/apps", app("a"), json, 405, "MethodNotAllowed", "is not supported"},
      {"PUT", kApps + "/web", app("other"), json, 400, "BadRequest",
       "the name of the object (other) does not match the name on the URL (web)"},
      {"PUT", kApps + "/web", app("web"), json, 422, "Invalid",
       "metadata.resourceVersion: Invalid value: 0: must be specified for an update"},
      {"PUT", kApps + "/nosuch", app("nosuch"), json, 404, "NotFound", R"("nosuch" not found)"},
      {"PUT", kApps + "/web", app("web", R"({"image":"a"})", R"(,"resourceVersion":"1")"), json, 409, "Conflict",
       "the object has been modified"},
      {"PUT", kApps + "/web", app("web", R"({"image":"a"})", R"(,"uid":"other","resourceVersion":"3")"), json, 409,
       "Conflict", "UID in precondition: other"},
      {"PUT", kApps, app("web"), json, 405, "MethodNotAllowed", "is not supported"},
      {"PATCH", kApps + "/nosuch", "{}", merge, 404, "NotFound", R"("nosuch" not found)"},
      {"PATCH", kApps + "/web", "[]", merge, 400, "BadRequest", "the patch must be an object"},
      {"PATCH", kApps + "/web", "{}", "application/json", 415, "UnsupportedMediaType", "application/merge-patch+json"},
      {"PATCH", kApps + "/web?force=true", "{}", merge, 422, "Invalid",
       "force: Forbidden: may not be specified for non-apply patch"},
      {"PATCH", kApps + "/web", R"({"metadata":{"name":"other"}})", merge, 400, "BadRequest",
       "does not match the name on the URL"},
      {"PATCH", kApps + "/web", R"({"metadata":{"uid":"other"}})", merge, 422, "Invalid", "field is immutable"},
      {"PATCH", kApps + "/web?fieldValidation=Strict", R"({"spec":{"nosuch":1}})", merge, 422, "Invalid",
       R"(patch: Invalid value: strict decoding error: unknown field "spec.nosuch")"},
      {"PATCH", kApps + "/web", app("web"), apply, 422, "Invalid",
       "fieldManager: Required value: is required for apply patch"},
      {"PATCH", kApps + "/web?fieldManager=m", app("web", R"({"image":"a","nosuch":1})"), apply, 400, "BadRequest",
       "field not declared in schema"},
      {"PATCH", kApps + "/web?fieldManager=m", app("web", R"({"image":"a"})", R"(,"managedFields":[{}])"), apply, 400,
       "BadRequest", "metadata.managedFields must be nil"},
      {"PATCH", kApps + "/nosuch?fieldManager=m", app("nosuch", R"({"image":"a"})", R"(,"uid":"u")"), apply, 409,
       "Conflict", "uid mismatch"},
      {"DELETE", kApps + "/nosuch", "", "", 404, "NotFound", R"("nosuch" not found)"},
      {"DELETE", kApps + "/web", R"({"propagationPolicy":"Sideways"})", "", 422, "Invalid",
       "propagationPolicy: Unsupported value"},
      {"DELETE", kApps + "/web", R"({"propagationPolicy":"Orphan","orphanDependents":true})", "", 422, "Invalid",
       "cannot be both set"},
      {"DELETE", "/api/v1/namespaces", "", "", 405, "MethodNotAllowed", "deletecollection is not supported"},
      {"DELETE", "/api/v1/namespaces/default", "", "", 403, "Forbidden", "this namespace may not be deleted"},
      {"GET", kApps + "?labelSelector=a+b", "", "", 400, "BadRequest", ""},
      {"GET", kApps + "?fieldSelector=spec.image%3Da", "", "", 400, "BadRequest",
       "field label not supported: spec.image"},
      {"GET", kApps + "?limit=many", "", "", 400, "BadRequest", "limit=many is not a number"},
      {"GET", kApps + "?continue=garbage", "", "", 400, "BadRequest", "continue key is not valid"},
      {"GET", kApps + "?resourceVersion=x", "", "", 400, "BadRequest", "resourceVersion"},
      {"GET", kApps + "?resourceVersionMatch=Exact", "", "", 422, "Invalid",
       "resourceVersionMatch is forbidden unless resourceVersion is provided"},
      {"GET", kApps + "?resourceVersion=0&resourceVersionMatch=Exact", "", "", 422, "Invalid", "resourceVersionMatch"},
      {"GET", kApps + "?sendInitialEvents=true", "", "", 422, "Invalid", "sendInitialEvents is forbidden for list"},
      {"GET", kApps + "?watch=1&sendInitialEvents=true", "", "", 422, "Invalid",
       "resourceVersionMatch to NotOlderThan"},
  };
  for (const auto& row : table) {
    SCOPED_TRACE(row.method + " " + row.target + " " + row.body);
    const auto refused =
        send(row.method, row.target, row.body, row.type.empty() ? Headers{} : Headers{{"content-type", row.type}});
    EXPECT_EQ(refused.status, row.status) << refused.text;
    ASSERT_EQ(refused.at("kind"), json::Value("Status")) << refused.text;
    EXPECT_EQ(refused.at("code"), json::Value(row.status));
    EXPECT_EQ(refused.at("status"), json::Value("Failure"));
    EXPECT_EQ(refused.reason(), row.reason);
    EXPECT_THAT(refused.message(), HasSubstr(row.message));
    EXPECT_EQ(refused.content_type, "application/json");
  }
  EXPECT_EQ(get(kApps).json().find("items")->as_array().size(), 2u) << "nothing that was refused is stored";
}

TEST_F(ErrorsTest, EverythingThatIsWrongIsSaidAtOnce) {
  const auto refused = post(kApps, app("inv", R"({"replicas":500,"strategy":"foo"})"));
  EXPECT_EQ(refused.status, 422);
  EXPECT_EQ(refused.at("details.kind"), json::Value("App"));
  EXPECT_EQ(refused.at("details.group"), json::Value("infra.gantry.dev"));
  EXPECT_THAT(refused.message(), HasSubstr(R"(App.infra.gantry.dev "inv" is invalid: [)"));
  std::vector<std::string> fields;
  for (const auto& cause : refused.at("details.causes").as_array())
    fields.push_back(cause.string_or("field") + " " + cause.string_or("reason"));
  EXPECT_THAT(fields,
              ::testing::UnorderedElementsAre("spec.image FieldValueRequired", "spec.replicas FieldValueInvalid",
                                              "spec.strategy FieldValueNotSupported"));
}

TEST_F(ErrorsTest, UnknownFieldsAreWarningsUnlessToldOtherwise) {
  const auto warned = post(kApps, app("a", R"({"image":"x","replicsa":2})"));
  EXPECT_EQ(warned.status, 201);
  EXPECT_THAT(warned.all("Warning"), ElementsAre(R"(299 - "unknown field \"spec.replicsa\"")"));
  EXPECT_TRUE(warned.at("spec.replicsa").is_null());
  EXPECT_THAT(post(kApps + "?fieldValidation=Ignore", app("b", R"({"image":"x","replicsa":2})")).all("Warning"),
              IsEmpty());
  EXPECT_THAT(patch(kApps + "/a", R"({"spec":{"nosuch":2}})").all("Warning"),
              ElementsAre(R"(299 - "unknown field \"spec.nosuch\"")"));
}

TEST_F(ErrorsTest, NobodyGetsInWithoutAName) {
  user.reset();
  for (const auto* target : {"/api", "/apis", "/openapi/v3", "/metrics", "/nothing"}) {
    EXPECT_EQ(get(target).status, 401) << target;
    EXPECT_EQ(get(target).message(), "Unauthorized");
  }
  EXPECT_EQ(get(kApps).status, 401);
  for (const auto* target : {"/healthz", "/livez", "/readyz", "/version", "/livez/ping"})
    EXPECT_EQ(get(target).status, 200) << target;
}

TEST_F(ErrorsTest, TheAuthorizerIsAskedForEveryVerb) {
  struct Nobody final : Authorizer {
    bool allow(const User&, const Access& access) const override {
      asked.emplace_back(access.verb);
      return false;
    }
    json::Value rules(const User&, std::string_view) const override { return json::Object(); }
    mutable std::vector<std::string> asked;
  };
  auto nobody = std::make_shared<Nobody>();
  ApiOptions options;
  options.authorizer = nobody;
  api = std::make_unique<Api>(front, *store, fixture_kinds(), options);
  const auto refused = get(kApps);
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(
      refused.message(),
      R"(apps.infra.gantry.dev is forbidden: User "alice" cannot list resource "apps" in API group "infra.gantry.dev" in the namespace "default")");
  get(kApps + "/web");
  get(kApps + "?watch=true");
  post(kApps, app("a"));
  put(kApps + "/a", app("a"));
  patch(kApps + "/a", "{}");
  apply(kApps + "/a?fieldManager=m", app("a"));
  remove(kApps + "/a");
  remove(kApps);
  EXPECT_THAT(nobody->asked,
              ElementsAre("list", "get", "watch", "create", "update", "patch", "patch", "delete", "deletecollection"));
  EXPECT_EQ(
      get(kServers + "/x").message(),
      R"(servers.infra.gantry.dev "x" is forbidden: User "alice" cannot get resource "servers" in API group "infra.gantry.dev" at the cluster scope)");
}

TEST_F(ErrorsTest, WhoActsAsAnotherIsTheOther) {
  const auto whoami = send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}",
                           {{"impersonate-user", "bob"}, {"impersonate-group", "ops"}, {"impersonate-group", "dev"}});
  EXPECT_EQ(json::dump(whoami.at("status.userInfo")),
            R"({"groups":["ops","dev","system:authenticated"],"username":"bob"})");
  struct NotAsBob final : Authorizer {
    bool allow(const User&, const Access& access) const override { return access.verb != "impersonate"; }
    json::Value rules(const User&, std::string_view) const override { return json::Object(); }
  };
  ApiOptions options;
  options.authorizer = std::make_shared<NotAsBob>();
  api = std::make_unique<Api>(front, *store, fixture_kinds(), options);
  EXPECT_EQ(send("GET", kApps, "", {{"impersonate-user", "bob"}}).status, 403);
  EXPECT_EQ(get(kApps).status, 200);
}

TEST_F(ErrorsTest, HugeObjectsAreRefused) {
  const auto refused = post(kApps, app("big", R"({"image":")" + std::string(2 << 20, 'x') + R"("})"));
  EXPECT_EQ(refused.status, 413);
  EXPECT_EQ(refused.reason(), "RequestEntityTooLarge");
}

TEST_F(ErrorsTest, WarningsStayWithinTheirLimits) {
  std::string spec = R"({"image":"x")";
  for (int i = 0; i < 100; ++i) spec += ",\"" + std::string(300, 'f') + std::to_string(i) + "\":1";
  const auto warned = post(kApps, app("a", spec + "}"));
  EXPECT_EQ(warned.status, 201);
  for (const auto& header : warned.all("Warning")) EXPECT_LT(header.size(), 300u);
}

TEST_F(ErrorsTest, ChecksFromOutsideSpeakTogetherWithTheSchema) {
  api->add_check(object::Resource::of("infra.gantry.dev", "apps"),
                 [](const Review& review, std::vector<FieldError>& causes) {
                   if (at(review.object, "spec.image") == json::Value("cursed"))
                     causes.push_back(object::forbidden("spec.image", "not this one"));
                 });
  EXPECT_EQ(post(kApps, app("a", R"({"image":"cursed"})")).message(),
            R"(App.infra.gantry.dev "a" is invalid: spec.image: Forbidden: not this one)");
  EXPECT_EQ(post(kApps, app("a")).status, 201);
  EXPECT_EQ(patch(kApps + "/a", R"({"spec":{"image":"cursed"}})").status, 422);
}

TEST_F(ErrorsTest, YamlThatIsTooLongOrGrowsByAliasesIsRefused) {
  const std::vector<std::pair<std::string, std::string>> as_yaml{{"content-type", "application/yaml"}};
  const auto long_one = send("POST", kApps, "a: " + std::string(4 << 20, 'x'), as_yaml);
  EXPECT_GE(long_one.status, 400);
  EXPECT_LT(long_one.status, 500);
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'g'; ++c) {
    bomb += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) bomb += std::string(i ? ", *" : "*") + static_cast<char>(c - 1);
    bomb += "]\n";
  }
  EXPECT_EQ(send("POST", kApps, bomb, as_yaml).status, 400);
}

}  // namespace
}  // namespace gantry::api
