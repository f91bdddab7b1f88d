#include "reconcilers/provider/account.hpp"

#include <algorithm>

#include "controller/base/log.hpp"

namespace gantry::reconcilers::provider {
namespace {

const log::Logger kLog("account");

constexpr Duration kRest = std::chrono::minutes(1);
constexpr Duration kPauseAfterFailure = std::chrono::seconds(2);
// Fewer may well go at once.
constexpr std::size_t kManyLost = 3;
constexpr std::size_t kLandmarks = 20;
constexpr Duration kFactsFresh = std::chrono::hours(1);

// All that a reconciler could act on, of everything that carries an owner's mark.
std::map<std::string, std::string> faces(const Sweep& sweep) {
  const providers::Inventory& inventory = sweep.inventory;
  std::map<std::string, std::string> all;
  for (const auto& server : inventory.servers) {
    if (!server.mark) continue;
    std::string& face = all[server.mark->uid];
    face +=
        server.id + " " + server.state_text + " " + server.size + " " + server.region + (server.busy ? " busy" : "");
    for (const auto& address : server.addresses) face += " " + address.address;
    for (const auto& address : sweep.addresses.value_or(std::vector<providers::ReservedAddress>{})) {
      if (address.server == server.id) face += " reserved " + address.address;
    }
    face += ";";
  }
  for (const auto& image : inventory.images) {
    if (!image.mark) continue;
    std::string& face = all[image.mark->uid];
    face += image.id + " " + std::to_string(static_cast<int>(image.state)) + (image.busy ? " busy" : "");
    for (const auto& region : image.regions) face += " " + region;
    face += ";";
  }
  for (const auto& firewall : inventory.firewalls) {
    if (!firewall.mark) continue;
    std::string& face = all[firewall.mark->uid];
    face += firewall.id + (firewall.applied ? " applied" : "") + (firewall.settled ? " settled" : "");
    for (const auto& rule : firewall.rules) {
      face += " " + rule.protocol + std::to_string(rule.first_port) + "-" + std::to_string(rule.last_port);
      for (const auto& from : rule.from) face += "," + from;
    }
    face += ";";
  }
  return all;
}

}  // namespace

Account::Account(Reactor& reactor, std::string name, std::unique_ptr<providers::Provider> provider, Options options)
    : reactor_(reactor), name_(std::move(name)), provider_(std::move(provider)), options_(options), swept_(reactor) {}

Task<SweepPtr> Account::sweep(Instant since) {
  for (;;) {
    // What somebody has just begun to follow is looked at, however fresh the rest is.
    const bool lacks_addresses =
        last_ && !address_followers_.expired() && !last_->addresses && !last_->addresses_problem;
    if (last_ && last_->began >= since && !lacks_addresses) co_return last_;
    const Instant now = reactor_.now();
    // Whoever comes while the account does not answer is told at once, and does not make it worse.
    if (failure_ && (failure_->began >= since || now < failure_->until)) throw failure_->error;
    if (!sweeping_) {
      co_await run_sweep();
    } else if (!co_await swept_.wait_until(now + options_.sweep_timeout)) {
      throw Error(ErrorCode::Timeout,
                  "a listing of " + name_ + " has not come back for " + human_duration(options_.sweep_timeout));
    }
  }
}

// Throws nothing: what went wrong is kept for all who wait.
Task<> Account::run_sweep() {
  sweeping_ = true;
  const Instant began = reactor_.now();
  std::optional<Error> failure;
  auto fresh = std::make_shared<Sweep>();
  fresh->began = began;
  try {
    fresh->inventory = co_await provider_->observe();
  } catch (const Error& error) {  // tidy: handed to every attempt that waits for this sweep
    failure = error;
  }
  if (!failure && !address_followers_.expired()) {
    try {
      fresh->addresses = co_await provider_->reserved_addresses();
    } catch (const Error& error) {  // tidy: told to those who follow them; the others do not depend on it
      fresh->addresses_problem = error;
    }
  }
  if (!failure) {
    if (auto why = doubt(fresh->inventory); why && ++doubts_ < options_.doubts_max) {
      kLog.warn("a listing is not believed", {{"account", name_}, {"why", *why}});
      failure = Error(ErrorCode::Unavailable, *why);
      failure->retry_after = std::chrono::seconds(20);
    }
  }
  sweeping_ = false;
  if (failure) {
    const Duration pause =
        std::max<Duration>(kPauseAfterFailure, failure->retry_after.value_or(std::chrono::milliseconds(0)));
    failure_ = Failure{std::move(failure->while_("listing what is at " + name_)), began, reactor_.now() + pause};
  } else {
    believe(std::move(fresh));
  }
  swept_.notify_all();
}

void Account::believe(SweepPtr fresh) {
  failure_.reset();
  doubts_ = 0;
  const auto before = last_ ? faces(*last_) : std::map<std::string, std::string>();
  const bool first = !last_;
  last_ = std::move(fresh);
  const auto& servers = last_->inventory.servers;
  for (const auto& server : servers) {
    if (server.mark) reserved_.erase(server.mark->uid);
  }
  std::erase_if(removed_, [&](const std::string& id) {
    return std::ranges::none_of(servers, [&](const auto& server) { return server.id == id; });
  });
  if (first) return;
  const auto after = faces(*last_);
  std::set<std::string> changed;
  for (const auto& [uid, face] : after) {
    const auto was = before.find(uid);
    if (was == before.end() || was->second != face) changed.insert(uid);
  }
  for (const auto& [uid, face] : before) {
    if (!after.contains(uid)) changed.insert(uid);
  }
  for (const auto& uid : changed) {
    for (const auto& listener : listeners_) listener(uid);
  }
}

// Why the listing can hardly be true; absent: nothing speaks against it.
std::optional<std::string> Account::doubt(const providers::Inventory& fresh) const {
  if (!last_) return std::nullopt;
  std::size_t ours = 0;
  std::size_t lost = 0;
  for (const auto& server : last_->inventory.servers) {
    if (!server.mark || removed_.contains(server.id)) continue;
    ++ours;
    lost += std::ranges::none_of(fresh.servers, [&](const auto& now) { return now.id == server.id; });
  }
  if (lost < kManyLost || lost * 2 <= ours) return std::nullopt;
  return std::to_string(lost) + " of " + std::to_string(ours) +
         " servers are missing at once that nobody here has removed; a listing like that is not believed before it was "
         "seen " +
         std::to_string(options_.doubts_max) + " times";
}

std::shared_ptr<const void> Account::follow_addresses() {
  std::shared_ptr<const void> follower = address_followers_.lock();
  if (!follower) address_followers_ = follower = std::make_shared<const int>(0);
  return follower;
}

bool Account::claim_address(const std::string& id, const std::string& uid, Instant seen) {
  Claim& claim = claims_[id];
  if (!claim.uid.empty() && claim.uid != uid && claim.at >= seen) return false;
  claim = {uid, reactor_.now()};
  return true;
}

Task<providers::Account> Account::facts(Duration age) {
  if (!facts_ || reactor_.now() - facts_at_ >= age) {
    providers::Account fresh = co_await provider_->account();
    facts_ = std::move(fresh);
    facts_at_ = reactor_.now();
  }
  co_return *facts_;
}

std::vector<std::string> Account::landmarks(const providers::Inventory& inventory) {
  std::vector<std::pair<WallTime, std::string>> things;
  for (const auto& server : inventory.servers) things.emplace_back(server.created, "server/" + server.id);
  for (const auto& image : inventory.images) things.emplace_back(image.created, "image/" + image.id);
  std::ranges::sort(things);
  if (things.size() > kLandmarks) things.resize(kLandmarks);
  std::vector<std::string> names;
  for (auto& [created, name] : things) names.push_back(std::move(name));
  return names;
}

Task<bool> Account::is(std::string id, std::vector<std::string> known) {
  const providers::Account now = co_await facts(kFactsFresh);
  if (!id.empty() && !now.id.empty()) co_return id == now.id;
  if (known.empty()) co_return true;  // nothing can be lost
  const SweepPtr there = co_await sweep(last_ ? last_->began : reactor_.now());
  const auto is_known = [&](const std::string& thing) { return std::ranges::find(known, thing) != known.end(); };
  co_return std::ranges::any_of(there->inventory.servers,
                                [&](const auto& one) { return is_known("server/" + one.id); }) ||
      std::ranges::any_of(there->inventory.images, [&](const auto& one) { return is_known("image/" + one.id); });
}

Duration Account::rest() const {
  const auto rate = provider_->rate_limit();
  if (!last_ || !rate || rate->limit <= 0) return kRest;
  const double hours = static_cast<double>(last_->inventory.calls) / (static_cast<double>(rate->limit) / 4);
  return std::max<Duration>(kRest, std::chrono::seconds(static_cast<std::int64_t>(hours * 3600)));
}

Task<CataloguePtr> Account::catalogue() {
  if (catalogue_ && reactor_.now() - catalogue_at_ < options_.catalogue_age) co_return catalogue_;
  auto fresh = std::make_shared<providers::Catalogue>(co_await provider_->catalogue());
  catalogue_ = std::move(fresh);
  catalogue_at_ = reactor_.now();
  co_return catalogue_;
}

Usage Account::reserved_beside(const std::string& uid) const {
  Usage sum;
  for (const auto& [owner, usage] : reserved_) {
    if (owner != uid) sum.add(usage);
  }
  return sum;
}

Usage Account::usage() const {
  if (!last_) return {};
  return usage_of(last_->inventory, catalogue_ ? catalogue_->address_month : std::nullopt);
}

std::optional<std::string> Account::would_pass(const std::string& uid, const crds::ProviderLimits& limits,
                                               const Usage& wish) const {
  return passes(limits, usage(), reserved_beside(uid), wish);
}

std::optional<std::string> Account::reserve(const std::string& uid, const crds::ProviderLimits& limits,
                                            const Usage& wish) {
  if (auto refusal = would_pass(uid, limits, wish)) return refusal;
  reserved_.insert_or_assign(uid, wish);
  return std::nullopt;
}

Duration Account::brake() const {
  const Instant since = reactor_.now() - options_.removals_window;
  const auto recent =
      static_cast<std::size_t>(std::ranges::count_if(removals_, [&](Instant at) { return at > since; }));
  if (recent < options_.removals_max) return {};
  return removals_[removals_.size() - options_.removals_max] - since;
}

void Account::removed(const std::string& id) {
  if (!removed_.insert(id).second) return;
  removals_.push_back(reactor_.now());
  if (removals_.size() > options_.removals_max) removals_.pop_front();
}

}  // namespace gantry::reconcilers::provider
