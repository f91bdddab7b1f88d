// Sets of fields of one object, kept in the form in which Kubernetes writes them (FieldsV1): an object whose keys are
// path elements, f:NAME, k:{"port":80}, v:"a" and i:0. An empty object is a field that is in the set; an object with
// "." is in the set together with some of what lies below it; any other only leads to what lies below it.
// So reading and writing managedFields costs nothing, and every operation is one walk over two sorted objects.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::object {

class FieldSet {
 public:
  FieldSet() = default;
  // fields must be what fields() of another set was.
  explicit FieldSet(json::Object fields) : fields_(std::move(fields)) {}
  // From a client: brought into canonical form. Throws Error(Invalid).
  static FieldSet parse(const json::Value& fields_v1);

  const json::Object& fields() const { return fields_; }
  json::Object release() && { return std::move(fields_); }
  bool empty() const { return fields_.empty(); }
  bool operator==(const FieldSet&) const = default;

  bool covers(const FieldSet& other) const;  // every field of other is in this set
  void add(const FieldSet& other);
  // Exactly those fields; what lies below them stays.
  void remove(const FieldSet& other);
  // With everything below them: for fields that were replaced as a whole.
  void remove_deep(const FieldSet& other);
  FieldSet common_with(const FieldSet& other) const;

  // As conflicts name them: .spec.env[name="A"].value; at most `max` of them.
  std::vector<std::string> paths(std::size_t max = 1000) const;

 private:
  json::Object fields_;
};

// One path element as text: f:spec is ".spec", k:{"name":"A"} is [name="A"].
std::string path_element_text(std::string_view element);

}  // namespace gantry::object
