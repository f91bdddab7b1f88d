// The API above a store in memory, on one thread, in a time that the test moves. Requests are written as HTTP has them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/api/api.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/memory_engine.hpp"

namespace gantry::api {

class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override {
    return WallTime(std::chrono::sys_days(std::chrono::year(2026) / 11 / 21)) + now_.time_since_epoch();
  }
  TimerId call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) override;
  void cancel(TimerId id) override { timers_.erase(id); }
  void advance(Duration by);

 private:
  struct Timer {
    Reactor* reactor;
    Instant when;
    std::move_only_function<void()> fn;
  };
  Instant now_{std::chrono::hours(1)};
  TimerId last_ = 0;
  std::map<TimerId, Timer> timers_;
};

struct Answer {
  int status = 0;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string text;
  std::shared_ptr<BodyStream> stream;  // the fixture holds on to it, as a session would

  json::Value json() const { return json::parse(text); }
  // The value at a dotted path; null when absent. [0] is not known here: use json().
  json::Value at(std::string_view dotted) const;
  std::string message() const { return at("message").is_string() ? at("message").as_string() : text; }
  std::string reason() const { return at("reason").is_string() ? at("reason").as_string() : std::string(); }
  std::vector<std::string> all(std::string_view header) const;
};

// "spec.image" of a value; null when absent.
json::Value at(const json::Value& value, std::string_view dotted);

using Headers = std::vector<std::pair<std::string, std::string>>;

// A CRD of the conformance fixture (kubernetes-wire 22.1): App with scale, lists of every type, and a cluster-scoped
// Server.
object::KindTable fixture_kinds();

class ApiTest : public ::testing::Test {
 protected:
  explicit ApiTest(store::StoreOptions options = {}) : options_(std::move(options)) { open(); }
  ~ApiTest() override;

  // Everything anew, above an empty disk.
  void open();
  // The process ends, and another one starts above the same disk.
  void restart();

  Answer send(std::string method, const std::string& target, std::string body = {}, Headers headers = {});
  Answer get(const std::string& target, Headers headers = {}) { return send("GET", target, {}, std::move(headers)); }
  Answer post(const std::string& target, std::string body, Headers headers = {{"content-type", "application/json"}}) {
    return send("POST", target, std::move(body), std::move(headers));
  }
  Answer put(const std::string& target, std::string body, Headers headers = {{"content-type", "application/json"}}) {
    return send("PUT", target, std::move(body), std::move(headers));
  }
  Answer patch(const std::string& target, std::string body, std::string type = "merge-patch+json") {
    return send("PATCH", target, std::move(body), {{"content-type", "application/" + type}});
  }
  Answer apply(const std::string& target, std::string body) {
    return patch(target, std::move(body), "apply-patch+yaml");
  }
  Answer remove(const std::string& target, std::string body = {}) { return send("DELETE", target, std::move(body)); }

  // What a stream has to say now; never waits longer than the house is busy. Empty also when it has ended: see ended().
  std::vector<json::Value> frames(BodyStream& stream);
  bool ended(BodyStream& stream);
  void advance(Duration by);

  // Runs a task to its end on the front.
  template <class T>
  T run(Task<T> task) {
    std::optional<T> result;
    std::exception_ptr failure;
    front.spawn(finish<T>(std::move(task), result, failure));
    for (int turns = 0; turns < 100'000 && !result && !failure; ++turns) front.poll();
    if (failure) std::rethrow_exception(failure);
    if (!result) throw std::runtime_error("the task did not end by itself");
    return std::move(*result);
  }

  ManualClock clock;
  Reactor front{"front", clock};
  InlineBlocking blocking;
  SeededRandom random{4711};
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Api> api;
  std::optional<User> user = User{"alice", "", {"ops"}};

 private:
  template <class T>
  static Task<> finish(Task<T> task, std::optional<T>& result, std::exception_ptr& failure) {
    try {
      result = co_await std::move(task);
    } catch (...) {
      failure = std::current_exception();
    }
  }

  struct Reading {
    std::vector<std::vector<Piece>> got;
    bool waiting = false;
    bool over = false;
  };
  Task<> read_on(BodyStream& stream, std::shared_ptr<Reading> reading);

  void start();

  store::StoreOptions options_;
  std::shared_ptr<store::MemoryDisk> disk_;
  std::vector<std::shared_ptr<BodyStream>> streams_;
  std::map<BodyStream*, std::shared_ptr<Reading>> readings_;
};

// The collections of the fixture.
inline const std::string kApps = "/apis/infra.gantry.dev/v1alpha1/namespaces/default/apps";
inline const std::string kServers = "/apis/infra.gantry.dev/v1alpha1/servers";
inline const std::string kSecrets = "/api/v1/namespaces/default/secrets";
inline const std::string kConfigMaps = "/api/v1/namespaces/default/configmaps";
inline const std::string kEvents = "/api/v1/namespaces/default/events";
inline const std::string kNamespaces = "/api/v1/namespaces";
inline const std::string kLeases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

// An App, named, with this spec (JSON) and, if given, more metadata (JSON members, with a comma in front).
std::string app(std::string_view name, std::string_view spec = R"({"image":"nginx:1"})",
                std::string_view more_metadata = "");

inline const std::string kTable =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

}  // namespace gantry::api
