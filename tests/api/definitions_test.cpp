// CustomResourceDefinitions at run time: written, served, changed and deleted like everything else.
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string kDefinitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const std::string kWidgets = "/apis/shop.example.com/v1/namespaces/default/widgets";

// A Widget; `spec_schema` are the properties of its spec, `more` further members of the version.
std::string widgets(std::string_view spec_schema = R"("size":{"type":"integer","default":1},"note":{"type":"string"})",
                    std::string_view more = R"("subresources":{"status":{}})", std::string_view version = "v1") {
  std::string out = R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
    "metadata":{"name":"widgets.shop.example.com"},"spec":{"group":"shop.example.com","scope":"Namespaced",
    "names":{"kind":"Widget","plural":"widgets","shortNames":["wi"],"categories":["all"]},
    "versions":[{"name":")";
  out.append(version).append(R"(","served":true,"storage":true,)").append(more);
  out.append(more.empty() ? "" : ",").append(R"("schema":{"openAPIV3Schema":{"type":"object","properties":{
    "spec":{"type":"object","properties":{)");
  return out.append(spec_schema)
      .append(R"(}},"status":{"type":"object","properties":{"phase":{"type":"string"}}}}}}}]}})");
}

std::string widget(std::string_view name, std::string_view spec = "{}", std::string_view more = "") {
  std::string out = R"({"apiVersion":"shop.example.com/v1","kind":"Widget","metadata":{"name":")";
  return out.append(name).append("\"").append(more).append("},\"spec\":").append(spec).append("}");
}

class DefinitionsTest : public ApiTest {
 protected:
  std::string condition(const std::string& type, const std::string& name = "widgets.shop.example.com") {
    const auto answer = get(kDefinitions + "/" + name);
    const json::Value conditions = answer.at("status.conditions");
    if (!conditions.is_array()) return "none";
    for (const auto& condition : conditions.as_array()) {
      if (condition.string_or("type") == type) return condition.string_or("status");
    }
    return "none";
  }
  // Asks for the end of the definition, and waits for what the server does about it.
  Answer remove_definition(const std::string& name = "widgets.shop.example.com") {
    Answer answer = remove(kDefinitions + "/" + name);
    advance(Duration::zero());
    return answer;
  }
  // Definition in place of what is there.
  Answer replace(const std::string& definition) {
    json::Value object = json::parse(definition);
    object["metadata"]["resourceVersion"] =
        get(kDefinitions + "/widgets.shop.example.com").at("metadata.resourceVersion");
    return put(kDefinitions + "/widgets.shop.example.com", json::dump(object));
  }
  std::vector<std::string> causes(const Answer& answer) {
    std::vector<std::string> out;
    for (const auto& cause : answer.at("details.causes").as_array())
      out.push_back(cause.string_or("field") + ": " + cause.string_or("message"));
    return out;
  }
};

TEST_F(DefinitionsTest, AKindIsServedAsSoonAsItIsDefined) {
  EXPECT_EQ(get(kWidgets).status, 404);
  const auto made = post(kDefinitions, widgets());
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(made.at("spec.names.singular"), json::Value("widget")) << "what can be told is filled in";
  EXPECT_EQ(made.at("spec.names.listKind"), json::Value("WidgetList"));
  EXPECT_EQ(post(kWidgets, widget("w")).at("spec.size"), json::Value(1));
  EXPECT_EQ(get(kWidgets).at("kind"), json::Value("WidgetList"));
  EXPECT_EQ(condition("Established"), "True");
  EXPECT_EQ(condition("NamesAccepted"), "True");
  const auto stored = get(kDefinitions + "/widgets.shop.example.com");
  EXPECT_EQ(json::dump(stored.at("status.storedVersions")), R"(["v1"])");
  EXPECT_EQ(stored.at("status.acceptedNames.kind"), json::Value("Widget"));
}

TEST_F(DefinitionsTest, DiscoveryAndOpenApiFollowAtOnce) {
  EXPECT_EQ(get("/apis/shop.example.com/v1").status, 404);
  const auto before = get("/openapi/v3").text;
  post(kDefinitions, widgets());
  const auto found = get("/apis/shop.example.com/v1");
  EXPECT_THAT(found.text, HasSubstr(R"("name":"widgets")"));
  EXPECT_THAT(found.text, HasSubstr(R"("name":"widgets/status")"));
  EXPECT_THAT(get("/apis").text, HasSubstr("shop.example.com"));
  EXPECT_NE(get("/openapi/v3").text, before);
  EXPECT_THAT(get("/openapi/v3/apis/shop.example.com/v1").text, HasSubstr("com.example.shop.v1.Widget"));
  remove_definition();
  EXPECT_EQ(get("/apis/shop.example.com/v1").status, 404);
  EXPECT_EQ(get("/openapi/v3").text, before);
}

TEST_F(DefinitionsTest, ADefinitionThatDoesNotHoldIsRefusedWithEveryCause) {
  json::Value broken = json::parse(widgets());
  broken["metadata"]["name"] = "wrong";
  json::Value& spec = broken["spec"];
  spec["group"] = "nodots";
  json::Value& version = spec["versions"].as_array()[0];
  version["additionalPrinterColumns"] = json::parse(R"([{"name":"A","type":"text","jsonPath":".spec.a"}])");
  version["subresources"] =
      json::parse(R"({"scale":{"specReplicasPath":".status.n","statusReplicasPath":".status.n"}})");
  const auto refused = post(kDefinitions, json::dump(broken));
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(
      causes(refused),
      ElementsAre(HasSubstr("metadata.name: Invalid value: \"wrong\": must be spec.names.plural"),
                  HasSubstr("spec.group: Invalid value: \"nodots\": should be a domain"),
                  HasSubstr("additionalPrinterColumns[0].type: Unsupported value: \"text\""),
                  HasSubstr("specReplicasPath: Invalid value: \".status.n\": should be a json path under .spec")));
}

TEST_F(DefinitionsTest, WhatIsNotStructuralOrNotSupportedIsRefused) {
  const auto refused = post(kDefinitions, widgets(R"("list":{"type":"array"},"x":{"type":"string","minmum":2})"));
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(causes(refused), Contains(HasSubstr("spec.versions[0].schema.openAPIV3Schema.properties[spec].properties"
                                                  "[list].items: Required value")));
  EXPECT_THAT(causes(refused), Contains(HasSubstr("minmum: Forbidden: unknown in a schema")));
  const auto rule =
      post(kDefinitions, widgets(R"j("a":{"type":"string","x-kubernetes-validations":[{"rule":"self.isURL()"}]})j"));
  EXPECT_EQ(rule.status, 422);
  EXPECT_THAT(rule.message(), HasSubstr("undeclared reference to 'isURL'"));

  json::Value webhook = json::parse(widgets());
  webhook["spec"]["conversion"] = json::parse(R"({"strategy":"Webhook"})");
  EXPECT_THAT(post(kDefinitions, json::dump(webhook)).message(), HasSubstr("supported values: \"None\""));
  json::Value protected_group = json::parse(widgets());
  protected_group["metadata"]["name"] = "widgets.apps.k8s.io";
  protected_group["spec"]["group"] = "apps.k8s.io";
  EXPECT_THAT(post(kDefinitions, json::dump(protected_group)).message(),
              HasSubstr("protected groups must have approval"));
  EXPECT_EQ(get(kWidgets).status, 404);
}

TEST_F(DefinitionsTest, WhatIsStoredIsReadByTheNewSchema) {
  post(kDefinitions, widgets());
  const auto made = post(kWidgets, widget("w", R"({"note":"hi"})"));
  replace(widgets(R"("size":{"type":"integer","default":1},"color":{"type":"string","default":"red"})"));
  const auto read = get(kWidgets + "/w");
  EXPECT_EQ(read.at("spec.color"), json::Value("red")) << "defaults reach what was there before";
  EXPECT_TRUE(read.at("spec.note").is_null()) << "what the schema no longer knows is not shown";
  EXPECT_EQ(read.at("metadata.resourceVersion"), made.at("metadata.resourceVersion")) << "nothing was written";
  EXPECT_THAT(get(kWidgets).text, HasSubstr(R"("color":"red")"));
  EXPECT_EQ(patch(kWidgets + "/w", R"({"spec":{"size":2}})").at("spec.color"), json::Value("red"));
}

TEST_F(DefinitionsTest, TheVersionOfAKindMayChangeWhileTheOldOneStaysNamed) {
  post(kDefinitions, widgets());
  post(kWidgets, widget("w"));
  const auto gone = replace(widgets(R"("size":{"type":"integer"})", "", "v2"));
  EXPECT_EQ(gone.status, 422);
  EXPECT_THAT(gone.message(), HasSubstr("v1 was previously a storage version, and must remain in spec.versions"));
  json::Value both = json::parse(widgets(R"("size":{"type":"integer"})", "", "v2"));
  json::Value old = json::parse(widgets())["spec"]["versions"].as_array()[0];
  old["served"] = false;
  old["storage"] = false;
  both["spec"]["versions"].as_array().push_back(old);
  ASSERT_EQ(replace(json::dump(both)).status, 200);
  EXPECT_EQ(get(kWidgets).status, 404);
  EXPECT_EQ(get("/apis/shop.example.com/v2/namespaces/default/widgets/w").at("apiVersion"),
            json::Value("shop.example.com/v2"));
}

TEST_F(DefinitionsTest, DeletingADefinitionDeletesItsObjectsFirst) {
  post(kDefinitions, widgets());
  post(kWidgets, widget("plain"));
  post(kWidgets, widget("held", "{}", R"(,"finalizers":["example.com/hold"])"));
  auto watch = get(kWidgets + "?watch=1");
  frames(*watch.stream);

  const auto marked = remove_definition();
  EXPECT_EQ(marked.status, 200);
  EXPECT_THAT(marked.text, HasSubstr("customresourcecleanup.apiextensions.k8s.io"));
  EXPECT_EQ(condition("Terminating"), "True");
  EXPECT_EQ(get(kWidgets + "/plain").status, 404);
  EXPECT_EQ(get(kWidgets + "/held").status, 200) << "somebody has to let go of it first";
  const auto late = post(kWidgets, widget("late"));
  EXPECT_EQ(late.status, 405);
  EXPECT_THAT(late.message(), HasSubstr("is terminating"));
  EXPECT_FALSE(ended(*watch.stream));

  patch(kWidgets + "/held", R"({"metadata":{"finalizers":null}})");
  advance(std::chrono::seconds(2));
  advance(Duration::zero());
  EXPECT_EQ(get(kDefinitions + "/widgets.shop.example.com").status, 404);
  EXPECT_EQ(get(kWidgets).status, 404);
  EXPECT_TRUE(ended(*watch.stream)) << "whoever watched is sent away";
}

TEST_F(DefinitionsTest, ADefinitionMayComeBackEmpty) {
  post(kDefinitions, widgets());
  post(kWidgets, widget("w"));
  remove_definition();
  ASSERT_EQ(post(kDefinitions, widgets()).status, 201);
  EXPECT_THAT(get(kWidgets).at("items").as_array(), IsEmpty());
  EXPECT_EQ(post(kWidgets, widget("w")).status, 201);
}

TEST_F(DefinitionsTest, NamesBelongToWhoHadThemFirst) {
  post(kDefinitions, widgets());
  json::Value rival = json::parse(widgets());
  rival["metadata"]["name"] = "others.shop.example.com";
  rival["spec"]["names"] = json::parse(R"({"kind":"Other","plural":"others","shortNames":["wi"]})");
  ASSERT_EQ(post(kDefinitions, json::dump(rival)).status, 201);
  EXPECT_EQ(condition("NamesAccepted", "others.shop.example.com"), "False");
  EXPECT_EQ(condition("Established", "others.shop.example.com"), "False");
  const std::string others = "/apis/shop.example.com/v1/namespaces/default/others";
  EXPECT_EQ(get(others).status, 404);
  remove_definition();
  EXPECT_EQ(get(others).status, 200) << "the name is free now";
  EXPECT_EQ(condition("Established", "others.shop.example.com"), "True");
}

TEST_F(DefinitionsTest, WhoAsksForANameThatIsTakenStaysWhatItWas) {
  json::Value other = json::parse(widgets());
  other["metadata"]["name"] = "others.shop.example.com";
  other["spec"]["names"] = json::parse(R"({"kind":"Other","plural":"others","shortNames":["ot"]})");
  post(kDefinitions, json::dump(other));
  post(kDefinitions, widgets());
  EXPECT_EQ(patch(kDefinitions + "/others.shop.example.com", R"({"spec":{"names":{"shortNames":["wi"]}}})").status,
            200);
  EXPECT_EQ(condition("NamesAccepted", "others.shop.example.com"), "False");
  EXPECT_EQ(condition("Established", "others.shop.example.com"), "True");
  EXPECT_THAT(get("/apis/shop.example.com/v1").text, HasSubstr(R"("shortNames":["ot"])"));
  remove_definition();
  EXPECT_THAT(get("/apis/shop.example.com/v1").text, HasSubstr(R"("shortNames":["wi"])"));
  EXPECT_EQ(condition("NamesAccepted", "others.shop.example.com"), "True");
}

TEST_F(DefinitionsTest, OurOwnKindsAreDefinitionsThatStay) {
  EXPECT_EQ(get(kDefinitions + "/apps.infra.gantry.dev").at("spec.names.kind"), json::Value("App"));
  EXPECT_EQ(condition("Established", "apps.infra.gantry.dev"), "True");
  EXPECT_EQ(get(kDefinitions).at("items").as_array().size(), 2u);
  EXPECT_EQ(get(kDefinitions + "?labelSelector=applyset.kubernetes.io/is-parent-type").at("items").as_array().size(),
            0u);
  const auto refused = remove(kDefinitions + "/apps.infra.gantry.dev");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.message(), HasSubstr("part of the program"));
  const auto changed = patch(kDefinitions + "/apps.infra.gantry.dev", R"({"spec":{"names":{"shortNames":["x"]}}})");
  EXPECT_EQ(changed.status, 422);
  EXPECT_EQ(patch(kDefinitions + "/apps.infra.gantry.dev", R"({"metadata":{"labels":{"a":"b"}}})").status, 200);
}

TEST_F(DefinitionsTest, DefinedKindsAreThereAgainAfterARestart) {
  post(kDefinitions, widgets());
  post(kWidgets, widget("w"));
  post(kWidgets, widget("held", "{}", R"(,"finalizers":["example.com/hold"])"));
  restart();
  EXPECT_EQ(get(kWidgets + "/w").at("spec.size"), json::Value(1));
  EXPECT_EQ(condition("Established"), "True");
  remove_definition();
  restart();
  EXPECT_EQ(post(kWidgets, widget("late")).status, 405) << "it was going, and still is";
  patch(kWidgets + "/held", R"({"metadata":{"finalizers":null}})");
  advance(std::chrono::seconds(2));
  advance(Duration::zero());
  EXPECT_EQ(get(kDefinitions + "/widgets.shop.example.com").status, 404);
}

TEST_F(DefinitionsTest, RulesHoldForObjectsAndTheirChanges) {
  json::Value definition =
      json::parse(widgets(R"("min":{"type":"integer"},"max":{"type":"integer"},"class":{"type":"string",
    "maxLength":20,"x-kubernetes-validations":[{"rule":"self == oldSelf","message":"class is immutable"}]})"));
  definition["spec"]["versions"]
      .as_array()[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] =
      json::parse(R"([{"rule":"!has(self.max) || self.min <= self.max","message":"min may not exceed max"}])");
  ASSERT_EQ(post(kDefinitions, json::dump(definition)).status, 201);
  const auto refused = post(kWidgets, widget("w", R"({"min":3,"max":2})"));
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(causes(refused), ElementsAre(R"(spec: Invalid value: "object": min may not exceed max)"));
  EXPECT_EQ(post(kWidgets, widget("w", R"({"min":1,"max":2,"class":"a"})")).status, 201);
  EXPECT_THAT(patch(kWidgets + "/w", R"({"spec":{"class":"b"}})").message(), HasSubstr("class is immutable"));
  EXPECT_EQ(patch(kWidgets + "/w", R"({"spec":{"max":5}})").status, 200);
}

TEST_F(DefinitionsTest, ADeprecatedVersionSaysSoWithEveryAnswer) {
  post(kDefinitions, widgets(R"("size":{"type":"integer"})", R"("deprecated":true)"));
  EXPECT_THAT(get(kWidgets).all("Warning"), ElementsAre("299 - \"shop.example.com/v1 Widget is deprecated\""));
}

TEST_F(DefinitionsTest, FieldsMayBeSelectableAndPrinted) {
  post(kDefinitions, widgets(R"("color":{"type":"string"},"parts":{"type":"array","items":{"type":"string"}})",
                             R"("selectableFields":[{"jsonPath":".spec.color"}],
                                "additionalPrinterColumns":[{"name":"Color","type":"string","jsonPath":".spec.color"}])"));
  post(kWidgets, widget("a", R"({"color":"red"})"));
  post(kWidgets, widget("b", R"({"color":"blue"})"));
  EXPECT_EQ(get(kWidgets + "?fieldSelector=spec.color%3Dred").at("items").as_array().size(), 1u);
  EXPECT_EQ(get(kWidgets + "?fieldSelector=spec.size%3D1").status, 400);
  EXPECT_THAT(get(kWidgets, {{"accept", kTable}}).text, HasSubstr(R"("name":"Color")"));
  EXPECT_THAT(replace(widgets(R"("parts":{"type":"array","items":{"type":"string"}})",
                              R"("selectableFields":[{"jsonPath":".spec.parts"}])"))
                  .message(),
              HasSubstr("must point to a field of type string, integer or boolean"));
}

}  // namespace
}  // namespace gantry::api
