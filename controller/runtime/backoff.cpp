#include "controller/runtime/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::runtime {

Duration backoff_delay(Random& random, const BackoffOptions& options, unsigned failures, RetryAfter retry_after) {
  const double max = static_cast<double>(options.max.count());
  const double grown =
      static_cast<double>(options.start.count()) * std::pow(options.factor, failures > 0 ? failures - 1 : 0);
  const double jittered = std::min(grown, max) * (1 - random.unit());
  const Duration delay(std::max<std::int64_t>(1, static_cast<std::int64_t>(jittered)));
  if (!retry_after) return delay;
  // Jitter on top: everybody who was told "in 30 s" would otherwise come back in the same instant.
  const Duration asked(*retry_after);
  return std::max(
      delay, asked + Duration(static_cast<std::int64_t>(static_cast<double>(options.start.count()) * random.unit())));
}

Duration Backoff::next(const object::Key& key, RetryAfter retry_after) {
  return backoff_delay(random_, options_, ++failures_[key], retry_after);
}

void Backoff::forget(const object::Key& key) {
  if (!failures_.empty()) failures_.erase(key);
}

unsigned Backoff::failures(const object::Key& key) const {
  const auto found = failures_.find(key);
  return found == failures_.end() ? 0 : found->second;
}

}  // namespace gantry::runtime
