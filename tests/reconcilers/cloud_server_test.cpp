// Goal: a Server at a provider is made once, kept as its spec says, and gone when it is deleted; what cannot be had or
// may not be is said before anything is made. Method: the real plane and accounts in a manual clock, over a cloud that
// is stateful, slow and forgetful.
#include "tests/reconcilers/cloud_world.hpp"

namespace gantry::reconcilers {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST(CloudServer, IsMadeOnceAndReadyOnceItRuns) {
  CloudWorld house;
  house.server("web-1");
  house.world.advance(10s);
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "False/NotRunning");
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "Unknown/Progressing");
  house.world.advance(30s);
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "True/ReconcileSuccess");
  EXPECT_THAT(house.cloud.log, ElementsAre("create web-1"));
  EXPECT_EQ(house.annotation("Server/web-1", "external-name"), "1");
  EXPECT_EQ(house.annotation("Server/web-1", "create-pending"), "");
  const json::Value server = house.world.get("Server/web-1");
  EXPECT_EQ(server.at({"status", "cost", "monthly"})->as_string(), "3.49 EUR");
  EXPECT_EQ(server.at({"status", "state"})->as_string(), "running");

  house.world.remove("Server/web-1");
  house.world.advance(30s);
  EXPECT_FALSE(house.world.find("Server/web-1"));
  EXPECT_THAT(house.cloud.machines, IsEmpty());
}

TEST(CloudServer, IsStartedWhereMakingAloneDoesNot) {
  CloudWorld house;
  house.cloud.starts_itself = false;
  house.server("web-1");
  house.world.advance(1min);
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  EXPECT_THAT(house.cloud.log, ElementsAre("create web-1", "start web-1"));
}

// As with DHCP: it runs before it has an address, and nobody waits a minute for the next sweep to see it.
TEST(CloudServer, AnAddressThatComesLateIsSeenSoon) {
  CloudWorld house;
  house.cloud.addressing = 10s;
  house.server("web-1");
  house.world.advance(house.cloud.boot + 20s);
  const json::Value server = house.world.get("Server/web-1");
  ASSERT_TRUE(server.at({"status", "addresses"})) << json::dump(server);
  EXPECT_THAT(server.at({"status", "addresses"})->as_array(), SizeIs(1));
}

TEST(CloudServer, OneThatGetsNoAddressIsLeftToTheSweepsAfterAWhile) {
  CloudWorld house;
  house.cloud.addressing = 24h;
  house.server("web-1");
  house.world.advance(10min);
  const int before = house.cloud.calls["observe"];
  house.world.advance(10min);
  EXPECT_LE(house.cloud.calls["observe"] - before, 11) << "once a minute";
}

TEST(CloudServer, ARetiredSizeIsNamedWithItsEndAndTheNearest) {
  CloudWorld house;
  house.server("web-1", "size: cx22, image: debian-12");
  house.world.advance(1min);
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/CatalogueMismatch");
  EXPECT_EQ(house.world.message("Server/web-1", "Synced"),
            "spec.size: \"cx22\" can no longer be ordered in fsn1 (retired 2026-01-01); the nearest is \"cx23\" "
            "(2 vCPU, 4 GB, 40 GB, 3.49 EUR a month). Set it, or annotate gantry.dev/allow-retired");
  house.server("web-2", "size: cx23, image: debian-10");
  house.world.advance(1min);
  EXPECT_THAT(
      house.world.message("Server/web-2", "Synced"),
      HasSubstr("spec.image: \"debian-10\" can no longer be had (retired 2026-01-01); the nearest is \"debian-12\""));
  EXPECT_THAT(house.cloud.log, IsEmpty());
  house.world.patch("Server/web-1", R"({"spec":{"size":"cx23"}})");
  house.world.advance(1min);
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
}

TEST(CloudServer, ABudgetIsKeptOverTheWholeAccountAndTheSumIsShown) {
  CloudWorld house;
  house.cloud.add_stranger("somebody-elses", "cx53");
  house.world.advance(10s);
  house.limit(R"({"monthlyCost":"20 EUR"})");
  house.server("web-1");
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/LimitExceeded");
  EXPECT_EQ(
      house.world.message("Server/web-1", "Synced"),
      "the limit of its Provider is 20.00 EUR a month (spec.limits.monthlyCost), and with this it would be 20.98 EUR: "
      "17.49 EUR there (1 server, not made by Gantry) + 3.49 EUR for this (cx23 in fsn1). Ask for less, remove "
      "something, or raise the limit");
  EXPECT_THAT(house.cloud.log, IsEmpty());
  EXPECT_EQ(house.world.get("Provider/cloud").at({"status", "usage", "monthlyCost"})->as_string(), "17.49 EUR");
  house.limit(R"({"monthlyCost":"21 EUR"})");
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
}

