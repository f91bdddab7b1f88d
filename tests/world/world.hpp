// The house in a bottle: store, API and control plane in one thread, a clock that the test moves, chance from a printed
// seed, and faults at every seam. Nothing is faked but the disk, the clock, and what the test puts outside.
//
//   World world;
//   world.apply(R"(...yaml...)");
//   world.settle();                 // until nothing moves any more
//   world.advance(1min);            // timers fire in order, with a settle() after each instant
//   world.condition("Gadget/web", "Ready") == "True"
//
// Objects are named "Kind/name", in namespace "default" unless "Kind/namespace/name".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/api/api.hpp"
#include "controller/api/local_client.hpp"
#include "controller/base/blocking.hpp"
#include "controller/runtime/plane.hpp"
#include "controller/store/embedded_store.hpp"
#include "controller/store/memory_engine.hpp"
#include "tests/world/cloud.hpp"
#include "tests/world/faulty_client.hpp"
#include "tests/world/manual_clock.hpp"

namespace gantry::world {

// The kinds of crds/, and Gadget; with_definitions: kinds can be defined as well.
object::KindTable kinds_of_the_world(bool with_definitions = false);

// A controller process: the plane, and its connection to the rest of the world.
struct Process {
  Process(class World& world, FaultPlan& faults, runtime::PlaneOptions options);

  Lifeline line;
  FaultyClient client;
  std::vector<std::shared_ptr<runtime::Reconciler>> reconcilers;  // what the setup made
  std::shared_ptr<runtime::Plane> plane;
  GadgetReconciler* gadgets = nullptr;
};

struct WorldOptions {
  std::optional<Fault> fault;
  std::uint64_t seed = 1;
  runtime::PlaneOptions plane;
  runtime::ControllerOptions gadgets;
  bool start = true;         // the controller, at once
  bool definitions = false;  // CustomResourceDefinitions are served
  // Registers reconcilers with a new plane; called again at each restart. The default serves Gadget from the cloud.
  std::function<void(class World&, Process&)> setup;
};

class World {
 public:
  explicit World(WorldOptions options = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // What a user does; with the user's own connection, which never fails. Throws Error.
  void apply(const std::string& yaml);  // any number of documents: created, or changed by merge patch
  void apply_object(const json::Value& object);
  void patch(const std::string& name, const std::string& merge_patch_json);
  void remove(const std::string& name, const std::string& propagation = "Background");

  // Until nothing moves at this instant. A crash in between is followed by a restart.
  void settle();
  void advance(Duration duration);

  object::ObjectPtr find(const std::string& name);                          // null when absent
  json::Value get(const std::string& name);                                 // null when absent
  std::string condition(const std::string& name, const std::string& type);  // "True"; empty when there is none
  std::string reason(const std::string& name, const std::string& type);
  std::string message(const std::string& name, const std::string& type);
  std::vector<object::ObjectPtr> list(const std::string& kind);
  std::vector<json::Value> events(const std::string& reason = {});  // all of them, or those with that reason

  // The controller dies without a word, and another one starts.
  void restart();
  // A second controller beside the first.
  Process& add_process(runtime::PlaneOptions options);
  Process& process() { return *process_; }
  runtime::Plane& plane() { return *process_->plane; }

  object::Key key(const std::string& name) const;
  // Runs a task to its end and gives its result.
  template <class T>
  T run(Task<T> task);
  void run(Task<> task);

  // From outside in: the order of destruction matters, the reactor goes first.
  WorldOptions options;
  ManualClock clock;
  SeededRandom random;
  InlineBlocking blocking;
  object::KindTable kinds;
  Cloud cloud;
  FaultPlan faults;
  std::shared_ptr<store::MemoryDisk> disk = std::make_shared<store::MemoryDisk>();

 private:
  std::vector<std::unique_ptr<Process>> processes_;  // the dead among them
  Process* process_ = nullptr;
  std::unique_ptr<api::LocalClient> user_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<store::Store> store_;

  void poll();
  void run_until(const bool& done);

 public:
  Reactor reactor;
  store::Store& store() { return *store_; }
  api::Api& api() { return *api_; }
  api::Client& user() { return *user_; }
};

namespace detail {
template <class T>
Task<> keep_result(Task<T> task, std::optional<T>& result, std::exception_ptr& failure, bool& done) {
  try {
    result = co_await std::move(task);
  } catch (...) {
    failure = std::current_exception();
  }
  done = true;
}
}  // namespace detail

template <class T>
T World::run(Task<T> task) {
  std::optional<T> result;
  std::exception_ptr failure;
  bool done = false;
  reactor.spawn(detail::keep_result(std::move(task), result, failure, done));
  run_until(done);
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

}  // namespace gantry::world
