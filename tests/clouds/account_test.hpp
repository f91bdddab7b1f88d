// A provider in front of its emulated vendor, in time that the test moves. Whatever a test does: both sides keep to the
// vendor's description, and no call is refused for being one too many.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/base/random.hpp"
#include "providers/digitalocean/digitalocean.hpp"
#include "providers/hetzner/hetzner.hpp"
#include "tests/emulators/digitalocean.hpp"
#include "tests/emulators/hetzner.hpp"
#include "tests/emulators/transport.hpp"
#include "tests/world/manual_clock.hpp"

namespace gantry::clouds {

using providers::Mark;
using providers::Operation;
using providers::Progress;
using providers::Provider;
using Trouble = emulators::Trouble;
using How = emulators::Trouble::How;

// What differs between the two in a test that holds for both.
template <class TheEmulator, auto Make>
struct Vendor {
  using Emulator = TheEmulator;
  static std::unique_ptr<Provider> make(const providers::ProviderParts& parts,
                                        const providers::ProviderSettings& settings) {
    return Make(parts, settings);
  }
  static std::size_t images_made(const Emulator& cloud) { return cloud.images.size() - 3; }
};

struct DigitalOcean : Vendor<emulators::DigitalOcean, providers::digitalocean::make> {
  static constexpr const char* type = "digitalocean";
  static constexpr const char* size = "s-1vcpu-1gb";
  static constexpr const char* bigger = "s-2vcpu-4gb";
  static constexpr const char* region = "lon1";
  static constexpr const char* image = "ubuntu-24-04-x64";
  static constexpr const char* servers = "/v2/droplets";
  static constexpr const char* images = "/v2/images";
  static constexpr const char* firewalls = "/v2/firewalls";
  static constexpr std::size_t sweep_of_a_thousand = 10;
  static constexpr std::size_t firewalls_at_most = 1000;  // of a thousand servers
  static constexpr std::size_t sweep_with_firewalls = 11;
  static void place_firewall(Emulator& cloud, const Mark& mark) {
    const std::string name = "gantry-" + mark.role + "-" + mark.uid;
    cloud.firewalls[name] = {
        .id = name, .name = name, .tags = {name}, .created_at = "2026-01-01T00:00:00Z", .settled = true};
  }
  static void mark_as(Emulator& cloud, const std::string& name, const Mark& mark) {
    cloud.place(name, {"gantry-" + mark.role + "-" + mark.uid});
  }
  static std::size_t count(const Emulator& cloud) { return cloud.droplets.size(); }
  static const std::string& size_of_first(const Emulator& cloud) { return cloud.droplets.begin()->second.size; }
  static void allow(Emulator& cloud, int most) { cloud.droplet_limit = most; }
  static const std::string& user_data_of(const Emulator& cloud) { return cloud.droplets.begin()->second.user_data; }
  // As if somebody had made them by hand.
  static std::string place_image(Emulator& cloud, const std::string& name) {
    auto golden = cloud.images.begin()->second;
    golden.id = 900;
    golden.name = name;
    golden.slug.clear();
    cloud.images[golden.id] = golden;
    return std::to_string(golden.id);
  }
  static void place_behind_firewall(Emulator& cloud, const std::string& name) {
    cloud.place(name, {"walled"});
    cloud.firewalls["fw"] = {
        .id = "fw", .name = "by-hand", .tags = {"walled"}, .created_at = "2026-01-01T00:00:00Z", .settled = true};
  }
  static std::size_t behind_firewall(const Emulator& cloud) {
    return static_cast<std::size_t>(
        std::ranges::count_if(cloud.droplets, [](const auto& one) { return one.second.tags.contains("walled"); }));
  }
  static std::string place_network(Emulator& cloud, const std::string& name) {
    cloud.vpcs.push_back({.id = "5a4981aa-9653-4bd1-bef5-d6bff52042e4", .name = name, .region = region});
    return cloud.vpcs.back().id;
  }
  static void place_address(Emulator& cloud, const std::string& address) {
    cloud.reserved_ips[address] = {.ip = address, .region = region};
  }
  // Id of the server that it leads to; "0": none.
  static std::string holder_of(const Emulator& cloud, const std::string& address) {
    return std::to_string(cloud.reserved_ips.at(address).droplet);
  }
};

struct Hetzner : Vendor<emulators::Hetzner, providers::hetzner::make> {
  static constexpr const char* type = "hetzner";
  static constexpr const char* size = "cx23";
  static constexpr const char* bigger = "cx33";
  static constexpr const char* region = "fsn1";
  static constexpr const char* image = "ubuntu-24.04";
  static constexpr const char* servers = "/v1/servers";
  static constexpr const char* images = "/v1/images";
  static constexpr const char* firewalls = "/v1/firewalls";
  static constexpr std::size_t sweep_of_a_thousand = 25;
  static constexpr std::size_t firewalls_at_most = 50;
  static constexpr std::size_t sweep_with_firewalls = 22;
  static void place_firewall(Emulator& cloud, const Mark& mark) {
    const auto id = static_cast<std::int64_t>(910 + cloud.firewalls.size());
    cloud.firewalls[id] = {.id = id,
                           .name = "gantry-" + mark.uid,
                           .labels = {{"gantry.dev/uid", mark.uid}, {"gantry.dev/role", mark.role}},
                           .created = "2026-01-01T00:00:00Z"};
  }
  static void mark_as(Emulator& cloud, const std::string& name, const Mark& mark) {
    cloud.place(name, {{"gantry.dev/uid", mark.uid}, {"gantry.dev/role", mark.role}});
  }
  static std::size_t count(const Emulator& cloud) { return cloud.servers.size(); }
  static const std::string& size_of_first(const Emulator& cloud) { return cloud.servers.begin()->second.type; }
  static void allow(Emulator& cloud, int most) { cloud.server_limit = most; }
  static const std::string& user_data_of(const Emulator& cloud) { return cloud.servers.begin()->second.user_data; }
  static std::string place_image(Emulator& cloud, const std::string& name) {
    auto golden = cloud.images.begin()->second;
    golden.id = 900;
    golden.type = "snapshot";
    golden.name.clear();
    golden.description = name;
    cloud.images[golden.id] = golden;
    return std::to_string(golden.id);
  }
  static void place_behind_firewall(Emulator& cloud, const std::string& name) {
    const json::Value to = json::Object{{"type", "server"}, {"server", json::Object{{"id", cloud.place(name, {}).id}}}};
    cloud.firewalls[901] = {.id = 901, .name = "by-hand", .applied_to = {to}, .created = "2026-01-01T00:00:00Z"};
  }
  static std::size_t behind_firewall(const Emulator& cloud) {
    return cloud.firewalls.begin()->second.applied_to.size();
  }
  static std::string place_network(Emulator& cloud, const std::string& name) {
    cloud.networks[902] = {.id = 902, .name = name};
    return "902";
  }
  static void place_address(Emulator& cloud, const std::string& address) {
    cloud.floating_ips[903] = {.id = 903, .ip = address, .home = region};
  }
  static std::string holder_of(const Emulator& cloud, const std::string& address) {
    const auto at = std::ranges::find_if(cloud.floating_ips, [&](const auto& one) { return one.second.ip == address; });
    return std::to_string(at->second.server);
  }
};

template <class Vendor>
class AccountTest : public ::testing::Test {
 protected:
  using Cloud = Vendor;
  AccountTest() { sign_in(cloud.token); }
  ~AccountTest() override {
    EXPECT_THAT(cloud.breaches(), ::testing::IsEmpty());
    EXPECT_EQ(cloud.over_the_limit(), 0) << "calls beyond the account's limit";
  }

