// How many calls an account may still make, by the vendor's own word: the headers of its answers, and what it says in
// its documents where headers do not tell. Who asks waits a moment, or is told when to come back; a call that the
// vendor would refuse is not made. One per account; on one reactor's thread.
#pragma once

#include <deque>
#include <optional>

#include "controller/base/reactor.hpp"
#include "providers/provider.hpp"

namespace gantry::providers::rest {

struct Allowance {
  // Besides the limit of the headers: so many calls in any such period. 0: no such rule.
  std::size_t burst = 0;
  Duration burst_period{};
  // Calls of the headers' limit that come back each second; 0: none before its reset.
  double refill = 0;
};

class Throttle {
 public:
  Throttle(Reactor& reactor, Allowance allowance) : reactor_(reactor), allowance_(allowance) {}

  // From here until left() a call is under way. Throws Error(RateLimited) when it could not be made within `patience`.
  Task<> enter(Duration patience);
  // The call is over. `told`: what its answer's headers said.
  void left(std::optional<RateLimit> told);
  // The vendor has refused a call (429): none before this has passed.
  void refused(Duration wait);

  std::optional<RateLimit> state() const;

 private:
  Duration wait_needed();
  double remaining() const;

  Reactor& reactor_;
  Allowance allowance_;
  std::deque<Instant> recent_;  // calls within the last burst_period
  std::optional<RateLimit> told_;
  Instant told_at_{};
  std::int64_t under_way_ = 0;
  Instant closed_until_{};
};

}  // namespace gantry::providers::rest
