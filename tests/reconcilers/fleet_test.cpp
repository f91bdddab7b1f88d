// Goal: Apps go where their Servers are: by name, by label and on Servers made for them; one Server's trouble is its
// own; nobody loses a request when an App moves, and no machine goes before its Apps have left. Method: the real
// reconcilers of Apps and Servers together, over a cloud of machines with agents, in a manual clock.
#include "tests/reconcilers/fleet_world.hpp"

namespace gantry::reconcilers {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kBlue = "{selector: {matchLabels: {tier: blue}}}";
std::string provisioned(int count, const std::string& size = "cx23", const std::string& more = "") {
  return "{provision: {count: " + std::to_string(count) + ", template: {providerRef: {name: cloud}, size: " + size +
         ", image: debian-12}}" + more + "}";
}

// No instance went down with its machine, no route led nowhere, no request was cut off.
void nothing_was_lost(const FleetWorld& fleet) {
  EXPECT_THAT(fleet.killed, IsEmpty());
  EXPECT_FALSE(fleet.machine.emptied || fleet.machine.cut_off);
}

// ---------------------------------------------------------------- by label

TEST(Fleet, ServersThatComeAndGoChangeWhereAnAppRuns) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.server("web-2", "tier: green");
  fleet.app(2, kBlue);
  fleet.live(1min);
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(2, 0));
  const std::string release = fleet.world.get("App/hello").at({"status", "release"})->as_string();

  fleet.world.patch("Server/web-2", R"({"metadata":{"labels":{"tier":"blue"}}})");
  fleet.live(30s);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 1));
  EXPECT_THAT(fleet.placements(), ElementsAre("web-1: Ready 1/1", "web-2: Ready 1/1"));

  fleet.world.patch("Server/web-1", R"({"metadata":{"labels":{"tier":"grey"}}})");
  fleet.live(30s);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(0, 2));
  EXPECT_THAT(fleet.placements(), ElementsAre("web-2: Ready 2/2"));
  EXPECT_FALSE(fleet.machine.emptied || fleet.machine.cut_off) << "it served all the time";
  EXPECT_EQ(fleet.world.get("App/hello").at({"status", "release"})->as_string(), release)
      << "where it runs is not what it is";
}

TEST(Fleet, WithoutAServerItSaysWhatItWaitsFor) {
  FleetWorld fleet;
  fleet.app(1, kBlue);
  fleet.live(10s);
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "False/ServerNotReady");
  EXPECT_THAT(fleet.world.message("App/hello", "Ready"), HasSubstr("no Server matches spec.placement"));
  EXPECT_EQ(fleet.house.state("App/hello", "Synced"), "False/ReferenceNotFound");
  EXPECT_EQ(fleet.machine.alive(), 0U) << "and does not run here instead";
  fleet.server("web-1", "tier: blue");
  fleet.live(1min);
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
  EXPECT_EQ(fleet.house.state("App/hello", "Synced"), "True/ReconcileSuccess");
}

TEST(Fleet, ASelectorThatIsNoneMovesNobodyAndIsNamed) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.app(1, kBlue);
  fleet.live(1min);
  fleet.world.patch("App/hello", R"({"spec":{"placement":{"selector":{"matchLabels":null,
      "matchExpressions":[{"key":"tier","operator":"In"}]}}}})");
  fleet.live(10s);
  EXPECT_THAT(fleet.world.message("App/hello", "Synced"), HasSubstr("spec.placement.selector"));
  EXPECT_THAT(fleet.counts({"web-1"}), ElementsAre(1));
}

// ---------------------------------------------------------------- made for it

TEST(Fleet, ServersAreMadeForAnAppSideBySideAndGoWithIt) {
  FleetWorld fleet;
  fleet.app(3, provisioned(3));
  fleet.live(50s);
  EXPECT_THAT(fleet.servers(), ElementsAre("hello-1", "hello-2", "hello-3"));
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady") << "in the time of one";
  EXPECT_THAT(fleet.counts({"hello-1", "hello-2", "hello-3"}), ElementsAre(1, 1, 1));
  fleet.world.remove("App/hello");
  fleet.live(1min);
  EXPECT_FALSE(fleet.world.find("App/hello"));
  EXPECT_THAT(fleet.servers(), IsEmpty());
  EXPECT_THAT(fleet.cloud.machines, IsEmpty());
  EXPECT_THAT(fleet.killed, IsEmpty()) << "its instances were stopped before their machines went";
}

