// A custom kind in several versions: stored in one, served in all, each with a schema of its own.
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::HasSubstr;

const std::string kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const std::string kName = "/parts.shop.example.com";

std::string parts(std::string_view version) {
  return "/apis/shop.example.com/" + std::string(version) + "/namespaces/default/parts";
}

std::string version(std::string_view name, bool storage, std::string_view spec, std::string_view more = "") {
  std::string out = R"({"name":")";
  return out.append(name)
      .append(R"(","served":true,"storage":)")
      .append(storage ? "true" : "false")
      .append(more)
      .append(R"(,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{)")
      .append(spec)
      .append("}}}}}}");
}

// v1beta1 knows `size` and `note`; v1 knows `size` and `color`, which has a default. stored: which of them is stored.
std::string definition(std::string_view stored = "v1") {
  return R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
    "metadata":{"name":"parts.shop.example.com"},"spec":{"group":"shop.example.com","scope":"Namespaced",
    "names":{"kind":"Part","plural":"parts"},"versions":[)" +
         version("v1beta1", stored == "v1beta1", R"("size":{"type":"integer"},"note":{"type":"string"})",
                 R"(,"selectableFields":[{"jsonPath":".spec.note"}])") +
         "," +
         version("v1", stored == "v1", R"("size":{"type":"integer"},"color":{"type":"string","default":"red"})",
                 R"(,"subresources":{"status":{}},"selectableFields":[{"jsonPath":".spec.color"}],
                    "additionalPrinterColumns":[{"name":"Color","type":"string","jsonPath":".spec.color"}])") +
         "]}}";
}

std::string part(std::string_view version, std::string_view name, std::string_view spec) {
  std::string out = R"({"apiVersion":"shop.example.com/)";
  return out.append(version)
      .append(R"(","kind":"Part","metadata":{"name":")")
      .append(name)
      .append(R"("},"spec":)")
      .append(spec)
      .append("}");
}

class VersionsTest : public ApiTest {
 protected:
  VersionsTest() { post(kDefinitions, definition()); }

  // The definition with another version that is stored.
  Answer store_as(std::string_view version) {
    json::Value object = json::parse(definition(version));
    object["metadata"]["resourceVersion"] = get(kDefinitions + kName).at("metadata.resourceVersion");
    return put(kDefinitions + kName, json::dump(object));
  }
};

TEST_F(VersionsTest, AnObjectIsOneObjectInEachOfThem) {
  const auto made = post(parts("v1beta1"), part("v1beta1", "a", R"({"size":1,"note":"hi"})"));
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.at("apiVersion"), json::Value("shop.example.com/v1beta1"));
  EXPECT_TRUE(made.at("spec.color").is_null()) << "a field that only v1 has";
  const auto seen = get(parts("v1") + "/a");
  EXPECT_EQ(seen.at("apiVersion"), json::Value("shop.example.com/v1"));
  EXPECT_EQ(seen.at("spec.color"), json::Value("red")) << "the default of the version that is asked for";
  EXPECT_TRUE(seen.at("spec.note").is_null()) << "v1 does not know it";
  EXPECT_EQ(seen.at("metadata.uid"), made.at("metadata.uid"));
  EXPECT_EQ(get(parts("v1beta1") + "/a").at("spec.note"), json::Value("hi")) << "and yet it is kept";
  EXPECT_EQ(remove(parts("v1") + "/a").status, 200);
  EXPECT_EQ(get(parts("v1beta1") + "/a").status, 404);
}

TEST_F(VersionsTest, AWriteIsJudgedByItsOwnVersionAndKeepsWhatThatKnows) {
  post(parts("v1beta1"), part("v1beta1", "a", R"({"size":1,"note":"hi"})"));
  EXPECT_EQ(post(parts("v1"), part("v1beta1", "b", "{}")).status, 400) << "the body names another version than the URL";
  EXPECT_EQ(post(parts("v1") + "?fieldValidation=Strict", part("v1", "b", R"({"note":"x"})")).status, 400);
  EXPECT_EQ(patch(parts("v1") + "/a", R"({"spec":{"size":2}})").at("spec.size"), json::Value(2));
  const auto old = get(parts("v1beta1") + "/a");
  EXPECT_EQ(old.at("spec.size"), json::Value(2));
  EXPECT_TRUE(old.at("spec.note").is_null()) << "what the writer's version has no room for is gone, as in Kubernetes";
}