TEST(CloudServer, ManyAtOnceDoNotPassALimitTogether) {
  CloudWorld house;
  house.limit(R"({"servers":3})");
  for (int i = 0; i < 10; ++i) house.server("web-" + std::to_string(i));
  house.world.advance(5min);
  EXPECT_THAT(house.cloud.names(), SizeIs(3));
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    const std::string name = "Server/web-" + std::to_string(i);
    if (house.world.reason(name, "Synced") != "LimitExceeded") continue;
    ++refused;
    EXPECT_THAT(house.world.message(name, "Synced"),
                HasSubstr("is 3 (spec.limits.servers), and with this it would be 4: 3 there (3 servers)"));
  }
  EXPECT_EQ(refused, 7);
}

TEST(CloudServer, FiftyAreMadeInTheTimeOfOneAndListedTogether) {
  CloudWorld house;
  house.world.advance(1min);
  const int before = house.cloud.calls["observe"];
  for (int i = 0; i < 50; ++i) house.server("web-" + std::to_string(i));
  house.world.advance(40s);
  EXPECT_THAT(house.cloud.names(), SizeIs(50));
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(house.world.condition("Server/web-" + std::to_string(i), "Ready"), "True") << i;
  EXPECT_LE(house.cloud.calls["observe"] - before, 20) << "one sweep for all of them";
  EXPECT_LE(house.cloud.calls["find_server"], 50);
}

TEST(CloudServer, AtRestOneSweepAMinuteIsAllThatIsAsked) {
  CloudWorld house;
  for (int i = 0; i < 20; ++i) house.server("web-" + std::to_string(i));
  house.world.advance(5min);
  house.cloud.calls.clear();
  const auto revision = house.world.store().revision();
  house.world.advance(30min);
  EXPECT_LE(house.cloud.calls["observe"], 31);
  int others = 0;
  for (const auto& [name, count] : house.cloud.calls) others += name == "observe" ? 0 : count;
  EXPECT_LE(others, 1) << "signing in, once an hour";
  EXPECT_EQ(house.world.store().revision(), revision) << "a write at rest";
}

TEST(CloudServer, WhatSomebodyElseChangesIsMended) {
  CloudWorld house;
  house.server(
      "web-1",
      "size: cx23, image: debian-12, firewall: {inbound: [{protocol: tcp, ports: '443,80', from: [0.0.0.0/0]}]}");
  house.world.advance(2min);
  ASSERT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  ASSERT_THAT(house.cloud.firewalls, SizeIs(1));
  EXPECT_EQ(house.cloud.firewalls.begin()->second.rules,
            (std::vector<providers::FirewallRule>{{"tcp", 80, 80, {"0.0.0.0/0"}}, {"tcp", 443, 443, {"0.0.0.0/0"}}}));

  house.cloud.find("web-1")->server.state = providers::CloudServer::State::Off;
  house.cloud.firewalls.begin()->second.rules.clear();
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  EXPECT_THAT(house.cloud.firewalls.begin()->second.rules, SizeIs(2));

  house.cloud.machines.clear();
  house.world.advance(3min);
  EXPECT_THAT(house.cloud.names(), ElementsAre("web-1")) << "made again";
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");

  house.world.remove("Server/web-1");
  house.world.advance(1min);
  EXPECT_THAT(house.cloud.firewalls, IsEmpty());
}

