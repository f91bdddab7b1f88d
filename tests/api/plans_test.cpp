// POST .../plans: what applying manifests would do, told without doing it.
#include "controller/api/planner.hpp"
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Tells which object it was asked about, and that all were asked about at once.
struct Parrot final : Planner {
  Task<std::vector<json::Value>> plan(std::vector<PlanItem> items) override {
    ++calls;
    std::vector<json::Value> plans;
    for (const auto& item : items) {
      plans.emplace_back(json::Object{{"actions", json::Array{(item.desired.is_null() ? "delete "
                                                               : item.live            ? "keep "
                                                                                      : "make ") +
                                                              item.key.name}}});
    }
    co_return plans;
  }
  int calls = 0;
};

class PlansTest : public ApiTest {
 protected:
  PlansTest() { api->set_planner(parrot); }
  Answer plan(const std::string& items, const std::string& more = "") {
    return post("/apis/plan.gantry.dev/v1alpha1/plans",
                R"({"kind":"PlanRequest","items":[)" + items + "]" + more + "}");
  }
  std::shared_ptr<Parrot> parrot = std::make_shared<Parrot>();
};

TEST_F(PlansTest, TellsWhatWouldBecomeOfEachManifest) {
  apply(kApps + "/same?fieldManager=gantry", app("same"));
  apply(kApps + "/other?fieldManager=gantry", app("other"));
  const auto before = store->revision();
  const auto told = plan(app("same") + "," + app("other", R"({"image":"nginx:2"})") + "," + app("fresh") + "," +
                         app("wrong", R"({"replicas":500})"));
  ASSERT_EQ(told.status, 200) << told.text;
  EXPECT_EQ(told.at("kind"), json::Value("PlanList"));
  const auto items = told.at("items").as_array();
  ASSERT_EQ(items.size(), 4u);
  EXPECT_EQ(
      json::dump(items[0]),
      R"({"change":"unchanged","object":{"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App","name":"same","namespace":"default"},"plan":{"actions":["keep same"]}})");
  EXPECT_EQ(items[1].string_or("change"), "configure");
  EXPECT_EQ(json::dump(*items[1].find("fields")), R"([{"after":"nginx:2","before":"nginx:1","path":"spec.image"}])");
  EXPECT_EQ(items[2].string_or("change"), "create");
  EXPECT_EQ(json::dump(*items[2].find("plan")), R"({"actions":["make fresh"]})");
  EXPECT_EQ(items[3].string_or("change"), "invalid");
  EXPECT_EQ(items[3].find("error")->string_or("reason"), "Invalid");
  EXPECT_FALSE(items[3].find("plan"));
  EXPECT_EQ(store->revision(), before);
  EXPECT_EQ(parrot->calls, 1);
}

TEST_F(PlansTest, NamesTheFieldsThatAnotherManagerHas) {
  apply(kApps + "/web?fieldManager=gantry", app("web"));
  ASSERT_EQ(apply(kApps + "/web?fieldManager=scaler&force=true", app("web", R"({"replicas":5})")).status, 200);
  const auto told = plan(app("web", R"({"image":"nginx:1","replicas":2})"));
  const auto items = told.at("items").as_array();
  ASSERT_EQ(items[0].string_or("change"), "configure") << told.text;
  const auto* conflicts = items[0].find("conflicts");
  ASSERT_TRUE(conflicts) << told.text;
  ASSERT_EQ(conflicts->as_array().size(), 1u);
  EXPECT_EQ(conflicts->as_array()[0].string_or("field"), ".spec.replicas");
  EXPECT_THAT(conflicts->as_array()[0].string_or("message"), HasSubstr("scaler"));
}

TEST_F(PlansTest, TellsWhatPruningWouldTakeAway) {
  post(kApps, app("kept", R"({"image":"a"})", R"(,"labels":{"set":"one"})"));
  post(kApps, app("gone", R"({"image":"a"})", R"(,"labels":{"set":"one"})"));
  post(kApps, app("alien"));
  const auto told = plan(
      app("kept", R"({"image":"a"})", R"(,"labels":{"set":"one"})"),
      R"(,"prune":{"kinds":[{"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App"}],"namespace":"default","labelSelector":"set=one"})");
  const auto items = told.at("items").as_array();
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[1].string_or("change"), "delete");
  EXPECT_EQ(at(items[1], "object.name"), json::Value("gone"));
  EXPECT_EQ(json::dump(*items[1].find("plan")), R"({"actions":["delete gone"]})");
}

TEST_F(PlansTest, ASecretsValuesAreNotShown) {
  post(kSecrets, R"({"metadata":{"name":"s"},"stringData":{"p":"first-password"}})");
  const auto told =
      plan(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"p":"second-password"}})");
  EXPECT_EQ(told.at("items").as_array()[0].string_or("change"), "configure") << told.text;
  EXPECT_THAT(told.text, HasSubstr("data.p"));
  for (const char* word : {"first-password", "second-password", "Zmlyc3QtcGFzc3dvcmQ", "c2Vjb25kLXBhc3N3b3Jk"})
    EXPECT_THAT(told.text, Not(HasSubstr(word)));
}

TEST_F(PlansTest, AnObjectMayBePlannedTogetherWithItsNamespace) {
  const auto told = plan(
      R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"new"}},)"
      R"({"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App","metadata":{"name":"a","namespace":"new"},"spec":{"image":"x"}},)"
      R"({"apiVersion":"infra.gantry.dev/v1alpha1","kind":"App","metadata":{"name":"a","namespace":"nowhere"},"spec":{"image":"x"}})");
  const auto items = told.at("items").as_array();
  EXPECT_EQ(items[0].string_or("change"), "create");
  EXPECT_EQ(items[1].string_or("change"), "create") << told.text;
  EXPECT_EQ(items[2].string_or("change"), "invalid");
}

TEST_F(PlansTest, RefusesWhatIsNoRequest) {
  EXPECT_EQ(post("/apis/plan.gantry.dev/v1alpha1/plans", "{}").status, 400);
  EXPECT_EQ(post("/apis/plan.gantry.dev/v1alpha1/plans", "[]").status, 400);
  EXPECT_EQ(get("/apis/plan.gantry.dev/v1alpha1/plans").status, 405);
  const auto unknown = plan(R"({"apiVersion":"v9","kind":"Nope","metadata":{"name":"x"}},7)");
  ASSERT_EQ(unknown.status, 200) << unknown.text;
  EXPECT_EQ(unknown.at("items").as_array()[0].string_or("change"), "invalid");
  EXPECT_EQ(unknown.at("items").as_array()[1].string_or("change"), "invalid");
}

}  // namespace
}  // namespace gantry::api
