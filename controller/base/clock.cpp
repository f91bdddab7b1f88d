#include "controller/base/clock.hpp"

#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <ctime>
#include <limits>
#include <mutex>
#include <unordered_map>

#include "controller/base/error.hpp"
#include "controller/base/reactor.hpp"

namespace gantry {
namespace {

using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

class SystemClock final : public Clock {
 public:
  Instant now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }

  TimerId call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) override {
    auto timer = std::make_shared<Timer>(reactor.executor(),
                                         std::chrono::time_point_cast<std::chrono::steady_clock::duration>(when));
    TimerId id = 0;
    {
      std::lock_guard lock(mutex_);
      id = ++last_;
      timers_.emplace(id, timer);
    }
    // The wait owns the timer, and the reactor the wait: a reactor that ends takes its timers along.
    Timer& waits = *timer;
    waits.async_wait([entry = Entry(*this, id), timer = std::move(timer),
                      fn = std::move(fn)](const boost::system::error_code& error) mutable {
      if (!entry.forget()) return;  // cancelled after it had fired, before this ran
      if (!error) fn();
    });
    return id;
  }

  void cancel(TimerId id) override {
    std::shared_ptr<Timer> timer;
    {
      std::lock_guard lock(mutex_);
      const auto found = timers_.find(id);
      if (found == timers_.end()) return;
      timer = found->second.lock();
      timers_.erase(found);
    }
    if (timer) timer->cancel();
  }

 private:
  bool forget(TimerId id) {
    std::lock_guard lock(mutex_);
    return timers_.erase(id) > 0;
  }

  // A timer's line in the table, which goes when the wait does, whether it ran or not.
  class Entry {
   public:
    Entry(SystemClock& clock, TimerId id) : clock_(&clock), id_(id) {}
    Entry(Entry&& other) noexcept : clock_(std::exchange(other.clock_, nullptr)), id_(other.id_) {}
    Entry& operator=(Entry&&) = delete;
    ~Entry() { forget(); }
    // False when it was not there any more.
    bool forget() {
      SystemClock* clock = std::exchange(clock_, nullptr);
      return clock && clock->forget(id_);
    }

   private:
    SystemClock* clock_;
    TimerId id_;
  };

  std::mutex mutex_;  // the reactors share this clock; each timer belongs to one of them
  TimerId last_ = 0;
  std::unordered_map<TimerId, std::weak_ptr<Timer>> timers_;
};

[[noreturn]] void bad(std::string_view what, std::string_view text, std::string_view expected) {
  throw Error(ErrorCode::Invalid, std::string(what) + " \"" + std::string(text.substr(0, 64)) +
                                      "\" is not valid; expected " + std::string(expected));
}

int digits(std::string_view text, std::size_t at, std::size_t count) {
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') bad("time", text, "RFC 3339, such as 2026-11-21T10:00:00Z");
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// Each write carries one or two of these; printf would take longer than the rest of a small write's bookkeeping.
void put_digits(std::string& out, std::int64_t number, std::size_t width) {
  out.resize(out.size() + width);
  for (auto at = out.rbegin(); width > 0; --width, number /= 10) *at++ = static_cast<char>('0' + number % 10);
}

std::string format(WallTime time, bool micro) {
  using namespace std::chrono;
  const auto whole = floor<seconds>(time);
  const auto day = floor<days>(whole);
  const year_month_day date(day);
  const hh_mm_ss clock(whole - day);
  std::string out;
  out.reserve(32);
  const auto put = [&out](std::int64_t number, std::size_t width, char behind) {
    put_digits(out, number, width);
    out += behind;
  };
  put(std::max(static_cast<int>(date.year()), 0), 4, '-');
  put(static_cast<unsigned>(date.month()), 2, '-');
  put(static_cast<unsigned>(date.day()), 2, 'T');
  put(clock.hours().count(), 2, ':');
  put(clock.minutes().count(), 2, ':');
  put(clock.seconds().count(), 2, micro ? '.' : 'Z');
  if (micro) put(duration_cast<microseconds>(time - whole).count(), 6, 'Z');
  return out;
}

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

std::string format_time(WallTime time) { return format(time, false); }
std::string format_micro_time(WallTime time) { return format(time, true); }

WallTime parse_time(std::string_view text) {
  using namespace std::chrono;
  constexpr std::string_view kForm = "RFC 3339, such as 2026-11-21T10:00:00Z";
  const year_month_day date(year(digits(text, 0, 4)), month(static_cast<unsigned>(digits(text, 5, 2))),
                            day(static_cast<unsigned>(digits(text, 8, 2))));
  const int hour = digits(text, 11, 2);
  const int minute = digits(text, 14, 2);
  const int second = digits(text, 17, 2);
  if (!date.ok() || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':' || hour > 23 || minute > 59 || second > 60) {
    bad("time", text, kForm);
  }
  WallTime time = sys_days(date) + hours(hour) + minutes(minute) + seconds(second);
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    std::int64_t unit = 100'000'000;
    const std::size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
      time += nanoseconds(unit * (text[at] - '0'));
    if (at == first) bad("time", text, kForm);
  }
  if (at >= text.size()) bad("time", text, kForm);
  if (text[at] == 'Z' || text[at] == 'z') {
    if (at + 1 != text.size()) bad("time", text, kForm);
    return time;
  }
  if ((text[at] != '+' && text[at] != '-') || at + 6 != text.size() || text[at + 3] != ':') bad("time", text, kForm);
  const auto offset = hours(digits(text, at + 1, 2)) + minutes(digits(text, at + 4, 2));
  return text[at] == '+' ? time - offset : time + offset;
}