TEST(CloudServer, AnotherSizeIsAReplacementThatThePlanShows) {
  CloudWorld house;
  house.server("web-1");
  house.world.advance(1min);
  house.cloud.log.clear();
  json::Value wish = house.world.get("Server/web-1");
  wish["spec"]["size"] = "cx33";
  const std::string shown = house.plan("Server/web-1", wish);
  EXPECT_THAT(shown, HasSubstr(R"("type":"size","verb":"Replace")"));
  EXPECT_THAT(shown, HasSubstr(R"("monthly":"5.49 EUR","size":"cx33")"));
  EXPECT_THAT(house.cloud.log, IsEmpty()) << "a plan does nothing";

  house.world.patch("Server/web-1", R"({"spec":{"size":"cx33"}})");
  house.world.advance(1min);
  EXPECT_THAT(house.cloud.log, ElementsAre("stop web-1", "resize web-1 cx33", "start web-1"));
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  house.world.patch("Server/web-1", R"({"spec":{"region":"nbg1"}})");
  house.world.advance(1min);
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/ImmutableField");
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running") << "it works all the same";
}

TEST(CloudServer, AnotherImageIsPutInItsPlaceAndThePlanSaysThatTheDiskGoes) {
  CloudWorld house;
  house.server("web-1");
  house.world.advance(1min);
  json::Value wish = house.world.get("Server/web-1");
  wish["spec"]["image"] = "ubuntu-24.04";
  const std::string shown = house.plan("Server/web-1", wish);
  EXPECT_THAT(shown, HasSubstr(R"("destructive":true)"));
  house.world.patch("Server/web-1", R"({"spec":{"image":"ubuntu-24.04"}})");
  house.world.advance(2min);
  EXPECT_THAT(house.cloud.log, ElementsAre("create web-1", "rebuild web-1"));
  EXPECT_EQ(house.annotation("Server/web-1", "made-from"), "image:ubuntu-24.04");
}

TEST(CloudServer, OneThatExistsIsTakenOverByItsName) {
  CloudWorld house;
  const std::string id = house.cloud.add_stranger("old", "cx23");
  const std::string spec = "size: cx23, image: debian-12";
  house.server("web-1", spec, id);
  house.world.advance(2min);
  EXPECT_THAT(house.cloud.log, IsEmpty()) << "nothing is made and nothing is changed";
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  EXPECT_EQ(house.cloud.machines.at(id).server.mark->uid, house.world.find("Server/web-1")->meta().uid);

  house.server("web-2", spec, "4711");
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-2", "Synced"), "False/ExternalNameNotFound");
  house.server("web-3", spec, id);
  house.world.advance(2min);
  EXPECT_EQ(house.state("Server/web-3", "Synced"), "False/OwnedByAnother");
  house.world.remove("Server/web-3");
  house.world.advance(1min);
  EXPECT_THAT(house.cloud.machines, SizeIs(1)) << "what another object owns is not removed";
}

TEST(CloudServer, RetainLeavesTheServerWhereItIs) {
  CloudWorld house;
  house.server("web-1");
  house.world.advance(1min);
  house.world.patch("Server/web-1", R"({"metadata":{"annotations":{"gantry.dev/deletion-policy":"Retain"}}})");
  house.world.remove("Server/web-1");
  house.world.advance(1min);
  EXPECT_FALSE(house.world.find("Server/web-1"));
  EXPECT_THAT(house.cloud.names(), ElementsAre("web-1"));
}

TEST(CloudServer, AListingThatIsSuddenlyEmptyMakesNobodyDoAnything) {
  CloudWorld house;
  for (int i = 0; i < 8; ++i) house.server("web-" + std::to_string(i));
  house.world.advance(2min);
  house.cloud.log.clear();
  house.cloud.blind = true;
  house.world.advance(2min);
  house.world.remove("Server/web-0");
  house.world.advance(10min);
  EXPECT_THAT(house.cloud.names(), SizeIs(7)) << "the one that was deleted was found by its id";
  EXPECT_THAT(house.cloud.log, ElementsAre("remove web-0"));
  house.cloud.blind = false;
  house.world.advance(5min);
  EXPECT_THAT(house.cloud.log, ElementsAre("remove web-0"));
  for (int i = 1; i < 8; ++i) EXPECT_EQ(house.world.condition("Server/web-" + std::to_string(i), "Ready"), "True");
}

TEST(CloudServer, ManyDeletionsAtOnceAreSlowedDownUnlessTheProviderAllowsThem) {
  CloudWorld house;
  for (int i = 0; i < 30; ++i) house.server("web-" + std::to_string(i));
  house.world.advance(2min);
  for (int i = 0; i < 30; ++i) house.world.remove("Server/web-" + std::to_string(i));
  house.world.advance(5min);
  EXPECT_THAT(house.cloud.names(), SizeIs(10));
  EXPECT_EQ(house.world.reason("Server/web-29", "Synced"), "MassDeleteBrake");
  house.world.patch("Provider/cloud", R"({"metadata":{"annotations":{"gantry.dev/mass-deletes":"allow"}}})");
  house.world.advance(1min);
  EXPECT_THAT(house.cloud.names(), IsEmpty());
}

