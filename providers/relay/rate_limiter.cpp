#include "providers/relay/rate_limiter.hpp"

#include <algorithm>

namespace gantry::providers::relay {
namespace {

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

Duration RateLimiter::take(const std::string& route, const std::string& client, int rate, int burst, Instant now) {
  const double capacity = static_cast<double>(rate) + burst;
  auto [at, made] = buckets_.try_emplace({route, client}, Bucket{capacity, capacity, static_cast<double>(rate), now});
  Bucket& bucket = at->second;
  bucket.tokens = std::min(capacity, bucket.tokens + seconds(now - bucket.at) * rate);
  bucket.capacity = capacity;
  bucket.rate = rate;
  bucket.at = now;
  constexpr double kWhole = 1 - 1e-6;  // sums of fractions
  if (bucket.tokens < kWhole)
    return std::chrono::ceil<Duration>(std::chrono::duration<double>((1 - bucket.tokens) / rate));
  bucket.tokens -= 1;
  if (made && buckets_.size() > forget_at_) forget_full(now);
  return Duration::zero();
}

void RateLimiter::forget_full(Instant now) {
  std::erase_if(buckets_, [&](const auto& entry) {
    const Bucket& bucket = entry.second;
    return bucket.tokens + seconds(now - bucket.at) * bucket.rate >= bucket.capacity;
  });
  // A flood of distinct clients would otherwise be searched for each of them.
  forget_at_ = std::max<std::size_t>(10000, buckets_.size() * 2);
}

}  // namespace gantry::providers::relay
