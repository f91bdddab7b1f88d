// One account at a provider, shared by everything that lives there: one sweep for all who ask, one catalogue, one
// budget that creates reserve from, one brake on deletions. On the loop's reactor.
//
// A listing is believed with care. One that has lost much of what is ours at once is not, until it has been seen
// several times; and nobody is made or let go because of a listing alone (see server_observe.cpp).
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/base/signal.hpp"
#include "providers/provider.hpp"
#include "reconcilers/provider/limits.hpp"

namespace gantry::reconcilers::provider {

struct Sweep {
  providers::Inventory inventory;
  // Absent: nobody follows them, or they could not be listed, and why.
  std::optional<std::vector<providers::ReservedAddress>> addresses;
  std::optional<Error> addresses_problem;
  Instant began{};
};
using SweepPtr = std::shared_ptr<const Sweep>;
using CataloguePtr = std::shared_ptr<const providers::Catalogue>;

struct AccountOptions {
  Duration catalogue_age = std::chrono::hours(1);
  Duration sweep_timeout = std::chrono::seconds(90);  // of whoever waits for somebody else's sweep
  // Servers that are removed within the window; more wait, unless the Provider allows it.
  std::size_t removals_max = 20;
  Duration removals_window = std::chrono::minutes(10);
  int doubts_max = 3;  // listings in a row that say the same unlikely thing
};

class Account {
 public:
  using Options = AccountOptions;
  Account(Reactor& reactor, std::string name, std::unique_ptr<providers::Provider> provider, Options options = {});
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

  providers::Provider& provider() { return *provider_; }
  const providers::Capabilities& can() const { return provider_->capabilities(); }
  const std::string& name() const { return name_; }

  // The newest sweep, which began at `since` or later: one that is known, one under way, or a new one. Throws Error.
  Task<SweepPtr> sweep(Instant since);
  SweepPtr last() const { return last_; }  // null before the first
  // For as long as somebody holds it, sweeps that begin list the account's reserved addresses too.
  std::shared_ptr<const void> follow_addresses();
  // One owner at a time: false when another has acted on that address since `seen`, which was the look it is wanted by.
  bool claim_address(const std::string& id, const std::string& uid, Instant seen);
  // What the account says of itself, no older than that.
  Task<providers::Account> facts(Duration age);
  // What tells it from another account where the vendor tells no id: a few of the things that have been there longest.
  static std::vector<std::string> landmarks(const providers::Inventory& inventory);
  // Whether it is the one that a Provider was before: `id` and `landmarks` as they were then. Asks the vendor.
  Task<bool> is(std::string id, std::vector<std::string> landmarks);
  // How often a sweep is due although nobody waits for anything: never more than a quarter of the calls there are.
  Duration rest() const;
  // At most an hour old.
  Task<CataloguePtr> catalogue();

  // Of the last sweep, with what public addresses cost as far as the catalogue has told.
  Usage usage() const;

  // What is asked for and not listed yet counts as used. Refused with the arithmetic when a limit would be passed;
  // nothing is reserved then. The same uid again replaces what it had reserved.
  std::optional<std::string> reserve(const std::string& uid, const crds::ProviderLimits& limits, const Usage& wish);
  // As reserve(), but only asks.
  std::optional<std::string> would_pass(const std::string& uid, const crds::ProviderLimits& limits,
                                        const Usage& wish) const;
  void release(const std::string& uid) { reserved_.erase(uid); }

  // How long to wait before one more server may be removed; zero: now.
  Duration brake() const;
  void removed(const std::string& id);

  // Called after a sweep in which the things of that owner are not what they were in the one before.
  void on_change(std::function<void(const std::string& uid)> listener) { listeners_.push_back(std::move(listener)); }

 private:
  Task<> run_sweep();
  void believe(SweepPtr fresh);
  std::optional<std::string> doubt(const providers::Inventory& fresh) const;
  Usage reserved_beside(const std::string& uid) const;

  Reactor& reactor_;
  std::string name_;
  std::unique_ptr<providers::Provider> provider_;
  Options options_;
  SweepPtr last_;
  bool sweeping_ = false;
  Signal swept_;
  struct Failure {
    Error error;
    Instant began;
    Instant until;
  };
  std::optional<Failure> failure_;
  int doubts_ = 0;
  std::optional<providers::Account> facts_;
  Instant facts_at_{};
  CataloguePtr catalogue_;
  Instant catalogue_at_{};
  std::weak_ptr<const void> address_followers_;
  struct Claim {
    std::string uid;
    Instant at{};
  };
  std::map<std::string, Claim> claims_;    // by id of the reserved address
  std::map<std::string, Usage> reserved_;  // by owner's uid
  std::deque<Instant> removals_;
  std::set<std::string> removed_;  // ids that we have removed, and that are not to be missed
  std::vector<std::function<void(const std::string&)>> listeners_;
};
using AccountPtr = std::shared_ptr<Account>;

}  // namespace gantry::reconcilers::provider
