#include "controller/base/time_zone.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <map>
#include <mutex>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"

namespace gantry {
namespace {

using std::chrono::days;
using std::chrono::sys_days;

constexpr std::size_t kFileMax = 1 << 20;
constexpr std::size_t kHeader = 44;

[[noreturn]] void broken(const char* what) {
  throw Error(ErrorCode::Invalid, std::string("the time zone's file is damaged: ") + what);
}

// Big-endian numbers, one after the other.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  std::string_view take(std::size_t size) {
    if (rest_.size() < size) broken("it ends too early");
    const std::string_view piece = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return piece;
  }
  template <class T>
  T number() {
    std::make_unsigned_t<T> value = 0;
    for (const char c : take(sizeof(T)))
      value = static_cast<decltype(value)>((value << 8) | static_cast<unsigned char>(c));
    return static_cast<T>(value);
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

struct Header {
  char version = 0;
  std::size_t utc_count, std_count, leap_count, time_count, type_count, char_count;
  std::size_t body(std::size_t time_size) const {
    return time_count * time_size + time_count + type_count * 6 + char_count + leap_count * (time_size + 4) +
           std_count + utc_count;
  }
};

Header read_header(Reader& in) {
  const std::string_view magic = in.take(kHeader - 24);
  if (!magic.starts_with("TZif")) broken("it is no TZif");
  Header header{};
  header.version = magic[4];
  for (auto* count : {&header.utc_count, &header.std_count, &header.leap_count, &header.time_count, &header.type_count,
                      &header.char_count})
    *count = in.number<std::uint32_t>();
  if (header.type_count == 0 || header.time_count > 100'000 || header.type_count > 256) broken("its counts are wrong");
  return header;
}

// The pieces of "EST5EDT,M3.2.0/2,M11.1.0".
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  bool good() const { return good_; }
  bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void name() {
    if (skip('<')) {
      const auto end = rest_.find('>');
      good_ = good_ && end != rest_.npos;
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      return;
    }
    const auto end = rest_.find_first_of("0123456789+-,");
    good_ = good_ && end >= 3;
    rest_.remove_prefix(std::min(end, rest_.size()));
  }
  int number() {
    int value = 0;
    const auto read = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (read.ec != std::errc()) good_ = false;
    rest_.remove_prefix(static_cast<std::size_t>(read.ptr - rest_.data()));
    return value;
  }
  int seconds() {
    const bool minus = skip('-');
    if (!minus) skip('+');
    int value = number() * 3600;
    if (skip(':')) value += number() * 60;
    if (skip(':')) value += number();
    return minus ? -value : value;
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::optional<TimeZone::Rule> TimeZone::parse_rule(std::string_view text) {
  if (text.empty()) return std::nullopt;
  RuleReader in(text);
  Rule rule;
  in.name();
  rule.standard = Seconds(-in.seconds());  // POSIX counts westwards
  if (!in.done()) {
    in.name();
    rule.summer = rule.standard + std::chrono::hours(1);
    if (!in.skip(',')) {
      rule.summer = Seconds(-in.seconds());
      in.skip(',');
    }
    const auto change = [&] {
      Rule::Change made;
      if (in.skip('M')) {
        made.month = in.number();
        in.skip('.');
        made.week = in.number();
        in.skip('.');
        made.day = in.number();
      } else {
        made.kind = in.skip('J') ? Rule::Change::Kind::Julian : Rule::Change::Kind::Day;
        made.day = in.number();
      }
      if (in.skip('/')) made.at = in.seconds();
      return made;
    };
    rule.to_summer = change();
    in.skip(',');
    rule.to_standard = change();
  }
  if (!in.good() || !in.done()) broken("its last line is no rule");
  return rule;
}

TimeZone::Time TimeZone::Rule::Change::in_year(int year, Seconds offset) const {
  using namespace std::chrono;
  const std::chrono::year y(year);
  sys_days date = y / January / 1;
  if (kind == Kind::Month) {
    const std::chrono::month m(static_cast<unsigned>(month));
    const weekday w(static_cast<unsigned>(day));
    date = week == 5 ? sys_days(y / m / w[last]) : sys_days(y / m / w[static_cast<unsigned>(week)]);
  } else {
    // Julian days never count the 29th of February.
    date += days(kind == Kind::Day ? day : day - 1 + (y.is_leap() && day >= 60 ? 1 : 0));
  }
  return date + Seconds(at) - offset;
}

TimeZone TimeZone::parse(std::string_view tzif) {
  Reader in(tzif);
  Header header = read_header(in);
  if (header.version < '2') broken("it is of version 1, which ends in 2038");
  in.take(header.body(4));
  header = read_header(in);

  TimeZone zone;
  for (std::size_t i = 0; i < header.time_count; ++i) zone.changes_.emplace_back(Seconds(in.number<std::int64_t>()));
  if (!std::ranges::is_sorted(zone.changes_)) broken("its changes are out of order");
  std::vector<std::uint8_t> kinds;
  for (std::size_t i = 0; i < header.time_count; ++i) kinds.push_back(in.number<std::uint8_t>());
  std::vector<Seconds> offsets;
  for (std::size_t i = 0; i < header.type_count; ++i) {
    offsets.emplace_back(in.number<std::int32_t>());
    in.take(2);
  }
  zone.offsets_.push_back(offsets.front());
  for (const auto kind : kinds) {
    if (kind >= offsets.size()) broken("a change leads nowhere");
    zone.offsets_.push_back(offsets[kind]);
  }
  in.take(header.char_count + header.leap_count * 12 + header.std_count + header.utc_count);
  std::string_view footer = in.rest();
  if (footer.starts_with('\n')) {
    footer.remove_prefix(1);
    zone.rule_ = parse_rule(footer.substr(0, footer.find('\n')));
  }
  return zone;
}

TimeZone::Period TimeZone::period_by_rule(Time time, Time not_before) const {
  if (!rule_->summer) return {not_before, Time::max(), rule_->standard};
  const int year = static_cast<int>(std::chrono::year_month_day(std::chrono::floor<days>(time)).year());
  std::vector<std::pair<Time, Seconds>> changes;
  for (int y = year - 1; y <= year + 1; ++y) {
    changes.emplace_back(rule_->to_summer.in_year(y, rule_->standard), *rule_->summer);
    changes.emplace_back(rule_->to_standard.in_year(y, *rule_->summer), rule_->standard);
  }
  std::ranges::sort(changes);
  auto next = std::ranges::upper_bound(changes, time, {}, &std::pair<Time, Seconds>::first);
  if (next == changes.begin() || next == changes.end()) broken("its rule has no summer");
  const auto& last = *std::prev(next);
  return {std::max(last.first, not_before), next->first, last.second};
}

TimeZone::Period TimeZone::period_at(Time time) const {
  const auto next = std::ranges::upper_bound(changes_, time);
  const auto index = static_cast<std::size_t>(next - changes_.begin());
  const Time begin = index == 0 ? Time::min() : changes_[index - 1];
  if (next == changes_.end() && rule_) return period_by_rule(time, begin);
  return {begin, next == changes_.end() ? Time::max() : *next, offsets_[index]};
}

std::shared_ptr<const TimeZone> TimeZone::utc() {
  static const auto zone = [] {
    auto made = std::make_shared<TimeZone>();
    made->offsets_.emplace_back(0);
    return std::shared_ptr<const TimeZone>(std::move(made));
  }();
  return zone;
}

std::shared_ptr<const TimeZone> TimeZone::find(const std::string& name) {
  if (name.empty() || name == "UTC" || name == "Etc/UTC") return utc();
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const TimeZone>> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("/_+-").contains(c);
  };
  const char* folder = std::getenv("TZDIR");
  const std::string root = folder && *folder ? folder : "/usr/share/zoneinfo";
  std::optional<std::string> text;
  if (std::ranges::all_of(name, allowed) && !name.starts_with('/') && !name.ends_with('/')) {
    try {
      text = files::read_file_if_exists(files::join(root, name), kFileMax);
    } catch (const Error&) {  // a folder: Europe is no zone
    }
  }
  if (!text) {
    if (!files::exists(root))
      throw Error(ErrorCode::NotFound, "this machine knows no time zones: " + root + " is not there (Debian: tzdata)");
    throw Error(ErrorCode::Invalid, "there is no time zone \"" + name + "\"; names are such as Europe/Berlin or UTC");
  }
  return known[name] = std::make_shared<const TimeZone>(parse(*text));
}

}  // namespace gantry
