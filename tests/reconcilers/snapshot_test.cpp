// Goal: a Snapshot is built once by a machine that does not stay, is where it is wanted, and is built anew when what it
// is made of changes; wherever that is cut off, no builder and no second image is left. Method: as cloud_server_test
// and cloud_faults_test.
#include "tests/reconcilers/cloud_world.hpp"

namespace gantry::reconcilers {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using world::Fault;

constexpr const char* kBase = "from: {image: debian-12}, packages: [git], regions: ['*']";

std::vector<std::string> regions_of(CloudWorld& house, const std::string& name) {
  std::vector<std::string> all;
  const json::Value object = house.world.get(name);
  if (const json::Value* list = object.at({"status", "regions"})) {
    for (const auto& region : list->as_array()) all.push_back(region.as_string());
  }
  return all;
}

std::string id_of(CloudWorld& house, const std::string& name) {
  const json::Value object = house.world.get(name);
  const json::Value* id = object.at({"status", "id"});
  return id ? id->as_string() : "";
}

TEST(Snapshot, IsBuiltByAMachineThatDoesNotStay) {
  CloudWorld house;
  house.snapshot("base", kBase);
  house.world.advance(1min);
  EXPECT_EQ(house.state("Snapshot/base", "Ready"), "False/Building");
  ASSERT_THAT(house.cloud.machines, SizeIs(1));
  const auto& builder = house.cloud.machines.begin()->second;
  EXPECT_EQ(builder.server.size, "cx23") << "the cheapest that can be had";
  EXPECT_THAT(builder.user_data, HasSubstr("apt-get install -y -q --no-install-recommends 'git'"));
  EXPECT_THAT(builder.user_data, HasSubstr("https://controller:6443/agent/abc"));
  house.world.advance(9min);
  EXPECT_EQ(house.state("Snapshot/base", "Ready"), "True/ImageAvailable");
  EXPECT_EQ(house.state("Snapshot/base", "Current"), "True/SameContent");
  EXPECT_EQ(house.state("Snapshot/base", "Synced"), "True/ReconcileSuccess");
  EXPECT_THAT(house.cloud.machines, IsEmpty());
  EXPECT_THAT(house.cloud.images, SizeIs(1));
  EXPECT_THAT(regions_of(house, "Snapshot/base"), UnorderedElementsAre("fsn1", "nbg1"));
  const json::Value snapshot = house.world.get("Snapshot/base");
  EXPECT_EQ(snapshot.at({"status", "agentVersion"})->as_string(), "1.2.3");

  house.world.remove("Snapshot/base");
  house.world.advance(1min);
  EXPECT_THAT(house.cloud.images, IsEmpty());
  EXPECT_FALSE(house.world.find("Snapshot/base"));
}

TEST(Snapshot, ABuilderThatHasNotRunIsNotTakenForDone) {
  CloudWorld house;
  house.cloud.starts_itself = false;
  house.snapshot("base", "from: {image: debian-12}");
  house.world.advance(15min);
  EXPECT_EQ(house.state("Snapshot/base", "Ready"), "True/ImageAvailable");
  EXPECT_THAT(house.cloud.log, testing::Not(Contains("image of what was never built")));
  EXPECT_THAT(house.cloud.machines, IsEmpty());
}

TEST(Snapshot, ANewAgentMakesItStaleAndTheOldImageServesUntilThereIsANewOne) {
  CloudWorld house;
  house.snapshot("base", "from: {image: debian-12}, retain: 1");
  house.world.advance(10min);
  const std::string first = id_of(house, "Snapshot/base");
  ASSERT_NE(first, "");
  for (const char* version : {"1.2.4", "1.2.5"}) {
    house.agent_source.version = version;
    house.world.patch("Snapshot/base",
                      R"({"metadata":{"annotations":{"gantry.dev/reconcile-at":")" + std::string(version) + R"("}}})");
    house.world.advance(1min);
    EXPECT_EQ(house.state("Snapshot/base", "Current"), "False/Stale");
    EXPECT_EQ(house.world.condition("Snapshot/base", "Ready"), "True");
    house.world.advance(10min);
    EXPECT_EQ(house.state("Snapshot/base", "Current"), "True/SameContent");
  }
  EXPECT_NE(id_of(house, "Snapshot/base"), first);
  EXPECT_THAT(house.cloud.images, SizeIs(2)) << "the newest, and one older";
}

TEST(Snapshot, IsBuiltAgainWhenItsScheduleSaysSo) {
  CloudWorld house;  // it is Saturday, 21 November 2026, 10:00
  house.snapshot("base", "from: {image: debian-12}, retain: 0, rebuild: {schedule: '0 3 * * 0'}");
  house.world.advance(10min);
  const std::string first = id_of(house, "Snapshot/base");
  house.world.advance(16h);
  EXPECT_EQ(id_of(house, "Snapshot/base"), first);
  house.world.advance(2h);
  EXPECT_NE(id_of(house, "Snapshot/base"), first);
  EXPECT_THAT(house.cloud.images, SizeIs(1));
  const auto builds =
      std::ranges::count_if(house.cloud.log, [](const auto& line) { return line.starts_with("image "); });
  house.world.advance(48h);
  EXPECT_EQ(std::ranges::count_if(house.cloud.log, [](const auto& line) { return line.starts_with("image "); }),
            builds);
}

TEST(Snapshot, WhatIsBuiltOnItFollowsItAndServersStartFromIt) {
  CloudWorld house;
  house.snapshot("custom", "from: {snapshotRef: {name: base}}, packages: [nginx]");
  house.server("web-1", "size: cx23, snapshotRef: {name: custom}");
  house.world.advance(1min);
  EXPECT_EQ(house.state("Snapshot/custom", "Synced"), "False/ReferenceNotFound");
  EXPECT_EQ(house.state("Server/web-1", "Synced"), "False/SnapshotNotReady");
  house.snapshot("base", "from: {image: debian-12}");
  house.world.advance(20min);
  ASSERT_EQ(house.state("Server/web-1", "Ready"), "True/Running");
  EXPECT_EQ(house.cloud.find("web-1")->server.image, id_of(house, "Snapshot/custom"));
  EXPECT_EQ(house.world.condition("Server/web-1", "SnapshotCurrent"), "True");
  house.world.patch("Snapshot/base", R"({"spec":{"packages":["git"]}})");
  house.world.advance(30min);
  EXPECT_NE(house.cloud.find("web-1")->server.image, id_of(house, "Snapshot/custom"));
  EXPECT_EQ(house.world.condition("Server/web-1", "SnapshotCurrent"), "False");
  EXPECT_THAT(house.cloud.names(), ElementsAre("web-1")) << "it is told, and not replaced";
}

TEST(Snapshot, ABuilderThatSaysWhatHasFailedIsNotWaitedFor) {
  CloudWorld house;
  house.cloud.builds_fail = true;
  house.snapshot("base", "from: {image: debian-12}");
  house.world.advance(2min);
  ASSERT_THAT(house.cloud.machines, SizeIs(1));
  const std::string& told = house.cloud.machines.begin()->second.user_data;
  const std::string address = house.agent_source.reports;
  ASSERT_THAT(told, HasSubstr(address));
  const std::string token = told.substr(told.find(address) + address.size(), 64);
  EXPECT_FALSE(house.build_reports.put(std::string(64, '0'), "a stranger")) << "nobody waits for that one";
  EXPECT_FALSE(house.build_reports.put(token, std::string(provider::BuildReports::kTextMax + 1, 'x')));
  EXPECT_TRUE(house.build_reports.put(token, "Setting up git\n\x1b[31mE: Unable to locate package ffmpge\x1b[0m\n\n"));
  house.world.advance(30s);
  EXPECT_EQ(house.state("Snapshot/base", "Synced"), "False/BuildFailed");
  EXPECT_THAT(house.world.message("Snapshot/base", "Synced"),
              HasSubstr("its last lines: Setting up git\n[31mE: Unable to locate package ffmpge[0m; tried again in"));
  EXPECT_THAT(house.cloud.names(), IsEmpty());
  house.cloud.builds_fail = false;
  house.world.advance(20min);
  EXPECT_EQ(house.state("Snapshot/base", "Ready"), "True/ImageAvailable");
}

TEST(Snapshot, WhileTheAgentIsPackedOnlyWhatIsToBeBuiltWaits) {
  CloudWorld house;
  house.snapshot("base", "from: {image: debian-12}");
  house.world.advance(10min);
  ASSERT_EQ(house.state("Snapshot/base", "Ready"), "True/ImageAvailable");
  house.agent_source.pending = true;
  house.agent_source.url.clear();
  house.snapshot("later", "from: {image: debian-12}");
  house.world.advance(2min);
  EXPECT_EQ(house.state("Snapshot/base", "Synced"), "True/ReconcileSuccess");
  EXPECT_EQ(house.state("Snapshot/later", "Synced"), "False/AgentBeingPacked");
  EXPECT_THAT(house.cloud.names(), IsEmpty());
}

TEST(Snapshot, ABuildThatDoesNotEndIsGivenUpAndTriedAgainLater) {
  CloudWorld house;
  house.cloud.builds_fail = true;
  house.snapshot("base", "from: {image: debian-12}");
  house.world.advance(32min);
  EXPECT_EQ(house.state("Snapshot/base", "Synced"), "False/BuildFailed");
  EXPECT_THAT(house.cloud.names(), IsEmpty());
  house.cloud.builds_fail = false;
  house.world.advance(20min);
  EXPECT_EQ(house.state("Snapshot/base", "Ready"), "True/ImageAvailable");
  EXPECT_THAT(house.cloud.names(), IsEmpty());
}

// Build, rebuild, delete.
void life_of_a_snapshot(CloudWorld& house) {
  house.snapshot("base", "from: {image: debian-12}, retain: 0, regions: [fsn1, nbg1]");
  house.world.advance(60min);
  ASSERT_EQ(house.state("Snapshot/base", "Ready"), "True/ImageAvailable");
  ASSERT_THAT(house.cloud.machines, IsEmpty()) << "a builder is left";
  ASSERT_THAT(house.cloud.images, SizeIs(1));
  house.world.patch("Snapshot/base", R"({"spec":{"packages":["git"]}})");
  house.world.advance(60min);
  ASSERT_EQ(house.state("Snapshot/base", "Current"), "True/SameContent");
  ASSERT_THAT(house.cloud.machines, IsEmpty()) << "a builder is left";
  ASSERT_THAT(house.cloud.images, SizeIs(1));
  house.world.remove("Snapshot/base");
  house.world.advance(30min);
  ASSERT_THAT(house.cloud.machines, IsEmpty()) << "a builder is left";
  ASSERT_THAT(house.cloud.images, IsEmpty());
  ASSERT_FALSE(house.world.find("Snapshot/base"));
}

class EverySnapshotFault : public testing::TestWithParam<const char*> {};

TEST_P(EverySnapshotFault, LeavesNoBuilderAndNoSecondImage) {
  std::size_t calls = 0;
  {
    CloudWorld house({}, GetParam());
    life_of_a_snapshot(house);
    calls = house.world.faults.calls();
  }
  ASSERT_GT(calls, 0u);
  for (const Fault& fault : world::every_fault(std::min<std::size_t>(calls, 16))) {
    SCOPED_TRACE(testing::PrintToString(fault));
    world::WorldOptions options;
    options.fault = fault;
    CloudWorld house(options, GetParam());
    life_of_a_snapshot(house);
    if (HasFatalFailure()) {
      for (const auto& line : house.cloud.log) std::cout << line << "\n";
      return;
    }
  }
  std::cout << GetParam() << ": " << calls << " calls\n";
}

INSTANTIATE_TEST_SUITE_P(Seams, EverySnapshotFault,
                         testing::Values("cloud create_server", "cloud create_image", "cloud copy", "cloud remove",
                                         "cloud observe", "patch snapshots", "update_status snapshots"));

}  // namespace
}  // namespace gantry::reconcilers