TEST(Fleet, TheAppIsThereUntilItsServersAreGone) {
  FleetWorld fleet;
  fleet.app(1, provisioned(1));
  fleet.live(1min);
  fleet.cloud.removal = 1min;
  fleet.world.remove("App/hello");
  fleet.live(20s);
  ASSERT_TRUE(fleet.world.find("App/hello"));
  EXPECT_THAT(fleet.world.message("App/hello", "Ready"), HasSubstr("waiting for Server hello-1 to be removed"));
}

TEST(Fleet, NewOnesAndThoseThatExistServeTogether) {
  FleetWorld fleet;
  fleet.server("mine", "tier: blue");
  fleet.app(2, provisioned(1, "cx23", ", selector: {matchLabels: {tier: blue}}"));
  fleet.live(1min);
  EXPECT_THAT(fleet.counts({"hello-1", "mine"}), ElementsAre(1, 1));
  fleet.world.remove("App/hello");
  fleet.live(1min);
  EXPECT_THAT(fleet.servers(), ElementsAre("mine")) << "what it did not make stays";
}

TEST(Fleet, OneServersTroubleIsItsOwn) {
  FleetWorld fleet;
  fleet.house.limit(R"({"servers":2})");
  fleet.app(3, provisioned(3));
  fleet.live(2min);
  EXPECT_THAT(fleet.cloud.names(), SizeIs(2));
  EXPECT_THAT(fleet.placements(), Contains(HasSubstr(": Failed 0/0")));
  EXPECT_EQ(fleet.house.state("App/hello", "Available"), "True/EnoughReplicas");
  EXPECT_EQ(fleet.machine.alive(), 3U) << "the others take its replica meanwhile";
  fleet.house.limit(R"({"servers":3})");
  fleet.live(3min);
  EXPECT_THAT(fleet.counts({"hello-1", "hello-2", "hello-3"}), ElementsAre(1, 1, 1));
}

TEST(Fleet, WhatTheApiRefusesIsSaidAndNotAskedAgain) {
  FleetWorld fleet;
  fleet.app(1, "{provision: {template: {size: [1]}}}");
  fleet.live(2min);
  EXPECT_THAT(fleet.servers(), IsEmpty());
  EXPECT_THAT(fleet.world.events("ServerRefused"), SizeIs(1));
  EXPECT_THAT(fleet.world.message("App/hello", "Synced"), HasSubstr("spec.size"));
}

TEST(Fleet, FewerServersMeansThatTheLastOneIsLeftFirst) {
  FleetWorld fleet;
  fleet.app(2, provisioned(2));
  fleet.live(1min);
  fleet.world.patch("App/hello", R"({"spec":{"placement":{"provision":{"count":1}}}})");
  fleet.live(1min);
  EXPECT_THAT(fleet.servers(), ElementsAre("hello-1"));
  EXPECT_THAT(fleet.counts({"hello-1"}), ElementsAre(2));
  nothing_was_lost(fleet);
}

TEST(Fleet, AnotherTemplateIsBroughtToOneServerAfterTheOther) {
  FleetWorld fleet;
  fleet.app(2, provisioned(2));
  fleet.live(1min);
  fleet.world.patch("App/hello", R"({"spec":{"placement":{"provision":{"template":{"size":"cx33"}}}}})");
  for (int i = 0; i < 300; ++i) {
    fleet.live(1s);
    EXPECT_GE(fleet.machine.alive(), 2U) << "nobody is missing while they are resized";
  }
  for (const char* name : {"hello-1", "hello-2"}) EXPECT_EQ(fleet.cloud.find(name)->server.size, "cx33") << name;
  EXPECT_THAT(fleet.counts({"hello-1", "hello-2"}), ElementsAre(1, 1));
  nothing_was_lost(fleet);
}

TEST(Fleet, ServersAreMadeOnceWhateverIsCutOff) {
  FleetWorld calm({}, "create servers");
  calm.app(2, provisioned(2));
  calm.live(90s);
  const std::size_t calls = calm.world.faults.calls();
  ASSERT_GE(calls, 2U);
  for (const auto& fault : world::every_fault(calls)) {
    SCOPED_TRACE(fault);
    world::WorldOptions options;
    options.fault = fault;
    FleetWorld fleet(options, "create servers");
    fleet.app(2, provisioned(2));
    fleet.live(3min);
    EXPECT_THAT(fleet.servers(), ElementsAre("hello-1", "hello-2"));
    EXPECT_THAT(fleet.cloud.names(), ElementsAre("hello-1", "hello-2"));
    EXPECT_THAT(fleet.counts({"hello-1", "hello-2"}), ElementsAre(1, 1));
    EXPECT_FALSE(fleet.machine.twins());
  }
}

