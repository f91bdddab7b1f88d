#include "controller/runtime/plane.hpp"

#include <algorithm>

#include "controller/base/log.hpp"
#include "controller/runtime/no_reconciler.hpp"
#include "controller/runtime/object_metrics.hpp"
#include "controller/runtime/references.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("plane");
constexpr std::size_t kPlansPerTurn = 32;

Subject subject_of(const api::PlanItem& item, WallTime now) {
  json::Value json = item.desired;
  if (json.is_null()) {
    json = item.live->decode();
    json["metadata"]["deletionTimestamp"] = format_time(now);
  } else if (item.live) {
    // As the store would have it: the status is what it is.
    const json::Value live = item.live->decode();
    if (const json::Value* status = live.find("status")) json["status"] = *status;
  }
  auto stored = std::make_shared<object::Object>(item.key, item.live ? item.live->revision() : 0, object::meta_of(json),
                                                 std::string());
  return {std::move(stored), std::move(json)};
}

}  // namespace

Plane::Plane(Reactor& loop, Reactor& front, api::Client& client, Random& random, const object::KindTable& kinds,
             PlaneOptions options)
    : loop_(loop),
      front_(front),
      kinds_(kinds),
      options_(std::move(options)),
      informers_(loop, client, random, kinds),
      events_(loop, client, random, kinds, leadership_.fence),
      context_{loop, client, random, kinds, informers_, events_, leadership_, options_.read_only},
      garbage_(context_),
      namespaces_(context_),
      accounts_(context_),
      changed_(loop),
      gate_(loop) {
  if (options_.election) {
    may_lead_ = false;
    election_ = std::make_unique<LeaderElection>(loop, client, random, leadership_, *options_.election);
  }
}

Plane::~Plane() = default;

void Plane::serve(Resource resource, Reconciler& reconciler, ControllerOptions options) {
  object::KindPtr kind = kinds_.find(resource);
  if (!kind) throw Error(ErrorCode::NotFound, "no kind is served as " + std::string(resource.qualified()));
  controllers_[resource] = std::make_unique<Controller>(context_, std::move(kind), reconciler, options);
}

void Plane::leave_alone(Resource resource) { left_alone_.insert(resource); }

void Plane::start() {
  for (const auto& kind : kinds_.all()) {
    if (kind->is_core() || !kind->has_status || controllers_.contains(kind->resource) ||
        left_alone_.contains(kind->resource)) {
      continue;
    }
    own_reconcilers_.push_back(std::make_unique<NoReconciler>(kind->kind));
    serve(kind->resource, *own_reconcilers_.back(), {.workers = 16, .deletion_workers = 1});
  }
  loop_.spawn(run(gate_.enter()));
}

Task<> Plane::run(Gate::Pass pass) {
  informers_.start();
  co_await prepare();
  if (election_ && !stopping_) election_->start([this] { win(); }, [this] { lose(); });
  while (!may_lead_ && !stopping_) co_await changed_.wait();
  co_await informers_.wait_synced();
  if (stopping_) co_return;
  events_.start();
  garbage_.start();
  namespaces_.start();
  accounts_.start();
  for (auto& [resource, controller] : controllers_) controller->start();
  working_ = true;
  kLog.info("synced", {{"controllers", controllers_.size()}});
  changed_.notify_all();
}

void Plane::win() {
  may_lead_ = true;
  changed_.notify_all();
}

void Plane::lose() {
  if (options_.on_lost) options_.on_lost();
}

Task<> Plane::prepare() {
  for (unsigned tries = 1; !stopping_; ++tries) {
    std::string failure;
    try {
      co_await namespaces_.make_initial();
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (failure.empty()) co_return;
    kLog.warn("the initial namespaces could not be made; trying again", {{"error", failure}});
    const Instant until = loop_.now() + backoff_delay(context_.random, {.max = std::chrono::seconds(30)}, tries);
    while (!stopping_ && loop_.now() < until) co_await changed_.wait_until(until);
  }
}

Task<bool> Plane::stop() {
  stopping_ = true;
  changed_.notify_all();
  const Instant deadline = loop_.now() + options_.stop_grace;
  bool all = true;
  // First whoever gives orders, then whoever is asked; the lease last, when nothing is written any more.
  for (auto& [resource, controller] : controllers_) controller->close();
  for (auto& [resource, controller] : controllers_) all = co_await controller->stop(deadline) && all;
  all = co_await garbage_.stop(deadline) && all;
  all = co_await namespaces_.stop(deadline) && all;
  all = co_await accounts_.stop(deadline) && all;
  co_await events_.stop();
  co_await informers_.stop();
  all = co_await gate_.close_until(deadline) && all;
  if (election_) co_await election_->stop();
  co_return all;
}

bool Plane::synced() const { return informers_.synced() && (working_ || !may_lead_); }

Task<> Plane::wait_synced() {
  co_await informers_.wait_synced();
  while (!synced() && !stopping_) co_await changed_.wait();
}

void Plane::poke(const Key& key) {
  if (Controller* controller = controller_of(key.resource)) controller->poke(key);
}

Controller* Plane::controller_of(Resource resource) const {
  const auto found = controllers_.find(resource);
  return found == controllers_.end() ? nullptr : found->second.get();
}

bool Plane::idle() const {
  return garbage_.idle() && namespaces_.idle() && accounts_.idle() && events_.pending() == 0 &&
         std::ranges::all_of(controllers_, [](const auto& entry) { return entry.second->idle(); });
}

Task<std::vector<json::Value>> Plane::plan(std::vector<api::PlanItem> items) {
  co_return co_await loop_.call(front_,
                                [this, items = std::move(items)]() mutable { return plan_here(std::move(items)); });
}

Task<std::string> Plane::object_metrics() {
  co_return co_await loop_.call(front_, [this] { return runtime::object_metrics(loop_, informers_, kinds_); });
}

Task<std::vector<json::Value>> Plane::plan_here(std::vector<api::PlanItem> items) {
  const Gate::Pass pass = gate_.enter();
  std::set<Key> coming;
  for (const auto& item : items) {
    if (!item.live && !item.desired.is_null()) coming.insert(item.key);
  }
  std::vector<json::Value> plans;
  plans.reserve(items.size());
  for (auto& item : items) {
    plans.push_back(co_await plan_one(std::move(item), coming));
    if (plans.size() % kPlansPerTurn == 0) co_await asio::post(loop_.executor(), use_task);
  }
  co_return plans;
}

// What waits for a thing that is made with it is not blocked: it comes after that.
Task<json::Value> Plane::plan_one(api::PlanItem item, const std::set<Key>& coming) {
  Controller* controller = controller_of(item.key.resource);
  if (!controller || (!item.live && item.desired.is_null())) co_return json::Value();
  Plan plan;
  const std::vector<Key> references = references_of(item.key, item.desired, kinds_);
  try {
    plan = co_await controller->plan(subject_of(item, loop_.clock().wall()));
  } catch (const Error& error) {
    plan.blocked = true;
    plan.blocked_reason = traits(error.code()).reason;
    plan.blocked_message = log::redacted(error.message());
  }
  json::Array after;
  if (plan.blocked && plan.blocked_reason == "ReferenceNotFound") {
    for (const Key& key : references) {
      const object::KindPtr kind = coming.contains(key) ? kinds_.find(key.resource) : nullptr;
      if (kind) after.emplace_back(kind->kind + "/" + key.name);
    }
  }
  if (after.empty()) co_return to_json(plan);
  plan.blocked = false;
  json::Value told = to_json(plan);
  told["after"] = std::move(after);
  co_return told;
}

}  // namespace gantry::runtime
