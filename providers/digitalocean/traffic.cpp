#include "providers/digitalocean/traffic.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "controller/base/percent.hpp"
#include "providers/month.hpp"

namespace gantry::providers::digitalocean {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr const char* kBandwidth = "/v2/monitoring/metrics/droplet/bandwidth";
constexpr std::size_t kLooks = 2;
// A sweep of 1,000 droplets may take ten calls: one that is long already has room for one look.
constexpr int kLongSweep = 9;
// No droplet more often than that, nor one that did not answer.
constexpr Duration kAgain = minutes(10);
constexpr Duration kTooNew = minutes(5);
// How far samples may come behind their time.
constexpr Duration kLate = hours(1);
// The description names no bound. At two minutes a sample that is within the 11,000 that Prometheus gives at once.
constexpr Duration kWindow = hours(24 * 14);
// No sample stands for longer, whatever lies between it and the one before.
constexpr Duration kStepMax = hours(2);
// A figure older than that is none.
constexpr Duration kStale = hours(48);
constexpr double kMbpsMax = 1e6;
constexpr double kBytesInMbit = 125'000;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string unix_of(WallTime at) {
  return std::to_string(std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count());
}

// "NaN", and what no network carries, is no sample.
std::optional<double> mbps_of(const json::Value& said) {
  if (!said.is_string()) return std::nullopt;
  const std::string& text = said.as_string();
  double mbps = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), mbps);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(mbps) || mbps < 0 || mbps > kMbpsMax) return std::nullopt;
  return mbps;
}

}  // namespace

Samples read_samples(const json::Value& body) {
  Samples samples;
  for (const auto& series : rest::rows(rest::part(body, "data"), "result")) {
    for (const auto& pair : rest::rows(series, "values")) {
      if (!pair.is_array() || pair.as_array().size() != 2 || !pair.as_array()[0].is_int()) continue;
      const std::int64_t at = pair.as_array()[0].as_int();
      const auto mbps = mbps_of(pair.as_array()[1]);
      if (mbps && at > 0 && at < INT32_MAX * 2LL) samples[WallTime(std::chrono::seconds(at))] += *mbps;
    }
  }
  return samples;
}

void Meter::add(const Samples& samples, WallTime end, WallTime now) {
  std::optional<Duration> spacing;
  for (auto at = samples.begin(); at != samples.end() && std::next(at) != samples.end(); ++at) {
    const Duration apart = std::next(at)->first - at->first;
    spacing = spacing ? std::min(*spacing, apart) : apart;
  }
  if (spacing) step = std::min(*spacing, kStepMax);
  WallTime before = until;
  for (const auto& [at, mbps] : samples) {
    if (at <= before || at > end) continue;
    // Samples come a little late now and then; what is missing for longer nobody knows.
    const Duration apart = at - before;
    const Duration stands_for = apart * 2 <= step * 3 ? apart : step;
    bytes += mbps * kBytesInMbit * seconds(stands_for);
    seen += stands_for;
    before = at;
  }
  until = std::max(before, std::min<WallTime>(end, now - kLate));
  caught_up = caught_up || end >= now;
}

Task<> Traffic::fill(Inventory* inventory) {
  begin(inventory->servers);
  for (const auto& id : next(looks(inventory->calls))) {
    ++inventory->calls;
    if (!co_await look(id)) break;
  }
  for (auto& server : inventory->servers) tell(server);
}

// A meter for each droplet that is there, of this month.
void Traffic::begin(const std::vector<CloudServer>& servers) {
  const Month month = month_of(wall());
  if (month_ != month.begin) meters_.clear();
  month_ = month.begin;
  std::set<std::string> there;
  for (const auto& server : servers) {
    there.insert(server.id);
    if (meters_.contains(server.id)) continue;
    Meter& meter = meters_[server.id];
    meter.from = meter.until = std::max(month.begin, server.created);
  }
  std::erase_if(meters_, [&](const auto& one) { return !there.contains(one.first); });
}

std::size_t Traffic::looks(int calls) const {
  if (now() < closed_until_) return 0;
  const auto rate = api_.client.rate_limit();
  if (rate && rate->remaining * 4 < rate->limit) return 0;
  const bool spare = !rate || rate->remaining * 2 >= rate->limit;
  return spare && calls < kLongSweep ? kLooks : 1;
}

std::vector<std::string> Traffic::next(std::size_t most) const {
  std::vector<std::pair<Instant, std::string>> due;
  for (const auto& [id, meter] : meters_) {
    if (now() >= meter.next && wall() - meter.until >= kTooNew)
      due.emplace_back(meter.looked.value_or(Instant::min()), id);
  }
  const std::size_t count = std::min(most, due.size());
  std::ranges::partial_sort(due, due.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < count; ++i) ids.push_back(std::move(due[i].second));
  return ids;
}

// False: the rest of this sweep's looks would hardly fare better.
Task<bool> Traffic::look(std::string id) {
  const WallTime at = wall();
  const auto asked = meters_.find(id);
  if (asked == meters_.end()) co_return true;
  const WallTime begun = asked->second.until;
  const WallTime end = std::min<WallTime>(begun + kWindow, at);
  const WallTime month = month_;
  std::optional<Samples> samples;
  bool go_on = true;
  try {
    samples = read_samples(co_await api_.client.ask(
        {.path = std::string(kBandwidth) + "?host_id=" + percent_encode(id) +
                 "&interface=public&direction=outbound&start=" + unix_of(begun) + "&end=" + unix_of(end),
         .operation = kBandwidth,
         .body = {},
         .about = {},
         .timeout = std::chrono::seconds(5),
         .again = false}));
  } catch (
      const Error& error) {  // tidy: the droplets are listed; that one's traffic is not known is said by its absence
    if (error.code() == ErrorCode::Cancelled) throw;
    go_on = error.code() == ErrorCode::NotFound;
  }
  if (!go_on) closed_until_ = now() + kAgain;
  // Another sweep may have begun a month, or missed the droplet, meanwhile.
  const auto known = meters_.find(id);
  if (known == meters_.end() || month_ != month) co_return go_on;
  Meter& meter = known->second;
  meter.looked = now();
  if (samples) meter.add(*samples, end, at);
  meter.next = samples && !meter.caught_up ? now() : now() + kAgain;
  co_return go_on;
}

void Traffic::tell(CloudServer& server) const {
  const auto known = meters_.find(server.id);
  if (known == meters_.end()) return;
  const Meter& meter = known->second;
  const WallTime at = wall();
  if (!meter.caught_up || meter.seen == Duration::zero() || at - meter.until > kStale) return;
  server.traffic_out_bytes = static_cast<std::int64_t>(meter.bytes);
  server.traffic_unseen = std::max<Duration>(at - meter.from - meter.seen, Duration::zero());
}

}  // namespace gantry::providers::digitalocean
