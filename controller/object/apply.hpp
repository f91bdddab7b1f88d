// Server-side apply: a configuration claims fields for a manager; the server merges it, takes away what the manager no
// longer claims and nobody else holds, and refuses to overwrite what others hold, unless forced.
#pragma once

#include "controller/object/managed_fields.hpp"

namespace gantry::object {

struct ApplyResult {
  json::Value object;    // with managedFields; not yet defaulted, nor validated
  bool created = false;  // there was no live object
  bool changed = true;   // false: the live object stands as it is, and nothing needs to be stored
};

// live: the stored object, null when there is none. config: what was applied, already free of what the endpoint sets
// itself (namespace, ...). Throws Error(BadRequest) for a configuration that the schema does not allow or that brings
// managedFields; Error(Conflict) with a cause per field that another manager holds.
ApplyResult apply(const json::Value* live, const json::Value& config, const Schema& schema, const FieldWriter& writer,
                  bool force);

namespace detail {
// The pieces, each a pure function.

// Merges by schema; config must have been checked.
json::Value merge_config(const Schema::Node* node, const json::Value& live, const json::Value& config);
// Whether merging config would leave live as it is.
bool merge_is_noop(const Schema::Node* node, const json::Value& live, const json::Value& config);
// Unknown fields, wrong kinds of values, items without keys or twice: at most 100 lines like `.spec.x: field not
// declared in schema`.
std::vector<std::string> config_problems(const Schema::Node& root, const json::Value& config);
// Removes the items and fields of `doomed` from the value.
void remove_fields(const Schema::Node* node, json::Value& value, const FieldSet& doomed);
// Parents that are declared in the schema belong to the set when something below them does.
FieldSet with_parents(const Schema::Node& root, const FieldSet& set);
}  // namespace detail

}  // namespace gantry::object
