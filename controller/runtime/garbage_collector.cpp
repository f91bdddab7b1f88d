#include "controller/runtime/garbage_collector.hpp"

#include <algorithm>
#include <unordered_set>

#include "controller/base/log.hpp"

namespace gantry::runtime {
namespace {

const log::Logger kLog("garbage-collector");
constexpr std::size_t kWorkers = 16;
constexpr Duration kForegroundPoll = std::chrono::seconds(30);

bool has_work(const object::Object& object) {
  const object::Meta& meta = object.meta();
  return (!meta.owners.empty() && !meta.deleting) ||
         (meta.deleting && (meta.has_finalizer(kForegroundFinalizer) || meta.has_finalizer(kOrphanFinalizer)));
}

const object::Meta::Owner* owner_entry(const object::Object& object, const std::string& uid) {
  const auto found = std::ranges::find(object.meta().owners, uid, &object::Meta::Owner::uid);
  return found == object.meta().owners.end() ? nullptr : &*found;
}

// What has no namespace cannot say in which one its owner is.
bool is_out_of_reach(const Key& dependent, const object::Kind& owner) {
  return owner.namespaced && dependent.ns.empty();
}

}  // namespace

GarbageCollector::GarbageCollector(const Context& context)
    : context_(context),
      sweeper_(context, "garbage-collector", kWorkers, [this](Key key) { return look(std::move(key)); }) {
  context.informers.on_change([this](const Change& change) { on_change(change); });
}

void GarbageCollector::on_change(const Change& change) {
  if (change.after) {
    if (has_work(*change.after) && !owners_are_here(*change.after)) sweeper_.add(change.after->key());
    // Dependents of an owner that waits in the foreground are found from there.
  } else {
    for (const Key& dependent : context_.informers.owned_by(change.before->meta().uid)) sweeper_.add(dependent);
  }
  // An owner that waits for its dependents.
  if (change.before) {
    for (const auto& owner : change.before->meta().owners) {
      const object::KindPtr kind = kind_of(context_.kinds, owner);
      if (!kind) continue;
      const Key key{kind->resource, kind->namespaced ? change.before->key().ns : std::string(), owner.name};
      if (const ObjectPtr found = context_.informers.find(key); found && found->meta().deleting) sweeper_.add(key);
    }
  }
}

// As far as is known. If that is wrong, the owner's end is still to be heard of, and brings its dependents here.
bool GarbageCollector::owners_are_here(const object::Object& object) const {
  if (object.meta().deleting) return false;
  return std::ranges::all_of(object.meta().owners, [&](const object::Meta::Owner& owner) {
    const object::KindPtr kind = kind_of(context_.kinds, owner);
    if (!kind || is_out_of_reach(object.key(), *kind))
      return true;  // nothing can be concluded, so nothing is to be done
    const ObjectPtr found =
        context_.informers.find({kind->resource, kind->namespaced ? object.key().ns : std::string(), owner.name});
    return found && found->meta().uid == owner.uid;
  });
}

Task<std::optional<Duration>> GarbageCollector::look(Key key) {
  // The cheap question first: what came before its owner at start has its owner by now.
  const ObjectPtr known = context_.informers.find(key);
  if (known && !known->meta().deleting && owners_are_here(*known)) co_return std::nullopt;
  const ObjectPtr object = co_await context_.client.find(key);
  if (!object || !has_work(*object)) co_return std::nullopt;
  if (object->meta().deleting) {
    if (object->meta().has_finalizer(kOrphanFinalizer)) {
      co_await orphan_dependents(*object);
      co_await patch(*object, without_finalizer(*object, kOrphanFinalizer));
    } else if (co_await remove_dependents(*object)) {
      co_await patch(*object, without_finalizer(*object, kForegroundFinalizer));
    } else {
      co_return kForegroundPoll;  // the last dependent's end is heard of; this is for the day it is not
    }
    co_return std::nullopt;
  }
  co_await judge(*object);
  co_return std::nullopt;
}

Task<> GarbageCollector::judge(const object::Object& object) {
  std::vector<OwnerState> states;
  for (const auto& owner : object.meta().owners) states.push_back(co_await state_of(object.key(), owner));
  const Verdict verdict = judge_dependent(object.meta(), states);
  if (verdict.remove) {
    kLog.info(
        "removing an object whose owners are gone",
        {{"resource", object.key().resource.qualified()}, {"namespace", object.key().ns}, {"name", object.key().name}});
    co_await remove(object, "Background");
  } else if (!verdict.dead_owners.empty()) {
    co_await patch(object, without_owners(object, verdict.dead_owners));
  }
}

Task<OwnerState> GarbageCollector::state_of(const Key& dependent, const object::Meta::Owner& owner) {
  const object::KindPtr kind = kind_of(context_.kinds, owner);
  if (!kind || is_out_of_reach(dependent, *kind)) co_return OwnerState::Unknown;
  const ObjectPtr found =
      co_await context_.client.find({kind->resource, kind->namespaced ? dependent.ns : std::string(), owner.name});
  co_return found && found->meta().uid == owner.uid ? OwnerState::Present : OwnerState::Absent;
}

// True when none is left that the owner has to wait for.
Task<bool> GarbageCollector::remove_dependents(const object::Object& owner) {
  bool clear = true;
  const bool retained = owner.decode().text_at({"metadata", "annotations", "gantry.dev/deletion-policy"}) == "Retain";
  for (const Key& key : context_.informers.owned_by(owner.meta().uid)) {
    const ObjectPtr dependent = co_await context_.client.find(key);
    const object::Meta::Owner* entry = dependent ? owner_entry(*dependent, owner.meta().uid) : nullptr;
    if (!entry) continue;
    // Whoever has another owner that stays is only let go of.
    bool shared = false;
    for (const auto& other : dependent->meta().owners) {
      if (other.uid != entry->uid && co_await state_of(key, other) != OwnerState::Absent) shared = true;
    }
    if (shared) {
      co_await patch(*dependent, without_owners(*dependent, {owner.meta().uid}));
      continue;
    }
    if (!dependent->meta().deleting) {
      if (!retained) {
        co_await remove(*dependent, "Foreground");
      } else if (const ObjectPtr kept = co_await patch(*dependent, with_retain())) {
        co_await remove(*kept, "Foreground");
      }
    }
    if (entry->blocks_deletion && !waits_for(owner, *dependent) && co_await context_.client.find(key)) clear = false;
  }
  co_return clear;
}

// Whether the dependent itself waits, by way of others that wait, until `owner` is gone: objects that own each other in
// a circle would wait for ever.
bool GarbageCollector::waits_for(const object::Object& owner, const object::Object& dependent) const {
  std::unordered_set<std::string> seen;
  std::vector<ObjectPtr> above;
  const auto look_at = [&](const object::Object& object) {
    for (const auto& reference : object.meta().owners) {
      if (!seen.insert(reference.uid).second) continue;
      const object::KindPtr kind = kind_of(context_.kinds, reference);
      if (!kind || is_out_of_reach(object.key(), *kind)) continue;
      ObjectPtr found =
          context_.informers.find({kind->resource, kind->namespaced ? object.key().ns : std::string(), reference.name});
      if (found && found->meta().uid == reference.uid && found->meta().deleting) above.push_back(std::move(found));
    }
  };
  if (dependent.meta().uid == owner.meta().uid) return true;
  look_at(owner);
  while (!above.empty()) {
    const ObjectPtr next = std::move(above.back());
    above.pop_back();
    if (next->meta().uid == dependent.meta().uid) return true;
    look_at(*next);
  }
  return false;
}

Task<> GarbageCollector::orphan_dependents(const object::Object& owner) {
  for (const Key& key : context_.informers.owned_by(owner.meta().uid)) {
    const ObjectPtr dependent = co_await context_.client.find(key);
    if (!dependent || !owner_entry(*dependent, owner.meta().uid)) continue;
    co_await patch(*dependent, without_owners(*dependent, {owner.meta().uid}));
  }
}

Task<> GarbageCollector::remove(const object::Object& object, std::string propagation) {
  api::Preconditions exactly;
  exactly.uid = object.meta().uid;
  exactly.revision = object.revision();
  exactly.fence = context_.leadership.fence;
  try {
    co_await context_.client.remove(object.key(), exactly, std::move(propagation));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
  }
}

Task<ObjectPtr> GarbageCollector::patch(const object::Object& object, json::Value patch) {
  try {
    const Key key = object.key();
    ObjectPtr patched =
        co_await context_.client.patch(key, api::PatchType::Merge, std::move(patch), context_.write_options());
    context_.informers.learn(patched);
    co_return patched;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotFound) throw;
  }
  co_return nullptr;
}

}  // namespace gantry::runtime
