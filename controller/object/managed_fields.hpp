// metadata.managedFields: who set which fields, kept on every write (kubernetes-wire section 13 of the reference).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/json.hpp"
#include "controller/object/field_set.hpp"
#include "controller/object/field_walk.hpp"
#include "controller/object/schema.hpp"

namespace gantry::object {

// Who writes, and through which door.
struct FieldWriter {
  std::string_view manager;
  std::string_view api_version;
  std::string_view subresource = {};  // "", "status" or "scale"
  bool has_status = false;            // the kind has the status subresource
  WallTime now{};

  Part part() const;
};

struct ManagedEntry {
  std::string manager;
  std::string operation;  // Apply or Update
  std::string api_version;
  std::string subresource;
  std::string time;
  FieldSet fields;

  bool applies() const { return operation == "Apply"; }
  bool is_of(const FieldWriter& writer, std::string_view op) const;
};

using ManagedFields = std::vector<ManagedEntry>;

// Reads metadata.managedFields. Absent when an entry is invalid: then nothing of it may be used. `trusted` skips the
// check of the fields, for what was stored by us.
std::optional<ManagedFields> read_managed_fields(const json::Value& object, bool trusted);
// Writes them, in the order of Kubernetes; none at all removes the member.
void write_managed_fields(json::Value& object, ManagedFields managed);

// Bookkeeping of an ordinary write (create, update, patch): fields that changed leave the other managers and join the
// writer's Update entry. object is complete, as it is about to be stored; old is null for a create. What the client
// sent in managedFields replaces what was stored, if it is valid and the write goes to the object itself; an empty list
// clears the tracking.
void track_update(const json::Value* old, json::Value& object, const Schema& schema, const FieldWriter& writer);

// True when a write of `object` over `old` would store nothing new: resourceVersion and the times in managedFields do
// not count.
bool changes_nothing(const json::Value& old, const json::Value& object);

namespace detail {
// The bookkeeping between what was and what is: takes `change` from the managers, and drops those that are left empty.
void take_fields(ManagedFields& managed, const Difference& change);
// At most ten Update entries; the oldest are folded into "ancient-changes".
void cap_updates(ManagedFields& managed);
// Fields whose list or map has become atomic in the schema are owned as wholes.
void follow_schema(const Schema::Node& root, ManagedFields& managed);
}  // namespace detail

}  // namespace gantry::object
