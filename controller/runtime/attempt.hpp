// One attempt for one object: the loop that reconciler.hpp describes, with everything that is the same for all kinds
// around it: the dependency gate, the finalizer, pause, retain, read-only, errors, status. Lives as long as the
// attempt.
#pragma once

#include <optional>
#include <string>

#include "controller/base/error.hpp"
#include "controller/runtime/context.hpp"
#include "controller/runtime/reconciler.hpp"
#include "controller/runtime/status_writer.hpp"

namespace gantry::runtime {

struct AttemptLimits {
  int steps_max = 32;                           // acts in one attempt; then others have their turn
  Duration deadline = std::chrono::minutes(2);  // no further act is begun after that
};

struct Outcome {
  enum class Next {
    Settled,    // nothing to do until something changes
    LookAgain,  // in `after`
    Again,      // at once: there is more to do
    Reread,     // at once: what was read was stale
    Retry,      // `error`: after a growing pause
  };
  Next next = Next::Settled;
  Duration after{};
  std::optional<Error> error;
  object::ObjectPtr object;  // as it stands afterwards, if it was written
};

class Attempt {
 public:
  Attempt(const Context& context, const object::Kind& kind, Reconciler& reconciler, const AttemptLimits& limits,
          object::ObjectPtr object);

  // Does not throw.
  Task<Outcome> run();

 private:
  Task<Outcome> reconcile();
  Task<Outcome> remove();
  Task<Outcome> fail(Error error);
  Task<> look();
  Task<bool> act_until_done();
  Task<> hold();
  Task<> retain_owned();
  Task<> release();
  bool refresh();
  Task<> report(std::optional<Condition> paused);
  void note_obstacle() const;
  Task<> write(StatusUpdate update);
  void log_plan() const;

  const Context& context_;
  const object::Kind& kind_;
  Reconciler& reconciler_;
  const AttemptLimits& limits_;
  Instant deadline_;
  Subject subject_;
  SeenPtr seen_;
  Plan plan_;
  bool more_ = false;   // actions are left over
  bool stale_ = false;  // the object became another one under our hands
  object::ObjectPtr written_;
};

}  // namespace gantry::runtime
