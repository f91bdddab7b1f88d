// When a cron expression is due: minute, hour, day of month, month, day of week, as crontab(5) has them, or @daily and
// the like. Names (jan, mon), lists, ranges, steps; 7 is Sunday too; when both days are restricted, either will do.
//
// Where the clocks are changed, as Debian's cron does it: an expression that names its hours and minutes runs once on
// each day it names: at the change when its time is skipped, and the first time only when its time comes twice. One
// whose minutes or hours begin with * goes by the time that passes: it leaves out what is skipped, and runs in both.
#pragma once

#include <bitset>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/base/time_zone.hpp"

namespace gantry {

class Cron {
 public:
  // Throws Error(Invalid), saying which field is wrong and why.
  static Cron parse(std::string_view text);

  // The first time after this one; null when there is none within the next years, as for the 30th of February.
  std::optional<TimeZone::Time> next(TimeZone::Time after, const TimeZone& zone) const;

 private:
  bool day_fits(std::chrono::sys_days day) const;
  // The first minute of the calendar that fits, at or after `from` and before `end`.
  std::optional<std::chrono::sys_seconds> find(std::chrono::sys_seconds from, std::chrono::sys_seconds end) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;  // of the month
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;  // the field began with *
  bool any_weekday_ = false;
  bool by_elapsed_ = false;  // minutes or hours began with *
};

}  // namespace gantry
