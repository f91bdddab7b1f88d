// Namespace, Secret, ConfigMap, Event, Lease: what they do beyond their schemas, and their protobuf bodies.
#include "controller/api/protobuf.hpp"
#include "tests/api/fixture.hpp"

namespace gantry::api {
namespace {

using ::testing::HasSubstr;

class CoreKindsTest : public ApiTest {};

const Headers kProtobufHeader{{"content-type", "application/vnd.kubernetes.protobuf"}};

std::string bytes(std::string_view hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

// As kubectl 1.33.1 sent them.
const std::string kNamespaceBody = bytes(
    "6b3873000a0f0a02763112094e616d657370616365121e0a160a067465616d2d6e12001a0022002a0032003800420012001a020a001a00220"
    "0");
const std::string kSecretBody = bytes(
    "6b3873000a0c0a0276311206536563726574121f0a120a02733112001a0022002a0032003800420012070a0170120268691a001a002200");
const std::string kConfigMapBody = bytes(
    "6b3873000a0f0a0276311209436f6e6669674d6170121c0a120a02633112001a0022002a0032003800420012060a01611201621a002200");
const std::string kAccessBody = bytes(
    "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c665375626a65637441636365737352657669657712"
    "540a100a0012001a"
    "0022002a0032003800420012360a340a067465616d2d6112066372656174651a10696e6672612e67616e7472792e64657622002a0461707073"
    "32067374617475"
    "733a001a08080012001a0020001a002200");
const std::string kSelfBody = bytes(
    "6b3873000a2d0a1861757468656e7469636174696f6e2e6b38732e696f2f7631121153656c665375626a656374526576696577121a0a100a00"
    "12001a0022002a00"
    "32003800420012060a040a0012001a002200");
const std::string kRulesBody = bytes(
    "6b3873000a310a17617574686f72697a6174696f6e2e6b38732e696f2f7631121653656c665375626a65637452756c65735265766965771223"
    "0a100a0012001a00"
    "22002a0032003800420012090a0764656661756c741a04180022001a002200");

TEST_F(CoreKindsTest, KubectlsProtobufBodiesAreRead) {
  EXPECT_EQ(json::dump(decode_protobuf(kNamespaceBody)),
            R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team-n"}})");
  EXPECT_EQ(json::dump(decode_protobuf(kSecretBody)),
            R"({"apiVersion":"v1","data":{"p":"aGk="},"kind":"Secret","metadata":{"name":"s1"}})");
  EXPECT_EQ(json::dump(decode_protobuf(kConfigMapBody)),
            R"({"apiVersion":"v1","data":{"a":"b"},"kind":"ConfigMap","metadata":{"name":"c1"}})");
  EXPECT_EQ(post(kNamespaces, kNamespaceBody, kProtobufHeader).status, 201);
  EXPECT_EQ(post(kSecrets, kSecretBody, kProtobufHeader).at("data.p"), json::Value("aGk="));
  EXPECT_EQ(post(kConfigMaps, kConfigMapBody, kProtobufHeader).at("data.a"), json::Value("b"));
  EXPECT_EQ(post(kApps, kConfigMapBody, kProtobufHeader).status, 415) << "custom kinds have no protobuf form";
}

TEST_F(CoreKindsTest, BrokenProtobufIsRefusedWhereverItIsCut) {
  for (std::size_t size = 0; size < kAccessBody.size(); ++size) {
    try {
      decode_protobuf(kAccessBody.substr(0, size));
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::BadRequest || error.code() == ErrorCode::UnsupportedMediaType) << size;
    }
  }
  EXPECT_EQ(post(kSecrets, "k8s", kProtobufHeader).status, 400);
}

TEST_F(CoreKindsTest, AnswersWhoAmIAndWhatMayI) {
  const std::string authorization = "/apis/authorization.k8s.io/v1/";
  const auto access = post(authorization + "selfsubjectaccessreviews", kAccessBody, kProtobufHeader);
  EXPECT_EQ(access.status, 201) << access.text;
  EXPECT_EQ(access.at("status.allowed"), json::Value(true));
  EXPECT_EQ(access.at("spec.resourceAttributes.subresource"), json::Value("status"));
  EXPECT_EQ(post(authorization + "selfsubjectaccessreviews", "{}").status, 400);
  const auto rules = post(authorization + "selfsubjectrulesreviews", kRulesBody, kProtobufHeader);
  EXPECT_EQ(rules.at("status.resourceRules").as_array().size(), 1u);
  EXPECT_EQ(rules.at("status.nonResourceRules").as_array().size(), 1u);
  const auto self = post("/apis/authentication.k8s.io/v1/selfsubjectreviews", kSelfBody, kProtobufHeader);
  EXPECT_EQ(json::dump(self.at("status.userInfo")), R"({"groups":["ops"],"username":"alice"})");
  EXPECT_EQ(post("/apis/authentication.k8s.io/v1beta1/selfsubjectreviews", "{}").at("apiVersion"),
            json::Value("authentication.k8s.io/v1beta1"));
}

TEST_F(CoreKindsTest, ANamespaceIsActiveAndLabelled) {
  const auto made = post(kNamespaces, R"({"metadata":{"name":"team-a"}})");
  EXPECT_EQ(made.at("status.phase"), json::Value("Active"));
  EXPECT_EQ(json::dump(made.at("spec.finalizers")), R"(["kubernetes"])");
  EXPECT_EQ(made.at("metadata.labels").find("kubernetes.io/metadata.name")->as_string(), "team-a");
  EXPECT_EQ(post(kNamespaces, R"({"metadata":{"name":"with.dots"}})").status, 422);
  EXPECT_EQ(get(kNamespaces + "/default").status, 200);
  EXPECT_EQ(get(kNamespaces + "/kube-system").status, 200);
}

TEST_F(CoreKindsTest, ATerminatingNamespaceTakesNothingNewAndGoesWhenFinalized) {
  post(kNamespaces, R"({"metadata":{"name":"team-a"}})");
  const std::string apps = "/apis/infra.gantry.dev/v1alpha1/namespaces/team-a/apps";
  post(apps, app("old"));
  const auto marked = remove(kNamespaces + "/team-a");
  EXPECT_EQ(marked.status, 200);
  EXPECT_EQ(marked.at("status.phase"), json::Value("Terminating"));
  EXPECT_EQ(remove(kNamespaces + "/team-a").status, 409);
  const auto refused = post(apps, app("new"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.message(),
              HasSubstr("unable to create new content in namespace team-a because it is being terminated"));
  EXPECT_EQ(refused.at("details.causes").as_array()[0].string_or("reason"), "NamespaceTerminating");
  EXPECT_EQ(patch(apps + "/old", R"({"spec":{"replicas":2}})").status, 200) << "what is there can still be changed";
  auto object = get(kNamespaces + "/team-a").json();
  object["spec"] = json::Object();
  EXPECT_EQ(put(kNamespaces + "/team-a/finalize", json::dump(object)).status, 200);
  EXPECT_EQ(get(kNamespaces + "/team-a").status, 404);
}

TEST_F(CoreKindsTest, ASecretsPlainTextGoesIntoItsData) {
  const auto made =
      post(kSecrets, R"({"metadata":{"name":"s"},"data":{"a":"QQ==","b":"Qg=="},"stringData":{"b":"hi"}})");
  EXPECT_EQ(json::dump(made.at("data")), R"({"a":"QQ==","b":"aGk="})");
  EXPECT_EQ(made.at("type"), json::Value("Opaque"));
  EXPECT_TRUE(made.at("stringData").is_null());
  EXPECT_EQ(patch(kSecrets + "/s", R"({"type":"other"})").status, 422) << "the type stays";
  EXPECT_EQ(post(kSecrets, R"({"metadata":{"name":"t"},"type":"kubernetes.io/tls","data":{}})").status, 422);
  EXPECT_EQ(post(kSecrets, R"({"metadata":{"name":"u"},"data":{"a":"not base64!"}})").status, 422);
  EXPECT_EQ(post(kSecrets, R"({"metadata":{"name":"u"},"stringData":{"bad key":"x"}})").status, 422);
}

TEST_F(CoreKindsTest, WhatIsImmutableStaysAsItIs) {
  post(kSecrets, R"({"metadata":{"name":"s"},"stringData":{"a":"1"},"immutable":true})");
  const auto refused = patch(kSecrets + "/s", R"({"stringData":{"a":"2"}})");
  EXPECT_EQ(refused.status, 422);
  EXPECT_THAT(refused.message(), HasSubstr("data: Forbidden: field is immutable when `immutable` is set"));
  EXPECT_EQ(patch(kSecrets + "/s", R"({"immutable":null})").status, 422);
  EXPECT_EQ(patch(kSecrets + "/s", R"({"metadata":{"labels":{"a":"b"}}})").status, 200);
  post(kConfigMaps, R"({"metadata":{"name":"c"},"data":{"a":"1"},"immutable":true})");
  EXPECT_EQ(patch(kConfigMaps + "/c", R"({"data":{"a":"2"}})").status, 422);
}

TEST_F(CoreKindsTest, SecretsAndConfigMapsHoldOneMebibyte) {
  const std::string big(1 << 20, 'x');
  EXPECT_EQ(post(kSecrets, R"({"metadata":{"name":"s"},"stringData":{"a":")" + big + R"(y"}})").status, 422);
  EXPECT_EQ(post(kConfigMaps, R"({"metadata":{"name":"c"},"data":{"a":")" + big + R"(y"}})").status, 422);
  EXPECT_EQ(post(kConfigMaps, R"({"metadata":{"name":"c"},"data":{"a":")" + big + R"("}})").status, 201);
  EXPECT_EQ(post(kConfigMaps, R"({"metadata":{"name":"d"},"data":{"a":"1"},"binaryData":{"a":"AA=="}})").status, 422)
      << "one key, two values";
}

TEST_F(CoreKindsTest, AnEventLivesWhereItsObjectDoes) {
  const auto event = [](std::string ns) {
    return R"({"metadata":{"name":"e"},"involvedObject":{"kind":"App","name":"web","namespace":")" + ns +
           R"("},"reason":"r"})";
  };
  EXPECT_EQ(post(kEvents, event("other")).status, 422);
  EXPECT_EQ(post(kEvents, event("default")).status, 201);
}

