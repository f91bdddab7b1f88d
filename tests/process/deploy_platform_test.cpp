// Goal: manifests/deploy-platform whole, on each cloud: the base snapshot, the custom one made from it, two servers
// from that, and an App from each source (code, git, image) on both; then everything goes, and the account is empty.
// Method: the real controller, the vendor emulated behind a real socket, and real machines behind the vendor, which
// fetch the real agent and run a real Docker. Skipped, with the reason, where no such machines can be made.
#include <gmock/gmock.h>

#include <array>
#include <filesystem>
#include <iostream>
#include <set>

#include "tests/emulators/digitalocean.hpp"
#include "tests/emulators/hetzner.hpp"
#include "tests/process/real_cloud.hpp"
#include "tests/process/seed.hpp"

namespace gantry::process {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kLong = 400s;  // no more than a net: everything is waited for, and nothing is timed
const std::string kNamespace = "deploy-platform";
constexpr std::array kApps{"app/from-code", "app/from-git", "app/from-image"};

struct DigitalOcean {
  using Emulator = emulators::DigitalOcean;
  static constexpr const char* size = "s-1vcpu-1gb";
  static std::vector<std::pair<std::string, std::string>> words() { return {}; }  // the manifests are written for it
  static const auto& servers(const Emulator& cloud) { return cloud.droplets; }
};

struct Hetzner {
  using Emulator = emulators::Hetzner;
  static constexpr const char* size = "cx23";
  static std::vector<std::pair<std::string, std::string>> words() {
    return {{"type: digitalocean", "type: hetzner"},
            {"ubuntu-24-04-x64", "ubuntu-24.04"},
            {"s-1vcpu-1gb", "cx23"},
            {"[lon1, fra1]", "[fsn1, nbg1]"},
            {"lon1", "fsn1"},
            {"60 USD", "60 EUR"}};
  }
  static const auto& servers(const Emulator& cloud) { return cloud.servers; }
};

template <class Vendor>
class DeployPlatform : public testing::Test {
 protected:
  void SetUp() override {
    cloud = std::make_unique<RealCloud<typename Vendor::Emulator>>(emulators::Pace{.create = 500ms,
                                                                                   .remove = 200ms,
                                                                                   .power = 200ms,
                                                                                   .snapshot = 500ms,
                                                                                   .transfer = 500ms,
                                                                                   .small = 100ms,
                                                                                   .script = 1s,
                                                                                   .visible = 500ms});
    if (!cloud->trouble().empty()) GTEST_SKIP() << cloud->trouble();
    seed = std::make_unique<Seed>(kNamespace, cloud->controller_arguments());
  }
  void TearDown() override {
    if (HasFailure() && seed) {
      std::cout
          << seed->controller.gantry({"-n", kNamespace, "get", "providers,snapshots,servers,apps", "-o", "yaml"}).out
          << seed->controller.log();
      cloud->tell_all();
    }
    seed.reset();
    cloud.reset();
  }

  std::string ready_of(const std::string& what) const {
    const json::Value object = seed->get(what);
    const json::Value* conditions = object.at({"status", "conditions"});
    for (const auto& one : conditions ? conditions->as_array() : json::Array()) {
      if (one.string_or("type") == "Ready") return one.string_or("status") + " " + one.string_or("message");
    }
    return "nothing is said";
  }
  void expect_ready(const std::string& what) const {
    EXPECT_TRUE(eventually([&] { return ready_of(what).starts_with("True"); }, kLong))
        << what << ": " << ready_of(what);
  }
  // A service with a Dockerfile of its own: as code beside the manifests, and as a repository.
  void lay_out_code() {
    seed->lay_out("from-code", "service", false);
    const std::string code = seed->controller.folder("manifests/" + kNamespace + "/code/from-code");
    write(code + "/Dockerfile", "FROM scratch\nCOPY service /service\nUSER 1000\nCMD [\"/service\"]\n");
    const std::string repository = seed->controller.folder("repository");
    const Outcome made = run({"sh", "-ec",
                              "cp -r " + code + " " + repository + "\ncd " + repository +
                                  "\ngit init -q -b main .\ngit add -A\n"
                                  "git -c user.name=t -c user.email=t@example.org commit -qm first"});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    seed->change("https://git.example.org/team/service.git", "file://" + repository);
  }
  std::set<std::string> server_names() {
    return cloud->there([](auto& vendor) {
      std::set<std::string> names;
      for (const auto& [id, server] : Vendor::servers(vendor)) names.insert(server.name);
      return names;
    });
  }

