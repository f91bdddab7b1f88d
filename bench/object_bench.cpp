// What a write costs before it reaches the store: reading, pruning, defaulting, validating, and the books of who set
// what. The object is a full App of 1.5 kB.
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "controller/object/apply.hpp"
#include "controller/object/kind.hpp"
#include "controller/object/metadata.hpp"
#include "controller/object/object.hpp"
#include "crds/embedded.hpp"

namespace gantry::object {
namespace {

constexpr std::string_view kApp = R"({"apiVersion":"gantry.dev/v1alpha1","kind":"App",
"metadata":{"name":"web","namespace":"prod","labels":{"app":"web","team":"platform","tier":"front"},"annotations":{"gantry.dev/owner":"someone@example.org","example.org/note":"kept for the quarterly review of the platform team"}},
"spec":{"source":{"image":{"ref":"registry.example.org/platform/web:2026.11.21-3f2a9c1"}},"runtime":"process","replicas":3,
"command":["python3","-m","http.server","--directory","/srv/web","--bind","127.0.0.1"],
"ports":[{"name":"http","port":8000},{"name":"metrics","port":9100}],
"env":[{"name":"LOG_LEVEL","value":"info"},{"name":"DATABASE_URL","valueFrom":{"secretKeyRef":{"name":"web-database","key":"url"}}},{"name":"FEATURE_FLAGS","valueFrom":{"configMapKeyRef":{"name":"web-flags","key":"flags"}}},{"name":"REGION","value":"eu-central"},{"name":"CACHE_SIZE","value":"268435456"}],
"resources":{"cpu":"500m","memory":"1Gi"},
"volumes":[{"name":"data","mountPath":"/data"},{"name":"cache","mountPath":"/var/cache/web"}],
"health":{"httpGet":{"path":"/health","port":"http"},"periodSeconds":5,"timeoutSeconds":2,"failureThreshold":3,"startupSeconds":60},
"strategy":{"type":"RollingUpdate","maxSurge":1,"maxUnavailable":0,"progressDeadlineSeconds":600,"autoRollback":true},
"revisionHistoryLimit":10}})";

const Kind& app() {
  static const KindPtr kind = [] {
    for (const auto& file : crds::embedded_files()) {
      if (file.name == "crds/app.yaml") return kind_from_definition(json::parse(file.text));
    }
    std::abort();
  }();
  return *kind;
}

FieldWriter writer(std::string_view manager, std::string_view subresource = "") {
  static const std::string version = app().api_version();
  return {manager, version, subresource, true, parse_time("2026-11-21T10:00:00Z")};
}

json::Value created() {
  json::Value object = json::parse(kApp);
  app().schema->set_defaults(object);
  track_update(nullptr, object, *app().schema, writer("kubectl"));
  return object;
}

void ReadsJson(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(json::parse(kApp));
  state.SetLabel(std::to_string(kApp.size()) + " bytes");
}
BENCHMARK(ReadsJson);

void Prunes(benchmark::State& state) {
  json::Value object = json::parse(kApp);
  for (auto _ : state) app().schema->prune(object);
}
BENCHMARK(Prunes);

void SetsDefaults(benchmark::State& state) {
  json::Value object = json::parse(kApp);
  app().schema->set_defaults(object);
  for (auto _ : state) app().schema->set_defaults(object);
}
BENCHMARK(SetsDefaults);

void Validates(benchmark::State& state) {
  const json::Value object = created();
  if (const auto errors = app().schema->validate(object); !errors.empty())
    state.SkipWithError((errors[0].field + ": " + errors[0].message).c_str());
  for (auto _ : state) benchmark::DoNotOptimize(app().schema->validate(object));
}
BENCHMARK(Validates);

void ValidatesMetadata(benchmark::State& state) {
  const json::Value object = created();
  for (auto _ : state) benchmark::DoNotOptimize(validate_metadata(object, true));
}
BENCHMARK(ValidatesMetadata);

void TracksACreate(benchmark::State& state) {
  json::Value object = json::parse(kApp);
  for (auto _ : state) {
    object["metadata"].as_object().erase("managedFields");
    track_update(nullptr, object, *app().schema, writer("kubectl"));
  }
}
BENCHMARK(TracksACreate);

void TracksAStatusUpdate(benchmark::State& state) {
  json::Value old = created();
  old["status"] = json::parse(
      R"({"replicas":3,"readyReplicas":2,"conditions":[{"type":"Ready","status":"False","reason":"Starting","message":"2 of 3 are ready","lastTransitionTime":"2026-11-21T10:00:00Z"}]})");
  track_update(&old, old, *app().schema, writer("gantry", "status"));
  json::Value next = old;
  next["status"]["readyReplicas"] = 3;
  for (auto _ : state) {
    state.PauseTiming();
    json::Value object = next;
    state.ResumeTiming();
    track_update(&old, object, *app().schema, writer("gantry", "status"));
  }
}
BENCHMARK(TracksAStatusUpdate);

void AppliesTheSameAgain(benchmark::State& state) {
  const json::Value config = json::parse(kApp);
  json::Value live = apply(nullptr, config, *app().schema, writer("gantry"), false).object;
  app().schema->set_defaults(live);
  for (auto _ : state) {
    if (apply(&live, config, *app().schema, writer("gantry"), false).changed) state.SkipWithError("it changed");
  }
}
BENCHMARK(AppliesTheSameAgain);

void AppliesAChange(benchmark::State& state) {
  json::Value config = json::parse(kApp);
  const json::Value live = apply(nullptr, config, *app().schema, writer("gantry"), false).object;
  config["spec"]["replicas"] = 4;
  config["spec"].as_object().erase("volumes");
  for (auto _ : state) benchmark::DoNotOptimize(apply(&live, config, *app().schema, writer("gantry"), false));
}
BENCHMARK(AppliesAChange);

void Encodes(benchmark::State& state) {
  const json::Value object = created();
  for (auto _ : state) benchmark::DoNotOptimize(encode(object));
}
BENCHMARK(Encodes);

}  // namespace
}  // namespace gantry::object

BENCHMARK_MAIN();
