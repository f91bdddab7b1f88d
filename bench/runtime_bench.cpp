// The parts of the loop: one trip through the queue, one attempt that finds nothing to do, and ten thousand objects
// from nothing to Ready in one thread, with the real store (on an imagined disk), the real API and the real informers.
#include <benchmark/benchmark.h>

#include "controller/base/log.hpp"
#include "tests/world/world.hpp"

namespace gantry {
namespace {

using namespace std::chrono_literals;

object::Key gadget(std::size_t i) {
  return {object::Resource::of("test.gantry.dev", "gadgets"), "default", "gadget-number-" + std::to_string(i)};
}

void queue_trip(benchmark::State& state) {
  Reactor reactor("bench", system_clock());
  runtime::Queue queue(reactor, "bench");
  std::vector<object::Key> keys;
  for (std::size_t i = 0; i < 1024; ++i) keys.push_back(gadget(i));
  std::size_t next = 0;
  for (auto _ : state) {
    queue.add(keys[next++ % keys.size()]);
    queue.done(queue.take());
  }
}
BENCHMARK(queue_trip);

// Added a thousand at a time, and doubled, as after a list.
void queue_burst(benchmark::State& state) {
  Reactor reactor("bench", system_clock());
  runtime::Queue queue(reactor, "bench");
  std::vector<object::Key> keys;
  for (std::size_t i = 0; i < 1000; ++i) keys.push_back(gadget(i));
  for (auto _ : state) {
    for (const auto& key : keys) queue.add(key);
    for (const auto& key : keys) queue.add(key);
    while (auto* item = queue.take()) queue.done(item);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 1000);
}
BENCHMARK(queue_burst);

void queue_later(benchmark::State& state) {
  world::ManualClock clock;
  Reactor reactor("bench", clock);
  runtime::Queue queue(reactor, "bench");
  SeededRandom random(1);
  std::vector<object::Key> keys;
  for (std::size_t i = 0; i < 100'000; ++i) keys.push_back(gadget(i));
  for (const auto& key : keys) queue.add_after(key, 10min + 1us * static_cast<int>(random.below(1'000'000)));
  std::size_t next = 0;
  for (auto _ : state) {
    const auto& key = keys[next++ % keys.size()];
    queue.cancel_delayed(key);
    queue.add_after(key, 10min + 1us * static_cast<int>(random.below(1'000'000)));
  }
}
BENCHMARK(queue_later);

// Finds everything as it should be.
class Nothing final : public runtime::Reconciler {
 public:
  Task<runtime::SeenPtr> observe(const runtime::Subject&) override { co_return std::make_shared<runtime::Seen>(); }
  runtime::Plan plan(const runtime::Subject&, const runtime::Seen&) override { return {}; }
  Task<> act(const runtime::Subject&, const runtime::Seen&, const runtime::Action&, runtime::Notes&) override {
    co_return;
  }
  runtime::Report report(const runtime::Subject&, const runtime::Seen&, const runtime::Plan&) override {
    runtime::Report report;
    report.status = json::Object{};
    report.conditions = {{"Ready", "True", "AsDeclared", ""}};
    return report;
  }
  bool holds_real_things() const override { return false; }
};

world::WorldOptions with_nothing() {
  world::WorldOptions options;
  options.setup = [](world::World&, world::Process& process) {
    auto nothing = std::make_shared<Nothing>();
    process.reconcilers.push_back(nothing);
    process.plane->serve(object::Resource::of("test.gantry.dev", "gadgets"), *nothing);
  };
  return options;
}

json::Value manifest(std::size_t i) {
  return json::Object{{"apiVersion", "test.gantry.dev/v1"},
                      {"kind", "Gadget"},
                      {"metadata", json::Object{{"name", gadget(i).name}, {"namespace", "default"}}},
                      {"spec", json::Object{{"parts", 1}, {"size", 1}, {"note", std::string(1000, 'x')}}}};
}

void attempt_without_change(benchmark::State& state) {
  world::World world(with_nothing());
  for (std::size_t i = 0; i < 1000; ++i) world.apply_object(manifest(i));
  world.settle();
  for (auto _ : state) {
    for (std::size_t i = 0; i < 1000; ++i) world.plane().poke(gadget(i));
    while (world.reactor.poll() > 0) {
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 1000);
}
BENCHMARK(attempt_without_change)->Unit(benchmark::kMillisecond);

void all_ready(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    world::World world(with_nothing());
    world.process().line.clear();  // nobody works yet
    for (std::size_t i = 0; i < count; ++i) {
      world.reactor.spawn([](api::Client& client, json::Value object) -> Task<> {
        co_await client.create(object::Resource::of("test.gantry.dev", "gadgets"), std::move(object), {});
      }(world.user(), manifest(i)));
    }
    while (world.reactor.poll() > 0) {
    }
    state.ResumeTiming();
    world.restart();
    while (world.reactor.poll() > 0) {
    }
    state.PauseTiming();
    if (world.condition("Gadget/" + gadget(count - 1).name, "Ready") != "True") state.SkipWithError("not ready");
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(all_ready)->Arg(10'000)->Unit(benchmark::kMillisecond)->Iterations(3);

void plan_of_unchanged(benchmark::State& state) {
  world::World world(with_nothing());
  std::vector<api::PlanItem> items;
  for (std::size_t i = 0; i < 5000; ++i) {
    world.apply_object(manifest(i));
    const object::ObjectPtr live = world.store().find(gadget(i));
    items.push_back({live->key(), live, live->decode()});
  }
  world.settle();
  for (auto _ : state) {
    state.PauseTiming();
    auto copy = items;
    state.ResumeTiming();
    benchmark::DoNotOptimize(world.run(world.plane().plan(std::move(copy))));
  }
}
BENCHMARK(plan_of_unchanged)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) {
  gantry::log::configure(gantry::log::Level::Off, gantry::log::Format::Text);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
