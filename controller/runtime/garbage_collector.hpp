// Removes what nobody owns any more. Hears of changes through the informers, but judges by what the server says now:
// nothing is deleted because of a stale view. Background: dependents go after their owner. Foreground: the owner waits
// for those that block it. Orphan: the dependents stay and forget it.
// Over every resource that has an informer. One reactor's thread.
#pragma once

#include "controller/runtime/informer.hpp"
#include "controller/runtime/owners.hpp"
#include "controller/runtime/sweeper.hpp"

namespace gantry::runtime {

class GarbageCollector {
 public:
  explicit GarbageCollector(const Context& context);

  void start() { sweeper_.start(); }
  Task<bool> stop(Instant deadline) { return sweeper_.stop(deadline); }
  bool idle() const { return sweeper_.idle(); }

 private:
  void on_change(const Change& change);
  Task<std::optional<Duration>> look(Key key);
  bool owners_are_here(const object::Object& object) const;
  Task<> judge(const object::Object& object);
  Task<bool> remove_dependents(const object::Object& owner);
  bool waits_for(const object::Object& owner, const object::Object& dependent) const;
  Task<> orphan_dependents(const object::Object& owner);
  Task<OwnerState> state_of(const Key& dependent, const object::Meta::Owner& owner);
  Task<> remove(const object::Object& object, std::string propagation);
  // What it has become; null: it is gone.
  Task<ObjectPtr> patch(const object::Object& object, json::Value patch);

  const Context& context_;
  Sweeper sweeper_;
};

}  // namespace gantry::runtime
