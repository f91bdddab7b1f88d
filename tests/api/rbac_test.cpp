// Goal: whoever asks may do what a role bound to them allows, nothing else, and can give away no more than that.
#include "tests/api/rbac_fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const std::string kLookAtApps =
    R"([{"apiGroups":["infra.gantry.dev"],"resources":["apps"],"verbs":["get","list","watch"]}])";
const std::string kOtherApps = "/apis/infra.gantry.dev/v1alpha1/namespaces/kube-system/apps";

TEST_F(RbacTest, WhoHasNoRoleMayFindOutWhoTheyAreAndNothingElse) {
  as("alice");
  EXPECT_EQ(get("/apis").status, 200);
  EXPECT_EQ(get("/openapi/v3").status, 200);
  EXPECT_EQ(post("/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}").status, 201);
  EXPECT_EQ(get("/metrics").status, 403);
  EXPECT_EQ(get(kSecrets).status, 403);
  EXPECT_EQ(post(kApps, app("web")).status, 403);
  EXPECT_EQ(get(kApps + "/web").message(),
            R"(apps.infra.gantry.dev "web" is forbidden: User "alice" cannot get resource "apps" in API group )"
            R"("infra.gantry.dev" in the namespace "default")");
}

TEST_F(RbacTest, ARoleCountsInItsNamespaceFromTheMomentItIsBoundUntilItIsNot) {
  as("alice");
  make_role("looker", kLookAtApps);
  EXPECT_EQ(get(kApps).status, 403);
  bind("alice-looks", "Role/looker", of_user("alice"));
  EXPECT_EQ(get(kApps).status, 200);
  EXPECT_EQ(get(kOtherApps).status, 403);
  EXPECT_EQ(get("/apis/infra.gantry.dev/v1alpha1/apps").status, 403) << "all namespaces";
  EXPECT_EQ(post(kApps, app("web")).status, 403);
  as("bob");
  EXPECT_EQ(get(kApps).status, 403);
  as_admin();
  EXPECT_EQ(patch(kRoles + "/looker", R"({"rules":[]})").status, 200);
  as("alice");
  EXPECT_EQ(get(kApps).status, 403) << "the role allows it no more";
  as_admin();
  EXPECT_EQ(patch(kRoles + "/looker", R"({"rules":)" + kLookAtApps + "}").status, 200);
  as("alice");
  EXPECT_EQ(get(kApps).status, 200);
  as_admin();
  EXPECT_EQ(remove(kRoleBindings + "/alice-looks").status, 200);
  as("alice");
  EXPECT_EQ(get(kApps).status, 403);
}

TEST_F(RbacTest, AClusterRoleIsGivenInOneNamespaceOrEverywhere) {
  make_role("looker", kLookAtApps, kClusterRoles);
  bind("here", "ClusterRole/looker", of_user("alice"));
  bind("everywhere", "ClusterRole/looker", of_group("ops"), kClusterRoleBindings);
  as("alice");
  EXPECT_EQ(get(kApps).status, 200);
  EXPECT_EQ(get(kOtherApps).status, 403);
  as("bob", {"ops"});
  EXPECT_EQ(get(kOtherApps).status, 200);
  EXPECT_EQ(get("/apis/infra.gantry.dev/v1alpha1/apps").status, 200);
}

TEST_F(RbacTest, ABindingMayComeBeforeItsRole) {
  bind("early", "Role/looker", of_user("alice"));
  as("alice");
  EXPECT_EQ(get(kApps).status, 403);
  make_role("looker", kLookAtApps);
  EXPECT_EQ(get(kApps).status, 200);
}

