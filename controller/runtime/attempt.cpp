#include "controller/runtime/attempt.hpp"

#include "controller/base/log.hpp"
#include "controller/runtime/dependencies.hpp"
#include "controller/runtime/events.hpp"
#include "controller/runtime/informer.hpp"
#include "controller/runtime/owners.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("reconcile");

// A step that was done and is planned again has not shown its effect: more of the same will hardly help.
constexpr int kRepeatsMax = 3;

bool same_step(const Action& a, const Action& b) {
  return a.verb == b.verb && a.type == b.type && a.target == b.target && a.reason == b.reason;
}

class NotesToEvents final : public Notes {
 public:
  NotesToEvents(EventRecorder& events, const object::Object& about) : events_(events), about_(about) {}
  void note(EventNote note) override { events_.record(about_, note); }

 private:
  EventRecorder& events_;
  const object::Object& about_;
};

json::Value finalizers_patch(const object::Object& object, const std::vector<std::string>& finalizers) {
  json::Array list(finalizers.begin(), finalizers.end());
  return json::Object{{"metadata", json::Object{{"finalizers", std::move(list)},
                                                {"resourceVersion", std::to_string(object.revision())},
                                                {"uid", object.meta().uid}}}};
}

}  // namespace

Attempt::Attempt(const Context& context, const object::Kind& kind, Reconciler& reconciler, const AttemptLimits& limits,
                 object::ObjectPtr object)
    : context_(context),
      kind_(kind),
      reconciler_(reconciler),
      limits_(limits),
      deadline_(context.reactor.now() + limits.deadline),
      subject_{object, {}} {}

Task<Outcome> Attempt::run() {
  std::optional<Error> failure;
  try {
    subject_.json = subject_.stored->decode();
    co_return co_await (subject_.meta().deleting ? remove() : reconcile());
  } catch (const Error& error) {
    failure = error;
  } catch (const std::exception& error) {
    failure = Error(ErrorCode::Internal, std::string("unexpected: ") + error.what());
  }
  co_return co_await fail(std::move(*failure));
}

Task<> Attempt::look() {
  seen_ = co_await reconciler_.observe(subject_);
  plan_ = reconciler_.plan(subject_, *seen_);
}

Task<Outcome> Attempt::reconcile() {
  const std::optional<Obstacle> obstacle = unmet_dependency(context_, subject_);
  co_await look();
  if (obstacle) {
    plan_.blocked = true;
    plan_.blocked_reason = obstacle->reason;
    plan_.blocked_message = obstacle->message;
  }
  log_plan();
  std::optional<Condition> held_back;
  if (subject_.paused()) {
    held_back = Condition{"Paused", "True", "Paused",
                          "annotation gantry.dev/paused is true; " + count_of(plan_) + " would be done"};
  } else if (context_.read_only) {
    held_back =
        Condition{"Paused", "True", "ReadOnly", "the controller is read-only; " + count_of(plan_) + " would be done"};
  } else if (!obstacle && !co_await act_until_done()) {
    co_return Outcome{Outcome::Next::Reread, {}, {}, nullptr};
  }
  const std::optional<Duration> look_again = plan_.look_again;
  co_await report(std::move(held_back));
  if (stale_) co_return Outcome{Outcome::Next::Reread, {}, {}, nullptr};
  if (more_) co_return Outcome{Outcome::Next::Again, {}, {}, written_};
  if (look_again) co_return Outcome{Outcome::Next::LookAgain, *look_again, {}, written_};
  co_return Outcome{Outcome::Next::Settled, {}, {}, written_};
}

Task<Outcome> Attempt::remove() {
  // Without our finalizer nothing real is held, or it has been let go: the rest is for others.
  if (!subject_.meta().has_finalizer(kCleanupFinalizer)) co_return Outcome{};
  if (subject_.retained() && !context_.read_only) {
    context_.events.record(
        *subject_.stored,
        {false, "Retained", "the object goes, what it stands for stays (gantry.dev/deletion-policy: Retain)"});
    co_await retain_owned();
    co_await release();
    co_return Outcome{};
  }
  if (const auto obstacle = remaining_dependent(context_, subject_)) {
    co_await write({{}, {{"Synced", "False", obstacle->reason, obstacle->message}}, {}, {}});
    co_return Outcome{Outcome::Next::Settled, {}, {}, written_};
  }
  co_await look();
  log_plan();
  if (context_.read_only) {
    co_await report(
        Condition{"Paused", "True", "ReadOnly", "the controller is read-only; " + count_of(plan_) + " would be done"});
    co_return Outcome{};
  }
  if (!co_await act_until_done()) co_return Outcome{Outcome::Next::Reread, {}, {}, nullptr};
  if (plan_.actions.empty() && !plan_.blocked && !plan_.look_again) {
    co_await release();
    co_return Outcome{};
  }
  const std::optional<Duration> look_again = plan_.look_again;
  co_await report({});
  if (stale_) co_return Outcome{Outcome::Next::Reread, {}, {}, nullptr};
  if (more_) co_return Outcome{Outcome::Next::Again, {}, {}, written_};
  if (look_again) co_return Outcome{Outcome::Next::LookAgain, *look_again, {}, written_};
  co_return Outcome{Outcome::Next::Settled, {}, {}, written_};
}

