#include <algorithm>

#include "controller/store/index.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kRunMax = 512;

int compare(const Entry* entry, std::string_view ns, std::string_view name) {
  const Key& key = entry->key();
  if (const int by_ns = std::string_view(key.ns).compare(ns)) return by_ns;
  return std::string_view(key.name).compare(name);
}

bool before(const Entry* a, const Entry* b) { return compare(a, b->key().ns, b->key().name) < 0; }

}  // namespace

void Order::insert(Entry* entry) {
  if (runs_.empty()) {
    runs_.push_back({entry});
    return;
  }
  Position at = find(entry->key().ns, entry->key().name);
  // Between two runs, and behind the last, it goes to the end of the run before.
  if (at.offset == 0 && at.run > 0) at = {at.run - 1, runs_[at.run - 1].size()};
  auto& run = runs_[at.run];
  run.insert(run.begin() + static_cast<std::ptrdiff_t>(at.offset), entry);
  if (run.size() < kRunMax) return;
  // Names that count up fill run after run: a full run that grew at its end is left nearly full.
  const std::size_t keep = at.offset + 1 == run.size() ? run.size() * 15 / 16 : run.size() / 2;
  std::vector<Entry*> upper(run.begin() + static_cast<std::ptrdiff_t>(keep), run.end());
  run.resize(keep);
  runs_.insert(runs_.begin() + static_cast<std::ptrdiff_t>(at.run) + 1, std::move(upper));
}

void Order::erase(const Entry* entry) {
  const Position at = find(entry->key().ns, entry->key().name);
  auto& run = runs_[at.run];
  run.erase(run.begin() + static_cast<std::ptrdiff_t>(at.offset));
  if (run.empty()) runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(at.run));
}

void Order::build(std::vector<Entry*> entries) {
  std::sort(entries.begin(), entries.end(), before);
  runs_.clear();
  constexpr std::size_t kFill = kRunMax * 3 / 4;
  for (std::size_t at = 0; at < entries.size(); at += kFill) {
    const auto first = entries.begin() + static_cast<std::ptrdiff_t>(at);
    const auto last = entries.begin() + static_cast<std::ptrdiff_t>(std::min(at + kFill, entries.size()));
    runs_.emplace_back(first, last);
  }
}

Order::Position Order::find(std::string_view ns, std::string_view name, bool behind) const {
  const auto is_before = [&](const Entry* entry) {
    const int order = compare(entry, ns, name);
    return behind ? order <= 0 : order < 0;
  };
  const auto run = std::partition_point(runs_.begin(), runs_.end(), [&](const auto& r) { return is_before(r.back()); });
  if (run == runs_.end()) return end();
  const auto at = std::partition_point(run->begin(), run->end(), is_before);
  return {static_cast<std::size_t>(run - runs_.begin()), static_cast<std::size_t>(at - run->begin())};
}

Order::Position Order::end_of(std::string_view ns) const {
  const auto is_before = [&](const Entry* entry) { return std::string_view(entry->key().ns) <= ns; };
  const auto run = std::partition_point(runs_.begin(), runs_.end(), [&](const auto& r) { return is_before(r.back()); });
  if (run == runs_.end()) return end();
  const auto at = std::partition_point(run->begin(), run->end(), is_before);
  return {static_cast<std::size_t>(run - runs_.begin()), static_cast<std::size_t>(at - run->begin())};
}

Order::Position Order::next(Position position) const {
  if (++position.offset < runs_[position.run].size()) return position;
  return {position.run + 1, 0};
}

std::size_t Order::distance(Position from, Position to) const {
  std::size_t count = 0;
  for (std::size_t run = from.run; run < to.run; ++run) count += runs_[run].size();
  return count + to.offset - from.offset;
}

}  // namespace gantry::store