  std::unique_ptr<RealCloud<typename Vendor::Emulator>> cloud;
  std::unique_ptr<Seed> seed;
};

using Vendors = testing::Types<DigitalOcean, Hetzner>;
TYPED_TEST_SUITE(DeployPlatform, Vendors);

TYPED_TEST(DeployPlatform, IsMadeWholeAndGoesWhole) {
  if (!have("git")) GTEST_SKIP() << "git is not installed";
  this->lay_out_code();
  Seed& seed = *this->seed;
  for (const auto& [what, by] : TypeParam::words()) seed.change(what, by);
  seed.change("  credentials: {", "  endpoint: " + this->cloud->url() + "\n  credentials: {");
  seed.secret("do-token", {"token=" + this->cloud->token()});
  seed.secret("deploy-key", {"ssh-privatekey=none"});
  const std::size_t images_before = this->cloud->there([](auto& vendor) { return vendor.images.size(); });
  const Outcome applied = seed.apply();
  ASSERT_EQ(applied.exit_code, 0) << applied.out << applied.err;

  for (const char* snapshot : {"snapshot/base-docker-ubuntu", "snapshot/media-tools"}) this->expect_ready(snapshot);
  for (const char* server : {"server/web-1", "server/web-2"}) this->expect_ready(server);
  for (const char* app : kApps) this->expect_ready(app);
  if (testing::Test::HasFailure()) return;

  // Two servers, no builder; one image of each Snapshot; and what both Snapshots asked for is on the servers' disks.
  const std::set<std::string> names{"deploy-platform-web-1", "deploy-platform-web-2"};
  EXPECT_TRUE(eventually([&] { return this->server_names() == names; }, kLong));
  EXPECT_EQ(this->cloud->there([](auto& vendor) { return vendor.images.size(); }), images_before + 2);
  const auto ids = this->cloud->there([](auto& vendor) {
    std::vector<std::int64_t> all;
    for (const auto& [id, server] : TypeParam::servers(vendor)) all.push_back(id);
    return all;
  });
  for (const auto id : ids) {
    EXPECT_THAT(this->cloud->machines().packages(id),
                testing::ElementsAre("docker.io", "git", "curl", "ca-certificates", "ffmpeg", "imagemagick"));
  }
  // Each App answers on each server.
  for (const char* app : kApps) {
    const json::Value object = seed.get(app);
    const json::Value* urls = object.at({"status", "urls"});
    ASSERT_TRUE(urls) << json::dump(object);
    EXPECT_THAT(urls->as_array(), SizeIs(2)) << app;
    for (const auto& url : urls->as_array())
      EXPECT_THAT(curl(url.as_string() + "/health"), HasSubstr("ok")) << app << " at " << url.as_string();
    if (std::string_view(app) == "app/from-code")
      EXPECT_EQ(curl(urls->as_array()[0].as_string() + "/env/KEY"), "value");
  }

  // A third server would pass the limit: refused before it is stored, with the sum.
  const Outcome lowered = seed.controller.kubectl(
      {"-n", kNamespace, "patch", "provider", "do", "--type=merge", "-p", R"({"spec":{"limits":{"servers":2}}})"});
  ASSERT_EQ(lowered.exit_code, 0) << lowered.err;
  const std::string third =
      "apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: web-3, namespace: " + kNamespace +
      "}\nspec: {providerRef: {name: do}, size: " + TypeParam::size + ", snapshotRef: {name: media-tools}}\n";
  const Outcome refused = seed.controller.gantry({"apply", "-f", "-"}, third);
  EXPECT_THAT(refused.out + refused.err, HasSubstr("is 2 (spec.limits.servers), and with this it would be 3: 2 there"));
  EXPECT_TRUE(seed.get("server/web-3").is_null());

  // E-56: another token of the same account, and no agent is lost.
  const auto said_with = [&] {
    const json::Value provider = seed.get("provider/do");
    const json::Value* text = provider.at({"status", "identity", "credentials"});
    return text ? text->as_string() : "";
  };
  const std::string before = said_with();
  this->cloud->there([](auto& vendor) { vendor.token = "the-next-token"; });
  const Outcome rotated = seed.controller.gantry(
      {"apply", "-f", "-"}, "apiVersion: v1\nkind: Secret\nmetadata: {name: do-token, namespace: " + kNamespace +
                                "}\nstringData: {token: the-next-token}\n");
  EXPECT_EQ(rotated.exit_code, 0) << rotated.err;
  EXPECT_TRUE(eventually([&] { return said_with() != before; }, kLong)) << this->ready_of("provider/do");
  for (const char* what : {"provider/do", "server/web-1", "server/web-2"}) this->expect_ready(what);

  EXPECT_EQ(seed.controller.gantry({"delete", "namespace", kNamespace, "--wait=false"}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return seed.controller.get("namespace/" + kNamespace).is_null(); }, kLong))
      << seed.controller.gantry({"-n", kNamespace, "get", "apps,servers,snapshots,providers"}).out;
  EXPECT_THAT(this->server_names(), IsEmpty());
  EXPECT_EQ(this->cloud->there([](auto& vendor) { return vendor.images.size(); }), images_before);
  EXPECT_TRUE(this->cloud->there([](auto& vendor) { return vendor.firewalls.empty(); }));
  EXPECT_EQ(this->cloud->machines().running(), 0U);
  EXPECT_THAT(this->cloud->there([](auto& vendor) { return vendor.breaches(); }), IsEmpty());
  EXPECT_EQ(this->cloud->there([](auto& vendor) { return vendor.over_the_limit(); }), 0);
  std::cout << "calls to the vendor: " << this->cloud->there([](auto& vendor) { return vendor.log().size(); }) << "\n";
}

}  // namespace
}  // namespace gantry::process