// What it owns goes with it, and is to leave its real things as well: nobody could tell once the owner is gone.
Task<> Attempt::retain_owned() {
  for (const Key& key : context_.informers.owned_by(subject_.meta().uid)) {
    const ObjectPtr owned = co_await context_.client.find(key);
    if (!owned || !owned->meta().has_finalizer(kCleanupFinalizer)) continue;
    try {
      context_.informers.learn(
          co_await context_.client.patch(key, api::PatchType::Merge, with_retain(), context_.write_options()));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::NotFound) throw;
    }
  }
}

// False when the object has become another one meanwhile, and everything must be thought over.
Task<bool> Attempt::act_until_done() {
  int repeats = 0;
  for (int steps = 0; !plan_.actions.empty(); ++steps) {
    if (steps == limits_.steps_max || context_.reactor.now() >= deadline_) {
      more_ = true;
      break;
    }
    // Before the first act: in the other order, a delete that arrives in between would leave a real thing that nobody
    // remembers.
    if (!subject_.meta().deleting && reconciler_.holds_real_things() &&
        !subject_.meta().has_finalizer(kCleanupFinalizer)) {
      co_await hold();
    }
    if (!context_.leadership.may_act(context_.reactor.now())) {
      throw Error(ErrorCode::Cancelled, "the lease is lost: somebody else acts now");
    }
    const Action action = plan_.actions.front();
    const Instant start = context_.reactor.now();
    NotesToEvents notes(context_.events, *subject_.stored);
    co_await reconciler_.act(subject_, *seen_, action, notes);
    kLog.info("step taken",
              {{"kind", kind_.kind},
               {"namespace", subject_.key().ns},
               {"name", subject_.key().name},
               {"verb", to_string(action.verb)},
               {"type", action.type},
               {"target", action.target},
               {"reason", action.reason},
               {"durationSeconds", std::chrono::duration<double>(context_.reactor.now() - start).count()}});
    if (!refresh()) co_return false;
    // A change is not believed until it has been seen.
    co_await look();
    const auto planned_again = [&] { return !plan_.actions.empty() && same_step(plan_.actions.front(), action); };
    bool again = planned_again();
    if (again) {
      // What the step wrote to the object itself may not have come round yet: it is read before it is done once more.
      if (const object::ObjectPtr now = co_await context_.client.find(subject_.key())) context_.informers.learn(now);
      if (!refresh()) co_return false;
      co_await look();
      again = planned_again();
    }
    repeats = again ? repeats + 1 : 0;
    if (repeats == kRepeatsMax) {
      throw Error(ErrorCode::Unavailable, std::string(to_string(action.verb)) + " " + action.type + " " +
                                              action.target + " was done " + std::to_string(kRepeatsMax) +
                                              " times and still does not show; pausing before the next try");
    }
  }
  co_return true;
}

// Takes the newest state of the object. False when it is another object now: gone, made anew, changed, or on its way
// out.
bool Attempt::refresh() {
  const object::ObjectPtr now = context_.informers.find(subject_.key());
  if (!now || now->meta().uid != subject_.meta().uid || now->meta().generation != subject_.meta().generation ||
      now->meta().deleting != subject_.meta().deleting) {
    return false;
  }
  if (now->revision() > subject_.stored->revision()) subject_ = {now, now->decode()};
  return true;
}

Task<> Attempt::hold() {
  std::vector<std::string> finalizers = subject_.meta().finalizers;
  finalizers.emplace_back(kCleanupFinalizer);
  const object::ObjectPtr held = co_await context_.client.patch(
      subject_.key(), api::PatchType::Merge, finalizers_patch(*subject_.stored, finalizers), context_.write_options());
  context_.informers.learn(held);
  subject_ = {held, held->decode()};
}

