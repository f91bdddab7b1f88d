// The house in a bottle with a real provider in it, whose vendor is emulated: every call of a controller to its API and
// to the vendor passes its lifeline, and can be refused, lost, or cut off by the controller's death.
#pragma once

#include <gmock/gmock.h>

#include "reconcilers/provider/provider_reconciler.hpp"
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/snapshot/snapshot_reconciler.hpp"
#include "tests/clouds/account_test.hpp"
#include "tests/reconcilers/agent_directory.hpp"
#include "tests/world/world.hpp"

namespace gantry::lives {

// A controller's line to the vendor.
class MortalTransport final : public http::Transport {
 public:
  MortalTransport(http::Transport& network, world::Lifeline& line) : network_(network), line_(line) {}
  Task<http::Response> send(http::Request request) override {
    const std::string name = "vendor " + request.method;
    co_return co_await line_.pass<http::Response>(name, [this, &request] { return network_.send(request); });
  }

 private:
  http::Transport& network_;
  world::Lifeline& line_;
};

template <class Vendor>
class EmulatedWorld {
 public:
  explicit EmulatedWorld(world::WorldOptions options)
      : world(with_setup(std::move(options))),
        vendor(*(vendor_ = std::make_unique<typename Vendor::Emulator>(world.reactor))) {
    network_ = std::make_unique<emulators::EmulatorTransport>(vendor);
    world.restart();
    world.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {token: " + vendor.token +
                "}\n---\napiVersion: gantry.dev/v1alpha1\nkind: Provider\nmetadata: {name: cloud}\n"
                "spec: {type: " +
                std::string(Vendor::type) + ", region: " + std::string(Vendor::region) +
                ", credentials: {secretRef: {name: token}}}\n");
  }

  void server(const std::string& name, const std::string& from) {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Server\nmetadata: {name: " + name +
                "}\nspec: {providerRef: {name: cloud}, agent: {enabled: false}, size: " + std::string(Vendor::size) +
                ", " + from + "}\n");
  }
  void snapshot(const std::string& name, const std::string& from) {
    world.apply("apiVersion: gantry.dev/v1alpha1\nkind: Snapshot\nmetadata: {name: " + name +
                "}\nspec: {providerRef: {name: cloud}, " + from + "}\n");
  }

  reconcilers::provider::AgentSource agent_source{"https://controller:6443/agent/abc", "abc", "1.2.3"};
  reconcilers::AgentDirectory hosts;

 private:
  // Made after the world, whose time they have, and gone after it: its end lets calls under way finish.
  std::unique_ptr<typename Vendor::Emulator> vendor_;
  std::unique_ptr<emulators::EmulatorTransport> network_;

 public:
  world::World world;
  typename Vendor::Emulator& vendor;

 private:
  world::WorldOptions with_setup(world::WorldOptions options) {
    options.start = false;  // not before there is a vendor
    options.setup = [this](world::World& house, world::Process& process) { serve(house, process); };
    return options;
  }

  // As the registry does it.
  void serve(world::World& house, world::Process& process) {
    namespace provider = reconcilers::provider;
    using reconcilers::server::ServerReconciler;
    using reconcilers::snapshot::SnapshotReconciler;
    auto line = std::make_shared<MortalTransport>(*network_, process.line);
    auto accounts = std::make_shared<provider::Accounts>(
        process.client, providers::ProviderParts{house.reactor, house.blocking, house.random, *line},
        provider::Accounts::Factories{
            {Vendor::type, [](const providers::ProviderParts& parts, const providers::ProviderSettings& settings) {
               return Vendor::make(parts, settings);
             }}});
    const auto wake = [plane = process.plane.get()](const object::Key& key) { plane->poke(key); };
    const auto serve_kind = [&](std::string_view plural, std::shared_ptr<runtime::Reconciler> reconciler) {
      process.plane->serve(object::Resource::of("gantry.dev", plural), *reconciler);
      // What they share lives as long as they do.
      process.reconcilers.emplace_back(reconciler.get(), [reconciler, accounts, line](runtime::Reconciler*) {});
    };
    serve_kind("providers", std::make_shared<provider::ProviderReconciler>(house.reactor, *accounts));
    serve_kind("servers", std::make_shared<ServerReconciler>(
                              ServerReconciler::Parts{.reactor = house.reactor,
                                                      .client = process.client,
                                                      .hosts = hosts,
                                                      .agent_key = Secret("fleet-key"),
                                                      .authority = "our authority",
                                                      .version = "1.2.3",
                                                      .wake = wake,
                                                      .accounts = accounts.get(),
                                                      .random = &house.random,
                                                      .issue =
                                                          [](const std::string& name) {
                                                            return ServerReconciler::AgentCertificate{
                                                                "cert of " + name, Secret("its key"), "sha256:ab"};
                                                          },
                                                      .agent_source = [this] { return agent_source; }}));
    serve_kind("snapshots", std::make_shared<SnapshotReconciler>(
                                SnapshotReconciler::Parts{.reactor = house.reactor,
                                                          .client = process.client,
                                                          .accounts = *accounts,
                                                          .agent_source = [this] { return agent_source; },
                                                          .wake = wake}));
  }
};

}  // namespace gantry::lives
