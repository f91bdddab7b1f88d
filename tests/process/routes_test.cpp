// Goal: an App under its own name over HTTPS, through deploys, failures and kills, with the real binary and the real
// Caddy. Method: curl with the proxy's own authority, a steady load beside deploys, and signals.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/process/gantry_process.hpp"
#include "tests/process/steady_load.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class Routes : public testing::Test {
 protected:
  void SetUp() override {
    if (!have("caddy")) GTEST_SKIP() << "Caddy is not installed";
    controller.start();
  }
  void TearDown() override {
    if (!have("caddy")) return;
    controller.gantry({"delete", "apps", "--all", "--timeout=60s"});
    EXPECT_TRUE(eventually([&] { return proxy_pid("caddy") == 0; })) << "the proxy ends with the last route";
  }

  static std::string app(const std::string& greeting, const std::string& route, const std::string& name = "web",
                         const std::string& more = {}) {
    return "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: " + name +
           "}\nspec:\n  runtime: process\n  source: {code: {path: /usr/share/common-licenses}}\n"
           "  command: [\"$(GANTRY_BINARY)\", demo]\n  replicas: 2\n  env: [{name: GREETING, value: \"" +
           greeting + "\"}]\n  ports: [{name: http, port: 8000}]\n" +
           "  health: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}\n  routes: [" + route + "]\n" + more;
  }
  void apply_and_wait(const std::string& manifest, const std::string& name = "web") {
    controller.apply(manifest);
    const auto done = controller.gantry({"rollout", "status", name, "--timeout=60s"});
    ASSERT_EQ(done.exit_code, 0) << done.err << controller.gantry({"why", name}).out << controller.log();
  }
  std::string authority() const {
    return controller.folder("data/routing/certificates/pki/authorities/local/root.crt");
  }
  // What a client of that name gets over HTTPS, trusting the proxy's own authority and nobody else.
  std::string ask(const std::string& host, const std::string& path = "/") const {
    const std::string port = std::to_string(https);
    return run({"curl", "-sS", "--max-time", "15", "--cacert", authority(), "--resolve",
                host + ":" + port + ":127.0.0.1", "https://" + host + ":" + port + path})
        .out;
  }
  int proxy_pid(const std::string& program) const {
    const auto found =
        run({"pgrep", "-f",
             (program == "caddy" ? "caddy run --config " : "gantry relay --dir ") + controller.folder("data/routing")});
    return found.exit_code == 0 ? std::atoi(found.out.c_str()) : 0;
  }

  int http = free_port();
  int https = free_port();
  Controller controller{{"--http-port", std::to_string(http), "--https-port", std::to_string(https)}};
};

const std::string kRoute = "{host: web.test, port: http, tls: {mode: internal}}";

TEST_F(Routes, AnAppAnswersUnderItsNameOverHttps) {
  apply_and_wait(app("hello", kRoute));
  EXPECT_THAT(ask("web.test"), StartsWith("hello"));
  const auto plain = run({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-H", "Host: web.test",
                          "http://127.0.0.1:" + std::to_string(http) + "/x"});
  EXPECT_EQ(plain.out, "308 https://web.test:" + std::to_string(https) + "/x");
  EXPECT_TRUE(
      eventually([&] { return controller.condition("app/web", "CertificateReady") == "True/CertificateShown"; }));
  EXPECT_EQ(controller.get("app/web").at({"status", "urls"})->as_array()[0].as_string(),
            "https://web.test:" + std::to_string(https));
}

TEST_F(Routes, NoRequestFailsThroughDeploysInARow) {
  apply_and_wait(app("deploy 0", kRoute));
  SteadyLoad load({.port = https,
                   .host = "web.test",
                   .authority = read(authority()),
                   .per_second = 200,
                   .slow_path = "/slow?seconds=2"});
  for (int n = 1; n <= 3; ++n) apply_and_wait(app("deploy " + std::to_string(n), kRoute));
  apply_and_wait(app("deploy 4", kRoute, "web", "  strategy: {type: BlueGreen}\n"));
  // Requests wait for the moment in which nobody is there.
  apply_and_wait(app("deploy 5", kRoute, "web", "  strategy: {type: Recreate}\n"));
  const auto result = load.stop();
  EXPECT_EQ(result.failed, 0U) << testing::PrintToString(result.failures);
  EXPECT_GT(result.answered, 500U);
  EXPECT_GT(result.slow_answered, 2U);
  EXPECT_THAT(ask("web.test"), StartsWith("deploy 5"));
}

TEST_F(Routes, ABadDeployNeverServesAndSaysWhy) {
  apply_and_wait(app("good", kRoute));
  std::string bad = app("bad", kRoute, "web", "  strategy: {progressDeadlineSeconds: 3}\n");
  bad.replace(bad.find("[\"$(GANTRY_BINARY)\", demo]"), 26, "[sh, -c, 'echo the database is not there; exit 7']");
  SteadyLoad load(
      {.port = https, .host = "web.test", .authority = read(authority()), .per_second = 100, .slow_connections = 0});
  controller.apply(bad);
  ASSERT_TRUE(eventually([&] { return controller.condition("app/web", "Ready") == "False/RolloutFailed"; }))
      << controller.gantry({"describe", "app/web"}).out;
  EXPECT_EQ(load.stop().failed, 0U);
  EXPECT_THAT(ask("web.test"), StartsWith("good"));
  const auto why = controller.gantry({"why", "web"});
  EXPECT_THAT(why.out, AllOf(HasSubstr("RolloutFailed"), HasSubstr("code 7"), HasSubstr("the database is not there")));
  const json::Value release = controller.get("release/web-2");
  EXPECT_EQ(release.at({"status", "evidence", "exitCode"})->as_int(), 7);
}

