// A store on one thread, in a time that the test moves, above either engine.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <optional>

#include "controller/base/error.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/memory_engine.hpp"

namespace gantry::store {

class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall() const override { return WallTime(now_.time_since_epoch()); }
  TimerId call_at(Reactor& reactor, Instant when, std::move_only_function<void()> fn) override {
    timers_.emplace(++last_, Timer{&reactor, when, std::move(fn)});
    return last_;
  }
  void cancel(TimerId id) override { timers_.erase(id); }
  void advance(Duration by) {
    now_ += by;
    for (auto at = timers_.begin(); at != timers_.end();) {
      if (at->second.when > now_) {
        ++at;
        continue;
      }
      at->second.reactor->post(std::move(at->second.fn));
      at = timers_.erase(at);
    }
  }
  std::size_t timers() const { return timers_.size(); }

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

class TempDir {
 public:
  TempDir() {
    std::string path = "/tmp/gantry-store-test.XXXXXX";
    path_ = ::mkdtemp(path.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

template <class T>
struct Result {
  std::optional<T> value;
  std::optional<Error> error;
  bool done() const { return value || error; }
};
struct Nothing {};

template <class T, class Stored = std::conditional_t<std::is_void_v<T>, Nothing, T>>
Task<> keep_result(Task<T> task, std::shared_ptr<Result<Stored>> result) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(task);
      result->value.emplace();
    } else {
      result->value = co_await std::move(task);
    }
  } catch (const Error& error) {
    result->error = error;
  }
}

// Starts the task and says, whenever asked, how far it is.
template <class T>
auto start(Reactor& reactor, Task<T> task) {
  auto result = std::make_shared<Result<std::conditional_t<std::is_void_v<T>, Nothing, T>>>();
  reactor.spawn(keep_result<T>(std::move(task), result));
  return result;
}

template <class T>
T await(Reactor& reactor, Task<T> task) {
  auto result = start(reactor, std::move(task));
  const auto deadline = system_clock().now() + std::chrono::seconds(60);
  while (!result->done()) {
    reactor.poll();
    if (system_clock().now() > deadline) throw std::runtime_error("the task did not end within a minute");
  }
  if (result->error) throw *result->error;
  if constexpr (!std::is_void_v<T>) return std::move(*result->value);
}

inline const Resource kApps = Resource::of("gantry.dev", "apps");
inline const Resource kSecrets = Resource::of("", "secrets");
inline const Resource kLeases = Resource::of("coordination.k8s.io", "leases");

inline Key app(std::string name, std::string ns = "prod") { return {kApps, std::move(ns), std::move(name)}; }

inline json::Value content(const Key& key, const json::Value& spec = "") {
  return json::Object{{"apiVersion", "gantry.dev/v1alpha1"},
                      {"kind", "App"},
                      {"metadata", json::Object{{"name", key.name},
                                                {"namespace", key.ns},
                                                {"uid", "uid-of-" + key.name},
                                                {"labels", json::Object{{"app", key.name}}}}},
                      {"spec", spec}};
}
inline object::Encoded encoded(const Key& key, const json::Value& spec = "") {
  return object::encode(content(key, spec));
}

inline json::Value spec_of(const ObjectPtr& object) { return *object->decode().find("spec"); }
inline std::vector<std::string> names(const Page& page) {
  std::vector<std::string> all;
  for (const auto& item : page.items) all.push_back(item->key().name);
  return all;
}
inline std::string told(const EventPtr& event) {
  static constexpr const char* kTypes[] = {"added ", "modified ", "deleted "};
  return kTypes[static_cast<int>(event->type)] + event->object->key().name + " at " + std::to_string(event->revision);
}
inline std::vector<std::string> told(const std::vector<EventPtr>& events) {
  std::vector<std::string> all;
  for (const auto& event : events) all.push_back(told(event));
  return all;
}

MATCHER_P(Is, code, std::string("is Error(") + std::string(traits(code).reason) + ")") {
  *result_listener << "which says " << arg.message();
  return arg.code() == code;
}

template <class F>
Error error_of(F call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::Internal, "nothing was thrown"};
}

// One store and what it stands on. open() again is a restart; crash() a restart without a goodbye.
class StoreTest : public ::testing::Test {
 public:
  ~StoreTest() override { crash(); }

  virtual std::unique_ptr<Store> open_store() {
    return make_embedded_store(front, blocking, std::make_unique<MemoryEngine>(disk), options);
  }
  void open() {
    crash();
    store = open_store();
  }
  void crash() {
    store.reset();
    settle();
  }
  void settle() {
    while (front.poll() > 0) {
    }
  }
  void advance(Duration by) {
    clock.advance(by);
    settle();
  }

  template <class T>
  T await(Task<T> task) {
    return store::await(front, std::move(task));
  }
  ObjectPtr create(const Key& key, const json::Value& spec = "") {
    return await(store->create(key, encoded(key, spec)));
  }
  ObjectPtr update(const ObjectPtr& old, const json::Value& spec) {
    return await(store->update(old->key(), old->revision(), encoded(old->key(), spec)));
  }
  ObjectPtr remove(const ObjectPtr& old) {
    return await(store->remove(old->key(), old->revision(), encoded(old->key(), spec_of(old))));
  }

  ManualClock clock;
  Reactor front{"front", clock};
  InlineBlocking blocking;
  StoreOptions options;
  std::shared_ptr<MemoryDisk> disk = std::make_shared<MemoryDisk>();
  TempDir dir;
  std::unique_ptr<Store> store;
};

// The real engine, in a folder of its own.
class LmdbStoreTest : public StoreTest {
 public:
  LmdbStoreTest() { options.data_dir = dir.path() + "/data"; }
  std::unique_ptr<Store> open_store() override { return open_embedded_store(front, blocking, options); }
  ~LmdbStoreTest() override { crash(); }
};

}  // namespace gantry::store
