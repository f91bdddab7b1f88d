// The one place where kinds, reconcilers and what stands behind them are named. Adding a kind: docs/add-a-kind.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/api/client.hpp"
#include "controller/base/blocking.hpp"
#include "controller/object/kind.hpp"
#include "controller/runtime/plane.hpp"
#include "providers/host_directory.hpp"
#include "providers/router.hpp"
#include "providers/workload_host.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/provider/accounts.hpp"
#include "reconcilers/provider/board.hpp"
#include "reconcilers/provider/build_reports.hpp"
#include "reconcilers/server/server_reconciler.hpp"

namespace gantry::app {

// Every kind that crds/ defines.
object::KindTable served_kinds();

struct ReconcilerParts {
  Reactor& loop;
  Blocking& blocking;
  api::Client& client;
  const object::KindTable& kinds;
  providers::WorkloadHost& host;
  providers::HostDirectory& servers;
  providers::Router& router;
  providers::Sources& sources;
  providers::Builder& builder;
  reconcilers::app::HealthMonitor::Probe probe;
  std::function<std::string()> disk_alarm;
  std::string data_dir;
  std::string hash_key;
  Secret agent_key;       // for agents of Servers without a Secret of their own
  std::string authority;  // PEM, likewise
  // For machines that are made.
  http::Transport& transport;
  Random& random;
  std::function<reconcilers::server::ServerReconciler::AgentCertificate(const std::string& name)> issue;
  std::function<reconcilers::provider::AgentSource()> agent_source;
  reconcilers::provider::Board& accounts_board;        // outlives them
  reconcilers::provider::BuildReports& build_reports;  // likewise
};

// What stands behind each type of Provider.
reconcilers::provider::Accounts::Factories provider_types();

// The reconcilers of a plane, and what they share.
struct Reconcilers {
  std::unique_ptr<reconcilers::provider::Accounts> accounts;
  std::vector<std::unique_ptr<runtime::Reconciler>> all;
};

// Makes the reconcilers and gives the plane one for each kind that has one. They must live as long as the plane.
Reconcilers serve_kinds(runtime::Plane& plane, ReconcilerParts parts);

}  // namespace gantry::app
