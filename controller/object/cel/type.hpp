// What is known of a value before there is one: its type, from the schema, and how large it can be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "controller/object/schema.hpp"

namespace gantry::object::cel {

struct Type {
  enum class Is : std::uint8_t { Null, Bool, Int, Double, String, IntOrString, List, Map, Object };

  Is is = Is::Null;
  bool nullable = false;
  bool only_names = false;              // the metadata of an object: only name and generateName are to be seen
  double size = 1;                      // characters, items or entries at most
  const Schema::Node* node = nullptr;   // of lists, maps and objects that stand in the schema
  std::shared_ptr<const Type> element;  // of lists and maps; null for the empty list

  bool is_number() const { return is == Is::Int || is == Is::Double; }
  std::string text() const;  // as errors name it: list(string)
};

// Nothing when expressions cannot look at it: what has no type in the schema.
std::optional<Type> type_of(const Schema::Node& node);
// A member of an object, by its name in expressions (__dash__ and so on undone); nothing when there is none.
std::optional<Type> field_of(const Type& object, std::string_view name);
// The property that an escaped name in an expression means.
std::string unescaped(std::string_view name);

}  // namespace gantry::object::cel
