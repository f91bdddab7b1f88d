// What droplets have sent to the outside in this calendar month (UTC). The vendor tells no sum, only one droplet's
// bandwidth over time, in Mbit/s, a call each (GET /v2/monitoring/metrics/droplet/bandwidth of its description). So
// every sweep looks at a few droplets, at those first whose turn was longest ago, asks for the time since then alone,
// and the sums are kept here, in memory.
//
// Nothing is guessed: time that no sample tells of is unseen, and a droplet that was never heard of has no figure.
// On the loop's reactor. A look that fails costs the sweep nothing but its call.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "providers/digitalocean/api.hpp"

namespace gantry::providers::digitalocean {

// Mbit/s by the time at which each sample was taken: the mean since the one before.
using Samples = std::map<WallTime, double>;
// All series added up. Throws Error(Unavailable) for an answer that is no such matrix.
Samples read_samples(const json::Value& body);

// One droplet's month.
struct Meter {
  WallTime from{};   // the month's beginning, or the droplet's
  WallTime until{};  // added up to here
  double bytes = 0;
  Duration seen{};                          // of that time, what samples tell of
  Duration step = std::chrono::minutes(2);  // between samples, as last seen
  bool caught_up = false;                   // a look has come to its own present
  std::optional<Instant> looked;
  Instant next{};  // not looked at before

  // What was told of (until, end], asked at `now`.
  void add(const Samples& samples, WallTime end, WallTime now);
};

class Traffic {
 public:
  explicit Traffic(Api& api) : api_(api) {}

  // Looks at a few of the droplets, and sets what is known of all. `inventory` outlives the task.
  Task<> fill(Inventory* inventory);

 private:
  void begin(const std::vector<CloudServer>& servers);
  std::size_t looks(int calls) const;
  std::vector<std::string> next(std::size_t most) const;
  Task<bool> look(std::string id);
  void tell(CloudServer& server) const;
  Instant now() const { return api_.client.reactor().now(); }
  WallTime wall() const { return api_.client.reactor().clock().wall(); }

  Api& api_;
  WallTime month_{};
  std::map<std::string, Meter> meters_;  // by the droplet's id
  Instant closed_until_{};
};

}  // namespace gantry::providers::digitalocean
