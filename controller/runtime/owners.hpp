// What the garbage collector decides, apart from doing it. Pure.
#pragma once

#include <string>
#include <vector>

#include "controller/object/kind.hpp"
#include "controller/object/object.hpp"

namespace gantry::runtime {

inline constexpr std::string_view kForegroundFinalizer = "foregroundDeletion";
inline constexpr std::string_view kOrphanFinalizer = "orphan";

enum class OwnerState {
  Present,  // it is there, with that uid
  Absent,   // nothing of that name is there, or something with another uid
  Unknown,  // of a kind that is not served: nothing may be concluded
};

// The kind of an owner, in whichever of its versions the reference names it. Null when it is not served.
object::KindPtr kind_of(const object::KindTable& kinds, const object::Meta::Owner& owner);

struct Verdict {
  bool remove = false;                   // all owners are gone
  std::vector<std::string> dead_owners;  // uids whose references are to be taken out, while others remain
};

// states: one for each of meta.owners.
Verdict judge_dependent(const object::Meta& meta, const std::vector<OwnerState>& states);

// The object's ownerReferences without those uids, as a merge patch guarded by its revision.
json::Value without_owners(const object::Object& object, const std::vector<std::string>& uids);
// What leaves its real thing behind when it goes.
json::Value with_retain();
json::Value without_finalizer(const object::Object& object, std::string_view finalizer);

}  // namespace gantry::runtime
