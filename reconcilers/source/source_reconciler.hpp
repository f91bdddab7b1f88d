// Manifests that arrive by themselves, from a folder or from git. Each document is applied on its own, by a field
// manager of the Source's own; one that is broken keeps its last good version and holds up no other; what left the tree
// is pruned, but never because something could not be read. What a Source holds is marked on the objects themselves
// (label gantry.dev/source), so that it is known again after any restart.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "controller/api/client.hpp"
#include "controller/base/blocking.hpp"
#include "controller/object/kind.hpp"
#include "controller/runtime/reconciler.hpp"
#include "providers/source/git_checkout.hpp"
#include "reconcilers/source/folder_watch.hpp"
#include "reconcilers/source/sync_plan.hpp"

namespace gantry::reconcilers::source {

struct SourceSeen;

class SourceReconciler final : public runtime::Reconciler {
 public:
  struct Parts {
    Reactor& reactor;
    Blocking& blocking;
    api::Client& client;
    const object::KindTable& kinds;
    std::string directory;  // for checkouts, ours alone
    std::function<void(const object::Key&)> wake;
    Duration resync = std::chrono::minutes(5);  // everything is applied again, against what was changed by hand
    Duration settle = std::chrono::seconds(1);  // nothing is pruned until the tree has been still for so long
  };
  explicit SourceReconciler(Parts parts);
  ~SourceReconciler() override;

  Task<runtime::SeenPtr> observe(const runtime::Subject& subject) override;
  runtime::Plan plan(const runtime::Subject& subject, const runtime::Seen& seen) override;
  Task<> act(const runtime::Subject& subject, const runtime::Seen& seen, const runtime::Action& action,
             runtime::Notes& notes) override;
  runtime::Report report(const runtime::Subject& subject, const runtime::Seen& seen,
                         const runtime::Plan& plan) override;
  void forget(const std::string& uid) override { memory_.erase(uid); }

 private:
  struct Failure {
    std::string hash;
    std::size_t line = 0;
    std::string file;
    std::string message;
    Instant retry_at{};
  };
  struct Memory {
    std::shared_ptr<ManifestTree> tree = std::make_shared<ManifestTree>();
    std::unique_ptr<FolderWatch> watch;
    std::optional<std::vector<Held>> inventory;  // absent: to be read from the objects' marks
    std::map<Identity, Failure> failures;
    std::string digest;  // of the tree as last seen
    Instant changed{};   // when that last moved
    std::optional<Instant> full_sync;
    providers::source::Checkout checkout;
    std::string checkout_of;  // url and ref
    Instant fetched{};
    std::string fetch_problem;
    bool fetch_asked = false;
  };

  Task<std::string> folder_of(const runtime::Subject& subject, Memory& memory, SourceSeen& seen);
  Task<std::vector<Held>> read_inventory(const runtime::Subject& subject);
  Task<> apply_one(const runtime::Subject& subject, const Manifest& manifest, const std::string& folder,
                   Memory& memory);
  Task<> prune_one(const Held& held, runtime::Notes& notes, Memory& memory);
  object::KindPtr kind_of(const Identity& identity) const;

  Parts parts_;
  std::map<std::string, Memory> memory_;  // by the Source's uid
};

}  // namespace gantry::reconcilers::source
