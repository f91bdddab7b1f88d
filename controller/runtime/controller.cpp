#include "controller/runtime/controller.hpp"

#include <algorithm>
#include <cctype>

#include "controller/base/log.hpp"
#include "controller/base/raw_json.hpp"
#include "controller/runtime/dependencies.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("controller");

// A change that is looked at again so soon is still under way; later, it is routine.
constexpr Duration kSoon = std::chrono::seconds(30);
constexpr unsigned kRereadsAtOnce = 3;

constexpr Duration kClaimWait = std::chrono::seconds(5);

struct Claim {
  Queue* queue;
  Queue::Item* item;
  ~Claim() { queue->done(item); }
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

metrics::Counter results(const std::string& controller, const char* result) {
  return metrics::counter("controller_runtime_reconcile_total", "Total number of reconciliations per controller",
                          {{"controller", controller}, {"result", result}});
}

metrics::Counter count(const char* name, const char* help, const std::string& controller) {
  return metrics::counter(name, help, {{"controller", controller}});
}

}  // namespace

Controller::Metrics::Metrics(const std::string& controller)
    : success(results(controller, "success")),
      error(results(controller, "error")),
      requeue(results(controller, "requeue")),
      requeue_after(results(controller, "requeue_after")),
      errors(count("controller_runtime_reconcile_errors_total", "Total number of reconciliation errors per controller",
                   controller)),
      terminal_errors(count("controller_runtime_terminal_reconcile_errors_total",
                            "Total number of terminal reconciliation errors per controller", controller)),
      panics(count("controller_runtime_reconcile_panics_total", "Total number of reconciliation panics per controller",
                   controller)),
      timeouts(count("controller_runtime_reconcile_timeouts_total",
                     "Total number of reconciliation timeouts per controller", controller)),
      time(metrics::histogram("controller_runtime_reconcile_time_seconds",
                              "Length of time per reconciliation per controller", metrics::reconcile_buckets(),
                              {{"controller", controller}})),
      active(metrics::gauge("controller_runtime_active_workers", "Number of currently used workers per controller",
                            {{"controller", controller}})),
      max_concurrent(metrics::gauge("controller_runtime_max_concurrent_reconciles",
                                    "Maximum number of concurrent reconciles per controller",
                                    {{"controller", controller}})),
      last_reconcile(metrics::gauge("gantry_resource_last_reconcile_timestamp_seconds",
                                    "When an attempt for an object of the kind last ended without an error",
                                    {{"kind", controller}})),
      time_to_ready(metrics::histogram("gantry_resource_time_to_ready_seconds",
                                       "Time from an object's creation until it was first Ready",
                                       metrics::reconcile_buckets(), {{"kind", controller}})) {}

Controller::Controller(const Context& context, object::KindPtr kind, Reconciler& reconciler, ControllerOptions options)
    : context_(context),
      kind_(std::move(kind)),
      reconciler_(reconciler),
      options_(options),
      informer_(context.informers.of(kind_->resource)),
      queue_(context.reactor, lower(kind_->kind)),
      backoff_(context.random, options.backoff),
      gate_(context.reactor),
      metrics_(lower(kind_->kind)) {
  metrics_.max_concurrent.set(static_cast<double>(options_.workers));
  context.informers.on_change([this](const Change& change) { on_change(change); });
}

void Controller::start() {
  for (std::size_t i = 0; i < options_.workers; ++i) context_.reactor.spawn(work(WorkerKind::General, gate_.enter()));
  for (std::size_t i = 0; i < options_.deletion_workers; ++i) {
    context_.reactor.spawn(work(WorkerKind::Deletions, gate_.enter()));
  }
}

Task<bool> Controller::stop(Instant deadline) {
  queue_.close();
  if (deadline_timer_ != 0) context_.reactor.clock().cancel(std::exchange(deadline_timer_, 0));
  co_return co_await gate_.close_until(deadline);
}

void Controller::poke(const Key& key) {
  if (const ObjectPtr object = informer_.find(key)) enqueue(*object, Lane::Change);
}

void Controller::enqueue(const object::Object& object, Lane lane) {
  queue_.add(object.key(), object.meta().deleting ? Lane::Deletion : lane);
}

