// Goal: manifests/home-lab whole, with nothing emulated: a real Debian with systemd, cloud-init and Docker in
// containers of a real hypervisor; a Snapshot, another from that, two Servers, an App from each source on both; then
// all of it goes. Method: the manifests as they are, but for what needs the Internet: packages are in the image
// already, and the image nginx:1.27 comes from this test. Skipped, with the reason, where no such machine can be made.
#include <gmock/gmock.h>

#include "tests/process/lxd_daemon.hpp"
#include "tests/process/saved_image.hpp"
#include "tests/process/seed.hpp"

namespace gantry::process {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr auto kLong = 400s;  // no more than a net
const std::string kNamespace = "home-lab";

class HomeLab : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto why = LxdDaemon::missing(); !why.empty()) GTEST_SKIP() << "NOT TESTED: " << why;
    if (!have("git")) GTEST_SKIP() << "NOT TESTED: git is not installed";
    lxd = std::make_unique<LxdDaemon>();
    if (!lxd->trouble().empty()) GTEST_SKIP() << "NOT TESTED: " << lxd->trouble();
    if (const auto why = lxd->add_debian(); !why.empty()) GTEST_SKIP() << "NOT TESTED: " << why;
    if (const auto why = save_image(folder / "image.tar"); !why.empty()) GTEST_SKIP() << "NOT TESTED: " << why;
    images = std::make_unique<Background>(
        std::vector<std::string>{"busybox", "httpd", "-f", "-p", lxd->host_address() + ":5000", "-h", folder.path()},
        folder / "images.log");
    const std::string port = std::to_string(free_port());
    seed = std::make_unique<Seed>(
        kNamespace, std::vector<std::string>{"--listen", "0.0.0.0:" + port, "--advertise",
                                             lxd->host_address() + ":" + port, "--docker-socket", folder / "none"});
  }
  void TearDown() override {
    if (HasFailure() && seed) {
      std::cout << seed->controller.gantry({"-n", kNamespace, "get", "servers,snapshots,apps", "-o", "yaml"}).out
                << seed->controller.log();
      for (const auto& name : lxd->instances())
        std::cout << name << ":\n" << lxd->read_file(name, "/var/log/cloud-init-output.log");
    }
    seed.reset();
    images.reset();
    lxd.reset();
  }
  std::string ready_of(const std::string& what) const {
    return seed->controller.gantry({"-n", kNamespace, "why", what}).out;
  }
  void expect_ready(const std::string& what) const {
    EXPECT_TRUE(eventually([&] { return ready_of(what).contains(" is Ready"); }, kLong)) << ready_of(what);
  }
  void lay_out_code() const {
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

  TemporaryFolder folder;
  std::unique_ptr<LxdDaemon> lxd;
  std::unique_ptr<Background> images;
  std::unique_ptr<Seed> seed;
};

TEST_F(HomeLab, IsMadeWholeAndGoesWhole) {
  lay_out_code();
  seed->change("type: incus\n", "type: incus\n  endpoint: " + lxd->endpoint() + "\n");
  seed->change("packages: [docker.io, git, curl, ca-certificates]",
               "cloudInit: \"#cloud-config\\nruncmd: [[sh, -c, 'echo base >> /root/made-of']]\\n\"");
  seed->change("- [docker, pull, \"nginx:1.27\"]", "- [sh, -ec, \"curl -sf http://" + lxd->host_address() +
                                                       ":5000/image.tar | docker load; echo web >> /root/made-of\"]");
  const Outcome applied = seed->apply();
  ASSERT_EQ(applied.exit_code, 0) << applied.out << applied.err;
  for (const char* what : {"snapshot/base-docker", "snapshot/web", "server/web-1", "server/web-2", "app/from-code",
                           "app/from-git", "app/from-image"})
    expect_ready(what);
  if (HasFailure()) return;

  // What runcmd of either Snapshot did is on every disk, and no builder stays.
  for (const auto& name : lxd->instances()) EXPECT_EQ(lxd->read_file(name, "/root/made-of"), "base\nweb\n") << name;
  EXPECT_TRUE(eventually([&] { return lxd->instances().size() == 2; }, kLong));
  for (const char* app : {"app/from-code", "app/from-git", "app/from-image"}) {
    const json::Value object = seed->get(app);
    const json::Value* urls = object.at({"status", "urls"});
    ASSERT_TRUE(urls) << json::dump(object);
    EXPECT_THAT(urls->as_array(), SizeIs(2)) << app;
    for (const auto& url : urls->as_array())
      EXPECT_THAT(curl(url.as_string() + "/health"), HasSubstr("ok")) << app << " at " << url.as_string();
  }

  EXPECT_EQ(seed->controller.gantry({"delete", "namespace", kNamespace, "--wait=false"}).exit_code, 0);
  EXPECT_TRUE(eventually([&] { return seed->controller.get("namespace/" + kNamespace).is_null(); }, kLong))
      << seed->controller.gantry({"-n", kNamespace, "get", "apps,servers,snapshots,providers"}).out;
  EXPECT_THAT(lxd->instances(), IsEmpty());
  EXPECT_EQ(lxd->images_of_ours(), 0U);
}

// cloud-init goes on after an error; a machine on which something came to nothing must not become an image, and whoever
// wrote the Snapshot is told at once what it was.
TEST_F(HomeLab, WhatFailsInABuilderMakesNoImageAndIsTold) {
  seed->controller.apply(
      "apiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: lab}\nspec: {type: incus, endpoint: " +
      lxd->endpoint() +
      "}\n---\napiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: broken}\nspec:\n"
      "  providerRef: {name: lab}\n  from: {image: debian-12}\n  builder: {size: c1-m1}\n"
      "  cloudInit: |\n    #cloud-config\n    runcmd:\n    - [sh, -c, 'echo there is no such package; exit 7']\n");
  const auto why = [&] { return seed->controller.gantry({"why", "snapshot/broken"}).out; };
  EXPECT_TRUE(eventually([&] { return why().contains("there is no such package"); }, kLong)) << why();
  EXPECT_THAT(why(), HasSubstr("BuildFailed"));
  EXPECT_EQ(lxd->images_of_ours(), 0U);
  seed->controller.gantry({"delete", "snapshot/broken"});
  EXPECT_TRUE(eventually([&] { return lxd->instances().empty(); }, kLong));
}

}  // namespace
}  // namespace gantry::process
