// Seam: time. Nothing else in the house asks the system what time it is, or sleeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gantry {

class Reactor;

using Duration = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;  // monotonic: deadlines, back-off, leases
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;  // UTC: what people and objects see

class Clock {
 public:
  using TimerId = std::uint64_t;

  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall() const = 0;

  // Runs fn on the reactor's thread at (never before) `when`. Call from that thread.
  virtual TimerId call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) = 0;
  // After this returns, fn will not run (if it has not yet). Unknown ids are ignored. Call from the same thread.
  virtual void cancel(TimerId id) = 0;
};

// The system's clocks. One is enough for a process.
Clock& system_clock();

// RFC 3339 in UTC, as Kubernetes writes metav1.Time ("2026-11-21T10:00:00Z") and MicroTime (six fractional digits).
std::string format_time(WallTime time);
std::string format_micro_time(WallTime time);
// Throws Error(Invalid) when text is not RFC 3339.
WallTime parse_time(std::string_view text);

// Go durations: "1h30m", "250ms", "5s". Throws Error(Invalid).
Duration parse_duration(std::string_view text);
// As kubectl prints ages: 5s, 2m10s, 3h, 4d2h.
std::string human_duration(Duration duration);

}  // namespace gantry
