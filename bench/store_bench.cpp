// The store alone, without HTTP: durable creates by many writers, publishing to watches, listing, loading.
#include <benchmark/benchmark.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "controller/base/error.hpp"
#include "controller/base/log.hpp"
#include "controller/store/embedded_store.hpp"

namespace gantry::store {
namespace {

const Resource kApps = Resource::of("gantry.dev", "apps");

// A store in a folder of its own, with the front on this thread.
struct Desk {
  Desk() {
    std::string path = "/var/tmp/gantry-store-bench.XXXXXX";
    options.data_dir = ::mkdtemp(path.data());
    store = open_embedded_store(front, disk, options);
  }
  ~Desk() {
    store.reset();
    while (front.poll() > 0) {
    }
    std::filesystem::remove_all(options.data_dir);
  }
  void reopen() {
    store.reset();
    while (front.poll() > 0) {
    }
    store = open_embedded_store(front, disk, options);
  }
  void run_until(const std::size_t& count, std::size_t target) {
    while (count < target) front.context().run_one();
  }

  ThreadPool disk{"disk", 2};
  Reactor front{"front", system_clock()};
  StoreOptions options;
  std::unique_ptr<Store> store;
};

// A 1.5 kB App.
object::Encoded app(const std::string& name) {
  static const std::string filler(1100, 'x');
  return object::encode(
      json::Object{{"apiVersion", "gantry.dev/v1alpha1"},
                   {"kind", "App"},
                   {"metadata", json::Object{{"creationTimestamp", "2026-11-21T10:00:00Z"},
                                             {"generation", 1},
                                             {"labels", json::Object{{"app", name}, {"team", "platform"}}},
                                             {"name", name},
                                             {"namespace", "prod"},
                                             {"uid", "7d9a4c1e-0b6f-4a53-9a57-0f6a1b2c3d4e"}}},
                   {"spec", json::Object{{"command", json::Array{"python", "server.py"}},
                                         {"note", filler},
                                         {"replicas", 2},
                                         {"runtime", "process"}}}});
}

struct Counter {
  std::size_t made = 0;
  std::size_t left = 0;
};

// Writers share a stock of names and take the next as soon as their last is durable.
Task<> write_all(Store& store, Counter& counter, const std::vector<object::Encoded>& apps) {
  while (counter.left > 0) {
    const std::size_t index = --counter.left;
    co_await store.create({kApps, "prod", "app-" + std::to_string(index)}, apps[index]);
    ++counter.made;
  }
}

void fill(Desk& desk, std::size_t count, std::size_t writers) {
  std::vector<object::Encoded> apps;
  for (std::size_t i = 0; i < count; ++i) apps.push_back(app("app-" + std::to_string(i)));
  Counter counter{0, count};
  for (std::size_t i = 0; i < writers; ++i) desk.front.spawn(write_all(*desk.store, counter, apps));
  desk.run_until(counter.made, count);
}

void durable_creates(benchmark::State& state) {
  const auto writers = static_cast<std::size_t>(state.range(0));
  const std::size_t count = std::min<std::size_t>(60'000, 2'000 + writers * 400);
  std::vector<object::Encoded> apps;
  for (std::size_t i = 0; i < count; ++i) apps.push_back(app("app-" + std::to_string(i)));
  for (auto _ : state) {
    state.PauseTiming();
    Desk desk;
    Counter counter{0, count};
    state.ResumeTiming();
    for (std::size_t i = 0; i < writers; ++i) desk.front.spawn(write_all(*desk.store, counter, apps));
    desk.run_until(counter.made, count);
    state.PauseTiming();
    desk.store.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count) * state.iterations());
  state.counters["bytes_each"] = static_cast<double>(apps[0].text.size());
}
BENCHMARK(durable_creates)->Arg(1)->Arg(16)->Arg(100)->Arg(256)->UseRealTime()->Unit(benchmark::kMillisecond);

// What one writer pays for its disk: the same bytes, appended and synced.
void bare_fdatasync(benchmark::State& state) {
  std::string path = "/var/tmp/gantry-store-bench.XXXXXX";
  const int fd = ::mkstemp(path.data());
  const std::string bytes = app("app").text;
  for (auto _ : state) {
    if (::write(fd, bytes.data(), bytes.size()) < 0 || ::fdatasync(fd) != 0) state.SkipWithError("disk");
  }
  ::close(fd);
  ::unlink(path.c_str());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(bare_fdatasync)->UseRealTime()->Unit(benchmark::kMicrosecond);

Task<> follow(Watch& watch, std::size_t& seen, std::size_t& bytes) {
  while (true) {
    const auto events = co_await watch.next(256);
    if (events.empty()) co_return;
    for (const auto& event : events) bytes += event->frame().size();
    seen += events.size();
  }
}

// Deliveries of frames to watches, while the creates they come from are made durable.
void watch_fan_out(benchmark::State& state) {
  const auto watches = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t kCount = 2000;
  std::vector<object::Encoded> apps;
  for (std::size_t i = 0; i < kCount; ++i) apps.push_back(app("app-" + std::to_string(i)));
  for (auto _ : state) {
    state.PauseTiming();
    Desk desk;
    std::vector<std::unique_ptr<Watch>> open;
    std::size_t seen = 0;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < watches; ++i) {
      open.push_back(desk.store->watch(kApps, desk.store->revision()));
      desk.front.spawn(follow(*open.back(), seen, bytes));
    }
    Counter counter{0, kCount};
    state.ResumeTiming();
    for (std::size_t i = 0; i < 100; ++i) desk.front.spawn(write_all(*desk.store, counter, apps));
    desk.run_until(seen, kCount * watches);
    state.PauseTiming();
    open.clear();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kCount * watches) * state.iterations());
}
BENCHMARK(watch_fan_out)->Arg(1)->Arg(100)->Arg(1000)->UseRealTime()->Unit(benchmark::kMillisecond);

