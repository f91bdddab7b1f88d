// What a request costs behind the HTTP layer: Api::handle with an App of 1.5 kB, above a store in memory.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <iterator>

#include "controller/api/access/policy.hpp"
#include "controller/api/api.hpp"
#include "controller/base/yaml.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/memory_engine.hpp"
#include "crds/embedded.hpp"

namespace gantry::api {
namespace {

std::string app(std::string_view name) {
  std::string out = R"({"apiVersion":"gantry.dev/v1alpha1","kind":"App","metadata":{"name":")";
  return out.append(name).append(
      R"(","namespace":"default","labels":{"app":"web","team":"platform","tier":"front"},"annotations":{"gantry.dev/owner":"someone@example.org","example.org/note":"kept for the quarterly review of the platform team"}},
"spec":{"source":{"image":{"ref":"registry.example.org/platform/web:2026.11.21-3f2a9c1"}},"runtime":"process","replicas":3,
"command":["python3","-m","http.server","--directory","/srv/web","--bind","127.0.0.1"],
"ports":[{"name":"http","port":8000},{"name":"metrics","port":9100}],
"env":[{"name":"LOG_LEVEL","value":"info"},{"name":"DATABASE_URL","valueFrom":{"secretKeyRef":{"name":"web-database","key":"url"}}},{"name":"FEATURE_FLAGS","valueFrom":{"configMapKeyRef":{"name":"web-flags","key":"flags"}}},{"name":"REGION","value":"eu-central"},{"name":"CACHE_SIZE","value":"268435456"}],
"resources":{"cpu":"500m","memory":"1Gi"},
"volumes":[{"name":"data","mountPath":"/data"},{"name":"cache","mountPath":"/var/cache/web"}],
"health":{"httpGet":{"path":"/health","port":"http"},"periodSeconds":5,"timeoutSeconds":2,"failureThreshold":3,"startupSeconds":60},
"strategy":{"type":"RollingUpdate","maxSurge":1,"maxUnavailable":0,"progressDeadlineSeconds":600,"autoRollback":true},
"revisionHistoryLimit":10}})");
}

class House {
 public:
  House() {
    std::vector<object::KindPtr> kinds;
    for (const auto& file : crds::embedded_files()) {
      for (const auto& document : yaml::parse_all(file.text))
        kinds.push_back(object::kind_from_definition(document.value));
    }
    store_ = store::make_embedded_store(front_, blocking_, std::make_unique<store::MemoryEngine>());
    api_ = std::make_unique<Api>(front_, *store_, object::KindTable(std::move(kinds)));
    front_.spawn(api_->prepare());
    settle();
  }

  HttpResponse send(std::string method, std::string path, std::string body = {}, std::string query = {},
                    std::string type = "application/json", std::string accept = "application/json") {
    HttpRequest request;
    request.method = std::move(method);
    request.segments = {"apis", "gantry.dev", "v1alpha1", "namespaces", "default", "apps"};
    if (!path.empty()) request.segments.push_back(path);
    request.path = "/apis/gantry.dev/v1alpha1/namespaces/default/apps";
    if (!query.empty()) request.query.emplace_back(query.substr(0, query.find('=')), query.substr(query.find('=') + 1));
    request.query.emplace_back("fieldManager", "gantry");
    request.headers = {{"host", "127.0.0.1"}, {"content-type", std::move(type)}, {"accept", std::move(accept)}};
    request.body = std::move(body);
    return answer_to(std::move(request));
  }

  void post_to(std::vector<std::string> segments, std::string body) {
    HttpRequest request;
    request.method = "POST";
    for (const auto& segment : segments) request.path += "/" + segment;
    request.segments = std::move(segments);
    request.body = std::move(body);
    const HttpResponse response = answer_to(std::move(request));
    if (response.status != 201) throw std::runtime_error(std::string(text_of(response.body.at(0))));
  }
  store::Store& store() { return *store_; }

  HttpResponse plan(std::string body) {
    HttpRequest request;
    request.method = "POST";
    request.path = "/apis/plan.gantry.dev/v1alpha1/plans";
    request.segments = {"apis", "plan.gantry.dev", "v1alpha1", "plans"};
    request.body = std::move(body);
    return answer_to(std::move(request));
  }

 private:
  HttpResponse answer_to(HttpRequest request) {
    request.user = User{"bench", "", {}};
    answer_.reset();
    front_.spawn(ask(std::move(request)));
    while (!answer_) front_.poll();
    return std::move(*answer_);
  }
  // With all that is streamed of it, as a client would have it.
  Task<> ask(HttpRequest request) {
    HttpResponse answer = co_await api_->handle(std::move(request));
    while (answer.stream) {
      auto pieces = co_await answer.stream->next();
      if (pieces.empty()) answer.stream.reset();
      std::ranges::move(pieces, std::back_inserter(answer.body));
    }
    answer_ = std::move(answer);
  }
  void settle() {
    while (front_.poll() > 0) {
    }
  }

