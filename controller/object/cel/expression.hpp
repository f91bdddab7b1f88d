// The tree of one expression in CEL (Common Expression Language, as x-kubernetes-validations uses it). Macros are nodes
// of their own: has, all, exists, exists_one, map, filter.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/object/cel/type.hpp"
#include "controller/object/pattern.hpp"

namespace gantry::object::cel {

enum class Op : std::uint8_t {
  Literal,
  Name,    // a variable
  Member,  // args[0].name
  Has,     // has(args[0].name)
  Index,   // args[0][args[1]]
  List,
  Map,   // key, value, key, value, ...
  Call,  // name(args...), or args[0].name(rest...) when `method`
  Not,
  Negate,
  And,
  Or,
  Conditional,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  In,
  Add,
  Subtract,
  Multiply,
  Divide,
  Modulo,
  All,  // args[0].all(name, args[1]), and so on
  Exists,
  ExistsOne,
  MapEach,
  Filter,
};

struct Expression {
  Op op = Op::Literal;
  std::size_t at = 0;  // where it stands in the text
  std::string name;
  bool method = false;
  json::Value literal;
  std::vector<std::unique_ptr<Expression>> args;

  // Found by check().
  Type type;
  std::optional<Pattern> pattern;  // matches() with a literal
};
using ExpressionPtr = std::unique_ptr<Expression>;

// Why an expression cannot be compiled, and where. Never leaves this folder but as an Error.
struct Refusal {
  std::size_t at;
  std::string why;
};

// Throws Refusal: not CEL, or a part of it that is not supported.
ExpressionPtr parse(std::string_view text);

}  // namespace gantry::object::cel
