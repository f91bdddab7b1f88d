// How long to wait before trying again: exponential with full jitter, so that what failed together does not come back
// together. One reactor's thread.
#pragma once

#include <chrono>
#include <optional>
#include <unordered_map>

#include "controller/base/clock.hpp"
#include "controller/base/random.hpp"
#include "controller/object/key.hpp"

namespace gantry::runtime {

struct BackoffOptions {
  Duration start = std::chrono::milliseconds(200);
  double factor = 2;
  Duration max = std::chrono::minutes(5);
};

using RetryAfter = std::optional<std::chrono::milliseconds>;

// The wait after `failures` failures in a row (1 or more): uniform in (0, min(max, start * factor^(failures - 1))], and
// never shorter than what the other side asked for.
Duration backoff_delay(Random& random, const BackoffOptions& options, unsigned failures, RetryAfter retry_after = {});

// Counts failures per object. Objects that do well cost nothing.
class Backoff {
 public:
  explicit Backoff(Random& random, BackoffOptions options = {}) : random_(random), options_(options) {}

  // Counts one more failure and says how long to wait.
  Duration next(const object::Key& key, RetryAfter retry_after = {});
  // It went well, or it is gone.
  void forget(const object::Key& key);
  unsigned failures(const object::Key& key) const;
  const BackoffOptions& options() const { return options_; }

 private:
  Random& random_;
  BackoffOptions options_;
  std::unordered_map<object::Key, unsigned, object::KeyHash> failures_;
};

}  // namespace gantry::runtime
