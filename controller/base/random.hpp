// Seam: chance. uids, jitter, generated names and keys all come from here, so a test can print its seed and replay.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace gantry {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<std::uint8_t> bytes) = 0;

  std::uint64_t next();
  // In [0, 1).
  double unit();
  // Uniform in [0, bound).
  std::uint64_t below(std::uint64_t bound);
  // A version 4 UUID (RFC 9562).
  std::string uuid();
  // As generateName appends: characters of "bcdfghjklmnpqrstvwxz2456789".
  std::string suffix(std::size_t length);
  std::string hex(std::size_t bytes);
};

// The kernel's generator (getrandom). Any thread.
Random& system_random();

// Deterministic, for tests (splitmix64). Not for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(std::span<std::uint8_t> bytes) override;

 private:
  std::uint64_t state_;
};

}  // namespace gantry