TEST_F(VersionsTest, AWriteThatChangesNothingWritesNothing) {
  const auto made = post(parts("v1beta1"), part("v1beta1", "a", R"({"size":1})"));
  const auto same = patch(parts("v1beta1") + "/a", R"({"spec":{"size":1}})");
  EXPECT_EQ(same.at("metadata.resourceVersion"), made.at("metadata.resourceVersion"));
  const auto applied = apply(parts("v1") + "/a?fieldManager=me", part("v1", "a", R"({"size":1})"));
  const auto again = apply(parts("v1") + "/a?fieldManager=me", part("v1", "a", R"({"size":1})"));
  EXPECT_EQ(again.at("metadata.resourceVersion"), applied.at("metadata.resourceVersion"));
}

TEST_F(VersionsTest, OneApplierStaysItselfInAllVersions) {
  ASSERT_EQ(apply(parts("v1beta1") + "/a?fieldManager=me", part("v1beta1", "a", R"({"size":1,"note":"hi"})")).status,
            201);
  const auto next = apply(parts("v1") + "/a?fieldManager=me", part("v1", "a", R"({"size":2})"));
  ASSERT_EQ(next.status, 200) << next.text;
  const auto managed = next.at("metadata.managedFields").as_array();
  ASSERT_EQ(managed.size(), 1u);
  EXPECT_EQ(managed[0].string_or("apiVersion"), "shop.example.com/v1");
  EXPECT_EQ(apply(parts("v1beta1") + "/a?fieldManager=other", part("v1beta1", "a", R"({"size":3})")).status, 409);
}

TEST_F(VersionsTest, ListsTablesAndSelectorsAreThoseOfTheVersion) {
  post(parts("v1beta1"), part("v1beta1", "a", R"({"note":"hi"})"));
  post(parts("v1"), part("v1", "b", R"({"color":"blue"})"));
  const auto list = get(parts("v1")).json();
  EXPECT_EQ(list.find("items")->as_array().size(), 2u);
  for (const auto& item : list.find("items")->as_array())
    EXPECT_EQ(item.string_or("apiVersion"), "shop.example.com/v1");
  EXPECT_EQ(get(parts("v1") + "?fieldSelector=spec.color%3Dred").at("items").as_array().size(), 1u)
      << "a default that was never stored is there to be selected";
  EXPECT_EQ(get(parts("v1beta1") + "?fieldSelector=spec.note%3Dhi").at("items").as_array().size(), 1u);
  EXPECT_EQ(get(parts("v1") + "?fieldSelector=spec.note%3Dhi").status, 400);
  EXPECT_THAT(get(parts("v1"), {{"accept", kTable}}).text, HasSubstr(R"("cells":["a","red"])"));
  EXPECT_THAT(get(parts("v1beta1"), {{"accept", kTable}}).text, HasSubstr(R"("name":"Age")"));
  EXPECT_EQ(get(parts("v1") + "/a/status").status, 200);
  EXPECT_EQ(get(parts("v1beta1") + "/a/status").status, 404) << "only v1 has the subresource";
}

TEST_F(VersionsTest, AWatchSpeaksItsOwnVersion) {
  const auto stream = get(parts("v1") + "?watch=1").stream;
  post(parts("v1beta1"), part("v1beta1", "a", R"({"note":"hi"})"));
  const auto seen = frames(*stream);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(at(seen[0], "object.apiVersion"), json::Value("shop.example.com/v1"));
  EXPECT_EQ(at(seen[0], "object.spec.color"), json::Value("red"));
}

