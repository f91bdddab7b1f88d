// Goal: what cannot work is refused with the field and the reason. Method: Apps as YAML, and the words of the refusal.
#include "reconcilers/app/admission.hpp"

#include <gmock/gmock.h>

#include "controller/base/yaml.hpp"

namespace gantry::reconcilers::app {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

json::Value app(const std::string& spec, const std::string& name = "web") {
  return yaml::parse_all("metadata: {name: " + name + ", namespace: prod}\nspec:\n" + spec).front().value;
}

std::vector<std::string> words(const std::vector<FieldError>& causes) {
  std::vector<std::string> out;
  for (const auto& cause : causes) out.push_back(cause.field + ": " + cause.message);
  return out;
}

const std::string kPorts =
    "  ports: [{name: http, port: 80}, {name: rtc, port: 7882, hostPort: 7882, protocol: UDP}]\n";
std::string http(const std::string& routes) {
  return "  ports: [{name: http, port: 80}]\n  routes: [" + routes + "]\n";
}

TEST(AppAdmission, AFixedUdpPortAllowsRecreateOnly) {
  EXPECT_THAT(
      words(mistakes_of(app(kPorts + "  strategy: {type: BlueGreen}\n"))),
      ElementsAre(AllOf(HasSubstr("spec.strategy.type"), HasSubstr("UDP port 7882"), HasSubstr("use Recreate"))));
  EXPECT_THAT(words(mistakes_of(app(kPorts))), ElementsAre(HasSubstr("\"RollingUpdate\"")));
  EXPECT_THAT(words(mistakes_of(app(kPorts + "  strategy: {type: Recreate}\n"))), IsEmpty());
}

TEST(AppAdmission, AFixedTcpPortIsForOneInstanceOfAHost) {
  const auto with = [](const std::string& more) {
    return app("  ports: [{name: http, port: 80, hostPort: 8000}]\n" + more);
  };
  EXPECT_THAT(words(mistakes_of(with(""))),
              ElementsAre(AllOf(HasSubstr("spec.strategy.type: Invalid value: \"RollingUpdate\""),
                                HasSubstr("TCP port 8000"), HasSubstr("use Recreate, or maxSurge: 0"))));
  EXPECT_THAT(words(mistakes_of(with("  strategy: {maxSurge: 0, maxUnavailable: 1}\n"))), IsEmpty());
  EXPECT_THAT(words(mistakes_of(with("  strategy: {type: BlueGreen}\n"))), ElementsAre(HasSubstr("use Recreate")));
  const std::string two = "  strategy: {type: Recreate}\n  replicas: 2\n";
  EXPECT_THAT(words(mistakes_of(with(two))), ElementsAre(HasSubstr("spec.replicas: Invalid value: \"2\"")));
  EXPECT_THAT(words(mistakes_of(with(two + "  placement: {servers: [{name: a}, {name: b}]}\n"))), IsEmpty());
}

TEST(AppAdmission, AnExclusiveVolumeIsForOneAtATime) {
  const std::string volume = "  volumes: [{name: data, mountPath: /data, exclusive: true}]\n";
  EXPECT_THAT(words(mistakes_of(app(volume + "  replicas: 2\n"))),
              ElementsAre(HasSubstr("\"data\" is exclusive; use Recreate"), HasSubstr("spec.replicas")));
  EXPECT_THAT(words(mistakes_of(app(volume + "  strategy: {type: Recreate}\n"))), IsEmpty());
}

TEST(AppAdmission, ARouteMustLeadSomewhereAndSayOneThing) {
  EXPECT_THAT(words(mistakes_of(app(http("{host: a.test, port: nope}")))), ElementsAre(HasSubstr("no such TCP port")));
  EXPECT_THAT(words(mistakes_of(app("  routes: [{host: a.test}]\n"))), ElementsAre(HasSubstr("spec.ports")));
  EXPECT_THAT(words(mistakes_of(app(http("{host: a.test, path: /x/}, {host: a.test, path: /x}")))),
              ElementsAre(HasSubstr("the same as spec.routes[0]")));
  EXPECT_THAT(words(mistakes_of(app(http("{host: a.test, path: '/{env.SECRET}'}")))),
              ElementsAre(HasSubstr("plain characters")));
  EXPECT_THAT(words(mistakes_of(app(http("{host: '*.a.test'}")))), ElementsAre(HasSubstr("DNS challenge")));
  EXPECT_THAT(words(mistakes_of(app(http("{host: a.test}, {host: a.test, path: /x, tls: {mode: internal}}")))),
              ElementsAre(HasSubstr("a name has one certificate")));
  EXPECT_THAT(words(mistakes_of(app(http("{host: a.test, tls: {mode: secret}}")))),
              ElementsAre(HasSubstr("secretRef")));
  EXPECT_THAT(words(mistakes_of(app(http("{host: a.test}, {host: a.test, path: /x, tls: {mode: none}}")))), IsEmpty());
}

TEST(AppAdmission, CorsThatBrowsersWouldRefuseIsRefused) {
  const auto cors = [](const std::string& text) { return app(http("{host: a.test, cors: {" + text + "}}")); };
  EXPECT_THAT(words(mistakes_of(cors("allowOrigins: ['*'], allowCredentials: true"))),
              ElementsAre(HasSubstr("name the origins")));
  EXPECT_THAT(words(mistakes_of(cors("allowOrigins: [b.test]"))), ElementsAre(HasSubstr("https://example.org")));
  EXPECT_THAT(words(mistakes_of(cors("allowOrigins: ['https://{env.X}']"))), ElementsAre(HasSubstr("an origin is")));
  EXPECT_THAT(words(mistakes_of(cors("allowCredentials: true"))), ElementsAre(HasSubstr("Required")));
  EXPECT_THAT(words(mistakes_of(cors("allowOrigins: ['https://b.test:8443']"))), IsEmpty());
}

TEST(AppAdmission, TwoAppsCannotHaveTheSameRoute) {
  const auto mine = app(http("{host: a.test}, {host: a.test, path: /v1/}"), "web");
  const auto theirs = app(http("{host: a.test, path: /v1}"), "shop");
  EXPECT_THAT(words(conflicts_between(mine, theirs)),
              ElementsAre(AllOf(HasSubstr("spec.routes[1]"), HasSubstr("a.test/v1"), HasSubstr("prod/shop"),
                                HasSubstr("prod/web"))));
  EXPECT_THAT(words(conflicts_between(mine, app(http("{host: b.test}")))), IsEmpty());
  EXPECT_THAT(words(conflicts_between(mine, app(http("{host: a.test, path: /v2, tls: {mode: internal}}"), "shop"))),
              testing::Contains(HasSubstr("a name has one certificate")));
}

}  // namespace
}  // namespace gantry::reconcilers::app