double resident_mb(const char* field = "VmRSS:") {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    double kilobytes = 0;
    if (word == field && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

// 100,000 objects: loading them, what they weigh in memory, listing them, finding one.
void hundred_thousand(benchmark::State& state) {
  constexpr std::size_t kCount = 100'000;
  struct Folder {
    explicit Folder(std::string p) : path(std::move(p)) {}
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
  };
  static const Folder filled([] {
    int path[2];
    if (::pipe(path) != 0) return std::string();
    const pid_t child = ::fork();  // so that what filling leaves in the heap does not count
    if (child == 0) {
      Desk desk;
      fill(desk, kCount, 256);
      if (::write(path[1], desk.options.data_dir.data(), desk.options.data_dir.size()) < 0) ::_exit(1);
      desk.store.reset();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    char text[256];
    const ssize_t size = ::read(path[0], text, sizeof text);
    return std::string(text, size > 0 ? static_cast<std::size_t>(size) : 0);
  }());
  ThreadPool disk("disk", 2);
  Reactor front("front", system_clock());
  StoreOptions options;
  options.data_dir = filled.path;
  const double before = resident_mb();
  std::unique_ptr<Store> store;
  if (state.range(0) != 0) store = open_embedded_store(front, disk, options);
  for (auto _ : state) {
    switch (state.range(0)) {
      case 0:
        store.reset();
        store = open_embedded_store(front, disk, options);
        break;
      case 1:
        benchmark::DoNotOptimize(store->list(kApps));
        break;
      case 2:
        benchmark::DoNotOptimize(store->find({kApps, "prod", "app-77777"}));
        break;
      case 3:
        benchmark::DoNotOptimize(store->list(kApps, {.limit = 500, .after_ns = "prod", .after_name = "app-50000"}));
        break;
    }
  }
  double json = 0;
  for (const auto& item : store->list(kApps).items) json += static_cast<double>(item->bytes().size());
  json /= 1 << 20;
  if (state.range(0) == 0) {
    state.counters["json_MiB"] = json;
    state.counters["rss_MiB"] = resident_mb();
    state.counters["rss_file_MiB"] = resident_mb("RssFile:");
    state.counters["rss_to_json"] = (resident_mb() - before) / json;
  }
}
BENCHMARK(hundred_thousand)
    ->Name("load_100k")
    ->Arg(0)
    ->UseRealTime()
    ->Iterations(1)
    ->Repetitions(1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(hundred_thousand)->Name("list_100k")->Arg(1)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(hundred_thousand)->Name("find_in_100k")->Arg(2)->UseRealTime()->Unit(benchmark::kNanosecond);
BENCHMARK(hundred_thousand)->Name("page_of_500_in_100k")->Arg(3)->UseRealTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace gantry::store

int main(int argc, char** argv) {
  gantry::log::configure(gantry::log::Level::Warn, gantry::log::Format::Text);
  benchmark::Initialize(&argc, argv);
  // Threads are started by the benchmarks, so the one that forks comes first: --benchmark_filter keeps the order.
  benchmark::RunSpecifiedBenchmarks();
}
