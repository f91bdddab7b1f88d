#include "controller/base/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <sstream>

namespace gantry::metrics {
namespace {

template <class Metric>
struct Families {
  struct Entry {
    prometheus::Family<Metric>* family = nullptr;
    std::map<Labels, Metric*> series;
  };
  std::map<std::string, Entry> by_name;

  template <class Make, class... Arguments>
  Metric* get(const std::string& name, Make make_family, const Labels& labels, Arguments&&... arguments) {
    auto& entry = by_name[name];
    if (!entry.family) entry.family = &make_family();
    auto& series = entry.series[labels];
    if (!series) series = &entry.family->Add(labels, std::forward<Arguments>(arguments)...);
    return series;
  }
};

struct State {
  std::mutex mutex;
  prometheus::Registry registry;
  Families<prometheus::Counter> counters;
  Families<prometheus::Gauge> gauges;
  Families<prometheus::Histogram> histograms;
  std::vector<std::function<void()>> refreshers;
};

State& state() {
  static auto* instance = new State;  // never destroyed: handles stay good until the very end
  return *instance;
}

}  // namespace

void Counter::add(double amount) const { static_cast<prometheus::Counter*>(handle_)->Increment(amount); }
double Counter::value() const { return static_cast<prometheus::Counter*>(handle_)->Value(); }
void Gauge::set(double value) const { static_cast<prometheus::Gauge*>(handle_)->Set(value); }
void Gauge::add(double amount) const { static_cast<prometheus::Gauge*>(handle_)->Increment(amount); }
double Gauge::value() const { return static_cast<prometheus::Gauge*>(handle_)->Value(); }
void Histogram::observe(double value) const { static_cast<prometheus::Histogram*>(handle_)->Observe(value); }

const Buckets& request_buckets() {
  static const Buckets buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return buckets;
}

const Buckets& reconcile_buckets() {
  static const Buckets buckets{0.005, 0.01, 0.025, 0.05, 0.1,  0.15, 0.2,  0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6,
                               0.7,   0.8,  0.9,   1,    1.25, 1.5,  1.75, 2,    2.5, 3,    3.5, 4,    4.5, 5,
                               6,     7,    8,     9,    10,   15,   20,   25,   30,  40,   50,  60};
  return buckets;
}

const Buckets& queue_buckets() {
  static const Buckets buckets{1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10};
  return buckets;
}

Counter counter(const std::string& name, const std::string& help, const Labels& labels) {
  std::lock_guard lock(state().mutex);
  return Counter(state().counters.get(
      name, [&]() -> auto& { return prometheus::BuildCounter().Name(name).Help(help).Register(state().registry); },
      labels));
}

Gauge gauge(const std::string& name, const std::string& help, const Labels& labels) {
  std::lock_guard lock(state().mutex);
  return Gauge(state().gauges.get(
      name, [&]() -> auto& { return prometheus::BuildGauge().Name(name).Help(help).Register(state().registry); },
      labels));
}

Histogram histogram(const std::string& name, const std::string& help, const Buckets& buckets, const Labels& labels) {
  std::lock_guard lock(state().mutex);
  return Histogram(state().histograms.get(
      name, [&]() -> auto& { return prometheus::BuildHistogram().Name(name).Help(help).Register(state().registry); },
      labels, buckets));
}

void remove_gauge(const std::string& name, const Labels& labels) {
  std::lock_guard lock(state().mutex);
  const auto entry = state().gauges.by_name.find(name);
  if (entry == state().gauges.by_name.end()) return;
  const auto series = entry->second.series.find(labels);
  if (series == entry->second.series.end()) return;
  entry->second.family->Remove(series->second);
  entry->second.series.erase(series);
}

void on_collect(std::function<void()> refresh) {
  std::lock_guard lock(state().mutex);
  state().refreshers.push_back(std::move(refresh));
}

std::string render() {
  std::vector<std::function<void()>> refreshers;
  {
    std::lock_guard lock(state().mutex);
    refreshers = state().refreshers;
  }
  for (const auto& refresh : refreshers) refresh();
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, state().registry.Collect());
  return std::move(out).str();
}

}  // namespace gantry::metrics
