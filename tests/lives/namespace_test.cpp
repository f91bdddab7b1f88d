// Goal: a namespace that is deleted takes with it what its objects have made, although its Provider and the credentials
// are in it as well.
#include "tests/lives/emulated_world.hpp"

namespace gantry::lives {
namespace {

using namespace std::chrono_literals;

template <class Vendor>
class WholeNamespace : public ::testing::Test {};
using Vendors = ::testing::Types<clouds::DigitalOcean, clouds::Hetzner>;
TYPED_TEST_SUITE(WholeNamespace, Vendors);

TYPED_TEST(WholeNamespace, TakesItsServersAndImagesWithIt) {
  EmulatedWorld<TypeParam> house({});
  const std::string in_prod = ", namespace: prod}\n";
  const std::string server = "apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: ";
  const std::string at_cloud = "spec: {providerRef: {name: cloud}, ";
  house.world.apply(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n---\n"
      "apiVersion: v1\nkind: Secret\nmetadata: {name: token" +
      in_prod + "stringData: {token: " + house.vendor.token +
      "}\n---\n"
      "apiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: cloud" +
      in_prod + "spec: {type: " + TypeParam::type + ", region: " + TypeParam::region +
      ", credentials: {secretRef: {name: token}}}\n---\n"
      "apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: base" +
      in_prod + at_cloud + "from: {image: " + TypeParam::image + "}}\n---\n" + server + "web-1" + in_prod + at_cloud +
      "agent: {enabled: false}, size: " + TypeParam::size + ", image: " + TypeParam::image +
      ", firewall: {inbound: [{protocol: tcp, ports: '80', from: [0.0.0.0/0]}]}}\n---\n" + server + "web-2" + in_prod +
      at_cloud + "agent: {enabled: false}, size: " + TypeParam::size + ", snapshotRef: {name: base}}\n");
  house.world.advance(15min);
  ASSERT_EQ(house.world.condition("Server/prod/web-2", "Ready"), "True")
      << house.world.message("Server/prod/web-2", "Ready");
  ASSERT_EQ(TypeParam::count(house.vendor), 2U);

  house.world.remove("Namespace/prod");
  house.world.advance(10min);
  EXPECT_FALSE(house.world.find("Namespace/prod"));
  EXPECT_FALSE(house.world.find("Secret/prod/token"));
  EXPECT_EQ(TypeParam::count(house.vendor), 0U);
  EXPECT_EQ(TypeParam::images_made(house.vendor), 0U);
  EXPECT_TRUE(house.vendor.firewalls.empty());
}

}  // namespace
}  // namespace gantry::lives
