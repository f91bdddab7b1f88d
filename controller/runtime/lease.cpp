#include "controller/runtime/lease.hpp"

#include "controller/base/log.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("lease");

std::int64_t epoch_of(const json::Value& lease) {
  const json::Value* spec = lease.find("spec");
  return spec ? spec->int_or("leaseTransitions", 0) : 0;
}

std::string holder_of(const json::Value& lease) {
  const json::Value* spec = lease.find("spec");
  return spec ? spec->string_or("holderIdentity") : std::string();
}

}  // namespace

LeaderElection::LeaderElection(Reactor& reactor, api::Client& client, Random& random, Leadership& leadership,
                               LeaseOptions options)
    : reactor_(reactor),
      client_(client),
      leadership_(leadership),
      options_(std::move(options)),
      key_{object::Resource::of("coordination.k8s.io", "leases"), options_.ns, options_.name},
      stop_(reactor),
      gate_(reactor),
      master_(metrics::gauge("leader_election_master_status", "Whether this process leads: 1, or 0",
                             {{"name", options_.name}})) {
  if (options_.identity.empty()) options_.identity = "gantry-" + random.uuid();
  // An epoch that no lease ever has: until the lease is won, nothing may be written.
  leadership_.fence = store::Fence{key_, -1};
  master_.set(0);
}

void LeaderElection::start(std::function<void()> gained, std::function<void()> lost) {
  gained_ = std::move(gained);
  lost_ = std::move(lost);
  reactor_.spawn(run(gate_.enter()));
}

Task<> LeaderElection::stop() {
  over_ = true;
  stop_.notify_all();
  co_await gate_.close();
  if (leading_) co_await give_back();
}

Task<> LeaderElection::run(Gate::Pass pass) {
  while (!over_) {
    std::string failure;
    bool mine = false;
    try {
      mine = co_await try_once();
    } catch (const Error& error) {
      failure = error.message();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (!failure.empty() && !over_) kLog.warn("the lease could not be read or renewed", {{"error", failure}});
    if (leading_) {
      const bool somebody_else = !mine && failure.empty();
      if (somebody_else || reactor_.now() - renewed_ >= options_.renew_deadline) lose();
    }
    const Instant until = reactor_.now() + options_.retry;
    while (!over_ && reactor_.now() < until) co_await stop_.wait_until(until);
  }
}

// True when the lease is ours after this.
Task<bool> LeaderElection::try_once() {
  const Instant now = reactor_.now();
  const object::ObjectPtr found = co_await client_.find(key_);
  if (!found) co_return co_await take(nullptr);
  const json::Value lease = found->decode();
  const std::string holder = holder_of(lease);
  if (holder == options_.identity) {
    if (leading_ && leadership_.fence->epoch != epoch_of(lease)) co_return false;
    // Ours, perhaps by a write whose answer was lost.
    const object::ObjectPtr renewed = co_await client_.update(key_.resource, record(lease, false));
    hold(*renewed, now);
    co_return true;
  }
  if (leading_) co_return false;
  const std::string seen = json::dump(*lease.find("spec"));
  if (observed_ != seen) {
    observed_ = seen;
    observed_at_ = now;
  }
  const json::Value* spec = lease.find("spec");
  const Duration theirs = std::chrono::seconds(spec->int_or("leaseDurationSeconds", 15));
  if (!holder.empty() && now - observed_at_ < theirs) co_return false;
  co_return co_await take(found);
}

Task<bool> LeaderElection::take(object::ObjectPtr lease) {
  const Instant now = reactor_.now();
  object::ObjectPtr taken;
  try {
    if (lease) {
      taken = co_await client_.update(key_.resource, record(lease->decode(), true));
    } else {
      const json::Value fresh = json::Object{{"apiVersion", "coordination.k8s.io/v1"},
                                             {"kind", "Lease"},
                                             {"metadata", json::Object{{"name", key_.name}, {"namespace", key_.ns}}},
                                             {"spec", json::Object{}}};
      taken = co_await client_.create(key_.resource, record(fresh, true));
    }
  } catch (const Error& error) {
    // Somebody was quicker.
    if (error.code() == ErrorCode::Conflict || error.code() == ErrorCode::AlreadyExists) co_return false;
    throw;
  }
  hold(*taken, now);
  co_return true;
}

json::Value LeaderElection::record(const json::Value& old, bool acquiring) const {
  json::Value lease = old;
  json::Value& spec = lease["spec"];
  const std::string now = format_micro_time(reactor_.clock().wall());
  if (acquiring) {
    spec["acquireTime"] = now;
    spec["leaseTransitions"] = epoch_of(old) + 1;
  }
  spec["holderIdentity"] = options_.identity;
  spec["leaseDurationSeconds"] = std::chrono::duration_cast<std::chrono::seconds>(options_.duration).count();
  spec["renewTime"] = now;
  return lease;
}

// since: when the write was begun. The lease may have been written then, so it is not ours for longer than from there.
void LeaderElection::hold(const object::Object& lease, Instant since) {
  renewed_ = since;
  leadership_.fence = store::Fence{key_, epoch_of(lease.decode())};
  leadership_.until = since + options_.duration;
  if (std::exchange(leading_, true)) return;
  master_.set(1);
  kLog.info("leading", {{"identity", options_.identity}, {"epoch", leadership_.fence->epoch}});
  if (gained_) gained_();
}

void LeaderElection::lose() {
  leading_ = false;
  over_ = true;
  leadership_.until.reset();
  master_.set(0);
  kLog.error("the lease is lost; nothing is acted on any more", {{"identity", options_.identity}});
  if (lost_) lost_();
}

Task<> LeaderElection::give_back() {
  leading_ = false;
  leadership_.until.reset();
  master_.set(0);
  std::string failure;
  try {
    const object::ObjectPtr found = co_await client_.find(key_);
    if (!found) co_return;
    json::Value lease = found->decode();
    if (holder_of(lease) != options_.identity) co_return;
    lease["spec"]["holderIdentity"] = "";
    co_await client_.update(key_.resource, std::move(lease));
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty())
    kLog.warn("the lease was not given back; the next leader waits for it to run out", {{"error", failure}});
}

}  // namespace gantry::runtime
