#include "tests/world/world.hpp"

#include <cstdlib>
#include <stdexcept>

#include "controller/base/log.hpp"
#include "controller/base/yaml.hpp"
#include "controller/runtime/references.hpp"
#include "controller/runtime/status_writer.hpp"
#include "crds/embedded.hpp"

namespace gantry::world {
namespace {

using namespace std::chrono_literals;

// A world that never comes to rest at one instant is broken: something rings its own bell.
constexpr int kTurnsMax = 2'000'000;

Task<> keep_failure(Task<> task, std::exception_ptr& failure, bool& done) {
  try {
    co_await std::move(task);
  } catch (...) {
    failure = std::current_exception();
  }
  done = true;
}

struct Farewell {
  bool done = false;
  bool clean = false;  // no attempt is left that holds on to the reconcilers
};

Task<> stop_plane(runtime::Plane& plane, Farewell& farewell) {
  farewell.clean = co_await plane.stop();
  farewell.done = true;
}

}  // namespace

object::KindTable kinds_of_the_world(bool with_definitions) {
  static const std::vector<object::KindPtr> all = [] {
    std::vector<object::KindPtr> kinds;
    for (const auto& file : crds::embedded_files())
      kinds.push_back(object::kind_from_definition(json::parse(file.text)));
    kinds.push_back(object::kind_from_definition(gadget_definition()));
    return kinds;
  }();
  std::vector<object::KindPtr> kinds = all;
  if (!with_definitions) std::erase_if(kinds, [](const auto& kind) { return kind->group == "apiextensions.k8s.io"; });
  return object::KindTable(std::move(kinds));
}

Process::Process(World& world, FaultPlan& faults, runtime::PlaneOptions options)
    : line(faults), client(world.reactor, world.user(), line) {
  plane = std::make_shared<runtime::Plane>(world.reactor, world.reactor, client, world.random, world.kinds, options);
}

World::World(WorldOptions wanted)
    : options(std::move(wanted)),
      random(options.seed),
      kinds(kinds_of_the_world(options.definitions)),
      reactor("world", clock) {
  // GANTRY_TEST_LOG=debug shows what the controllers say.
  const char* level = std::getenv("GANTRY_TEST_LOG");
  log::configure(level ? log::parse_level(level) : log::Level::Off, log::Format::Text);
  faults.fault = options.fault;
  store::StoreOptions store_options;
  store_options.random = &random;
  store_ = store::make_embedded_store(reactor, blocking, std::make_unique<store::MemoryEngine>(disk), store_options);
  api::ApiOptions api_options;
  api_options.random = &random;
  api_ = std::make_unique<api::Api>(reactor, *store_, kinds, api_options);
  api_->on_kind([this](object::Resource resource, const object::KindPtr& kind) {
    if (kind) kinds.put(kind);
    for (auto& process : processes_) {
      if (process->line.is_cut()) continue;
      kind ? process->plane->follow(kind) : process->plane->forget(resource);
    }
  });
  user_ = std::make_unique<api::LocalClient>(reactor, reactor, api_->plane());
  run(api_->prepare());
  if (options.start) restart();
}

World::~World() {
  for (auto& process : processes_) process->line.clear();
  poll();
  std::vector<Farewell> farewells(processes_.size());
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    reactor.spawn(stop_plane(*processes_[i]->plane, farewells[i]));
  }
  for (int i = 0; i < 100 && !std::ranges::all_of(farewells, &Farewell::done); ++i) {
    clock.advance(10s, [this] { poll(); });
  }
  // As in a real process: what a reconciler watches ends on the reactor, so the reconcilers go while it still stands.
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (farewells[i].clean) processes_[i]->reconcilers.clear();
  }
  poll();
  run(store_->close());
  poll();
}

void World::poll() {
  for (int turns = 0; reactor.poll() > 0;) {
    if (++turns > kTurnsMax) throw std::logic_error("the world does not come to rest");
  }
}

void World::settle() {
  poll();
  while (process_ && process_->line.is_cut()) {
    restart();
    poll();
  }
}

void World::advance(Duration duration) {
  clock.advance(duration, [this] { settle(); });
}