void Controller::on_change(const Change& change) {
  const object::Object& object = change.object();
  if (!change.after && object.key().resource == kind_->resource) gone_[object.key()].push_back(object.meta().uid);
  // What was there when we started is routine; what comes later is somebody's wish.
  if (object.key().resource == kind_->resource && change.matters) {
    enqueue(object, informer_.synced() ? Lane::Change : Lane::Resync);
  }
  for (const Key& user : informer_.referring_to(object.key())) poke(user);
  for (const Key& target : change.released) {
    if (target.resource == kind_->resource) poke(target);
  }
  enqueue_owners(object);
}

void Controller::enqueue_owners(const object::Object& object) {
  for (const auto& owner : object.meta().owners) {
    if (owner.kind != kind_->kind || owner.api_version != kind_->api_version()) continue;
    poke({kind_->resource, kind_->namespaced ? object.key().ns : std::string(), owner.name});
  }
}

// Called with the key in hand, so that no attempt is under way that would remember again.
void Controller::forget_gone(const Key& key) {
  if (gone_.empty()) return;
  const auto gone = gone_.extract(key);
  if (gone.empty()) return;
  for (const std::string& uid : gone.mapped()) reconciler_.forget(uid);
}

Task<> Controller::work(WorkerKind kind, Gate::Pass pass) {
  while (Queue::Item* item = co_await queue_.get(kind)) {
    const Key key = Queue::key_of(item);
    forget_gone(key);
    const ObjectPtr object = informer_.find(key);
    if (!object) {
      backoff_.forget(key);
      queue_.cancel_delayed(key);
      queue_.done(item);
      continue;
    }
    const auto mine = running_.insert(running_.end(), {object, context_.reactor.now(), kind, false});
    if (deadline_timer_ == 0) watch_deadlines();
    metrics_.active.add(1);
    Attempt attempt(context_, *kind_, reconciler_, options_.limits, object);
    Outcome outcome = co_await attempt.run();
    metrics_.active.add(-1);
    metrics_.time.observe(std::chrono::duration<double>(context_.reactor.now() - mine->started).count());
    const bool replaced = mine->overdue;
    running_.erase(mine);
    settle(key, object, std::move(outcome));
    queue_.done(item);
    if (replaced) co_return;
    // An attempt that had nothing to wait for must not keep the others on this thread waiting.
    co_await asio::post(context_.reactor.executor(), use_task);
  }
}

void Controller::settle(const Key& key, const ObjectPtr& object, Outcome outcome) {
  record_ready(*object, outcome.object);
  if (!outcome.error) {
    const WallTime now = context_.reactor.clock().wall();
    metrics_.last_reconcile.set(std::chrono::duration<double>(now.time_since_epoch()).count());
  }
  const Lane lane = object->meta().deleting ? Lane::Deletion : Lane::Change;
  switch (outcome.next) {
    case Outcome::Next::Settled:
      metrics_.success.add();
      backoff_.forget(key);
      queue_.add_after(key, resync_delay(), Lane::Resync);
      break;
    case Outcome::Next::LookAgain:
      metrics_.requeue_after.add();
      backoff_.forget(key);
      queue_.add_after(key, std::min(outcome.after, resync_delay()), outcome.after < kSoon ? lane : Lane::Resync);
      break;
    case Outcome::Next::Again:
      metrics_.requeue.add();
      backoff_.forget(key);
      queue_.add(key, lane);
      break;
    case Outcome::Next::Reread: {
      metrics_.requeue.add();
      queue_.count_retry();
      const Duration delay = backoff_.next(key);
      queue_.add_after(key, backoff_.failures(key) <= kRereadsAtOnce ? Duration::zero() : delay, lane);
      break;
    }
    case Outcome::Next::Retry: {
      metrics_.error.add();
      metrics_.errors.add();
      queue_.count_retry();
      const Error& error = *outcome.error;
      const Duration delay = backoff_.next(key, error.retry_after);
      const bool terminal = !error.retryable() && !error.retry_after;
      if (terminal) metrics_.terminal_errors.add();
      if (error.code() == ErrorCode::Internal) metrics_.panics.add();
      // Only a change of the object or of the world can help; the first is heard of at once.
      queue_.add_after(key, terminal ? std::max(delay, resync_delay() / 2) : delay, lane);
      kLog.warn("an attempt failed", {{"kind", kind_->kind},
                                      {"namespace", key.ns},
                                      {"name", key.name},
                                      {"reason", traits(error.code()).reason},
                                      {"error", error.message()},
                                      {"failures", backoff_.failures(key)}});
      break;
    }
  }
}

