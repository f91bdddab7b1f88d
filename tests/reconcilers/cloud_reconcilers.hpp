// Providers, Servers and Snapshots in the house in a bottle, served as controller/app/registry.cpp does it; each
// controller has accounts of its own. What they speak to is the world's business that has this as its base.
#pragma once

#include "reconcilers/provider/provider_reconciler.hpp"
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/snapshot/snapshot_reconciler.hpp"
#include "tests/reconcilers/agent_directory.hpp"
#include "tests/world/world.hpp"

namespace gantry::reconcilers {

class CloudReconcilers {
 public:
  provider::AgentSource agent_source{"https://controller:6443/agent/abc", "abc", "1.2.3", false,
                                     "https://controller:6443/agent/builds/"};
  provider::BuildReports build_reports{Secret("reports-key")};
  AgentDirectory hosts;

 protected:
  // network: outlives the process, or is kept by it through `kept`.
  void serve(world::World& house, world::Process& process, http::Transport& network,
             provider::Accounts::Factories factories, provider::AccountOptions options = {},
             std::shared_ptr<void> kept = {}) {
    auto accounts = std::make_shared<provider::Accounts>(
        process.client, providers::ProviderParts{house.reactor, house.blocking, house.random, network},
        std::move(factories), options);
    const auto wake = [plane = process.plane.get()](const object::Key& key) { plane->poke(key); };
    const auto serve_kind = [&](std::string_view plural, std::shared_ptr<runtime::Reconciler> reconciler) {
      process.plane->serve(object::Resource::of("gantry.dev", plural), *reconciler);
      // What they share lives as long as they do.
      process.reconcilers.emplace_back(reconciler.get(), [reconciler, accounts, kept](runtime::Reconciler*) {});
    };
    serve_kind("providers", std::make_shared<provider::ProviderReconciler>(house.reactor, *accounts));
    serve_kind("servers", std::make_shared<server::ServerReconciler>(server::ServerReconciler::Parts{
                              .reactor = house.reactor,
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
                                    return server::ServerReconciler::AgentCertificate{"cert of " + name,
                                                                                      Secret("its key"), "sha256:ab"};
                                  },
                              .agent_source = [this] { return agent_source; }}));
    serve_kind("snapshots", std::make_shared<snapshot::SnapshotReconciler>(
                                snapshot::SnapshotReconciler::Parts{.reactor = house.reactor,
                                                                    .client = process.client,
                                                                    .accounts = *accounts,
                                                                    .agent_source = [this] { return agent_source; },
                                                                    .wake = wake,
                                                                    .build_reports = &build_reports}));
  }
};

}  // namespace gantry::reconcilers
