// Prometheus metrics. The handles are cheap to copy, live for the whole process and may be used from any thread.
// Names: docs/metrics.md. Labels come from closed sets only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gantry::metrics {

using Labels = std::map<std::string, std::string>;

class Counter {
 public:
  explicit Counter(void* handle) : handle_(handle) {}
  void add(double amount = 1) const;
  double value() const;

 private:
  void* handle_;
};

class Gauge {
 public:
  explicit Gauge(void* handle) : handle_(handle) {}
  void set(double value) const;
  void add(double amount) const;
  double value() const;

 private:
  void* handle_;
};

class Histogram {
 public:
  explicit Histogram(void* handle) : handle_(handle) {}
  void observe(double value) const;

 private:
  void* handle_;
};

using Buckets = std::vector<double>;
const Buckets& request_buckets();    // 1 ms to 60 s
const Buckets& reconcile_buckets();  // controller-runtime's: 5 ms to 60 s
const Buckets& queue_buckets();      // client-go's workqueue: 10 ns to 10 s, decades

// Made at first use; the same name and labels give the same series. The help text of the first call stays.
Counter counter(const std::string& name, const std::string& help, const Labels& labels = {});
Gauge gauge(const std::string& name, const std::string& help, const Labels& labels = {});
Histogram histogram(const std::string& name, const std::string& help, const Buckets& buckets,
                    const Labels& labels = {});
// Takes a series away, such as a deleted object's.
void remove_gauge(const std::string& name, const Labels& labels);

// Runs before each render(), to bring gauges up to date (resident memory, objects per kind).
void on_collect(std::function<void()> refresh);
// The text exposition format, version 0.0.4.
std::string render();

}  // namespace gantry::metrics
