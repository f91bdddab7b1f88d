// When a build that failed is tried again: soon where the reason may pass by itself, later where it would hardly build
// now; each time after a longer pause.
#pragma once

#include <algorithm>

#include "controller/base/clock.hpp"
#include "controller/base/error.hpp"

namespace gantry::providers::build {

class Retry {
 public:
  void failed(const Error& error, Instant now) {
    passing_ = error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::Cancelled;
    const Duration first = passing_ ? std::chrono::seconds(5) : std::chrono::minutes(1);
    const Duration most = passing_ ? std::chrono::minutes(5) : std::chrono::hours(1);
    const Duration pause = std::min<Duration>(first * (1LL << std::min(failures_++, 10)), most);
    at_ = now + (error.retry_after ? Duration(*error.retry_after) : pause);
  }
  void succeeded() { failures_ = 0; }
  void at_once(Instant now) { at_ = now; }

  Instant at() const { return at_; }
  bool passing() const { return passing_; }  // the last failure was of that kind

 private:
  int failures_ = 0;
  bool passing_ = false;
  Instant at_{};
};

}  // namespace gantry::providers::build
