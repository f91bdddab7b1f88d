// What an expression says of values. Pure; any thread.
#pragma once

#include <expected>
#include <span>
#include <string>

#include "controller/object/cel/expression.hpp"

namespace gantry::object::cel {

// Steps that may still be taken; goes down.
struct Budget {
  double left = 0;
  bool spent() const { return left < 0; }
};

struct Binding {
  std::string_view name;
  const json::Value* value;
};

// Of a checked expression. The error says why there is no answer: a key that is missing, a division by zero, ...
std::expected<json::Value, std::string> evaluate(const Expression& expression, std::span<const Binding> bindings,
                                                 Budget& budget);

}  // namespace gantry::object::cel