Duration Controller::resync_delay() const {
  const double spread = 0.9 + 0.2 * context_.random.unit();
  return Duration(static_cast<std::int64_t>(static_cast<double>(options_.resync.count()) * spread));
}

void Controller::record_ready(const object::Object& before, const ObjectPtr& after) {
  if (!after || after->revision() == before.revision()) return;
  // As canonical JSON has it, so that nothing need be decoded.
  constexpr std::string_view kReady = R"("status":"True","type":"Ready")";
  const auto ready = [&](const object::Object& object) {
    return json::raw_at(object.bytes(), {"status", "conditions"}).find(kReady) != std::string_view::npos;
  };
  if (ready(before) || !ready(*after)) return;
  const std::string_view created = json::raw_at(after->bytes(), {"metadata", "creationTimestamp"});
  if (created.size() < 2) return;
  const WallTime since = parse_time(created.substr(1, created.size() - 2));
  metrics_.time_to_ready.observe(std::chrono::duration<double>(context_.reactor.clock().wall() - since).count());
}

void Controller::watch_deadlines() {
  deadline_timer_ = 0;
  const Instant now = context_.reactor.now();
  std::optional<Instant> next;
  for (Running& running : running_) {
    if (running.overdue) continue;
    const Instant due = running.started + options_.limits.deadline + std::chrono::seconds(1);
    if (due > now) {
      next = next ? std::min(*next, due) : due;
      continue;
    }
    running.overdue = true;
    metrics_.timeouts.add();
    kLog.error("an attempt does not come back; its object waits for it, its worker is replaced",
               {{"kind", kind_->kind}, {"namespace", running.object->key().ns}, {"name", running.object->key().name}});
    if (gate_.closed()) continue;
    context_.reactor.spawn(report_overdue(running.object, gate_.enter()));
    context_.reactor.spawn(work(running.worker, gate_.enter()));
  }
  if (next && !gate_.closed()) {
    deadline_timer_ = context_.reactor.clock().call_at(context_.reactor, *next, [this] { watch_deadlines(); });
  }
}

Task<> Controller::report_overdue(ObjectPtr object, Gate::Pass pass) {
  std::string failure;
  try {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.limits.deadline).count();
    StatusUpdate update;
    update.conditions = {{"Synced", "False", "Timeout",
                          "an attempt has not come back for more than " + std::to_string(seconds) +
                              " s; nothing else is tried for this object until it does"}};
    json::Value json = object->decode();
    if (kind_->has_status) co_await write_status(context_, std::move(object), std::move(json), std::move(update));
  } catch (const std::exception& error) {
    failure = error.what();
  }
  if (!failure.empty()) kLog.warn("an overdue attempt could not be reported", {{"error", failure}});
}

Task<Plan> Controller::plan(Subject subject) {
  if (subject.meta().deleting && subject.retained()) co_return Plan{};
  Queue::Item* claimed = co_await queue_.claim(subject.key(), context_.reactor.now() + kClaimWait);
  if (!claimed)
    throw Error(ErrorCode::Unavailable, "an attempt for this object is under way; ask again when it has ended");
  const Claim claim{&queue_, claimed};
  const SeenPtr seen = co_await reconciler_.observe(subject);
  Plan plan = reconciler_.plan(subject, *seen);
  if (!informer_.find(subject.key())) reconciler_.forget(subject.meta().uid);  // it was only thought of
  const auto obstacle =
      subject.meta().deleting ? remaining_dependent(context_, subject) : unmet_dependency(context_, subject);
  if (obstacle) {
    // Shown with what will follow: the obstacle only says that it is not yet.
    plan.blocked = true;
    plan.blocked_reason = obstacle->reason;
    plan.blocked_message = obstacle->message;
  }
  if (!subject.meta().deleting && subject.paused()) {
    plan =
        Plan{.blocked = true,
             .blocked_reason = "Paused",
             .blocked_message = "annotation gantry.dev/paused is true, so nothing is done; without it there would be " +
                                count_of(plan)};
  }
  co_return plan;
}

}  // namespace gantry::runtime