const std::string kScaled =
    "{provision: {template: {providerRef: {name: cloud}, size: cx23, image: debian-12}, scaling: {maxServers: 3, "
    "metrics: [{resource: cpu, averageUtilization: 60}]}}}";

TEST(Fleet, TheNumberOfServersFollowsWhatTheyUse) {
  FleetWorld fleet;
  fleet.app(3, kScaled);
  fleet.live(2min);
  EXPECT_THAT(fleet.servers(), ElementsAre("hello-1"));
  fleet.house.hosts.cpu_millis = 1800;
  fleet.live(7min);
  EXPECT_THAT(fleet.counts({"hello-1", "hello-2", "hello-3"}), ElementsAre(1, 1, 1)) << "and its replicas with them";
  const json::Value app = fleet.world.get("App/hello");
  EXPECT_EQ(app.at({"status", "provision", "desiredServers"})->as_int(), 3);
  EXPECT_EQ(app.at({"status", "provision", "reason"})->as_string(), "cpu at 90 %, its target is 60 %");
  fleet.house.hosts.cpu_millis = 100;
  fleet.live(4min);
  EXPECT_THAT(fleet.servers(), SizeIs(3)) << "not at the first lull";
  fleet.live(6min);
  EXPECT_THAT(fleet.servers(), ElementsAre("hello-1"));
  EXPECT_THAT(fleet.counts({"hello-1"}), ElementsAre(3));
  nothing_was_lost(fleet);
}

TEST(Fleet, ABudgetWinsOverTheLoad) {
  FleetWorld fleet;
  fleet.house.limit(R"({"servers":2})");
  fleet.house.hosts.cpu_millis = 1800;
  fleet.app(2, kScaled);
  fleet.live(8min);
  EXPECT_THAT(fleet.cloud.names(), SizeIs(2));
  EXPECT_THAT(fleet.servers(), SizeIs(2)) << "one that cannot be had is not kept waiting";
  EXPECT_THAT(fleet.world.get("App/hello").at({"status", "provision", "reason"})->as_string(),
              HasSubstr("one more cannot be had"));
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
}

TEST(Fleet, ARestartLetsNoServerGo) {
  FleetWorld fleet;
  fleet.app(3, kScaled);
  fleet.live(1min);
  fleet.house.hosts.cpu_millis = 1800;
  fleet.live(7min);
  ASSERT_THAT(fleet.servers(), SizeIs(3));
  fleet.house.hosts.cpu_millis = 100;
  fleet.world.restart();
  fleet.live(2min);
  EXPECT_THAT(fleet.servers(), SizeIs(3));
}

// ---------------------------------------------------------------- silence

TEST(Fleet, ASilentServerHoldsUpNobodyElseAlsoAfterARestart) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.server("web-2", "tier: blue");
  fleet.app(2, kBlue);
  fleet.live(1min);
  ASSERT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 1));
  fleet.dead.insert("default/web-2");
  fleet.live(5s);
  fleet.machine.reached.erase("default/web-2");
  fleet.house.hosts.contacts.clear();
  fleet.world.restart();
  fleet.live(30s);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 1)) << "what runs there unseen is not started again";
  fleet.world.patch("App/hello", R"({"spec":{"replicas":3}})");
  fleet.live(30s);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(2, 1)) << "and what is new goes where it can";
  fleet.dead.clear();
  fleet.live(30s);
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
  EXPECT_FALSE(fleet.machine.twins());
}

// ---------------------------------------------------------------- leaving

TEST(Fleet, AServerThatIsDeletedWaitsForItsAppsToMove) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.server("web-2", "tier: blue");
  fleet.app(2, kBlue);
  fleet.live(1min);
  fleet.machine.sick.insert("default/web-2");
  fleet.world.remove("Server/web-1");
  fleet.live(3s);
  EXPECT_THAT(fleet.cloud.names(), ElementsAre("web-1", "web-2"));
  EXPECT_THAT(fleet.world.message("Server/web-1", "Synced"),
              AllOf(HasSubstr("its Apps are to leave first"), HasSubstr("hello (1)")));
  fleet.machine.sick.clear();
  fleet.live(1min);
  EXPECT_THAT(fleet.cloud.names(), ElementsAre("web-2"));
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(0, 2));
  EXPECT_THAT(fleet.killed, IsEmpty());
  EXPECT_FALSE(fleet.machine.emptied || fleet.machine.cut_off) << "no request met nobody";
}

