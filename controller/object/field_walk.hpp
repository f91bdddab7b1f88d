// Which fields a value has, by its schema, and how two values differ in them (structured-merge-diff). What the schema
// does not know is merged as nested maps, with lists and scalars as wholes. A null Node means just that.
#pragma once

#include <string>

#include "controller/object/field_set.hpp"
#include "controller/object/schema_node.hpp"

namespace gantry::object {

// The part of an object that a write is about. Bookkeeping (apiVersion, kind, metadata.name, uid, ...) never is.
enum class Part { Whole, WithoutStatus, OnlyStatus };

// What an applied configuration claims.
FieldSet fields_of_config(const Schema::Node& root, const json::Value& object, Part part);
// What an ordinary write that makes the whole object has set.
FieldSet fields_of_new(const Schema::Node& root, const json::Value& object, Part part);

struct Difference {
  FieldSet added, modified, removed;
  bool none() const { return added.empty() && modified.empty() && removed.empty(); }
};
Difference compare(const Schema::Node& root, const json::Value& before, const json::Value& after, Part part);

// How an object or list merges: item by item, or as a whole.
bool is_granular_map(const Schema::Node* node, const json::Value& value);
bool is_granular_list(const Schema::Node* node, const json::Value& value);
// The node of a member, null when nothing is known.
const Schema::Node* node_of(const Schema::Node* parent, std::string_view key);
// The path element of a list's item, such as k:{"name":"A"}; empty when it has none (a key is missing, a null).
std::string element_of(const Schema::Node& list, const json::Value& item);
std::string field_element(std::string_view key);

}  // namespace gantry::object
