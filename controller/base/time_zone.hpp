// Time zones, as the system's tzdata has them (TZif, RFC 8536): what the clocks of a place show at an instant, and when
// that changes. libstdc++ 12 has no std::chrono::tzdb.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"

namespace gantry {

class TimeZone {
 public:
  using Seconds = std::chrono::seconds;
  using Time = std::chrono::sys_seconds;

  // A stretch of time in which the distance to UTC stays the same.
  struct Period {
    Time begin;  // Time::min(): it always was so
    Time end;    // Time::max(): it stays so
    Seconds offset{};
  };

  static std::shared_ptr<const TimeZone> utc();
  // "Asia/Seoul"; empty is UTC. Throws Error(Invalid) when there is none of that name, Error(NotFound) when this
  // machine has no tzdata at all. Reads a small file once; from any thread.
  static std::shared_ptr<const TimeZone> find(const std::string& name);
  // What a TZif file holds. Throws Error(Invalid).
  static TimeZone parse(std::string_view tzif);

  Period period_at(Time time) const;

 private:
  // The last line of a TZif file: how it goes on for ever. "EST5EDT,M3.2.0,M11.1.0".
  struct Rule {
    struct Change {
      enum class Kind { Month, Julian, Day } kind = Kind::Month;
      int month = 1, week = 1, day = 0;
      int at = 7200;  // seconds after local midnight; may be negative, or beyond a day
      Time in_year(int year, Seconds offset) const;
    };
    Seconds standard{};
    std::optional<Seconds> summer;
    Change to_summer, to_standard;
  };
  static std::optional<Rule> parse_rule(std::string_view text);
  Period period_by_rule(Time time, Time not_before) const;

  std::vector<Time> changes_;
  std::vector<Seconds> offsets_;  // [0] before the first change, [i + 1] after changes_[i]
  std::optional<Rule> rule_;      // after the last change
};

}  // namespace gantry
