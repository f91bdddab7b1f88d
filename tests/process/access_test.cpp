// Goal: three people and a program at one controller, each with what they were given: by kubeconfigs that `gantry
// kubeconfig` made, with the real kubectl, and what they did is in the audit log.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr int kWithTokens = 27;  // the first kubectl with `create token` and `auth whoami`, not as alpha

constexpr const char* kConfigMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n";

class AccessTest : public testing::Test {
 protected:
  AccessTest() : audit(folder / "audit.log"), controller({"--audit-log", audit}) {}
  void SetUp() override {
    if (kubectl == 0) GTEST_SKIP() << "NOT TESTED: kubectl is not installed";
    controller.start();
    must(controller.kubectl({"create", "namespace", "prod"}));
  }

  static std::string must(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
    return outcome.out;
  }
  std::string config_of(const std::string& user) const { return controller.folder(user + ".kubeconfig"); }
  void make_user(const std::string& user, const std::vector<std::string>& groups = {}) const {
    std::vector<std::string> command{"kubeconfig", "--data-dir",   controller.folder("data"), "--user", user,
                                     "--out",      config_of(user)};
    for (const auto& group : groups) command.insert(command.end(), {"--group", group});
    EXPECT_THAT(must(controller.gantry(command)), HasSubstr("valid until"));
  }
  Outcome as(const std::string& user, std::vector<std::string> command, const std::string& input = {}) const {
    command.insert(command.begin(), {"kubectl", "--kubeconfig", config_of(user)});
    return run(command, {{"HOME", controller.folder("home-" + user)}}, input);
  }

  const int kubectl = kubectl_minor();
  TemporaryFolder folder;
  std::string audit;
  Controller controller;
};

TEST_F(AccessTest, EachMayDoWhatTheyWereGivenAndItIsWrittenDown) {
  make_user("looker", {"readers"});
  make_user("deployer");
  make_user("boss", {"system:masters"});
  must(controller.kubectl({"create", "clusterrolebinding", "readers", "--clusterrole=view", "--group=readers"}));
  must(
      controller.kubectl({"create", "rolebinding", "deployer", "--clusterrole=edit", "--user=deployer", "-n", "prod"}));
  must(controller.kubectl({"create", "role", "deleter", "--verb=delete", "--resource=namespaces", "-n", "prod"}));
  must(controller.kubectl({"create", "clusterrole", "scraper", "--verb=get", "--non-resource-url=/metrics"}));
  must(controller.kubectl({"create", "clusterrole", "all-apps", "--aggregation-rule=team=apps"}));

  if (kubectl >= kWithTokens)
    EXPECT_THAT(must(as("looker", {"auth", "whoami"})), AllOf(HasSubstr("looker"), HasSubstr("readers")));
  must(as("looker", {"get", "apps", "-A"}));
  EXPECT_THAT(as("looker", {"get", "secrets", "-n", "prod"}).err,
              HasSubstr("secrets is forbidden: User \"looker\" cannot list"));
  EXPECT_THAT(as("looker", {"create", "-n", "prod", "-f", "-"}, kConfigMap).err,
              HasSubstr("Error from server (Forbidden)"));
  EXPECT_THAT(must(as("looker", {"auth", "can-i", "--list", "-n", "prod"})),
              AllOf(HasSubstr("*.gantry.dev"), HasSubstr("[get list watch]"), HasSubstr("selfsubjectreviews")));

  must(as("deployer", {"apply", "-n", "prod", "-f", "-"}, kConfigMap));
  must(as("deployer", {"apply", "-n", "prod", "--server-side", "--force-conflicts", "-f", "-"}, kConfigMap));
  EXPECT_EQ(as("deployer", {"apply", "-n", "default", "-f", "-"}, kConfigMap).exit_code, 1);
  EXPECT_EQ(as("deployer", {"auth", "can-i", "create", "apps", "-n", "prod"}).exit_code, 0);
  EXPECT_EQ(as("deployer", {"auth", "can-i", "create", "apps", "-n", "default"}).exit_code, 1);
  EXPECT_EQ(as("deployer", {"auth", "can-i", "create", "sources.gantry.dev", "-n", "prod"}).exit_code, 1);
  EXPECT_THAT(
      as("deployer", {"create", "rolebinding", "up", "--clusterrole=cluster-admin", "--user=deployer", "-n", "prod"})
          .err,
      HasSubstr("is forbidden"));
  EXPECT_THAT(must(as("deployer", {"auth", "can-i", "--list", "-n", "prod"})), HasSubstr("serviceaccounts/token"));

  EXPECT_THAT(must(as("boss", {"auth", "can-i", "--list"})), HasSubstr("*.*"));
  EXPECT_EQ(as("boss", {"auth", "can-i", "*", "*"}).exit_code, 0);
  must(as("boss", {"get", "apps", "-n", "prod", "--as", "deployer"}));
  EXPECT_EQ(as("boss", {"get", "apps", "-n", "default", "--as", "deployer"}).exit_code, 1);
  EXPECT_EQ(as("deployer", {"get", "apps", "-n", "prod", "--as", "boss"}).exit_code, 1);

  must(controller.gantry({"backup", controller.folder("copy")}));
  EXPECT_EQ(
      must(run({"curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", controller.address() + "/api/v1/secrets"})),
      "401");

  ASSERT_TRUE(eventually([&] { return read(audit).find("rolebindings") != std::string::npos; }));
  controller.stop();
  bool refused = false, applied = false, copied = false, stranger = false;
  std::istringstream lines(read(audit));
  for (std::string line; std::getline(lines, line);) {
    const json::Value event = json::parse(line);
    const std::string user = event.find("user")->string_or("username"), verb = event.string_or("verb");
    const std::string decision = event.find("annotations")->string_or("authorization.k8s.io/decision");
    refused = refused || (user == "looker" && verb == "list" && decision == "forbid");
    applied = applied || (user == "deployer" && verb == "patch" && decision == "allow" &&
                          event.find("objectRef")->string_or("name") == "c");
    copied = copied || event.string_or("requestURI") == "/backup";
    stranger = stranger || (event.find("responseStatus")->int_or("code", 0) == 401 && user.empty());
    EXPECT_EQ(event.find("sourceIPs")->as_array()[0].as_string(), "127.0.0.1");
  }
  EXPECT_TRUE(refused) << read(audit);
  EXPECT_TRUE(applied) << read(audit);
  EXPECT_TRUE(copied) << read(audit);
  EXPECT_TRUE(stranger) << read(audit);
}