Task<> Attempt::release() {
  std::vector<std::string> finalizers = subject_.meta().finalizers;
  std::erase(finalizers, kCleanupFinalizer);
  try {
    const object::ObjectPtr released =
        co_await context_.client.patch(subject_.key(), api::PatchType::Merge,
                                       finalizers_patch(*subject_.stored, finalizers), context_.write_options());
    context_.informers.learn(released);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;  // gone: that is what was wanted
  }
}

Task<> Attempt::report(std::optional<Condition> held_back) {
  Report report = reconciler_.report(subject_, *seen_, plan_);
  StatusUpdate update;
  update.fields = std::move(report.status);
  update.conditions = std::move(report.conditions);
  update.withdrawn = std::move(report.withdrawn);
  update.handled = subject_.annotation("gantry.dev/reconcile-at");
  const bool said = std::ranges::any_of(update.conditions, [](const Condition& c) { return c.type == "Synced"; });
  if (held_back) {
    std::erase_if(update.conditions, [](const Condition& c) { return c.type == "Synced"; });
    const bool same = plan_.actions.empty() && !plan_.blocked;
    update.conditions.push_back({"Synced", same ? "True" : "False", held_back->reason, held_back->message});
    update.conditions.push_back(std::move(*held_back));
  } else {
    update.withdrawn.emplace_back("Paused");
    if (plan_.blocked) {
      note_obstacle();
      std::erase_if(update.conditions, [](const Condition& c) { return c.type == "Synced"; });
      update.conditions.push_back({"Synced", "False", plan_.blocked_reason, plan_.blocked_message});
    } else if (more_) {
      std::erase_if(update.conditions, [](const Condition& c) { return c.type == "Synced"; });
      update.conditions.push_back({"Synced", "Unknown", "Progressing", count_of(plan_) + " left"});
    } else if (!said) {
      update.conditions.push_back({"Synced", "True", "ReconcileSuccess", ""});
    }
  }
  co_await write(std::move(update));
}

// Once for each obstacle, also over a restart: what the status says already is no news. Waiting for things to go is no
// obstacle.
void Attempt::note_obstacle() const {
  if (subject_.meta().deleting) return;
  const json::Value* known = find_condition(subject_.json, "Synced");
  if (known && known->string_or("reason") == plan_.blocked_reason &&
      known->string_or("message") == plan_.blocked_message) {
    return;
  }
  context_.events.record(*subject_.stored, {true, plan_.blocked_reason, plan_.blocked_message});
}

Task<> Attempt::write(StatusUpdate update) {
  if (!kind_.has_status) co_return;
  written_ = co_await write_status(context_, subject_.stored, std::move(subject_.json), std::move(update));
  stale_ = !written_;
}

Task<Outcome> Attempt::fail(Error error) {
  if (error.code() == ErrorCode::Cancelled) co_return Outcome{Outcome::Next::Retry, {}, std::move(error), nullptr};
  std::string failure;
  try {
    if (error.code() == ErrorCode::Conflict) {
      // Somebody wrote in between: read what they wrote, and think again. Nobody needs to hear of it.
      context_.informers.learn(co_await context_.client.find(subject_.key()));
      co_return Outcome{Outcome::Next::Reread, {}, std::move(error), nullptr};
    }
    const std::string reason(traits(error.code()).reason);
    context_.events.record(*subject_.stored, {true, reason, error.message()});
    StatusUpdate update;
    update.conditions = {{"Synced", "False", reason, log::redacted(error.message())}};
    if (subject_.json.is_null() || !subject_.json.find("metadata")) subject_.json = subject_.stored->decode();
    if (!find_condition(subject_.json, "Ready")) {
      update.conditions.push_back({"Ready", "Unknown", reason, "not known yet: the first reconcile did not succeed"});
    }
    co_await write(std::move(update));
  } catch (const std::exception& second) {
    failure = second.what();
  }
  if (!failure.empty()) {
    kLog.warn(
        "an error could not be written to the object's status",
        {{"kind", kind_.kind}, {"namespace", subject_.key().ns}, {"name", subject_.key().name}, {"error", failure}});
  }
  co_return Outcome{Outcome::Next::Retry, {}, std::move(error), written_};
}

void Attempt::log_plan() const {
  for (const Action& action : plan_.actions) {
    kLog.debug("planned", {{"kind", kind_.kind},
                           {"namespace", subject_.key().ns},
                           {"name", subject_.key().name},
                           {"verb", to_string(action.verb)},
                           {"type", action.type},
                           {"target", action.target},
                           {"reason", action.reason},
                           {"destructive", action.destructive}});
  }
}

}  // namespace gantry::runtime
