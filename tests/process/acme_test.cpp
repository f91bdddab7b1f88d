// Goal: tls.mode acme ends with a certificate that a real authority has issued after it has seen the name served.
// Method: a second Caddy is the authority (its acme_server), in a network where both can have the ports that the
// protocol demands.
#include <gmock/gmock.h>

#include "tests/process/gantry_process.hpp"
#include "tests/process/own_network.hpp"

namespace gantry::process {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

// Its own certificate and those that it issues are signed by the same root.
class Authority {
 public:
  void start() {
    write(folder_ / "caddy.json", R"json({
  "admin": {"disabled": true},
  "storage": {"module": "file_system", "root": ")json" +
                                      (folder_ / "storage") + R"json("},
  "apps": {
    "http": {"servers": {"acme": {
      "listen": ["127.0.0.1:9443"],
      "automatic_https": {"disable": true},
      "tls_connection_policies": [{}],
      "routes": [{"handle": [{"handler": "acme_server", "ca": "local", "host": "ca.test:9443"}]}]}}},
    "tls": {
      "certificates": {"automate": ["ca.test"]},
      "automation": {"policies": [{"subjects": ["ca.test"], "issuers": [{"module": "internal"}]}]}},
    "pki": {"certificate_authorities": {"local": {"name": "Test Authority", "install_trust": false}}}}
})json");
    process_ = std::make_unique<Background>(
        std::vector<std::string>{"caddy", "run", "--config", folder_ / "caddy.json"}, folder_ / "log",
        std::map<std::string, std::string>{{"HOME", folder_.path()}, {"XDG_DATA_HOME", folder_.path()}});
    const bool up = eventually(
        [&] { return run({"curl", "-s", "--cacert", root(), directory()}).out.find("newOrder") != std::string::npos; });
    ASSERT_TRUE(up) << log();
  }
  std::string directory() const { return "https://ca.test:9443/acme/local/directory"; }
  std::string root() const { return folder_ / "storage/pki/authorities/local/root.crt"; }
  std::string log() const { return read(folder_ / "log"); }

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Background> process_;
};

class Acme : public testing::Test {
 protected:
  void SetUp() override {
    if (!have("caddy")) GTEST_SKIP() << "NOT TESTED: Caddy is not installed";
    if (!network.trouble().empty()) GTEST_SKIP() << "NOT TESTED: " << network.trouble();
    authority.start();
  }
  static std::string app() {
    return "apiVersion: gantry.dev/v1alpha1\nkind: App\nmetadata: {name: web}\nspec:\n  runtime: process\n"
           "  source: {code: {path: /usr/share/common-licenses}}\n  command: [\"$(GANTRY_BINARY)\", demo]\n"
           "  env: [{name: GREETING, value: hello}]\n  ports: [{name: http, port: 8000}]\n"
           "  routes: [{host: web.test, port: http, tls: {mode: acme}}]\n";
  }
  void end(Controller& controller) {
    controller.gantry({"delete", "apps", "--all", "--timeout=60s"});
    EXPECT_TRUE(eventually([&] {
      return run({"pgrep", "-f", "caddy run --config " + controller.folder("data/routing")}).exit_code != 0;
    })) << "the proxy ends with the last route";
  }

  OwnNetwork network{{"web.test", "ca.test"}};
  Authority authority;
};

TEST_F(Acme, ARouteIsServedWithACertificateThatTheDirectoryIssued) {
  Controller controller{{"--http-port", "80", "--https-port", "443", "--acme-directory", authority.directory(),
                         "--acme-ca", authority.root(), "--acme-email", "ops@web.test"}};
  controller.start();
  controller.apply(app());
  ASSERT_TRUE(eventually([&] { return controller.condition("app/web", "CertificateReady") == "True/CertificateShown"; },
                         std::chrono::seconds(60)))
      << controller.gantry({"describe", "app/web"}).out << authority.log() << controller.log();
  // Trusting nobody but that authority.
  const Outcome asked = run({"curl", "-sSv", "--cacert", authority.root(), "https://web.test/"});
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_THAT(asked.out, StartsWith("hello"));
  EXPECT_THAT(asked.err, AllOf(HasSubstr("Test Authority"), HasSubstr("SSL certificate verify ok")));
  EXPECT_TRUE(eventually([&] { return controller.ready("app/web"); }));
  end(controller);
}

TEST_F(Acme, ADirectoryThatDoesNotAnswerIsSaidAndTheAppRuns) {
  Controller controller{{"--http-port", "80", "--https-port", "443", "--acme-directory",
                         "https://ca.test:9444/acme/local/directory", "--acme-ca", authority.root()}};
  controller.start();
  controller.apply(app());
  EXPECT_TRUE(eventually([&] { return controller.condition("app/web", "CertificateReady") == "False/NoCertificate"; }))
      << controller.gantry({"describe", "app/web"}).out;
  EXPECT_TRUE(eventually([&] { return controller.condition("app/web", "Available").starts_with("True"); }));
  EXPECT_THAT(controller.gantry({"why", "web"}).out, HasSubstr("web.test"));
  end(controller);
}

}  // namespace
}  // namespace gantry::process