TEST_F(RbacTest, SubresourcesAndNamesAreAskedForByThemselves) {
  make_role("scaler", R"([{"apiGroups":["infra.gantry.dev"],"resources":["apps/scale"],"verbs":["get","patch"]},
                          {"apiGroups":["infra.gantry.dev"],"resources":["apps"],"resourceNames":["web"],"verbs":["get","list","watch","delete"]},
                          {"apiGroups":[""],"resources":["*/status"],"verbs":["get"]}])");
  bind("alice", "Role/scaler", of_user("alice"));
  as_admin();
  post(kApps, app("web"));
  post(kApps, app("api"));
  as("alice");
  EXPECT_EQ(patch(kApps + "/api/scale", R"({"spec":{"replicas":2}})").status, 200);
  EXPECT_EQ(get(kApps + "/api").status, 403);
  EXPECT_EQ(get(kApps + "/web").status, 200);
  EXPECT_EQ(get(kApps).status, 403);
  EXPECT_EQ(get(kApps + "?fieldSelector=metadata.name%3Dweb").status, 200) << "a list of one is a look at one";
  EXPECT_EQ(get(kApps + "?fieldSelector=metadata.name%3Dapi").status, 403);
  EXPECT_EQ(get(kApps + "?watch=true&fieldSelector=metadata.name%3Dweb").status, 200);
  EXPECT_EQ(remove(kApps + "/api").status, 403);
  EXPECT_EQ(remove(kApps + "/web").status, 200);
}

TEST_F(RbacTest, AnApplyThatCreatesAndAPutThatCreatesNeedCreate) {
  make_role("patcher", R"([{"apiGroups":["infra.gantry.dev"],"resources":["apps"],"verbs":["patch"]},
                           {"apiGroups":["coordination.k8s.io"],"resources":["leases"],"verbs":["update"]}])");
  bind("alice", "Role/patcher", of_user("alice"));
  as("alice");
  EXPECT_EQ(apply(kApps + "/web?fieldManager=m", app("web")).status, 403);
  EXPECT_EQ(put(kLeases + "/l", R"({"metadata":{"name":"l"}})").status, 403);
  as_admin();
  post(kApps, app("web"));
  as("alice");
  EXPECT_EQ(apply(kApps + "/web?fieldManager=m&force=true", app("web")).status, 200);
}