TEST_F(AccessTest, AProgramGetsATokenOfItsServiceAccount) {
  if (kubectl < kWithTokens) GTEST_SKIP() << "NOT TESTED: this kubectl is 1." << kubectl << ", and asks for no tokens";
  must(controller.kubectl({"create", "serviceaccount", "ci", "-n", "prod"}));
  std::string bare = must(controller.kubectl({"create", "token", "ci", "-n", "prod", "--duration", "1h"}));
  while (bare.ends_with('\n')) bare.pop_back();
  EXPECT_THAT(bare, MatchesRegex("[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+"));
  const auto ask = [&](std::vector<std::string> command, const std::string& with) {
    command.insert(command.begin(), {"kubectl", "--kubeconfig", "/dev/null", "--server", controller.address(),
                                     "--certificate-authority", controller.folder("data/pki/ca.crt"), "--token", with});
    return run(command, {{"HOME", controller.folder("home-ci")}});
  };
  EXPECT_THAT(must(ask({"auth", "whoami"}, bare)), HasSubstr("system:serviceaccount:prod:ci"));
  EXPECT_EQ(ask({"get", "apps", "-n", "prod"}, bare).exit_code, 1);
  must(controller.kubectl(
      {"create", "rolebinding", "ci", "--clusterrole=view", "--serviceaccount=prod:ci", "-n", "prod"}));
  must(ask({"get", "apps", "-n", "prod"}, bare));
  EXPECT_THAT(ask({"get", "apps", "-n", "prod"}, bare + "x").err, HasSubstr("You must be logged in to the server"));
  must(controller.kubectl({"delete", "serviceaccount", "ci", "-n", "prod"}));
  EXPECT_THAT(ask({"get", "apps", "-n", "prod"}, bare).err, HasSubstr("You must be logged in to the server"));
}

TEST_F(AccessTest, WhoScrapesSeesMetricsAndNothingElse) {
  const auto get = [&](const std::string& path) {
    return run({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", controller.folder("data/pki/ca.crt"),
                "-H", "Authorization: Bearer " + read(controller.folder("data/metrics.token")),
                controller.address() + path})
        .out;
  };
  EXPECT_EQ(get("/metrics"), "200");
  EXPECT_EQ(get("/apis/gantry.dev/v1alpha1/apps"), "403");
  EXPECT_EQ(get("/api/v1/secrets"), "403");
  EXPECT_EQ(get("/uploads/0000"), "403");
}

TEST_F(AccessTest, AKubeconfigIsMadeForNobodyWhoCannotBe) {
  const auto make = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"kubeconfig", "--data-dir", controller.folder("data")});
    return controller.gantry(more);
  };
  EXPECT_NE(make({}).exit_code, 0);
  EXPECT_THAT(make({"--user", "system:admin"}).err, HasSubstr("belong to the controller"));
  EXPECT_THAT(make({"--user", "x", "--valid", "1s"}).err, HasSubstr("at least 10m"));
  EXPECT_THAT(must(make({"--user", "x", "--server", "https://gantry.example.org:6443"})),
              HasSubstr("server: https://gantry.example.org:6443"));
  controller.stop();
  EXPECT_THAT(must(make({"--user", "offline"})), HasSubstr("name: offline"));
}

}  // namespace
}  // namespace gantry::process
