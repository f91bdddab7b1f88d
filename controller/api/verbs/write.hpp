// What all writes share, from the object as it is asked for to the object as it is stored. Every write of a request
// ends in store_new() or rewrite(); nothing else calls the store's create, update and remove, except verbs::remove.
#pragma once

#include "controller/api/admission.hpp"
#include "controller/api/status.hpp"
#include "controller/api/verbs/verbs.hpp"
#include "controller/object/metadata.hpp"

namespace gantry::api::verbs {

inline constexpr std::string_view kDuplicateOwners =
    "metadata.ownerReferences contained duplicate entries, which were removed";

// The object a write starts from.
struct Current {
  ObjectPtr live;
  json::Value old;  // live, in the target's form
};
// Error(NotFound) when absent.
Current current_of(const Plane& plane, const Target& target);

// Who set which fields: worked out from old and new by store_new() and rewrite(), or by apply itself beforehand.
enum class Tracking { Compare, Done };

// Stamps, judges and stores an object that does not exist yet. It is settled, and its address agreed.
Task<Written> store_new(Plane& plane, const Target& target, const WriteQuery& query, json::Value object,
                        Tracking tracking);

// Stores `object` in place of what is there; the part of it that the target's subresource does not own is kept from
// `current`. Writes nothing when nothing changes; removes the object when this was what its deletion waited for.
// Empty when somebody else was quicker: look again.
Task<std::optional<Written>> rewrite(Plane& plane, const Target& target, const WriteQuery& query,
                                     const Current& current, json::Value object, Tracking tracking);

// Whether a store's refusal only says that another write of this object came first. Not so for a lost fence.
bool lost_race(const Target& target, const Error& error);

// Error(NotFound) or Error(Forbidden) when nothing can be created in the target's namespace.
void require_namespace(const Plane& plane, const Target& target, const WriteQuery& query);

// The object, in the target's form, as if it were stored.
ObjectPtr unstored(const Target& target, json::Value object, std::optional<Revision> revision);

// Calls attempt() until it wins its race: at most `tries` times, then Error(Conflict).
inline constexpr int kOnce = 1, kOften = 30;
template <class Attempt>
Task<Written> retry(const Target& target, int tries, Attempt attempt) {
  for (int i = 0; i < tries; ++i) {
    if (std::optional<Written> written = co_await attempt()) co_return std::move(*written);
  }
  throw conflict(target.served->resource, target.name);
}

// metadata.resourceVersion of a request body; absent when it says none.
std::optional<Revision> revision_in(const json::Value& object);

}  // namespace gantry::api::verbs