TEST(Fleet, WithNowhereToGoAnAppIsStoppedInGoodOrder) {
  FleetWorld fleet;
  fleet.server("web-1");
  fleet.app(1, "{servers: [{name: web-1}]}");
  fleet.live(1min);
  fleet.world.remove("Server/web-1");
  fleet.live(30s);
  EXPECT_THAT(fleet.cloud.names(), IsEmpty());
  EXPECT_THAT(fleet.killed, IsEmpty());
  EXPECT_FALSE(fleet.machine.cut_off);
  EXPECT_THAT(fleet.placements(), ElementsAre("web-1: Absent 0/0"));
  EXPECT_THAT(fleet.world.message("App/hello", "Ready"), HasSubstr("there is no Server \"web-1\""));
}

TEST(Fleet, DataDoesNotTravelSoItsAppStaysUntilTheMachineIsBack) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.app(1, kBlue, app::kRoute + "  volumes: [{name: data, mountPath: /data}]\n");
  fleet.live(1min);
  fleet.server("web-2", "tier: blue");
  fleet.live(1min);
  fleet.world.patch("Server/web-1", R"({"spec":{"size":"cx33"}})");
  fleet.live(2min);
  EXPECT_EQ(fleet.cloud.find("web-1")->server.size, "cx33");
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 0));
  EXPECT_THAT(fleet.killed, IsEmpty()) << "it was stopped, not cut off";
}

TEST(Fleet, DataIsNotLeftBehindByAChangeOfLabelsOrNamesUnlessSomebodySaysSo) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.app(1, kBlue, app::kRoute + "  volumes: [{name: data, mountPath: /data}]\n");
  fleet.live(1min);
  fleet.server("web-2", "tier: blue");
  fleet.live(1min);
  fleet.world.patch("Server/web-1", R"({"metadata":{"labels":{"tier":"grey"}}})");
  fleet.live(2min);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 0)) << "it runs on where its data is";
  EXPECT_EQ(fleet.house.state("App/hello", "Synced"), "False/DataElsewhere");
  EXPECT_THAT(fleet.world.message("App/hello", "Synced"),
              AllOf(HasSubstr("its data is on Server web-1"), HasSubstr("gantry.dev/leave-data")));
  EXPECT_THAT(fleet.problem_on("web-1"), HasSubstr("its data is on Server web-1"));
  fleet.world.remove("Server/web-1");
  fleet.live(3min);
  EXPECT_EQ(fleet.machine.alive(), 0U) << "an empty volume is no replacement";
  EXPECT_THAT(fleet.killed, IsEmpty()) << "it was stopped in good order";
  EXPECT_EQ(fleet.house.state("App/hello", "Synced"), "False/DataElsewhere");
  fleet.world.patch("App/hello", R"({"metadata":{"annotations":{"gantry.dev/leave-data":"true"}}})");
  fleet.live(1min);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(0, 1));
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
}

TEST(Fleet, ResizingAServerMovesItsAppsOffAndNobodyNotices) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.server("web-2", "tier: blue");
  fleet.app(2, kBlue);
  fleet.live(1min);
  fleet.world.patch("Server/web-1", R"({"spec":{"size":"cx33"}})");
  fleet.live(2s);
  EXPECT_EQ(fleet.house.state("Server/web-1", "Draining"), "True/Resizing");
  fleet.live(2min);
  EXPECT_EQ(fleet.cloud.find("web-1")->server.size, "cx33");
  EXPECT_EQ(fleet.house.state("Server/web-1", "Draining"), "False/Done");
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 1)) << "and back again";
  nothing_was_lost(fleet);
}

TEST(Fleet, NobodyIsWaitedForForEver) {
  FleetWorld fleet;
  fleet.server("web-1", "", ", drainSeconds: 60");
  fleet.app(1, "{servers: [{name: web-1}]}");
  fleet.live(1min);
  fleet.world.patch("App/hello", R"({"metadata":{"annotations":{"gantry.dev/paused":"true"}}})");
  fleet.world.remove("Server/web-1");
  fleet.live(50s);
  EXPECT_THAT(fleet.cloud.names(), ElementsAre("web-1"));
  fleet.live(30s);
  EXPECT_THAT(fleet.cloud.names(), IsEmpty());
}

