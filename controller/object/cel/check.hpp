// Types and cost of an expression, before it is ever evaluated.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "controller/object/cel/expression.hpp"

namespace gantry::object::cel {

// The innermost last.
using Variables = std::vector<std::pair<std::string, Type>>;

// Gives every part its type and compiles what can be compiled. The most steps that an evaluation can take. Throws
// Refusal: unknown names, types that do not go together, functions that are not supported.
double check(Expression& expression, Variables& variables);

bool uses(const Expression& expression, std::string_view variable);

// How many steps looking at all of a value takes at most.
double weight(const Type& type);

}  // namespace gantry::object::cel