TEST_F(CoreKindsTest, LeasesAndEventsMayBeMadeByPut) {
  const auto made =
      put(kLeases + "/l1", R"({"metadata":{"name":"l1"},"spec":{"holderIdentity":"me","leaseDurationSeconds":10}})");
  EXPECT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(put(kLeases + "/l1", R"({"metadata":{"name":"l1"},"spec":{"holderIdentity":"you"}})").status, 422)
      << "a Lease needs the revision that was read";
  EXPECT_EQ(put(kConfigMaps + "/none", R"({"metadata":{"name":"none"}})").status, 404);
  post(kConfigMaps, R"({"metadata":{"name":"c"},"data":{"a":"1"}})");
  EXPECT_EQ(put(kConfigMaps + "/c", R"({"metadata":{"name":"c"},"data":{"a":"2"}})").status, 200)
      << "a ConfigMap does not";
  EXPECT_TRUE(get(kConfigMaps + "/c").at("metadata.generation").is_null());
}

TEST_F(CoreKindsTest, ServicesAreThereToBeLookedAt) {
  EXPECT_EQ(
      get("/api/v1/namespaces/kube-system/services?labelSelector=kubernetes.io/cluster-service%3Dtrue").at("kind"),
      json::Value("ServiceList"));
}

}  // namespace
}  // namespace gantry::api