TEST_F(RbacTest, PathsAreForClusterRolesThatAreBoundEverywhere) {
  make_role("scraper", R"([{"nonResourceURLs":["/metrics","/debug/*"],"verbs":["get"]}])", kClusterRoles);
  bind("here", "ClusterRole/scraper", of_user("alice"));
  as("alice");
  EXPECT_EQ(get("/metrics").status, 403);
  bind("everywhere", "ClusterRole/scraper", of_user("alice"), kClusterRoleBindings);
  EXPECT_EQ(get("/metrics").status, 200);
  EXPECT_EQ(get("/debug/heap").status, 404) << "allowed, and not there";
  as("gantry-metrics", {"system:monitoring"});
  EXPECT_EQ(get("/metrics").status, 200);
  EXPECT_EQ(get(kApps).status, 403);
}

TEST_F(RbacTest, TheKubernetesRolesAreThere) {
  for (const auto* name : {"cluster-admin", "admin", "edit", "view", "system:monitoring"})
    EXPECT_EQ(get(kClusterRoles + "/" + name).status, 200) << name;
  EXPECT_EQ(remove(kClusterRoles + "/view").status, 403) << "they stay";
  for (const auto* name : {"view", "edit", "admin"}) bind(name, std::string("ClusterRole/") + name, of_user(name));
  const std::string apps = "/apis/gantry.dev/v1alpha1/namespaces/default/apps";
  const auto may = [&](const std::string& who, const std::string& verb, const std::string& group,
                       const std::string& resource) {
    as(who);
    const auto review = post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                             R"({"spec":{"resourceAttributes":{"namespace":"default","verb":")" + verb +
                                 R"(","group":")" + group + R"(","resource":")" + resource + R"("}}})");
    EXPECT_EQ(review.status, 201) << review.text;
    return review.at("status.allowed") == json::Value(true);
  };
  EXPECT_TRUE(may("view", "get", "gantry.dev", "apps"));
  EXPECT_FALSE(may("view", "create", "gantry.dev", "apps"));
  EXPECT_FALSE(may("view", "get", "", "secrets"));
  EXPECT_TRUE(may("edit", "create", "gantry.dev", "apps"));
  EXPECT_TRUE(may("edit", "get", "gantry.dev", "releases"));
  EXPECT_TRUE(may("edit", "get", "", "secrets"));
  EXPECT_FALSE(may("edit", "create", "rbac.authorization.k8s.io", "roles"));
  EXPECT_FALSE(may("edit", "create", "gantry.dev", "sources")) << "the controller applies what a Source brings";
  EXPECT_TRUE(may("admin", "create", "rbac.authorization.k8s.io", "rolebindings"));
  EXPECT_TRUE(may("admin", "create", "gantry.dev", "apps"));
  EXPECT_FALSE(may("admin", "create", "", "namespaces"));
  as("view");
  EXPECT_EQ(get("/api/v1/namespaces/default").status, 200) << "a Namespace is in itself";
}

TEST_F(RbacTest, WhatARoleGathersCountsAtOnceAndCanBeRead) {
  make_role("app-viewer", kLookAtApps, kClusterRoles);
  EXPECT_EQ(patch(kClusterRoles + "/app-viewer",
                  R"({"metadata":{"labels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}})")
                .status,
            200);
  bind("alice", "ClusterRole/admin", of_user("alice"));
  as("alice");
  EXPECT_EQ(get(kApps).status, 200) << "view is gathered into edit, and edit into admin";
  settle();
  as_admin();
  EXPECT_THAT(get(kClusterRoles + "/view").text, HasSubstr("infra.gantry.dev"));
  EXPECT_THAT(get(kClusterRoles + "/admin").text, HasSubstr("infra.gantry.dev"));
  remove(kClusterRoles + "/app-viewer");
  settle();
  EXPECT_THAT(get(kClusterRoles + "/admin").text, Not(HasSubstr("infra.gantry.dev")));
}

TEST_F(RbacTest, RolesThatGatherEachOtherGoOn) {
  const auto ring = [&](const std::string& name, const std::string& gathers) {
    const auto made =
        post(kClusterRoles, R"({"metadata":{"name":")" + name + R"(","labels":{"ring":")" + name +
                                R"("}},"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"ring":")" + gathers +
                                R"("}}]}})");
    EXPECT_EQ(made.status, 201) << made.text;
  };
  ring("a", "b");
  ring("b", "a");
  bind("alice", "ClusterRole/a", of_user("alice"));
  as("alice");
  EXPECT_EQ(get(kApps).status, 403);
}

// ---- Escalation.

TEST_F(RbacTest, NobodyWritesARoleThatHoldsMoreThanTheyDo) {
  bind("admin", "ClusterRole/admin", of_user("alice"));
  as("alice");
  const auto everything =
      post(kRoles, R"({"metadata":{"name":"all"},"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]})");
  EXPECT_EQ(everything.status, 403);
  EXPECT_THAT(everything.message(),
              AllOf(HasSubstr(R"(roles.rbac.authorization.k8s.io "all" is forbidden: user "alice")"),
                    HasSubstr("is attempting to grant RBAC permissions not currently held"),
                    HasSubstr(R"({APIGroups:["*"], Resources:["*"], Verbs:["*"]})")));
  const auto own = post(
      kRoles,
      R"({"metadata":{"name":"own"},"rules":[{"apiGroups":["gantry.dev"],"resources":["apps"],"resourceNames":["web"],"verbs":["get","delete"]}]})");
  EXPECT_EQ(own.status, 201) << own.text;
  EXPECT_EQ(
      patch(kRoles + "/own", R"({"rules":[{"apiGroups":["gantry.dev"],"resources":["sources"],"verbs":["create"]}]})")
          .status,
      403);
  EXPECT_EQ(
      apply(
          kRoles + "/own?fieldManager=m&force=true",
          R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"own"},"rules":[{"apiGroups":[""],"resources":["nodes"],"verbs":["get"]}]})")
          .status,
      403);
  EXPECT_EQ(
      patch(kRoles + "/own", R"([{"op":"add","path":"/rules/0/resources/-","value":"sources"}])", "json-patch+json")
          .status,
      403);
}

TEST_F(RbacTest, NobodyBindsARoleThatHoldsMoreThanTheyDo) {
  bind("admin", "ClusterRole/admin", of_user("alice"));
  as("alice");
  const auto binding = [](const std::string& name, const std::string& role) {
    return R"({"metadata":{"name":")" + name + R"("},"roleRef":{"kind":"ClusterRole","name":")" + role +
           R"("},"subjects":[{"kind":"User","name":"alice"}]})";
  };
  EXPECT_EQ(post(kRoleBindings, binding("up", "cluster-admin")).status, 403);
  EXPECT_EQ(post(kRoleBindings, binding("same", "admin")).status, 201);
  EXPECT_EQ(post(kRoleBindings, binding("less", "view")).status, 201);
  EXPECT_EQ(post(kRoleBindings, binding("nothing", "nosuch")).status, 404);
  EXPECT_EQ(post(kClusterRoleBindings, binding("everywhere", "view")).status, 403);
  // `bind` is the permission to give what one does not have; `escalate` to write it.
  make_role(
      "binder",
      R"([{"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"],"resourceNames":["cluster-admin"],"verbs":["bind"]},
                          {"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles"],"verbs":["escalate"]}])");
  bind("binder", "Role/binder", of_user("alice"));
  EXPECT_EQ(post(kRoleBindings, binding("up", "cluster-admin")).status, 201);
  EXPECT_EQ(post(kRoles, R"({"metadata":{"name":"all"},"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]})")
                .status,
            201);
}

TEST_F(RbacTest, ALabelThatWouldMakeARoleBeGatheredIsAGift) {
  make_role("labeller",
            R"([{"apiGroups":["rbac.authorization.k8s.io"],"resources":["clusterroles"],"verbs":["get","patch"]}])",
            kClusterRoles);
  bind("alice", "ClusterRole/labeller", of_user("alice"), kClusterRoleBindings);
  as("alice");
  EXPECT_EQ(patch(kClusterRoles + "/cluster-admin",
                  R"({"metadata":{"labels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}})")
                .status,
            403);
}

TEST_F(RbacTest, ARoleOfBillionsOfCombinationsIsRefusedAtOnce) {
  bind("admin", "ClusterRole/admin", of_user("alice"));
  as("alice");
  std::string words;
  for (int i = 0; i < 900; ++i) words += (i ? ",\"w" : "\"w") + std::to_string(i) + "\"";
  const auto refused = post(kRoles, R"({"metadata":{"name":"big"},"rules":[{"apiGroups":[)" + words +
                                        R"(],"resources":[)" + words + R"(],"verbs":[)" + words + "]}]}");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.message(), HasSubstr("combinations"));
}

TEST_F(RbacTest, APlanShowsNobodyWhatTheyCouldNotDo) {
  as_admin();
  post(kConfigMaps, R"({"metadata":{"name":"c"},"data":{"a":"hidden"}})");
  as("alice");
  const auto plan = post(
      "/apis/plan.gantry.dev/v1alpha1/plans",
      R"({"kind":"PlanRequest","items":[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"b"}}]})");
  EXPECT_EQ(plan.status, 200) << plan.text;
  EXPECT_EQ(plan.json().find("items")->as_array()[0].string_or("change"), "invalid");
  EXPECT_THAT(plan.text, AllOf(HasSubstr("forbidden"), Not(HasSubstr("hidden"))));
  EXPECT_EQ(post("/apis/plan.gantry.dev/v1alpha1/plans",
                 R"({"kind":"PlanRequest","items":[],"prune":{"kinds":[{"apiVersion":"v1","kind":"Secret"}]}})")
                .status,
            403);
}

// ---- What is no role.

TEST_F(RbacTest, RolesAndBindingsAreJudged) {
  const auto role = [&](const std::string& rules) {
    return post(kRoles, R"({"metadata":{"name":"r"},"rules":)" + rules + "}");
  };
  EXPECT_THAT(role(R"([{"apiGroups":[""],"resources":["secrets"],"verbs":[]}])").message(),
              HasSubstr("rules[0].verbs: Required value"));
  EXPECT_THAT(role(R"([{"resources":["secrets"],"verbs":["get"]}])").message(), HasSubstr("at least one api group"));
  EXPECT_THAT(role(R"([{"nonResourceURLs":["/metrics"],"verbs":["get"]}])").message(),
              HasSubstr("namespaced rules cannot apply"));
  EXPECT_EQ(post(kRoles, R"({"metadata":{"name":"system:odd name"}})").status, 201) << "names of roles are almost free";
  EXPECT_EQ(post(kRoles, R"({"metadata":{"name":"a/b"}})").status, 422);
  const auto binding = [&](const std::string& ref, const std::string& subjects) {
    return post(kRoleBindings, R"({"metadata":{"name":"b"},"roleRef":)" + ref + R"(,"subjects":)" + subjects + "}");
  };
  EXPECT_THAT(binding(R"({"kind":"Group","name":"x"})", "[]").message(), HasSubstr("roleRef.kind: Unsupported value"));
  EXPECT_THAT(binding(R"({"kind":"ClusterRole","name":"view"})", R"([{"kind":"Robot","name":"x"}])").message(),
              HasSubstr("subjects[0].kind: Unsupported value"));
  EXPECT_EQ(binding(R"({"kind":"ClusterRole","name":"view"})", R"([{"kind":"User","name":"x"}])").status, 201);
  EXPECT_EQ(get(kRoleBindings + "/b").at("roleRef.apiGroup"), json::Value("rbac.authorization.k8s.io"));
  EXPECT_THAT(patch(kRoleBindings + "/b", R"({"roleRef":{"name":"edit"}})").message(),
              HasSubstr("cannot change roleRef"));
  const auto table = get(kRoleBindings + "/b", {{"accept", kTable}}).json();
  EXPECT_EQ(json::dump(table.find("rows")->as_array()[0].find("cells")->as_array()[1]), R"("ClusterRole/view")");
}

// ---- Questions about access.

TEST_F(RbacTest, WhatMayITellsEveryRule) {
  make_role("looker", kLookAtApps);
  bind("alice", "Role/looker", of_user("alice"));
  as("alice");
  const auto rules =
      post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", R"({"spec":{"namespace":"default"}})");
  EXPECT_EQ(rules.status, 201);
  EXPECT_THAT(rules.text, AllOf(HasSubstr(R"("resources":["apps"])"), HasSubstr("selfsubjectaccessreviews"),
                                HasSubstr("/openapi/*")));
  EXPECT_THAT(
      post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", R"({"spec":{"namespace":"kube-system"}})").text,
      Not(HasSubstr(R"("resources":["apps"])")));
}

TEST_F(RbacTest, WhatOthersMayIsForThoseWhoMayAsk) {
  make_role("looker", kLookAtApps);
  bind("alice", "Role/looker", of_user("alice"));
  const std::string ask =
      R"({"spec":{"user":"alice","resourceAttributes":{"namespace":"default","verb":"list","group":"infra.gantry.dev","resource":"apps"}}})";
  EXPECT_EQ(post("/apis/authorization.k8s.io/v1/subjectaccessreviews", ask).at("status.allowed"), json::Value(true));
  const std::string local = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews";
  EXPECT_EQ(post(local, ask).at("status.allowed"), json::Value(true));
  EXPECT_EQ(post("/apis/authorization.k8s.io/v1/namespaces/kube-system/localsubjectaccessreviews", ask).status, 400);
  EXPECT_EQ(post("/apis/authorization.k8s.io/v1/localsubjectaccessreviews", ask).status, 404);
  EXPECT_EQ(post(local, R"({"spec":{"resourceAttributes":{"namespace":"default"}}})").status, 400);
  as("alice");
  EXPECT_EQ(post("/apis/authorization.k8s.io/v1/subjectaccessreviews", ask).status, 403);
  EXPECT_EQ(post(local, ask).status, 403);
}

TEST_F(RbacTest, ActingAsAnotherNeedsThePermissionForEachPartOfThem) {
  make_role("looker", kLookAtApps);
  bind("bob", "Role/looker", of_user("bob"));
  as("alice");
  const Headers bob{{"impersonate-user", "bob"}};
  EXPECT_EQ(send("GET", kApps, "", bob).status, 403);
  make_role("actor", R"([{"apiGroups":[""],"resources":["users"],"resourceNames":["bob"],"verbs":["impersonate"]}])",
            kClusterRoles);
  bind("alice", "ClusterRole/actor", of_user("alice"), kClusterRoleBindings);
  EXPECT_EQ(send("GET", kApps, "", bob).status, 200);
  EXPECT_EQ(send("GET", kApps, "", {{"impersonate-user", "root"}}).status, 403);
  EXPECT_EQ(send("GET", kApps, "", {{"impersonate-user", "bob"}, {"impersonate-group", "system:masters"}}).status, 403);
  EXPECT_EQ(send("GET", kApps, "", {{"impersonate-group", "ops"}}).status, 400);
  as_admin();
  const auto self = send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}",
                         {{"impersonate-user", "system:serviceaccount:default:robot"}});
  EXPECT_THAT(self.text, AllOf(HasSubstr("system:serviceaccounts:default"), HasSubstr("system:authenticated")));
}

TEST_F(RbacTest, TheListsThatKubectlLooksForAreEmptyAndCannotBeWritten) {
  for (const std::string path :
       {"/api/v1/namespaces/default/pods", "/api/v1/nodes", "/api/v1/namespaces/kube-system/services"}) {
    EXPECT_EQ(json::dump(get(path).at("items")), "[]") << path;
    EXPECT_EQ(post(path, R"({"metadata":{"name":"x"}})").status, 405) << path;
  }
}

// ---- Quotas.

TEST_F(RbacTest, ANamespaceHoldsSoManyAndNoMore) {
  quotas = {{"configmaps", 2}, {"apps.infra.gantry.dev", 1}};
  watch_over({});
  const auto make = [&](const std::string& ns, const std::string& name) {
    return post("/api/v1/namespaces/" + ns + "/configmaps", R"({"metadata":{"name":")" + name + R"("}})");
  };
  EXPECT_EQ(make("default", "a").status, 201);
  EXPECT_EQ(make("default", "b").status, 201);
  const auto refused = make("default", "c");
  EXPECT_EQ(refused.status, 403) << "whoever it is";
  EXPECT_EQ(refused.message(),
            R"(configmaps "c" is forbidden: exceeded quota: gantry, requested: count/configmaps=1, used: )"
            R"(count/configmaps=2, limited: count/configmaps=2)");
  EXPECT_EQ(make("kube-system", "c").status, 201) << "each namespace by itself";
  EXPECT_EQ(patch("/api/v1/namespaces/default/configmaps/a", R"({"data":{"x":"y"}})").status, 200);
  remove("/api/v1/namespaces/default/configmaps/a");
  EXPECT_EQ(make("default", "c").status, 201);
  EXPECT_EQ(post(kApps, app("web")).status, 201);
  EXPECT_EQ(post(kApps, app("web2")).status, 403);
}

TEST(Quotas, SayWhatIsWrongWithThem) {
  EXPECT_EQ(access::parse_quota("apps.gantry.dev=100"),
            std::make_pair(std::string("apps.gantry.dev"), std::size_t{100}));
  for (const auto* bad : {"", "apps", "=5", "apps=", "apps=many", "apps=5x", "apps=-1"})
    EXPECT_THROW(access::parse_quota(bad), Error) << bad;
}

// ---- ServiceAccounts.

class ServiceAccountTest : public RbacTest {
 protected:
  std::string token_of(const std::string& account, const std::string& spec = "{}") {
    const auto made = post(kAccounts + "/" + account + "/token", R"({"spec":)" + spec + "}");
    EXPECT_EQ(made.status, 201) << made.text;
    return made.at("status.token").is_string() ? made.at("status.token").as_string() : std::string();
  }
  std::optional<User> owner_of(const std::string& token) {
    return guard->authenticator().identify(nullptr, "Bearer " + token);
  }
  void SetUp() override { ASSERT_EQ(post(kAccounts, R"({"metadata":{"name":"robot"}})").status, 201); }
};

TEST_F(ServiceAccountTest, ATokenIsItsServiceAccount) {
  const auto robot = owner_of(token_of("robot"));
  ASSERT_TRUE(robot);
  EXPECT_EQ(robot->name, "system:serviceaccount:default:robot");
  EXPECT_THAT(robot->groups,
              UnorderedElementsAre("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"));
  EXPECT_EQ(robot->expires, clock.wall() + std::chrono::hours(1));
  user = robot;
  EXPECT_EQ(get(kApps).status, 403);
  make_role("looker", kLookAtApps);
  bind("robot", "Role/looker", R"({"kind":"ServiceAccount","name":"robot","namespace":"default"})");
  EXPECT_EQ(get(kApps).status, 200);
}

TEST_F(ServiceAccountTest, ATokenEndsWithItsTimeItsAccountAndItsSecret) {
  const std::string brief = token_of("robot", R"({"expirationSeconds":600})");
  EXPECT_TRUE(owner_of(brief));
  advance(std::chrono::seconds(599));
  EXPECT_TRUE(owner_of(brief));
  advance(std::chrono::seconds(1));
  EXPECT_FALSE(owner_of(brief));

  ASSERT_EQ(post(kSecrets, R"({"metadata":{"name":"s"}})").status, 201);
  const std::string bound = token_of("robot", R"({"boundObjectRef":{"kind":"Secret","name":"s"}})");
  EXPECT_TRUE(owner_of(bound));
  const auto before = guard->authenticator().revision();
  remove(kSecrets + "/s");
  EXPECT_FALSE(owner_of(bound));
  EXPECT_GT(guard->authenticator().revision(), before) << "connections ask again";

  const std::string plain = token_of("robot");
  remove(kAccounts + "/robot");
  EXPECT_FALSE(owner_of(plain));
  ASSERT_EQ(post(kAccounts, R"({"metadata":{"name":"robot"}})").status, 201);
  EXPECT_FALSE(owner_of(plain)) << "another one of the same name";
}

TEST_F(ServiceAccountTest, ATokenForOthersIsNoneHere) {
  const std::string elsewhere = token_of("robot", R"({"audiences":["vault"]})");
  EXPECT_FALSE(owner_of(elsewhere));
  const auto review = [&](const std::string& token, const std::string& audiences) {
    return post("/apis/authentication.k8s.io/v1/tokenreviews",
                R"({"spec":{"token":")" + token + R"(","audiences":)" + audiences + "}}");
  };
  EXPECT_EQ(review(elsewhere, R"(["vault","x"])").at("status.authenticated"), json::Value(true));
  EXPECT_EQ(json::dump(review(elsewhere, R"(["vault","x"])").at("status.audiences")), R"(["vault"])");
  EXPECT_EQ(review(elsewhere, "[]").at("status.authenticated"), json::Value(false));
  EXPECT_EQ(review(token_of("robot"), "[]").at("status.user.username"),
            json::Value("system:serviceaccount:default:robot"));
  as("alice");
  EXPECT_EQ(review(elsewhere, "[]").status, 403);
}

TEST_F(ServiceAccountTest, NoChangedOrCutTokenIsTakenForOne) {
  const std::string token = token_of("robot");
  for (std::size_t size = 0; size < token.size(); ++size) EXPECT_FALSE(owner_of(token.substr(0, size))) << size;
  for (const char c : {'A', 'Q', 'g', 'w', 'x', '='}) {
    EXPECT_FALSE(owner_of(token + c));
    if (c != token.back()) EXPECT_FALSE(owner_of(token.substr(0, token.size() - 1) + c)) << "bits that nothing reads";
  }
  const auto dot = token.find('.'), last = token.rfind('.');
  std::string other_claims = token;
  other_claims[dot + 10] = other_claims[dot + 10] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(owner_of(other_claims));
  // {"alg":"none"}, and nobody's key.
  EXPECT_FALSE(owner_of("eyJhbGciOiJub25lIn0" + token.substr(dot, last - dot) + "."));
  const SigningKey stranger(SigningKey::generate());
  EXPECT_FALSE(owner_of(stranger.sign(json::Object{{"iss", "gantry"},
                                                   {"aud", json::Array{"gantry"}},
                                                   {"exp", 99999999999},
                                                   {"nbf", 0},
                                                   {"sub", "system:serviceaccount:default:robot"}})));
}

TEST_F(ServiceAccountTest, WhatIsAskedOfATokenIsJudged) {
  const auto ask = [&](const std::string& spec) {
    return post(kAccounts + "/robot/token", R"({"spec":)" + spec + "}");
  };
  EXPECT_THAT(ask(R"({"expirationSeconds":60})").message(), HasSubstr("less than 10 minutes"));
  EXPECT_EQ(ask(R"({"boundObjectRef":{"kind":"Pod","name":"p"}})").status, 422);
  EXPECT_EQ(ask(R"({"boundObjectRef":{"kind":"Secret","name":"nosuch"}})").status, 404);
  EXPECT_EQ(post(kAccounts + "/nosuch/token", "{}").status, 404);
  EXPECT_EQ(get(kAccounts + "/robot/token").status, 405);
  EXPECT_EQ(ask(R"({"expirationSeconds":99999999999})").at("spec.expirationSeconds"), json::Value(365 * 86400));
  as("alice");
  EXPECT_EQ(ask("{}").status, 403);
}

}  // namespace
}  // namespace gantry::api
