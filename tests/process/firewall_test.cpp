// Goal: on each cloud, a Server's firewall lets in what runs there and nothing else: the port of an App is closed
// before the App is there, open while it runs, and closed when it goes; SSH is open to the networks of an emergency
// alone; and the agent's port is never shut, not even to a firewall that names nothing. Method: as
// deploy_platform_test, and the vendor's firewall is a real one: whoever knocks is a real client, and what is not let
// in meets silence.
#include <gmock/gmock.h>

#include "tests/emulators/digitalocean.hpp"
#include "tests/emulators/hetzner.hpp"
#include "tests/process/real_cloud.hpp"

namespace gantry::process {
namespace {

using namespace std::chrono_literals;

constexpr auto kAtMost = 200s;  // no more than a net: everything is waited for, and nothing is timed

// What a client from outside meets there.
std::string knock(const std::string& address, int port) {
  const Outcome outcome = run({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2",
                               "http://" + address + ":" + std::to_string(port) + "/healthz"});
  if (outcome.exit_code == 7) return "refused";
  if (outcome.exit_code == 28) return "silence";
  return outcome.out;
}

struct AtDigitalOcean {
  using Emulator = emulators::DigitalOcean;
  static constexpr const char* type = "digitalocean";
  static constexpr const char* size = "s-1vcpu-1gb";
  static constexpr const char* image = "ubuntu-24-04-x64";
  static constexpr const char* region = "lon1";
};
struct AtHetzner {
  using Emulator = emulators::Hetzner;
  static constexpr const char* type = "hetzner";
  static constexpr const char* size = "cx23";
  static constexpr const char* image = "ubuntu-24.04";
  static constexpr const char* region = "fsn1";
};

template <class Vendor>
class CloudFirewall : public testing::Test {
 protected:
  void SetUp() override {
    if (!have("busybox")) GTEST_SKIP() << "busybox is not installed";
    cloud.emplace(emulators::Pace{.create = 500ms, .remove = 200ms, .power = 200ms, .small = 100ms, .visible = 500ms});
    if (!cloud->trouble().empty()) GTEST_SKIP() << cloud->trouble();
    auto arguments = cloud->controller_arguments();
    arguments.insert(arguments.end(),
                     {"--http-port", std::to_string(free_port()), "--https-port", std::to_string(free_port())});
    controller.emplace(arguments);
    controller->start();
  }
  void TearDown() override {
    if (HasFailure() && controller) {
      std::cout << controller->gantry({"get", "servers,apps", "-o", "yaml"}).out << controller->log();
      cloud->tell_all();
    }
    controller.reset();
    cloud.reset();
  }
  std::string provider(const std::string& more = {}) const {
    return std::string("apiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: cloud}\nspec:\n  type: ") +
           Vendor::type + "\n  region: " + Vendor::region + "\n  endpoint: " + cloud->url() +
           "\n  credentials: {secretRef: {name: cloud-token}}\n" + more + "---\n";
  }
  bool becomes(const std::string& what, const std::string& status) const {
    return eventually([&] { return controller->condition(what, "Ready").starts_with(status); }, kAtMost);
  }
  std::string knock(int port) const { return gantry::process::knock(address, port); }
  bool meets(int port, const std::string& what) const {
    return eventually([&] { return knock(port) == what; }, kAtMost);
  }