TEST(CloudServer, WhatTheProviderRefusesIsSaidAndCostsNothing) {
  CloudWorld house;
  house.cloud.refusals["create_server"] = {Error(ErrorCode::QuotaExceeded, "POST /servers: 403 server limit reached")};
  house.limit(R"({"servers":1})");
  house.server("web-1");
  house.world.advance(4min);
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/QuotaExceeded");
  EXPECT_EQ(house.world.message("Server/web-1", "Synced"), "POST /servers: 403 server limit reached");
  EXPECT_EQ(house.annotation("Server/web-1", "create-pending"), "");
  EXPECT_EQ(house.cloud.calls["create_server"], 1) << "a refusal is not asked for again and again";
  house.world.advance(20min);
  EXPECT_THAT(house.cloud.names(), ElementsAre("web-1"));
}

TEST(CloudServer, ItsAgentIsBroughtByUserDataWithAKeyOfItsOwn) {
  CloudWorld house;
  house.world.apply(R"(
apiVersion: gantry.dev/v1alpha1
kind: Server
metadata: {name: web-1}
spec: {providerRef: {name: cloud}, size: cx23, image: debian-12, sshKeys: [ops, "ssh-ed25519 AAAA me"]}
)");
  house.world.advance(1min);
  const json::Value secret = house.world.get("Secret/web-1-agent");
  ASSERT_FALSE(secret.is_null());
  EXPECT_NE(house.world.condition("Server/web-1", "Ready"), "True") << "it runs, but nobody has heard its agent";
  const auto& endpoint = house.hosts.endpoints.at("default/web-1");
  EXPECT_EQ(endpoint.url, "https://203.0.113.1:9999");
  EXPECT_EQ(endpoint.pin, "sha256:ab");
  EXPECT_EQ(endpoint.key.reveal().size(), 64u);
  const auto* machine = house.cloud.find("web-1");
  EXPECT_THAT(machine->ssh_keys, ElementsAre("ops"));
  EXPECT_THAT(machine->user_data, HasSubstr(endpoint.key.reveal()));
  EXPECT_THAT(machine->user_data, HasSubstr("cert of web-1"));
  EXPECT_THAT(machine->user_data, HasSubstr("ssh-ed25519 AAAA me"));
  house.hosts.reach(house.world);
  EXPECT_EQ(house.state("Server/web-1", "Ready"), "True/AgentAnswers");
  house.world.remove("Server/web-1");
  house.world.advance(1min);
  EXPECT_TRUE(house.hosts.endpoints.empty());
  EXPECT_TRUE(house.world.get("Secret/web-1-agent").is_null());
}

// Names at the provider have the namespace in them; those of objects have not.
TEST(CloudServer, InAnotherNamespaceItHasItsAgentToo) {
  CloudWorld house;
  house.world.apply(R"(
apiVersion: v1
kind: Namespace
metadata: {name: prod}
---
apiVersion: gantry.dev/v1alpha1
kind: Provider
metadata: {name: cloud, namespace: prod}
spec: {type: hetzner, region: fsn1}
---
apiVersion: gantry.dev/v1alpha1
kind: Server
metadata: {name: web-1, namespace: prod}
spec: {providerRef: {name: cloud}, size: cx23, image: debian-12}
)");
  house.world.advance(1min);
  EXPECT_THAT(house.cloud.names(), ElementsAre("prod-web-1"));
  EXPECT_FALSE(house.world.get("Secret/prod/web-1-agent").is_null());
  EXPECT_TRUE(house.hosts.endpoints.contains("prod/web-1"));
}

TEST(CloudServer, WithoutItsProviderItWaitsAndIsNotForgotten) {
  CloudWorld house;
  house.server("web-1");
  house.world.advance(1min);
  house.world.remove("Provider/cloud");
  house.world.advance(1min);
  house.world.remove("Server/web-1");
  house.world.advance(1min);
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/ReferenceNotFound");
  EXPECT_THAT(house.cloud.names(), ElementsAre("web-1"));
}

}  // namespace
}  // namespace gantry::reconcilers
