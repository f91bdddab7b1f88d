#include "controller/app/registry.hpp"

#include "controller/base/files.hpp"
#include "controller/cli/version.hpp"
#include "crds/embedded.hpp"
#include "providers/digitalocean/digitalocean.hpp"
#include "providers/hetzner/hetzner.hpp"
#include "providers/incus/incus.hpp"
#include "reconcilers/provider/provider_reconciler.hpp"
#include "reconcilers/server/server_reconciler.hpp"
#include "reconcilers/snapshot/snapshot_reconciler.hpp"
#include "reconcilers/source/source_reconciler.hpp"

namespace gantry::app {

object::KindTable served_kinds() {
  std::vector<object::KindPtr> kinds;
  for (const auto& file : crds::embedded_files()) kinds.push_back(object::kind_from_definition(json::parse(file.text)));
  return object::KindTable(std::move(kinds));
}

reconcilers::provider::Accounts::Factories provider_types() {
  return {
      {"digitalocean", providers::digitalocean::make},
      {"hetzner", providers::hetzner::make},
      {"incus", providers::incus::make},
  };
}

Reconcilers serve_kinds(runtime::Plane& plane, ReconcilerParts parts) {
  const auto ours = [](std::string_view plural) { return object::Resource::of("gantry.dev", plural); };
  const auto wake = [&plane](const object::Key& key) { plane.poke(key); };
  Reconcilers made;
  made.accounts = std::make_unique<reconcilers::provider::Accounts>(
      parts.client, providers::ProviderParts{parts.loop, parts.blocking, parts.random, parts.transport},
      provider_types());
  const auto serve = [&](std::string_view plural, std::unique_ptr<runtime::Reconciler> reconciler) {
    plane.serve(ours(plural), *reconciler);
    made.all.push_back(std::move(reconciler));
  };

  auto apps = std::make_unique<reconcilers::app::AppReconciler>(
      reconcilers::app::AppReconciler::Parts{.reactor = parts.loop,
                                             .client = parts.client,
                                             .kinds = parts.kinds,
                                             .host = parts.host,
                                             .sources = parts.sources,
                                             .builder = parts.builder,
                                             .probe = parts.probe,
                                             .hash_key = parts.hash_key,
                                             .wake = wake,
                                             .router = &parts.router,
                                             .disk_alarm = parts.disk_alarm});
  reconcilers::app::follow_servers(plane.informers(), *apps);
  serve("apps", std::move(apps));
  serve("sources", std::make_unique<reconcilers::source::SourceReconciler>(
                       reconcilers::source::SourceReconciler::Parts{.reactor = parts.loop,
                                                                    .blocking = parts.blocking,
                                                                    .client = parts.client,
                                                                    .kinds = parts.kinds,
                                                                    .directory = files::join(parts.data_dir, "sources"),
                                                                    .wake = wake}));
  serve("servers", std::make_unique<reconcilers::server::ServerReconciler>(
                       reconcilers::server::ServerReconciler::Parts{.reactor = parts.loop,
                                                                    .client = parts.client,
                                                                    .hosts = parts.servers,
                                                                    .agent_key = parts.agent_key,
                                                                    .authority = parts.authority,
                                                                    .version = std::string(cli::kVersion),
                                                                    .wake = wake,
                                                                    .accounts = made.accounts.get(),
                                                                    .random = &parts.random,
                                                                    .issue = parts.issue,
                                                                    .agent_source = parts.agent_source}));
  serve("providers",
        std::make_unique<reconcilers::provider::ProviderReconciler>(parts.loop, *made.accounts, &parts.accounts_board));
  serve("snapshots", std::make_unique<reconcilers::snapshot::SnapshotReconciler>(
                         reconcilers::snapshot::SnapshotReconciler::Parts{.reactor = parts.loop,
                                                                          .client = parts.client,
                                                                          .accounts = *made.accounts,
                                                                          .agent_source = parts.agent_source,
                                                                          .wake = wake,
                                                                          .build_reports = &parts.build_reports}));
  // A Release's status is written by its App's reconciler.
  plane.leave_alone(ours("releases"));
  return made;
}

}  // namespace gantry::app
