// A token bucket for each client of each route. Full buckets are forgotten, so that a million passers-by cost nothing.
#pragma once

#include <map>
#include <string>

#include "controller/base/clock.hpp"

namespace gantry::providers::relay {

class RateLimiter {
 public:
  // Absent (zero): let it pass. Otherwise how long until the client's next request would be.
  Duration take(const std::string& route, const std::string& client, int rate, int burst, Instant now);
  std::size_t size() const { return buckets_.size(); }

 private:
  struct Bucket {
    double tokens = 0;
    double capacity = 0;
    double rate = 0;
    Instant at{};
  };
  void forget_full(Instant now);

  std::map<std::pair<std::string, std::string>, Bucket> buckets_;
  std::size_t forget_at_ = 10000;
};

}  // namespace gantry::providers::relay