TEST(Fleet, AfterARestartItIsAskedWhoIsThereBeforeAnythingGoes) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.server("web-2", "tier: blue");
  fleet.app(2, kBlue);
  fleet.live(1min);
  fleet.machine.sick.insert("default/web-2");
  fleet.world.remove("Server/web-1");
  fleet.machine.reached.clear();
  fleet.house.hosts.endpoints.clear();
  fleet.house.hosts.contacts.clear();
  fleet.world.restart();
  fleet.live(3s);
  EXPECT_THAT(fleet.cloud.names(), ElementsAre("web-1", "web-2"));
  fleet.machine.sick.clear();
  fleet.live(1min);
  EXPECT_THAT(fleet.cloud.names(), ElementsAre("web-2"));
  nothing_was_lost(fleet);
}

TEST(Fleet, ADrainCanBeAskedFor) {
  FleetWorld fleet;
  fleet.server("web-1", "tier: blue");
  fleet.server("web-2", "tier: blue");
  fleet.app(2, kBlue);
  fleet.live(1min);
  fleet.world.patch("Server/web-1", R"({"metadata":{"annotations":{"gantry.dev/drain":"true"}}})");
  fleet.live(30s);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(0, 2));
  EXPECT_EQ(fleet.house.state("Server/web-1", "Ready"), "True/AgentAnswers");
  fleet.world.patch("Server/web-1", R"({"metadata":{"annotations":{"gantry.dev/drain":null}}})");
  fleet.live(30s);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 1));
}

// ---------------------------------------------------------------- moving

TEST(Fleet, MovingAnAppIsOneLineAndCostsNoRequest) {
  FleetWorld fleet;
  fleet.server("web-1");
  fleet.server("web-2");
  fleet.app(1, "{servers: [{name: web-1}]}");
  fleet.live(1min);
  const std::string first = fleet.machine.on("default/web-1").front()->id;
  fleet.machine.in_flight[first] = 1;
  fleet.machine.sick.insert("default/web-2");
  fleet.world.patch("App/hello", R"({"spec":{"placement":{"servers":[{"name":"web-2"}]}}})");
  fleet.live(20s);
  EXPECT_TRUE(fleet.machine.serves(first)) << "until the new one is well, the old one serves";
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(1, 1));
  fleet.machine.sick.clear();
  fleet.live(10s);
  EXPECT_FALSE(fleet.machine.serves(first));
  EXPECT_THAT(fleet.counts({"web-1"}), ElementsAre(1)) << "and it finishes what it has begun";
  fleet.machine.in_flight[first] = 0;
  fleet.live(10s);
  EXPECT_THAT(fleet.counts({"web-1", "web-2"}), ElementsAre(0, 1));
  EXPECT_FALSE(fleet.machine.emptied || fleet.machine.cut_off);
}

// ---------------------------------------------------------------- firewalls

std::vector<std::string> rules_of(const MemoryCloud& cloud) {
  std::vector<std::string> all;
  for (const auto& [id, firewall] : cloud.firewalls) {
    for (const auto& rule : firewall.rules)
      all.push_back(rule.protocol + " " + std::to_string(rule.first_port) + " " + testing::PrintToString(rule.from));
  }
  return all;
}
const std::string kGuarded = ", firewall: {inbound: []}";

TEST(Fleet, FirewallsFollowTheAppsAndTheRoutesWaitForThem) {
  FleetWorld fleet;
  fleet.server("web-1", "", kGuarded);
  fleet.app(1, "{servers: [{name: web-1}]}");
  fleet.live(2min);
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
  const int port = fleet.machine.on("default/web-1").front()->ports.front().host_port;
  EXPECT_THAT(rules_of(fleet.cloud), Contains("tcp " + std::to_string(port) + R"( { "0.0.0.0/0", "::/0" })"));
  fleet.world.remove("App/hello");
  fleet.live(3min);
  EXPECT_THAT(rules_of(fleet.cloud), SizeIs(2)) << "the agent's and its tunnel's alone";
}