void World::run_until(const bool& done) {
  for (int i = 0; i < 1000 && !done; ++i) {
    poll();
    if (!done) clock.advance(1ms, [this] { poll(); });
  }
  if (!done) throw std::logic_error("a call of the test did not come back");
}

void World::run(Task<> task) {
  std::exception_ptr failure;
  bool done = false;
  reactor.spawn(keep_failure(std::move(task), failure, done));
  run_until(done);
  if (failure) std::rethrow_exception(failure);
}

Process& World::add_process(runtime::PlaneOptions plane_options) {
  processes_.push_back(std::make_unique<Process>(*this, faults, plane_options));
  Process& process = *processes_.back();
  if (options.setup) {
    options.setup(*this, process);
  } else {
    auto gadgets = std::make_shared<GadgetReconciler>(cloud, process.line);
    process.gadgets = gadgets.get();
    process.reconcilers.push_back(gadgets);
    process.plane->serve(object::Resource::of("test.gantry.dev", "gadgets"), *gadgets, options.gadgets);
  }
  process.plane->start();
  return process;
}

void World::restart() {
  if (process_) process_->line.cut();
  process_ = &add_process(options.plane);
}

object::Key World::key(const std::string& name) const {
  const std::size_t slash = name.find('/');
  const object::KindPtr kind = runtime::kind_by_name(kinds, name.substr(0, slash));
  if (!kind) throw std::logic_error("the world has no kind " + name.substr(0, slash));
  std::string rest = slash == std::string::npos ? std::string() : name.substr(slash + 1);
  std::string ns = kind->namespaced ? "default" : "";
  if (const std::size_t second = rest.find('/'); second != std::string::npos) {
    ns = rest.substr(0, second);
    rest = rest.substr(second + 1);
  }
  return {kind->resource, ns, rest};
}

void World::apply(const std::string& yaml) {
  for (const auto& document : yaml::parse_all(yaml)) {
    if (!document.error.empty()) throw std::logic_error("a test's manifest is broken: " + document.error);
    apply_object(document.value);
  }
}

void World::apply_object(const json::Value& object) {
  const object::KindPtr kind = kinds.find_kind(object.string_or("apiVersion"), object.string_or("kind"));
  if (!kind) throw std::logic_error("the world has no kind " + object.string_or("kind"));
  json::Value wanted = object;
  if (kind->namespaced && wanted["metadata"].string_or("namespace").empty())
    wanted["metadata"]["namespace"] = "default";
  const object::Key key{kind->resource, wanted["metadata"].string_or("namespace"),
                        wanted["metadata"].string_or("name")};
  if (store_->find(key)) {
    run(user_->patch(key, api::PatchType::Merge, wanted, {}));
  } else {
    run(user_->create(kind->resource, wanted, {}));
  }
}

void World::patch(const std::string& name, const std::string& merge_patch_json) {
  run(user_->patch(key(name), api::PatchType::Merge, json::parse(merge_patch_json), {}));
}

void World::remove(const std::string& name, const std::string& propagation) {
  run(user_->remove(key(name), {}, propagation));
}

object::ObjectPtr World::find(const std::string& name) { return store_->find(key(name)); }

json::Value World::get(const std::string& name) {
  const object::ObjectPtr object = find(name);
  return object ? object->decode() : json::Value();
}

std::string World::condition(const std::string& name, const std::string& type) {
  return runtime::condition_status(get(name), type);
}

std::string World::reason(const std::string& name, const std::string& type) {
  const json::Value object = get(name);
  const json::Value* condition = runtime::find_condition(object, type);
  return condition ? condition->string_or("reason") : std::string();
}

std::string World::message(const std::string& name, const std::string& type) {
  const json::Value object = get(name);
  const json::Value* condition = runtime::find_condition(object, type);
  return condition ? condition->string_or("message") : std::string();
}

std::vector<object::ObjectPtr> World::list(const std::string& kind) { return store_->list(key(kind).resource).items; }

std::vector<json::Value> World::events(const std::string& reason) {
  std::vector<json::Value> some;
  for (const auto& event : list("Event")) {
    json::Value value = event->decode();
    if (reason.empty() || value.string_or("reason") == reason) some.push_back(std::move(value));
  }
  return some;
}

}  // namespace gantry::world
