// The calendar month in UTC: what vendors count traffic by.
#pragma once

#include "controller/base/clock.hpp"

namespace gantry::providers {

struct Month {
  WallTime begin;
  WallTime end;  // where the next one begins
};

inline Month month_of(WallTime now) {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(now)};
  const std::chrono::year_month month = date.year() / date.month();
  return {std::chrono::sys_days{month / 1}, std::chrono::sys_days{(month + std::chrono::months(1)) / 1}};
}

}  // namespace gantry::providers