TEST_F(VersionsTest, TheStoredVersionMayChangeAndNothingIsLost) {
  post(parts("v1"), part("v1", "a", R"({"size":1,"color":"blue"})"));
  auto stream = get(parts("v1") + "?watch=1").stream;
  frames(*stream);
  ASSERT_EQ(store_as("v1beta1").status, 200);
  EXPECT_TRUE(ended(*stream)) << "whoever watched begins anew";
  stream.reset();  // it must not outlive the store that it reads
  EXPECT_EQ(json::dump(get(kDefinitions + kName).at("status.storedVersions")), R"(["v1","v1beta1"])");
  EXPECT_EQ(get(parts("v1") + "/a").at("spec.color"), json::Value("blue")) << "v1 is what can still say it";
  EXPECT_EQ(get(parts("v1beta1") + "/a").at("spec.size"), json::Value(1));
  post(parts("v1beta1"), part("v1beta1", "b", R"({"note":"new"})"));
  restart();
  EXPECT_EQ(get(parts("v1") + "/a").at("spec.color"), json::Value("blue"));
  EXPECT_EQ(get(parts("v1beta1") + "/b").at("spec.note"), json::Value("new"));
  EXPECT_EQ(get(parts("v1")).at("items").as_array().size(), 2u);
}

TEST_F(VersionsTest, AVersionIsRetiredOnceNothingIsSaidToBeStoredInIt) {
  store_as("v1beta1");
  post(parts("v1beta1"), part("v1beta1", "a", R"({"size":1,"note":"hi"})"));
  store_as("v1");
  const auto only_v1 = [&] {
    json::Value wanted = get(kDefinitions + kName).json();
    auto& versions = wanted["spec"]["versions"].as_array();
    versions.erase(versions.begin());
    return put(kDefinitions + kName, json::dump(wanted));
  };
  EXPECT_THAT(only_v1().message(), HasSubstr("v1beta1 was previously a storage version"));
  EXPECT_EQ(patch(kDefinitions + kName + "/status", R"({"status":{"storedVersions":["v1"]}})").status, 200);
  const auto retired = only_v1();
  ASSERT_EQ(retired.status, 200) << retired.text;
  EXPECT_EQ(get(parts("v1beta1")).status, 404);
  restart();
  EXPECT_EQ(get(parts("v1") + "/a").at("spec.size"), json::Value(1)) << "what was stored in it is read as before";
  EXPECT_EQ(get(parts("v1") + "/a").at("apiVersion"), json::Value("shop.example.com/v1"));
  EXPECT_TRUE(get(parts("v1") + "/a").at("spec.note").is_null());
}

TEST_F(VersionsTest, DiscoveryPrefersTheSteadiestVersion) {
  const auto group = get("/apis/shop.example.com");
  EXPECT_EQ(group.at("preferredVersion.version"), json::Value("v1"));
  EXPECT_EQ(group.at("versions").as_array().size(), 2u);
  EXPECT_EQ(get("/openapi/v3/apis/shop.example.com/v1beta1").status, 200);
}

TEST_F(VersionsTest, EachVersionsMistakesAreTold) {
  json::Value broken = json::parse(definition());
  broken["metadata"]["name"] = "others.shop.example.com";
  broken["spec"]["names"] = json::parse(R"({"kind":"Other","plural":"others"})");
  for (auto& version : broken["spec"]["versions"].as_array())
    version["schema"]["openAPIV3Schema"]["properties"]["x"] = json::parse(R"({"type":"array"})");
  const auto refused = post(kDefinitions, json::dump(broken));
  EXPECT_THAT(refused.message(), HasSubstr("spec.versions[0].schema.openAPIV3Schema.properties[x].items"));
  EXPECT_THAT(refused.message(), HasSubstr("spec.versions[1].schema.openAPIV3Schema.properties[x].items"));
}

TEST_F(VersionsTest, AKindThatIsGoingTakesNothingNewInAnyVersion) {
  const std::string held = R"({"metadata":{"name":"held","finalizers":["example.com/hold"]}})";
  post(parts("v1"), held);
  remove(kDefinitions + kName);
  advance(Duration::zero());
  EXPECT_EQ(post(parts("v1"), part("v1", "late", "{}")).status, 405);
  EXPECT_EQ(post(parts("v1beta1"), part("v1beta1", "late", "{}")).status, 405);
  patch(parts("v1beta1") + "/held", R"({"metadata":{"finalizers":null}})");
  advance(std::chrono::seconds(2));
  advance(Duration::zero());
  EXPECT_EQ(get(parts("v1")).status, 404);
  EXPECT_EQ(get(parts("v1beta1")).status, 404);
}

}  // namespace
}  // namespace gantry::api
