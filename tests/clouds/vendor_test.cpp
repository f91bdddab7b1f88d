// What is one vendor's own way.
#include "providers/digitalocean/api.hpp"
#include "providers/money.hpp"
#include "tests/clouds/account_test.hpp"

namespace gantry::clouds {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

const providers::SizeOffer& size_named(const providers::Catalogue& catalogue, const std::string& name) {
  for (const auto& size : catalogue.sizes) {
    if (size.name == name) return size;
  }
  throw Error(ErrorCode::NotFound, "no size " + name);
}

class HetznerAccount : public AccountTest<Hetzner> {};

TEST_F(HetznerAccount, TheCatalogueKnowsWhatEndedAndWhen) {
  const auto catalogue = run(provider->catalogue());
  const auto& cx22 = size_named(catalogue, "cx22");
  ASSERT_THAT(cx22.places, SizeIs(3));
  EXPECT_EQ(format_time(cx22.places[0].ends.value()), "2026-01-01T00:00:00Z");
  EXPECT_FALSE(cx22.places[0].available);
  const auto& cx23 = size_named(catalogue, "cx23");
  EXPECT_EQ(cx23.cpus, 2);
  EXPECT_EQ(cx23.memory_bytes, std::int64_t{4} << 30);
  EXPECT_EQ(cx23.places[0].region, "fsn1");
  EXPECT_EQ(providers::to_string(cx23.places[0].monthly.value()), "3.49 EUR") << "before tax";
  EXPECT_TRUE(cx23.places[0].available);
  EXPECT_FALSE(cx23.places[0].ends);
  EXPECT_EQ(size_named(catalogue, "cax11").architecture, "aarch64");
  EXPECT_EQ(catalogue.regions.size(), 4U);
  EXPECT_EQ(providers::to_string(catalogue.address_month.value()), "0.50 EUR");
  EXPECT_TRUE(std::any_of(catalogue.images.begin(), catalogue.images.end(),
                          [](const auto& image) { return image.name == "ubuntu-20.04" && image.ends; }));
}

TEST_F(HetznerAccount, WhatEndedCannotBeOrdered) {
  auto wanted = order("web-1", "uid-1");
  wanted.size = "cx22";
  std::string message;
  EXPECT_EQ(refused(provider->create_server(wanted), &message), ErrorCode::Invalid);
  EXPECT_THAT(message, HasSubstr("can no longer be ordered"));
}

TEST_F(HetznerAccount, ANameThatIsTakenByOurselvesIsTheServerThatWasAskedFor) {
  cloud.expect({How::LostAfter, "POST /v1/servers"});
  EXPECT_EQ(refused(provider->create_server(order("web-1", "uid-1"))), ErrorCode::Timeout);
  pass(5s);
  const Operation operation = run(provider->create_server(order("web-1", "uid-1")));
  EXPECT_EQ(operation.target, std::to_string(cloud.servers.begin()->first));
  EXPECT_THAT(cloud.servers, SizeIs(1));
  std::string message;
  EXPECT_EQ(refused(provider->create_server(order("web-1", "uid-2")), &message), ErrorCode::Invalid);
  EXPECT_THAT(message, HasSubstr("is not of this object"));
}

TEST_F(HetznerAccount, ManyActionsArePolledInFewCalls) {
  std::vector<std::string> operations;
  for (int i = 0; i < 30; ++i)
    operations.push_back(
        run(provider->create_server(order("web-" + std::to_string(i), "uid-" + std::to_string(i)))).id);
  cloud.forget_calls();
  EXPECT_THAT(run(provider->poll(operations)), SizeIs(30));
  EXPECT_EQ(cloud.calls("GET /v1/actions"), 3U) << "sixty actions, 25 a call";
  EXPECT_EQ(run(provider->poll({"99999999"})).at(0).state, Progress::State::Unknown);
}

TEST_F(HetznerAccount, AFloatingAddressOfAnotherZoneIsRefusedInItsWords) {
  cloud.floating_ips[903] = {.id = 903, .ip = "192.0.2.7", .home = "ash"};
  const auto server = make_server("web-1", "uid-1");
  std::string message;
  EXPECT_EQ(refused(provider->assign_address("903", server.id), &message), ErrorCode::Invalid);
  EXPECT_THAT(message, HasSubstr("another network zone"));
}

TEST_F(HetznerAccount, LabelsOfOthersStay) {
  cloud.place("by-hand", {{"team", "blue"}});
  const std::string id = std::to_string(cloud.servers.begin()->first);
  run(provider->mark_server(id, {"uid-1", "server"}));
  EXPECT_THAT(cloud.servers.begin()->second.labels,
              ElementsAre(std::pair("gantry.dev/role", "server"), std::pair("gantry.dev/uid", "uid-1"),
                          std::pair("team", "blue")));
}

class DigitalOceanAccount : public AccountTest<DigitalOcean> {};

TEST_F(DigitalOceanAccount, TheCatalogueTellsWhatIsSoldWhere) {
  const auto catalogue = run(provider->catalogue());
  EXPECT_THAT(size_named(catalogue, "512mb").places, IsEmpty()) << "it ended: sold nowhere";
  const auto& size = size_named(catalogue, "s-1vcpu-1gb");
  EXPECT_EQ(size.places.size(), 10U);
  EXPECT_EQ(providers::to_string(size.places[0].monthly.value()), "6.00 USD");
  EXPECT_EQ(size.traffic_free_bytes, std::int64_t{1} << 40);
  EXPECT_EQ(std::count_if(catalogue.regions.begin(), catalogue.regions.end(),
                          [](const auto& region) { return !region.available; }),
            2);
  EXPECT_TRUE(std::any_of(catalogue.images.begin(), catalogue.images.end(), [](const auto& image) {
    return image.name == "ubuntu-24-04-x64" && image.family == "ubuntu" && image.version == "24.04";
  }));
}

TEST_F(DigitalOceanAccount, KeysAreNamedAsPeopleNameThem) {
  cloud.keys[7] = {.id = 7, .name = "ops", .fingerprint = "aa:bb", .public_key = "ssh-ed25519 AAAA"};
  auto wanted = order("web-1", "uid-1");
  wanted.ssh_keys = {"ops"};
  run(provider->create_server(wanted));
  EXPECT_THAT(cloud.droplets.begin()->second.ssh_keys, ElementsAre("7"));
}

TEST_F(DigitalOceanAccount, ANetworkOfAnotherRegionIsSaidToBeThere) {
  auto wanted = order("web-1", "uid-1");
  wanted.network = "default-nyc3";
  std::string message;
  EXPECT_EQ(refused(provider->create_server(wanted), &message), ErrorCode::Invalid);
  EXPECT_THAT(message, HasSubstr("\"default-nyc3\" is in nyc3, and the server is to be in lon1"));
}

TEST_F(DigitalOceanAccount, LabelsAreTagsForPeopleAndNeverLookLikeAMark) {
  auto wanted = order("web-1", "uid-1");
  wanted.labels = {{"pool", "web"},          {"tag.gantry.dev/api", "true"},  {"example.org/cost.center", "a b"},
                   {"gantry.dev/name", "x"}, {"gantry-uid", "somebody-else"}, {"gantry", "uid:builder"}};
  run(provider->create_server(wanted));
  const auto& tags = cloud.droplets.begin()->second.tags;
  const auto ours = std::ranges::count_if(tags, [](const std::string& tag) { return tag.starts_with("gantry"); });
  EXPECT_EQ(ours, 2) << "that it is ours, and whose";
  EXPECT_THAT(tags, testing::IsSupersetOf({"pool:web", "api", "cost-center:a-b"}));
}

TEST_F(DigitalOceanAccount, AnAccountThatIsLockedSaysSo) {
  EXPECT_EQ(run(provider->account()).problem, "");
  cloud.account_status = "locked";
  EXPECT_EQ(run(provider->account()).problem, "locked: payment failed");
}

TEST_F(DigitalOceanAccount, ManyLookupsBecomeOneListing) {
  for (int i = 0; i < 60; ++i)
    Cloud::mark_as(cloud, "web-" + std::to_string(i), {"uid-" + std::to_string(i), "server"});
  std::size_t found = 0;
  const auto look = [&](int i) -> Task<> {
    found += (co_await provider->servers_of({"uid-" + std::to_string(i), "server"})).size();
    found += (co_await provider->find_server(std::to_string(cloud.droplets.begin()->first + i))).has_value();
  };
  std::vector<Task<>> tasks;
  for (int i = 0; i < 60; ++i) tasks.push_back(look(i));
  run(together(std::move(tasks)));
  EXPECT_GE(found, 60U);
  EXPECT_LT(cloud.log().size(), 12U);
}

TEST(DigitalOceanNames, MarksAreReadBackFromThem) {
  namespace api = providers::digitalocean;
  const Mark mark{"3f2504e0-4f89-41d3-9a0c-0305e82c3301", "builder"};
  EXPECT_EQ(api::tag_of(mark), "gantry-builder-3f2504e0-4f89-41d3-9a0c-0305e82c3301");
  EXPECT_EQ(api::mark_of_tag(api::tag_of(mark)), mark);
  for (const char* other : {"gantry", "gantry-", "gantry-server", "gantry-server-", "web", "gantry--x"})
    EXPECT_FALSE(api::mark_of_tag(other)) << other;
  const auto read =
      api::read_image_name(api::image_name({.mark = mark, .name = "base--docker", .content = "0a1b", .server = {}}));
  EXPECT_EQ(read.name, "base--docker");
  EXPECT_EQ(read.mark, mark);
  EXPECT_EQ(read.content, "0a1b");
  EXPECT_EQ(api::read_image_name(api::image_name({.mark = mark, .name = "a", .content = "", .server = {}})).content,
            "");
  EXPECT_FALSE(api::read_image_name("a snapshot--of mine-1").mark);
}

}  // namespace
}  // namespace gantry::clouds
