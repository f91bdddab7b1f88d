#include "providers/rest/throttle.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::providers::rest {

namespace {

// Others may use the same token: the last calls are left to them.
constexpr double kLeftToOthers = 0.04;

Duration seconds(double count) {
  return std::chrono::ceil<Duration>(std::chrono::duration<double>(std::max(0.0, count)));
}

}  // namespace

double Throttle::remaining() const {
  const double back = std::chrono::duration<double>(reactor_.now() - told_at_).count() * allowance_.refill;
  const double now = std::min(static_cast<double>(told_->limit), static_cast<double>(told_->remaining) + back);
  return reactor_.clock().wall() >= told_->reset && allowance_.refill == 0 ? std::max(now, 1.0) : now;
}

Duration Throttle::wait_needed() {
  const Instant now = reactor_.now();
  Duration wait = closed_until_ - now;
  if (allowance_.burst > 0) {
    while (!recent_.empty() && recent_.front() + allowance_.burst_period <= now) recent_.pop_front();
    const auto most = static_cast<std::size_t>(static_cast<double>(allowance_.burst) * (1 - kLeftToOthers));
    if (recent_.size() >= most) wait = std::max(wait, recent_[recent_.size() - most] + allowance_.burst_period - now);
  }
  if (told_) {
    const double missing = static_cast<double>(under_way_) + 1 - remaining();
    if (missing > 0) {
      const Duration until_reset = told_->reset - reactor_.clock().wall();
      wait = std::max(wait, allowance_.refill > 0 ? seconds(missing / allowance_.refill)
                                                  : std::max<Duration>(until_reset, std::chrono::seconds(1)));
    }
  }
  return wait;
}

Task<> Throttle::enter(Duration patience) {
  const Instant give_up = reactor_.now() + patience;
  for (Duration wait = wait_needed(); wait > Duration::zero(); wait = wait_needed()) {
    if (reactor_.now() + wait > give_up) {
      Error error(ErrorCode::RateLimited, "the account's limit of calls is reached; the next may be made in " +
                                              human_duration(std::chrono::ceil<std::chrono::seconds>(wait)));
      error.retry_after = std::chrono::ceil<std::chrono::milliseconds>(wait);
      throw error;
    }
    co_await sleep_for(reactor_, wait);
  }
  recent_.push_back(reactor_.now());
  if (allowance_.burst == 0) recent_.clear();
  ++under_way_;
}

void Throttle::left(std::optional<RateLimit> told) {
  --under_way_;
  if (!told) return;
  told_ = told;
  told_at_ = reactor_.now();
}

void Throttle::refused(Duration wait) { closed_until_ = std::max(closed_until_, reactor_.now() + wait); }

std::optional<RateLimit> Throttle::state() const {
  if (!told_) return std::nullopt;
  RateLimit limit = *told_;
  limit.remaining = static_cast<std::int64_t>(std::max(0.0, std::floor(remaining())));
  return limit;
}

}  // namespace gantry::providers::rest
