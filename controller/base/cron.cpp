#include "controller/base/cron.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <vector>

#include "controller/base/error.hpp"

namespace gantry {
namespace {

using std::chrono::days;
using std::chrono::minutes;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

constexpr days kHorizon(366 * 9);  // the 29th of February may be eight years away

struct Field {
  std::string_view name;
  int first, last;
  std::vector<std::string_view> words;  // for first, first + 1, ...
};

const std::array<Field, 5>& fields() {
  static const std::array<Field, 5> all{
      {{"minute", 0, 59, {}},
       {"hour", 0, 23, {}},
       {"day of month", 1, 31, {}},
       {"month", 1, 12, {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
       {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}}}};
  return all;
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw Error(ErrorCode::Invalid, "\"" + std::string(text) + "\" is no cron expression: " + why);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> pieces;
  for (std::size_t from = 0; from <= text.size();) {
    const auto end = std::min(text.find(at, from), text.size());
    pieces.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return pieces;
}

int value_of(std::string_view whole, const Field& field, std::string_view word) {
  int value = 0;
  const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
  if (read.ec == std::errc() && read.ptr == word.data() + word.size() && !word.empty()) {
    if (value < field.first || value > field.last) {
      refuse(whole, "the " + std::string(field.name) + " goes from " + std::to_string(field.first) + " to " +
                        std::to_string(field.last) + ", not " + std::string(word));
    }
    return value;
  }
  for (std::size_t i = 0; i < field.words.size(); ++i) {
    if (word == field.words[i]) return field.first + static_cast<int>(i);
  }
  refuse(whole, "\"" + std::string(word) + "\" is no " + std::string(field.name));
}

// One of a list: *, 5, 1-5, */15, 1-30/2, and 5/15, which goes on to the end.
template <std::size_t N>
void add_range(std::string_view whole, const Field& field, std::string_view item, std::bitset<N>& out) {
  const auto parts = split(item, '/');
  if (parts.size() > 2) refuse(whole, "\"" + std::string(item) + "\" has more than one step");
  int step = 1;
  if (parts.size() == 2) {
    const auto read = std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), step);
    if (read.ec != std::errc() || read.ptr != parts[1].data() + parts[1].size() || step < 1)
      refuse(whole, "the step of \"" + std::string(item) + "\" must be a number from 1 on");
  }
  int from = field.first, to = field.last;
  if (parts[0] != "*" && parts[0] != "?") {
    const auto ends = split(parts[0], '-');
    if (ends.size() > 2) refuse(whole, "\"" + std::string(item) + "\" is no range");
    from = value_of(whole, field, ends[0]);
    if (ends.size() == 2) {
      to = value_of(whole, field, ends[1]);
    } else if (parts.size() == 1) {
      to = from;
    }
    if (from > to) refuse(whole, "\"" + std::string(item) + "\" goes backwards");
  } else if (N == 7) {
    to = 6;
  }
  for (int value = from; value <= to; value += step) out.set(static_cast<std::size_t>(N == 7 ? value % 7 : value));
}

template <std::size_t N>
void read_field(std::string_view whole, const Field& field, std::string_view text, std::bitset<N>& out) {
  for (const auto item : split(text, ',')) add_range(whole, field, item, out);
}

std::string_view spelled_out(std::string_view text) {
  if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
  if (text == "@monthly") return "0 0 1 * *";
  if (text == "@weekly") return "0 0 * * 0";
  if (text == "@daily" || text == "@midnight") return "0 0 * * *";
  if (text == "@hourly") return "0 * * * *";
  return text;
}

}  // namespace

Cron Cron::parse(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::vector<std::string_view> parts;
  for (const auto part : split(spelled_out(lower), ' ')) {
    if (!part.empty()) parts.push_back(part);
  }
  if (parts.size() != 5) {
    refuse(text,
           "it needs five fields (minute, hour, day of month, month, day of week), or is one of @yearly, @monthly, "
           "@weekly, @daily and @hourly");
  }
  Cron cron;
  read_field(text, fields()[0], parts[0], cron.minutes_);
  read_field(text, fields()[1], parts[1], cron.hours_);
  read_field(text, fields()[2], parts[2], cron.days_);
  read_field(text, fields()[3], parts[3], cron.months_);
  read_field(text, fields()[4], parts[4], cron.weekdays_);
  const auto star = [](std::string_view part) { return part.starts_with('*') || part.starts_with('?'); };
  cron.any_day_ = star(parts[2]);
  cron.any_weekday_ = star(parts[4]);
  cron.by_elapsed_ = star(parts[0]) || star(parts[1]);
  return cron;
}

bool Cron::day_fits(sys_days day) const {
  const bool of_month = days_[static_cast<unsigned>(std::chrono::year_month_day(day).day())];
  const bool of_week = weekdays_[std::chrono::weekday(day).c_encoding()];
  return any_day_ || any_weekday_ ? of_month && of_week : of_month || of_week;
}

std::optional<sys_seconds> Cron::find(sys_seconds from, sys_seconds end) const {
  sys_seconds at = std::chrono::ceil<minutes>(from);
  while (at < end) {
    const sys_days day = std::chrono::floor<days>(at);
    const std::chrono::year_month_day date(day);
    if (!months_[static_cast<unsigned>(date.month())]) {
      at = sys_days((date.year() / date.month() / 1) + std::chrono::months(1));
      continue;
    }
    if (!day_fits(day)) {
      at = day + days(1);
      continue;
    }
    const auto of_day = std::chrono::duration_cast<minutes>(at - day).count();
    const auto hour = static_cast<std::size_t>(of_day / 60);
    if (!hours_[hour]) {
      at = day + std::chrono::hours(hour + 1);
      continue;
    }
    if (minutes_[static_cast<std::size_t>(of_day % 60)]) return at;
    at += minutes(1);
  }
  return std::nullopt;
}

std::optional<TimeZone::Time> Cron::next(TimeZone::Time after, const TimeZone& zone) const {
  const TimeZone::Time horizon = after + kHorizon;
  TimeZone::Time from = after + std::chrono::seconds(1);
  for (TimeZone::Period period = zone.period_at(from); from < horizon; period = zone.period_at(from)) {
    const TimeZone::Time end = std::min(period.end, horizon);
    // What the clocks of the period before have shown already is not due again.
    sys_seconds local = from + period.offset;
    if (!by_elapsed_ && period.begin > TimeZone::Time::min()) {
      const TimeZone::Period before = zone.period_at(period.begin - std::chrono::seconds(1));
      local = std::max(local, period.begin + before.offset);
    }
    if (const auto found = find(local, end + period.offset)) return *found - period.offset;
    if (end == horizon) break;
    const TimeZone::Period following = zone.period_at(end);
    // What the clocks leave out is due when they do.
    if (!by_elapsed_ && find(end + period.offset, end + following.offset)) return end;
    from = end;
  }
  return std::nullopt;
}

}  // namespace gantry
