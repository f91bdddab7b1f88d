// Keeps a Snapshot: an image that Servers start from, built once and kept up to date. The decisions are in
// snapshot_plan.hpp; here is the doing.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "controller/api/client.hpp"
#include "reconcilers/provider/build_reports.hpp"
#include "reconcilers/provider/user_data.hpp"
#include "reconcilers/snapshot/snapshot_plan.hpp"

namespace gantry::reconcilers::snapshot {

class SnapshotReconciler final : public runtime::Reconciler {
 public:
  struct Parts {
    Reactor& reactor;
    api::Client& client;
    provider::Accounts& accounts;
    std::function<provider::AgentSource()> agent_source;
    std::function<void(const object::Key&)> wake;
    provider::BuildReports* build_reports = nullptr;  // null: builders have nowhere to say what has failed
    Duration retry = std::chrono::minutes(5);         // after a build that came to nothing
  };
  explicit SnapshotReconciler(Parts parts);

  Task<runtime::SeenPtr> observe(const runtime::Subject& subject) override;
  runtime::Plan plan(const runtime::Subject& subject, const runtime::Seen& seen) override;
  Task<> act(const runtime::Subject& subject, const runtime::Seen& seen, const runtime::Action& action,
             runtime::Notes& notes) override;
  runtime::Report report(const runtime::Subject& subject, const runtime::Seen& seen,
                         const runtime::Plan& plan) override;
  void forget(const std::string& uid) override { memory_.erase(uid); }

 private:
  Task<> observe_base(const runtime::Subject& subject, SnapshotView& view);
  Task<> observe_account(const runtime::Subject& subject, SnapshotView& view);
  void choose_content(const runtime::Subject& subject, SnapshotView& view) const;
  Task<> observe_builder(const runtime::Subject& subject, SnapshotView& view);
  void observe_report(const runtime::Subject& subject, SnapshotView& view) const;
  std::string report_token(const runtime::Subject& subject, const SnapshotView& view) const;
  void observe_order(const runtime::Subject& subject, const providers::Catalogue& catalogue, SnapshotView& view);
  Task<> create_builder(const runtime::Subject& subject, const SnapshotView& view, runtime::Notes& notes);
  Task<> create_image(const runtime::Subject& subject, const SnapshotView& view, const std::string& server,
                      runtime::Notes& notes);
  Task<> announce(const runtime::Subject& subject, const std::string& what, WallTime now);
  Task<> annotate(const runtime::Subject& subject, json::Object annotations);

  struct Memory {
    object::Key key;
    Instant acted{};
    bool hurry = false;
    Instant failed_at{};
    std::string failure;
  };
  Memory& memory_of(const runtime::Subject& subject);

  Parts parts_;
  std::map<std::string, Memory> memory_;  // by uid
};

}  // namespace gantry::reconcilers::snapshot