TEST_F(Routes, CaddyAndTheRelayAreBackAfterAKillAlsoWithoutTheController) {
  apply_and_wait(app("here", kRoute));
  for (const std::string program : {"caddy", "relay"}) {
    const int before = proxy_pid(program);
    ASSERT_GT(before, 0) << program;
    ::kill(before, SIGKILL);
    EXPECT_TRUE(eventually([&] { return ask("web.test").starts_with("here") && proxy_pid(program) != before; }))
        << program;
  }
  const int caddy = proxy_pid("caddy");
  controller.kill();
  EXPECT_THAT(ask("web.test"), StartsWith("here")) << "served on without its controller";
  controller.start();
  ASSERT_TRUE(eventually([&] { return controller.ready("app/web"); }));
  EXPECT_EQ(proxy_pid("caddy"), caddy) << "found again, not started again";
}

TEST_F(Routes, ACertificateThatIsNoneLeavesTheRouteOfBefore) {
  apply_and_wait(app("before", kRoute));
  controller.apply(
      "apiVersion: v1\nkind: Secret\nmetadata: {name: broken}\nstringData: {tls.crt: none, tls.key: none}\n---\n" +
      app("before", "{host: web.test, port: http, tls: {mode: secret, secretRef: {name: broken}}}"));
  ASSERT_TRUE(eventually([&] { return controller.condition("app/web", "RouteReady") == "False/RouteRefused"; }))
      << controller.gantry({"describe", "app/web"}).out;
  EXPECT_THAT(ask("web.test"), StartsWith("before"));
  EXPECT_THAT(controller.gantry({"why", "web"}).out, HasSubstr("Caddy refuses the configuration"));
  apply_and_wait(app("after", kRoute));
  EXPECT_THAT(ask("web.test"), StartsWith("after"));
}

TEST_F(Routes, ACertificateOfASecretIsShownAndFollowsIt) {
  if (!have("openssl")) GTEST_SKIP() << "openssl makes the certificates";
  const auto secret = [&](const std::string& organization) {
    const auto made =
        run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "2", "-subj", "/O=" + organization + "/CN=web.test", "-addext", "subjectAltName=DNS:web.test", "-keyout",
             controller.folder("key.pem"), "-out", controller.folder("cert.pem")});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    const auto applied = controller.kubectl({"create", "secret", "tls", "cert", "--cert", controller.folder("cert.pem"),
                                             "--key", controller.folder("key.pem"), "--dry-run=client", "-o", "yaml"});
    controller.apply(applied.out);
  };
  const auto shown = [&] {
    return run({"sh", "-c",
                "openssl s_client -connect 127.0.0.1:" + std::to_string(https) +
                    " -servername web.test </dev/null 2>/dev/null | openssl x509 -noout -subject"})
        .out;
  };
  secret("first");
  apply_and_wait(app("own", "{host: web.test, port: http, tls: {mode: secret, secretRef: {name: cert}}}"));
  EXPECT_THAT(shown(), HasSubstr("first"));
  secret("second");
  EXPECT_TRUE(eventually([&] { return shown().find("second") != std::string::npos; })) << shown();
  EXPECT_THAT(controller.log(), Not(HasSubstr("PRIVATE KEY")));
}

TEST_F(Routes, TwoAppsCannotClaimTheSameRouteAndCanShareAName) {
  apply_and_wait(app("first", kRoute));
  const auto refused = controller.kubectl({"apply", "-f", "-"}, app("second", kRoute, "shop"));
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("default/web"), HasSubstr("default/shop"), HasSubstr("web.test/")));
  apply_and_wait(app("second", "{host: web.test, path: /shop, port: http, tls: {mode: internal}}", "shop"), "shop");
  EXPECT_THAT(ask("web.test"), StartsWith("first"));
  EXPECT_THAT(ask("web.test", "/shop"), HasSubstr("not found")) << "the demo knows no /shop, but it was asked";
}

TEST_F(Routes, AStoppedAppStaysStoppedOverSyncsAndRestarts) {
  apply_and_wait(app("on", kRoute));
  EXPECT_EQ(controller.gantry({"stop", "web"}).exit_code, 0);
  ASSERT_TRUE(eventually([&] { return controller.condition("app/web", "Ready") == "False/Stopped"; }));
  controller.apply(app("on", kRoute));
  controller.stop();
  controller.start();
  EXPECT_TRUE(eventually([&] { return ask("web.test").find("no instance") != std::string::npos; })) << ask("web.test");
  EXPECT_EQ(controller.get("app/web").at({"status", "replicas"})->as_int(), 0);
  EXPECT_EQ(controller.gantry({"start", "web"}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return ask("web.test").starts_with("on"); })) << controller.gantry({"why", "web"}).out;
}

TEST_F(Routes, AnUndoIsNotUndoneByFiveSyncs) {
  apply_and_wait(app("one", kRoute));
  apply_and_wait(app("two", kRoute));
  EXPECT_EQ(controller.gantry({"rollout", "undo", "web"}).exit_code, 0);
  ASSERT_EQ(controller.gantry({"rollout", "status", "web", "--timeout=60s"}).exit_code, 0);
  EXPECT_THAT(ask("web.test"), StartsWith("one"));
  for (int sync = 0; sync < 5; ++sync) apply_and_wait(app("two", kRoute));
  EXPECT_THAT(ask("web.test"), StartsWith("one"));
  EXPECT_EQ(controller.get("app/web").at({"status", "hold", "until"})->as_string(), "the spec changes");
  apply_and_wait(app("three", kRoute));
  EXPECT_THAT(ask("web.test"), StartsWith("three"));
}

}  // namespace
}  // namespace gantry::process