  std::optional<RealCloud<typename Vendor::Emulator>> cloud;
  std::optional<Controller> controller;
  std::string address;
};
using Vendors = testing::Types<AtDigitalOcean, AtHetzner>;
TYPED_TEST_SUITE(CloudFirewall, Vendors);

// What the fixture is worth.
TEST(Machines, AWallLetsInWhatItNamesAndNothingElse) {
  OwnNetwork network({});
  if (!network.trouble().empty()) GTEST_SKIP() << network.trouble();
  if (!have("busybox")) GTEST_SKIP() << "busybox is not installed";
  Machines machines;
  if (const auto why = machines.trouble(Machines::Needs::Nothing); !why.empty()) GTEST_SKIP() << why;
  const std::string address = machines.start(7, 0, "echo ok > /tmp/healthz; busybox httpd -p 22 -h /tmp\n");
  EXPECT_TRUE(eventually([&] { return knock(address, 22) == "200"; }, kAtMost)) << machines.logs();
  machines.protect(7, std::vector<emulators::Opening>{});
  EXPECT_EQ(knock(address, 22), "silence") << machines.logs();
  machines.protect(7, std::vector<emulators::Opening>{{"tcp", 20, 30, {"::/0", "10.77.0.0/24"}}});
  EXPECT_EQ(knock(address, 22), "200") << machines.logs();
  EXPECT_EQ(knock(address, 31), "silence");
  machines.protect(7, std::nullopt);
  EXPECT_EQ(knock(address, 31), "refused");
}

TYPED_TEST(CloudFirewall, FollowsTheAppsOfItsServerAndNeverShutsOutTheAgent) {
  constexpr int kSsh = 22;
  constexpr int kApp = 18'090;
  constexpr int kOther = 18'091;
  // What listens all the time, so that silence is the firewall's and not an empty port's.
  const std::string server = std::string(R"yaml(
apiVersion: gantry.dev/v1alpha1
kind: Server
metadata: {name: web-1}
spec:
  providerRef: {name: cloud}
  size: )yaml") + TypeParam::size +
                             R"yaml(
  image: )yaml" + TypeParam::image +
                             R"yaml(
  firewall: {inbound: []}
  userData: |
    #!/bin/sh
    mkdir -p /var/www && echo ok > /var/www/healthz
    busybox httpd -p 22 -h /var/www
    busybox httpd -p 18091 -h /var/www
---
)yaml";
  this->controller->apply("apiVersion: v1\nkind: Secret\nmetadata: {name: cloud-token}\nstringData: {token: " +
                          this->cloud->token() + "}\n---\n" + this->provider() + server);
  ASSERT_TRUE(this->becomes("server/web-1", "True")) << "its agent is behind a firewall that names nothing";
  this->address = this->controller->get("server/web-1").at({"status", "addresses"})->as_array()[0].string_or("address");
  EXPECT_TRUE(this->meets(kOther, "silence"));
  EXPECT_EQ(this->knock(kSsh), "silence");
  EXPECT_EQ(this->knock(kApp), "silence");

  this->controller->apply(R"yaml(
apiVersion: gantry.dev/v1alpha1
kind: App
metadata: {name: web}
spec:
  runtime: process
  source: {code: {path: )yaml" GANTRY_SOURCE_DIR R"yaml(/manifests/quickstart/apps/hello}}
  command: [busybox, httpd, -f, -p, "18090", -h, /var/www]
  strategy: {type: Recreate}
  ports: [{name: http, port: 18090, hostPort: 18090}]
  health: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
  placement: {servers: [{name: web-1}]}
)yaml");
  ASSERT_TRUE(this->becomes("app/web", "True")) << this->controller->gantry({"describe", "app/web"}).out;
  EXPECT_EQ(this->knock(kApp), "200") << "an App is Ready when it can be reached";
  EXPECT_EQ(this->knock(kOther), "silence");

  this->controller->apply(this->provider("  adminCIDRs: [" + Machines::host_address() + "/32]\n"));
  EXPECT_TRUE(this->meets(kSsh, "200"));
  EXPECT_EQ(this->knock(kOther), "silence");
  this->controller->apply(this->provider("  adminCIDRs: [192.0.2.0/24]\n"));
  EXPECT_TRUE(this->meets(kSsh, "silence")) << "it is open to another network";

  EXPECT_EQ(this->controller->gantry({"delete", "app/web", "--timeout=120s"}).exit_code, 0);
  EXPECT_TRUE(this->meets(kApp, "silence"));
  EXPECT_TRUE(this->controller->condition("server/web-1", "Ready").starts_with("True"))
      << this->controller->condition("server/web-1", "Ready");

  EXPECT_EQ(this->controller->gantry({"delete", "server/web-1", "--timeout=120s"}).exit_code, 0);
  EXPECT_TRUE(this->cloud->there([](auto& vendor) { return vendor.firewalls.empty(); }));
  EXPECT_THAT(this->cloud->there([](auto& vendor) { return vendor.breaches(); }), testing::IsEmpty());
}

}  // namespace
}  // namespace gantry::process
