// A reconciler makes the world equal to one kind of object: observe, plan, act, report. The controller loop drives it:
//
//   seen = observe(object); plan = plan(object, seen)
//   while the plan has actions: act(first action); seen = observe(object); plan = plan(object, seen)
//   status = report(object, seen, plan); write it when it differs
//
// One outside effect per act(), and nothing is believed because it was done, only because it was seen: so a crash
// between any two lines is a state that the next observe() finds. Never two calls for one object at a time.
// Runs on the loop's reactor. Throws Error: the controller alone decides when to try again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/base/task.hpp"
#include "controller/object/object.hpp"
#include "controller/runtime/plan.hpp"

namespace gantry::runtime {

inline constexpr std::string_view kCleanupFinalizer = "gantry.dev/cleanup";

// The object under reconciliation, decoded once per attempt.
struct Subject {
  object::ObjectPtr stored;
  json::Value json;
  const object::Key& key() const { return stored->key(); }
  const object::Meta& meta() const { return stored->meta(); }
  bool paused() const;    // annotation gantry.dev/paused: "true"
  bool retained() const;  // annotation gantry.dev/deletion-policy: Retain
  std::string annotation(std::string_view name) const;
};

// What observe() found; each reconciler has its own.
struct Seen {
  virtual ~Seen() = default;
};
using SeenPtr = std::shared_ptr<const Seen>;

struct Condition {
  std::string type;    // Ready, Synced, ...
  std::string status;  // True, False, Unknown
  std::string reason;  // CamelCase, never empty
  std::string message;
};

struct Report {
  json::Value status;                  // status fields other than conditions and observedGeneration
  std::vector<Condition> conditions;   // types not named here keep what they say
  std::vector<std::string> withdrawn;  // types that no longer apply
};

struct EventNote {
  bool warning = false;
  std::string reason;  // CamelCase
  std::string message;
};

// Given to act(): where it tells what it did. Each note becomes an Event on the object.
class Notes {
 public:
  virtual ~Notes() = default;
  virtual void note(EventNote note) = 0;
};

class Reconciler {
 public:
  virtual ~Reconciler() = default;

  // Looks, and changes nothing. Called for objects that are being deleted too.
  virtual Task<SeenPtr> observe(const Subject& subject) = 0;
  // Pure. For an object that is being deleted: what must still be removed; empty means the finalizer may go. A plan
  // that is blocked, or says when to look again, is not empty: that is how to wait for something that is on its way
  // out.
  virtual Plan plan(const Subject& subject, const Seen& seen) = 0;
  // Does exactly this action, the plan's first.
  virtual Task<> act(const Subject& subject, const Seen& seen, const Action& action, Notes& notes) = 0;
  // Pure. What is true now.
  virtual Report report(const Subject& subject, const Seen& seen, const Plan& plan) = 0;
  // The object is gone for good: whatever was remembered of it may be forgotten. Never during one of its attempts.
  virtual void forget(const std::string& uid) { (void)uid; }
  // Whether the object holds real things that need the finalizer. Most do.
  virtual bool holds_real_things() const { return true; }
};

}  // namespace gantry::runtime