TEST(Fleet, NobodyIsRoutedToAPortThatIsStillClosed) {
  FleetWorld fleet;
  fleet.server("web-1", "", kGuarded);
  fleet.live(1min);
  for (int i = 0; i < 20; ++i) fleet.cloud.refusals["put_firewall"].push_back(Error(ErrorCode::Unavailable, "later"));
  fleet.app(1, "{servers: [{name: web-1}]}");
  fleet.live(20s);
  EXPECT_EQ(fleet.house.state("App/hello", "Ready").substr(0, 5), "False");
  EXPECT_THAT(fleet.world.message("App/hello", "Ready"), HasSubstr("the firewall of Server web-1 does not let"));
  fleet.cloud.refusals["put_firewall"].clear();
  fleet.live(6min);
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
}

TEST(Fleet, PublishedPortsCanBeKeptToSomeNetworks) {
  FleetWorld fleet;
  fleet.server("web-1", "", ", firewall: {inbound: [], publishedFrom: [10.0.0.0/8]}");
  fleet.app(1, "{servers: [{name: web-1}]}");
  fleet.live(2min);
  EXPECT_THAT(rules_of(fleet.cloud), Contains(HasSubstr("{ \"10.0.0.0/8\" }")));
  fleet.world.patch("Server/web-1", R"({"spec":{"firewall":{"publishedFrom":[]}}})");
  fleet.live(2min);
  EXPECT_THAT(rules_of(fleet.cloud), SizeIs(2));
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady") << "nobody waits for what is not wanted";
}

TEST(Fleet, EmergencyAddressesReachServersThatExistAtOnce) {
  FleetWorld fleet;
  fleet.server("web-1", "", kGuarded);
  fleet.server("open");
  fleet.live(1min);
  EXPECT_THAT(rules_of(fleet.cloud), SizeIs(2));
  fleet.world.patch("Provider/cloud", R"({"spec":{"adminCIDRs":["198.51.100.7"]}})");
  fleet.live(5s);
  EXPECT_THAT(rules_of(fleet.cloud), Contains(R"(tcp 22 { "198.51.100.7/32" })"));
  fleet.world.patch("Provider/cloud", R"({"spec":{"adminCIDRs":null}})");
  fleet.live(5s);
  EXPECT_THAT(rules_of(fleet.cloud), SizeIs(2));
}

// ---------------------------------------------------------------- repair

TEST(Fleet, ASilentMachineIsMadeAnewOnlyWhereThatIsAskedFor) {
  FleetWorld fleet;
  for (const char* name : {"web-1", "web-2", "web-3"}) fleet.server(name, "", ", repair: {unreachableSeconds: 300}");
  fleet.server("left");
  fleet.live(1min);
  fleet.dead = {"default/web-1", "default/left"};
  fleet.live(4min);
  EXPECT_THAT(fleet.cloud.log, SizeIs(4)) << "not before its time";
  fleet.live(2min);
  EXPECT_THAT(fleet.cloud.log, AllOf(SizeIs(6), Contains("remove web-1")));
  fleet.live(30min);
  EXPECT_THAT(fleet.cloud.log, SizeIs(6)) << "one that never came is not made again and again";
  fleet.dead.clear();
  fleet.live(2min);
  EXPECT_EQ(fleet.house.state("Server/web-1", "Ready"), "True/AgentAnswers");
}

TEST(Fleet, WhenMostAreSilentNoneIsMadeAnew) {
  FleetWorld fleet;
  for (const char* name : {"web-1", "web-2", "web-3"}) fleet.server(name, "", ", repair: {unreachableSeconds: 300}");
  fleet.live(1min);
  fleet.dead = {"default/web-1", "default/web-2"};
  fleet.live(20min);
  EXPECT_THAT(fleet.cloud.log, SizeIs(3));
  EXPECT_EQ(fleet.house.state("Server/web-1", "Synced"), "False/RepairBrake");
}

TEST(Fleet, AnAppMovesOffAMachineThatIsRepaired) {
  FleetWorld fleet;
  for (const char* name : {"web-1", "web-2", "web-3"})
    fleet.server(name, "tier: blue", ", repair: {unreachableSeconds: 300}");
  fleet.app(3, kBlue);
  fleet.live(1min);
  fleet.dead = {"default/web-1"};
  fleet.live(5min + 10s);
  fleet.dead.clear();
  fleet.live(5min);
  EXPECT_THAT(fleet.counts({"web-1", "web-2", "web-3"}), ElementsAre(1, 1, 1));
  EXPECT_EQ(fleet.house.state("App/hello", "Ready"), "True/AllReplicasReady");
  EXPECT_FALSE(fleet.machine.twins());
}

}  // namespace
}  // namespace gantry::reconcilers