Duration parse_duration(std::string_view text) {
  constexpr std::string_view kForm = "a duration such as 30s, 5m or 1h30m";
  constexpr double kLongest = 9.0e18;  // what fits in 64 bits of nanoseconds: 292 years
  const std::string_view all = text;
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Duration::zero();
  if (text.empty()) bad("duration", all, kForm);
  double total = 0;
  while (!text.empty()) {
    std::size_t used = 0;
    double number = 0;
    double place = 0;
    bool any = false;
    for (; used < text.size(); ++used) {
      const char c = text[used];
      if (c == '.' && place == 0) {
        place = 1;
      } else if (c >= '0' && c <= '9') {
        any = true;
        if (place == 0) {
          number = number * 10 + (c - '0');
        } else {
          place /= 10;
          number += place * (c - '0');
        }
      } else {
        break;
      }
    }
    if (!any) bad("duration", all, kForm);
    text.remove_prefix(used);
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] != '.' && (text[letters] < '0' || text[letters] > '9')) ++letters;
    const std::string_view unit = text.substr(0, letters);
    double scale = 0;
    if (unit == "ns") scale = 1;
    if (unit == "us" || unit == "µs") scale = 1e3;
    if (unit == "ms") scale = 1e6;
    if (unit == "s") scale = 1e9;
    if (unit == "m") scale = 60e9;
    if (unit == "h") scale = 3600e9;
    if (scale == 0) bad("duration", all, kForm);
    total += number * scale;
    if (total > kLongest) bad("duration", all, kForm);
    text.remove_prefix(letters);
  }
  return Duration(static_cast<std::int64_t>(negative ? -total : total));
}

// The rules of k8s.io/apimachinery/pkg/util/duration.HumanDuration: two units while small, then one.
std::string human_duration(Duration duration) {
  const auto total = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (total < -1) return "<invalid>";
  if (total < 0) return "0s";
  const auto text = [](std::int64_t n, const char* unit) { return std::to_string(n) + unit; };
  const auto two = [&](std::int64_t a, const char* ua, std::int64_t b, const char* ub) {
    return b == 0 ? text(a, ua) : text(a, ua) + text(b, ub);
  };
  if (total < 120) return text(total, "s");
  const auto minutes = total / 60;
  if (minutes < 10) return two(minutes, "m", total % 60, "s");
  if (minutes < 180) return text(minutes, "m");
  const auto hours = minutes / 60;
  if (hours < 8) return two(hours, "h", minutes % 60, "m");
  if (hours < 48) return text(hours, "h");
  const auto days = hours / 24;
  if (days < 8) return two(days, "d", hours % 24, "h");
  if (days < 730) return text(days, "d");
  const auto years = days / 365;
  if (years < 8) return two(years, "y", days % 365, "d");
  return text(years, "y");
}

}  // namespace gantry
