// Objects as a table (meta.k8s.io/v1 Table): what `kubectl get` prints. Columns come from the kind's printer columns;
// where a JSONPath cannot say what the core kinds show, code does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/object/kind.hpp"
#include "controller/object/object.hpp"

namespace gantry::api {

// What a row carries of its object, for columns that the client adds by itself.
enum class Include { Metadata, Object, None };
// Throws Error(BadRequest).
Include parse_include(const std::string* parameter);

class Table {
 public:
  explicit Table(const object::Kind& kind);
  ~Table();

  // The columnDefinitions, as JSON.
  const std::string& definitions() const { return definitions_; }
  // One element of rows.
  void append_row(std::string& out, const object::Object& object, Include include, WallTime now) const;
  // A whole Table of one object: a GET's answer, or a watch event's object. metadata carries the revision.
  std::string of_one(const object::Object& object, Include include, WallTime now, bool with_definitions = true) const;
  // An empty one, for bookmarks. metadata is JSON.
  std::string empty(std::string_view metadata) const;

 private:
  struct Column;
  void add(std::string name, std::string type, std::int64_t priority, std::string description,
           std::function<json::Value(const json::Value& object, WallTime now)> cell);
  void add_core_columns(const object::Kind& kind);
  void add_printer_columns(const object::Kind& kind);
  void define();

  std::vector<Column> columns_;
  std::string definitions_;
};

// The object's metadata alone: {"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{...}}.
void append_partial(std::string& out, const object::Object& object);
// The bytes of the "metadata" member of canonical JSON.
std::string_view metadata_of(std::string_view canonical);

}  // namespace gantry::api
