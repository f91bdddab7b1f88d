#include "controller/api/core_kinds.hpp"
#include "controller/api/status.hpp"
#include "controller/api/verbs/write.hpp"
#include "controller/base/parallel.hpp"

namespace gantry::api::verbs {
namespace {

constexpr std::size_t kAtOnce = 64;
constexpr std::string_view kOrphan = "orphan", kForeground = "foregroundDeletion";

void check_preconditions(const Target& target, const Preconditions& preconditions, const object::Object& live) {
  const auto refuse = [&](const std::string& why) {
    Error error(ErrorCode::Conflict, "Operation cannot be fulfilled on " +
                                         std::string(target.served->resource.qualified()) + " " +
                                         object::quoted(target.name) + ": " + why);
    error.about = conflict(target.served->resource, target.name).about;
    throw error;
  };
  if (preconditions.uid && *preconditions.uid != live.meta().uid) {
    refuse("Precondition failed: UID in precondition: " + *preconditions.uid +
           ", UID in object meta: " + live.meta().uid);
  }
  if (preconditions.revision && *preconditions.revision != live.revision()) {
    refuse("Precondition failed: ResourceVersion in precondition: " + std::to_string(*preconditions.revision) +
           ", ResourceVersion in object meta: " + std::to_string(live.revision()));
  }
}

// What must still happen before the object may go, given how its dependents are to fare.
std::vector<std::string> finalizers_for(const Served& served, const object::Meta& meta,
                                        const std::string& propagation) {
  std::vector<std::string> wanted = meta.finalizers;
  if (!served.deletion_finalizer.empty() && !meta.has_finalizer(served.deletion_finalizer))
    wanted.push_back(served.deletion_finalizer);
  if (propagation.empty()) return wanted;
  std::erase(wanted, kOrphan);
  std::erase(wanted, kForeground);
  if (propagation == "Orphan") wanted.emplace_back(kOrphan);
  if (propagation == "Foreground") wanted.emplace_back(kForeground);
  return wanted;
}

bool has_content_to_clear(const Served& served, const json::Value& object) {
  if (!served.is("", "namespaces")) return false;
  const json::Value* finalizers = object.at({"spec", "finalizers"});
  return finalizers && finalizers->is_array() && !finalizers->as_array().empty();
}

// The object as one that is on its way out.
json::Value marked(const Plane& plane, const Served& served, json::Value object,
                   const std::vector<std::string>& finalizers) {
  json::Value& metadata = object["metadata"];
  metadata["deletionTimestamp"] = format_time(plane.front.clock().wall());
  metadata["deletionGracePeriodSeconds"] = 0;
  json::Array list;
  for (const auto& name : finalizers) list.emplace_back(name);
  if (list.empty()) {
    metadata.as_object().erase("finalizers");
  } else {
    metadata["finalizers"] = std::move(list);
  }
  if (served.kind->has_generation) metadata["generation"] = metadata.int_or("generation", 0) + 1;
  if (served.is("", "namespaces")) {
    json::Value& status = object["status"];
    if (!status.is_object()) status = json::Object();
    status["phase"] = "Terminating";
  }
  return object;
}

Error still_clearing(const Target& target) {
  Error error(ErrorCode::Conflict,
              "Operation cannot be fulfilled on namespaces " + object::quoted(target.name) +
                  ": The system is ensuring all content is removed from this namespace.  Upon completion, this "
                  "namespace will automatically be purged by the system.");
  error.about = conflict(target.served->resource, target.name).about;
  return error;
}

// Empty when somebody else was quicker.
Task<std::optional<Written>> remove_once(Plane& plane, const Target& target, const DeleteQuery& query) {
  const Served& served = *target.served;
  const Current current = current_of(plane, target);
  check_preconditions(target, query.preconditions, *current.live);
  const object::Meta& meta = current.live->meta();
  const bool content = has_content_to_clear(served, current.old);
  if (served.is("", "namespaces") && is_protected_namespace(target.name)) {
    throw forbidden(served.resource, target.name, "this namespace may not be deleted");
  }
  plane.admission->judge_removal(served, target.name);
  if (meta.deleting && content) throw still_clearing(target);

  const auto finalizers = meta.deleting ? meta.finalizers : finalizers_for(served, meta, query.propagation);
  const bool now = finalizers.empty() && !content;
  if (meta.deleting && !now) co_return Written{current.live, false, false};
  const json::Value object = now ? current.old : marked(plane, served, current.old, finalizers);
  const Revision expected = current.live->revision();
  if (query.dry_run) co_return Written{unstored(target, object, expected), false, now};
  store::Encoded encoded = plane.admission->encode(target, object);
  const store::WriteOptions options{query.preconditions.fence};
  try {
    if (now)
      co_return Written{co_await plane.store.remove(target.key(), expected, std::move(encoded), options),
                        false,
                        true,
                        {},
                        current.live};
    co_return Written{co_await plane.store.update(target.key(), expected, std::move(encoded), options),
                      false,
                      false,
                      {},
                      current.live};
  } catch (const Error& error) {
    if (!lost_race(target, error)) throw;
  }
  co_return std::nullopt;
}

}  // namespace

Task<Written> remove(Plane& plane, const Target& target, const DeleteQuery& query) {
  co_return co_await retry(target, kOften, [&] { return remove_once(plane, target, query); });
}

Task<Listed> remove_collection(Plane& plane, const Target& target, const ListQuery& selection,
                               const DeleteQuery& query) {
  Listed listed = co_await list(plane, target, selection);
  // Those under way at one time share their fsync.
  co_await for_each_at_most(plane.front, kAtOnce, listed.items.size(), [&](std::size_t i) -> Task<> {
    const object::Key& key = listed.items[i]->key();
    const Target one{target.served, key.ns, key.name, {}};
    try {
      co_await remove(plane, one, query);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::NotFound) throw;  // somebody else was quicker: it is gone, as asked
    }
  });
  co_return listed;
}

}  // namespace gantry::api::verbs