  void sign_in(const std::string& token) {
    provider =
        Cloud::make({reactor, blocking, random, transport},
                    {.name = "prod/cloud", .endpoint = {}, .region = {}, .credentials = {{"token", Secret(token)}}});
  }

  void pass(Duration duration) {
    clock.advance(duration, [this] { settle(); });
  }
  void settle() {
    while (reactor.poll() > 0) {
    }
  }

  // Until it is done; throws what it throws.
  template <class T>
  T run(Task<T> task) {
    bool done = false;
    std::exception_ptr failure;
    std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> result;
    reactor.spawn(keep(std::move(task), result, failure, done));
    settle();
    for (int i = 0; i < 36'000 && !done; ++i) pass(std::chrono::milliseconds(100));
    EXPECT_TRUE(done) << "not done within an hour";
    if (failure) std::rethrow_exception(failure);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
  template <class T>
  ErrorCode refused(Task<T> task, std::string* message = nullptr) {
    try {
      run(std::move(task));
    } catch (const Error& error) {
      if (message) *message = error.message();
      return error.code();
    }
    ADD_FAILURE() << "it was not refused";
    return ErrorCode::Internal;
  }

  providers::ServerOrder order(const std::string& name, const std::string& uid) const {
    providers::ServerOrder wanted{.mark = {uid, "server"},
                                  .token = uid + "-1",
                                  .name = name,
                                  .size = Cloud::size,
                                  .region = Cloud::region,
                                  .image = Cloud::image};
    wanted.user_data = Secret("#cloud-config\nruncmd: [echo agent-key-of-" + uid + "]\n");
    return wanted;
  }
  Progress finish(const Operation& operation) {
    if (operation.id.empty()) return {.id = {}, .state = Progress::State::Done, .problem = {}};
    for (int i = 0; i < 200; ++i) {
      const auto progress = run(provider->poll({operation.id}));
      if (progress.at(0).state != Progress::State::Running) return progress.at(0);
      pass(std::chrono::seconds(3));
    }
    ADD_FAILURE() << "it never ends";
    return {};
  }
  providers::CloudServer make_server(const std::string& name, const std::string& uid) {
    const Operation operation = run(provider->create_server(order(name, uid)));
    EXPECT_EQ(finish(operation).state, Progress::State::Done);
    const auto server = run(provider->find_server(operation.target));
    EXPECT_TRUE(server);
    return server.value_or(providers::CloudServer{});
  }
  // Starts all of them before waiting for any; throws the first failure.
  Task<> together(std::vector<Task<>> tasks) {
    std::size_t left = tasks.size();
    std::exception_ptr failure;
    for (auto& task : tasks) reactor.spawn(count_down(std::move(task), left, failure));
    while (left > 0) co_await sleep_for(reactor, std::chrono::milliseconds(100));
    if (failure) std::rethrow_exception(failure);
  }
  Task<> count_down(Task<> task, std::size_t& left, std::exception_ptr& failure) {
    try {
      co_await std::move(task);
    } catch (...) {
      failure = std::current_exception();
    }
    --left;
  }

  world::ManualClock clock;
  Reactor reactor{"test", clock};
  InlineBlocking blocking;
  SeededRandom random{7};
  typename Cloud::Emulator cloud{reactor};
  emulators::EmulatorTransport transport{cloud};
  std::unique_ptr<Provider> provider;

 private:
  template <class T, class R>
  Task<> keep(Task<T> task, R& result, std::exception_ptr& failure, bool& done) {
    try {
      if constexpr (std::is_void_v<T>) {
        co_await std::move(task);
      } else {
        result = co_await std::move(task);
      }
    } catch (...) {
      failure = std::current_exception();
    }
    done = true;
  }
};

}  // namespace gantry::clouds