  Reactor front_{"front", system_clock()};
  InlineBlocking blocking_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Api> api_;
  std::optional<HttpResponse> answer_;
};

void expect(benchmark::State& state, const HttpResponse& response, int status) {
  if (response.status != status) state.SkipWithError(std::string(text_of(response.body.at(0))).c_str());
}

void BM_Nothing(benchmark::State& state) {
  House house;
  for (auto _ : state) benchmark::DoNotOptimize(house.send("GET", "nosuch"));
}
BENCHMARK(BM_Nothing);

// Everything but the store: decode, prune, default, validate, field sets, encode.
void BM_DryRunCreate(benchmark::State& state) {
  House house;
  const std::string body = app("web");
  for (auto _ : state) expect(state, house.send("POST", "", body, "dryRun=All"), 201);
}
BENCHMARK(BM_DryRunCreate);

void BM_Create(benchmark::State& state) {
  House house;
  std::size_t i = 0;
  for (auto _ : state) expect(state, house.send("POST", "", app("web-" + std::to_string(i++))), 201);
}
BENCHMARK(BM_Create)->Iterations(50'000);

void BM_Get(benchmark::State& state) {
  House house;
  house.send("POST", "", app("web"));
  for (auto _ : state) expect(state, house.send("GET", "web"), 200);
}
BENCHMARK(BM_Get);

void BM_MergePatch(benchmark::State& state) {
  House house;
  house.send("POST", "", app("web"));
  std::size_t i = 0;
  for (auto _ : state) {
    expect(state,
           house.send("PATCH", "web", R"({"spec":{"replicas":)" + std::to_string(i++ % 90) + "}}", {},
                      "application/merge-patch+json"),
           200);
  }
}
BENCHMARK(BM_MergePatch);

void BM_ApplyUnchanged(benchmark::State& state) {
  House house;
  const std::string body = app("web");
  house.send("PATCH", "web", body, {}, "application/apply-patch+yaml");
  for (auto _ : state) expect(state, house.send("PATCH", "web", body, {}, "application/apply-patch+yaml"), 200);
}
BENCHMARK(BM_ApplyUnchanged);

// 5,000 manifests that change nothing, in one request, without a planner behind.
void BM_PlanUnchanged(benchmark::State& state) {
  House house;
  std::string items;
  for (int i = 0; i < 5000; ++i) {
    const std::string name = "web-" + std::to_string(i);
    house.send("PATCH", name, app(name), {}, "application/apply-patch+yaml");
    items.append(items.empty() ? "" : ",").append(app(name));
  }
  for (auto _ : state) expect(state, house.plan(R"({"kind":"PlanRequest","items":[)" + items + "]}"), 200);
}
BENCHMARK(BM_PlanUnchanged)->Unit(benchmark::kMillisecond);

// The question of each request, for one who holds `edit` in the namespace by a group, among a thousand bindings of
// others.
void BM_Authorize(benchmark::State& state) {
  House house;
  house.post_to(
      {"apis", "rbac.authorization.k8s.io", "v1", "clusterroles"},
      R"({"metadata":{"name":"edit"},"rules":[{"apiGroups":["","coordination.k8s.io","gantry.dev"],"resources":["*"],
                "verbs":["get","list","watch","create","update","patch","delete"]}]})");
  for (int i = 0; i < 1000; ++i) {
    house.post_to({"apis", "rbac.authorization.k8s.io", "v1", "namespaces", "default", "rolebindings"},
                  R"({"metadata":{"name":"b)" + std::to_string(i) +
                      R"("},"roleRef":{"kind":"ClusterRole","name":"edit"},"subjects":[{"kind":"Group","name":"team-)" +
                      std::to_string(i) + R"("}]})");
  }
  const access::Policy policy(house.store());
  const User user{"somebody@example.org", "", {"everybody", "team-500", "system:authenticated"}};
  const Access access{"patch", "gantry.dev", "apps", "", "default", "web-4711", ""};
  for (auto _ : state) {
    if (!policy.allow(user, access)) state.SkipWithError("refused");
  }
}
BENCHMARK(BM_Authorize);

void BM_List(benchmark::State& state) {
  House house;
  for (int i = 0; i < state.range(0); ++i) house.send("POST", "", app("web-" + std::to_string(i)));
  for (auto _ : state) expect(state, house.send("GET", ""), 200);
}
BENCHMARK(BM_List)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMillisecond);

// As `kubectl get apps` asks.
void BM_Table(benchmark::State& state) {
  House house;
  for (int i = 0; i < 10'000; ++i) house.send("POST", "", app("web-" + std::to_string(i)));
  std::size_t bytes = 0;
  for (auto _ : state) {
    const auto response = house.send("GET", "", {}, {}, {}, "application/json;as=Table;v=v1;g=meta.k8s.io");
    expect(state, response, 200);
    for (const auto& piece : response.body) bytes += text_of(piece).size();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(BM_Table)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gantry::api

BENCHMARK_MAIN();
