#include "controller/object/cel/check.hpp"

#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/object/schema_node.hpp"

namespace gantry::object::cel {
namespace {

using Is = Type::Is;

constexpr double kPerCharacter = 0.1;
constexpr double kNumberSize = 24;  // characters of a number or truth value

[[noreturn]] void refuse(const Expression& at, std::string why) { throw Refusal{at.at, std::move(why)}; }

Type simple(Is is, double size = 1) {
  Type type;
  type.is = is;
  type.size = size;
  return type;
}

Type list_of(const Type& element, double size) {
  Type type = simple(Is::List, size);
  type.element = std::make_shared<const Type>(element);
  return type;
}

bool is_text(const Type& type) { return type.is == Is::String; }

// Whether a value of one type can equal one of the other.
bool comparable(const Type& a, const Type& b) {
  if (a.is == Is::Null || b.is == Is::Null) return a.is == b.is || a.nullable || b.nullable;
  if (a.is_number() && b.is_number()) return true;
  const auto fits_either = [](const Type& either, const Type& other) {
    return either.is == Is::IntOrString && (other.is == Is::Int || other.is == Is::String);
  };
  if (fits_either(a, b) || fits_either(b, a)) return true;
  const auto is_keyed = [](const Type& type) { return type.is == Is::Map || type.is == Is::Object; };
  if (is_keyed(a) && is_keyed(b)) return true;
  if (a.is != b.is) return false;
  if (a.is == Is::List && a.element && b.element) return comparable(*a.element, *b.element);
  return true;
}

// The type of what may be either.
Type either_of(Type a, const Type& b) {
  if (a.is == Is::Null) {
    Type type = b;
    type.nullable = true;
    return type;
  }
  if (a.is != b.is && a.is_number() && b.is_number()) a = simple(Is::Double);
  a.size = std::max(a.size, b.size);
  a.nullable |= b.nullable || b.is == Is::Null;
  if (a.is == Is::List && !a.element) a.element = b.element;
  return a;
}

class Checker {
 public:
  explicit Checker(Variables& variables) : variables_(variables) {}

  double check(Expression& e) {
    switch (e.op) {
      case Op::Literal:
        e.type = of_literal(e);
        return 0;
      case Op::Name:
        e.type = variable(e);
        return 1;
      case Op::Member:
      case Op::Has:
        return member(e);
      case Op::Index:
        return index(e);
      case Op::List:
        return list(e);
      case Op::Map:
        return map(e);
      case Op::Call:
        return call(e);
      case Op::Not: {
        const double cost = operand(e, 0, Is::Bool, "!_");
        e.type = simple(Is::Bool);
        return cost + 1;
      }
      case Op::Negate: {
        const double cost = check(*e.args[0]);
        if (!e.args[0]->type.is_number()) mismatch(e, "-_");
        e.type = e.args[0]->type;
        return cost + 1;
      }
      case Op::And:
      case Op::Or: {
        const char* name = e.op == Op::And ? "_&&_" : "_||_";
        const double cost = operand(e, 0, Is::Bool, name) + operand(e, 1, Is::Bool, name);
        e.type = simple(Is::Bool);
        return cost;
      }
      case Op::Conditional:
        return conditional(e);
      case Op::Equal:
      case Op::NotEqual:
        return equality(e);
      case Op::Less:
      case Op::LessEqual:
      case Op::Greater:
      case Op::GreaterEqual:
        return ordering(e);
      case Op::In:
        return containment(e);
      case Op::Add:
      case Op::Subtract:
      case Op::Multiply:
      case Op::Divide:
      case Op::Modulo:
        return arithmetic(e);
      case Op::All:
      case Op::Exists:
      case Op::ExistsOne:
      case Op::MapEach:
      case Op::Filter:
        return comprehension(e);
    }
    refuse(e, "not supported");
  }

 private:
  [[noreturn]] static void mismatch(const Expression& e, std::string_view function) {
    std::string types;
    for (const auto& arg : e.args) types.append(types.empty() ? "" : ", ").append(arg->type.text());
    refuse(e, "found no matching overload for '" + std::string(function) + "' applied to '(" + types + ")'");
  }

  double operand(Expression& e, std::size_t i, Is is, std::string_view function) {
    const double cost = check(*e.args[i]);
    if (e.args[i]->type.is != is) mismatch(e, function);
    return cost;
  }

  static Type of_literal(const Expression& e) {
    const json::Value& value = e.literal;
    if (value.is_bool()) return simple(Is::Bool);
    if (value.is_int()) return simple(Is::Int);
    if (value.is_double()) return simple(Is::Double);
    if (value.is_string()) return simple(Is::String, static_cast<double>(value.as_string().size()));
    return simple(Is::Null);
  }

  Type variable(const Expression& e) const {
    for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
      if (at->first == e.name) return at->second;
    }
    refuse(e, "undeclared reference to '" + e.name + "'");
  }

  double member(Expression& e) {
    const double cost = check(*e.args[0]) + 1;
    const Type& of = e.args[0]->type;
    std::optional<Type> found;
    if (of.is == Is::Object) found = field_of(of, e.name);
    if (of.is == Is::Map && of.element) found = *of.element;
    if (!found) refuse(e, "undefined field '" + e.name + "'");
    if (of.is == Is::Object) e.name = unescaped(e.name);
    e.type = e.op == Op::Has ? simple(Is::Bool) : *found;
    return cost;
  }

  double index(Expression& e) {
    const double cost = check(*e.args[0]) + check(*e.args[1]) + 1;
    const Type &of = e.args[0]->type, &by = e.args[1]->type;
    const bool fits = (of.is == Is::List && by.is == Is::Int) || (of.is == Is::Map && by.is == Is::String);
    if (!fits || !of.element) mismatch(e, "_[_]");
    e.type = *of.element;
    return cost;
  }

  double list(Expression& e) {
    double cost = 10;
    Type element;
    for (std::size_t i = 0; i < e.args.size(); ++i) {
      cost += check(*e.args[i]);
      cost += weight(e.args[i]->type);
      if (i > 0 && !comparable(element, e.args[i]->type)) refuse(*e.args[i], "the items of a list must be of one type");
      element = i == 0 ? e.args[i]->type : either_of(element, e.args[i]->type);
    }
    e.type = simple(Is::List, static_cast<double>(e.args.size()));
    if (!e.args.empty()) e.type.element = std::make_shared<const Type>(element);
    return cost;
  }

  double map(Expression& e) {
    double cost = 30;
    Type element;
    for (std::size_t i = 0; i < e.args.size(); i += 2) {
      cost += check(*e.args[i]) + check(*e.args[i + 1]);
      cost += weight(e.args[i + 1]->type);
      if (!is_text(e.args[i]->type)) refuse(*e.args[i], "the keys of a map must be strings");
      if (i > 0 && !comparable(element, e.args[i + 1]->type))
        refuse(*e.args[i + 1], "the values of a map must be of one type");
      element = i == 0 ? e.args[i + 1]->type : either_of(element, e.args[i + 1]->type);
    }
    e.type = simple(Is::Map, static_cast<double>(e.args.size() / 2));
    if (!e.args.empty()) e.type.element = std::make_shared<const Type>(element);
    return cost;
  }

  double conditional(Expression& e) {
    const double condition = operand(e, 0, Is::Bool, "_?_:_");
    const double cost = std::max(check(*e.args[1]), check(*e.args[2]));
    if (!comparable(e.args[1]->type, e.args[2]->type) && e.args[1]->type.is != Is::Null &&
        e.args[2]->type.is != Is::Null)
      mismatch(e, "_?_:_");
    e.type = either_of(e.args[1]->type, e.args[2]->type);
    return condition + cost;
  }

  double equality(Expression& e) {
    const double cost = check(*e.args[0]) + check(*e.args[1]);
    const Type &a = e.args[0]->type, &b = e.args[1]->type;
    if (!comparable(a, b)) mismatch(e, e.op == Op::Equal ? "_==_" : "_!=_");
    e.type = simple(Is::Bool);
    // Sets are compared without regard to order, which takes sorting them.
    return cost + 1 + 2 * std::min(weight(a), weight(b));
  }

  double ordering(Expression& e) {
    const double cost = check(*e.args[0]) + check(*e.args[1]);
    const Type &a = e.args[0]->type, &b = e.args[1]->type;
    const bool fits =
        (a.is_number() && b.is_number()) || (is_text(a) && is_text(b)) || (a.is == Is::Bool && b.is == Is::Bool);
    if (!fits)
      mismatch(e, e.op == Op::Less ? "_<_" : e.op == Op::LessEqual ? "_<=_" : e.op == Op::Greater ? "_>_" : "_>=_");
    e.type = simple(Is::Bool);
    return cost + 1 + (is_text(a) ? kPerCharacter * std::min(a.size, b.size) : 0);
  }

  double containment(Expression& e) {
    const double cost = check(*e.args[0]) + check(*e.args[1]);
    const Type &what = e.args[0]->type, &in = e.args[1]->type;
    e.type = simple(Is::Bool);
    if (in.is == Is::Map && is_text(what)) return cost + 1;
    if (in.is != Is::List || (in.element && !comparable(what, *in.element))) mismatch(e, "@in");
    return cost + 1 + in.size * (1 + weight(what));
  }

  double arithmetic(Expression& e) {
    constexpr std::string_view kNames[] = {"_+_", "_-_", "_*_", "_/_", "_%_"};
    const std::string_view name = kNames[static_cast<std::size_t>(e.op) - static_cast<std::size_t>(Op::Add)];
    const double cost = check(*e.args[0]) + check(*e.args[1]) + 1;
    const Type &a = e.args[0]->type, &b = e.args[1]->type;
    if (a.is == Is::Int && b.is == Is::Int) {
      e.type = simple(Is::Int);
      return cost;
    }
    if (a.is == Is::Double && b.is == Is::Double && e.op != Op::Modulo) {
      e.type = simple(Is::Double);
      return cost;
    }
    if (e.op == Op::Add && is_text(a) && is_text(b)) {
      e.type = simple(Is::String, a.size + b.size);
      return cost + kPerCharacter * (a.size + b.size);
    }
    const auto in_order = [](const Type& type) {
      return type.is == Is::List && (!type.node || type.node->list_type == Schema::Node::ListType::Atomic);
    };
    if (e.op == Op::Add && in_order(a) && in_order(b) &&
        (!a.element || !b.element || comparable(*a.element, *b.element))) {
      e.type = simple(Is::List, a.size + b.size);
      e.type.element = a.element ? a.element : b.element;
      return cost + weight(a) + weight(b);
    }
    mismatch(e, name);
  }

  double comprehension(Expression& e) {
    const double range = check(*e.args[0]);
    const Type over = e.args[0]->type;
    if ((over.is != Is::List && over.is != Is::Map) || (over.is == Is::List && !over.element && over.size > 0))
      refuse(e, "expression of type '" + over.text() + "' cannot be range of a comprehension (must be list or map)");
    if (e.name == "self" || e.name == "oldSelf") refuse(e, "'" + e.name + "' is a name of its own already");
    Type item = over.is == Is::Map || !over.element ? simple(Is::String, 256) : *over.element;
    variables_.emplace_back(e.name, std::move(item));
    const double body = check(*e.args[1]);
    variables_.pop_back();
    const Type& result = e.args[1]->type;
    if (e.op == Op::MapEach) {
      e.type = list_of(result, over.size);
    } else if (result.is != Is::Bool) {
      refuse(*e.args[1], "expected type 'bool' but found '" + result.text() + "'");
    } else if (e.op == Op::Filter) {
      e.type = over.is == Is::Map ? list_of(simple(Is::String, 256), over.size) : over;
      if (over.is == Is::List) e.type.node = nullptr;
    } else {
      e.type = simple(Is::Bool);
    }
    const double copy = e.op == Op::MapEach  ? weight(result)
                        : e.op == Op::Filter ? (over.element ? weight(*over.element) : 26)
                                             : 0;
    return range + 1 + over.size * (body + 3 + copy);
  }

  double call(Expression& e) {
    double cost = 1;
    for (auto& arg : e.args) cost += check(*arg);
    return cost + (e.method ? method(e) : function(e));
  }

  // Global functions.
  double function(Expression& e) {
    const auto arity = [&](std::size_t count) {
      if (e.args.size() != count) mismatch(e, e.name);
    };
    if (e.name == "size") {
      arity(1);
      return size(e);
    }
    if (e.name == "string" || e.name == "int" || e.name == "double") {
      arity(1);
      const Type& of = e.args[0]->type;
      const bool fits =
          of.is_number() || is_text(of) || of.is == Is::IntOrString || (of.is == Is::Bool && e.name == "string");
      if (!fits) mismatch(e, e.name);
      e.type = e.name == "int"      ? simple(Is::Int)
               : e.name == "double" ? simple(Is::Double)
                                    : simple(Is::String, is_text(of) ? of.size : std::max(kNumberSize, of.size));
      return kPerCharacter * std::max(kNumberSize, of.size);
    }
    refuse(e, "undeclared reference to '" + e.name + "': no such function is supported");
  }

  double size(Expression& e) {
    const Type& of = e.args[0]->type;
    if (of.is != Is::List && of.is != Is::Map && !is_text(of)) mismatch(e, "size");
    e.type = simple(Is::Int);
    return is_text(of) ? kPerCharacter * of.size : 0;
  }

  double method(Expression& e) {
    if (e.name == "size" && e.args.size() == 1) return size(e);
    if (!is_text(e.args[0]->type)) mismatch(e, e.name);
    const double length = e.args[0]->type.size;
    const auto takes = [&](std::initializer_list<Is> types) {
      if (e.args.size() != types.size() + 1) return false;
      return std::ranges::equal(types, std::span(e.args).subspan(1),
                                [](Is is, const ExpressionPtr& arg) { return arg->type.is == is; });
    };
    const auto require = [&](bool fits) {
      if (!fits) mismatch(e, e.name);
    };
    if (e.name == "contains" || e.name == "startsWith" || e.name == "endsWith") {
      require(takes({Is::String}));
      e.type = simple(Is::Bool);
      return kPerCharacter * (length + e.args[1]->type.size);
    }
    if (e.name == "matches") return matches(e);
    if (e.name == "lowerAscii" || e.name == "upperAscii" || e.name == "trim") {
      require(takes({}));
      e.type = simple(Is::String, length);
      return kPerCharacter * length;
    }
    if (e.name == "indexOf") {
      require(takes({Is::String}));
      e.type = simple(Is::Int);
      return kPerCharacter * (length + e.args[1]->type.size);
    }
    if (e.name == "substring") {
      require(takes({Is::Int}) || takes({Is::Int, Is::Int}));
      e.type = simple(Is::String, length);
      return kPerCharacter * length;
    }
    if (e.name == "split") {
      require(takes({Is::String}));
      e.type = list_of(simple(Is::String, length), length + 1);
      return length;
    }
    refuse(e, "undeclared reference to '" + e.name + "': no such function of a string is supported");
  }

  double matches(Expression& e) {
    if (e.args.size() != 2 || !is_text(e.args[1]->type)) mismatch(e, "matches");
    // A pattern that is only known later could not be judged now.
    if (e.args[1]->op != Op::Literal) refuse(e, "matches() takes a pattern that is written out");
    const std::string& text = e.args[1]->literal.as_string();
    try {
      e.pattern.emplace(text);
    } catch (const Error& error) {  // said where it stands
      refuse(*e.args[1], error.message());
    }
    e.type = simple(Is::Bool);
    return kPerCharacter * e.args[0]->type.size * std::max(1.0, static_cast<double>(text.size()) / 4);
  }

  Variables& variables_;
};

}  // namespace

double check(Expression& expression, Variables& variables) { return Checker(variables).check(expression); }

bool uses(const Expression& e, std::string_view variable) {
  if (e.op == Op::Name && e.name == variable) return true;
  return std::ranges::any_of(e.args, [&](const ExpressionPtr& arg) { return uses(*arg, variable); });
}

double weight(const Type& type) {
  switch (type.is) {
    case Is::String:
    case Is::IntOrString:
      return 1 + kPerCharacter * type.size;
    case Is::List:
    case Is::Map:
      return 1 + type.size * (type.element ? 1 + weight(*type.element) : 1);
    case Is::Object: {
      double total = 1;
      for (const auto& property : type.node->properties) {
        if (const auto of = type_of(*property.node)) total += weight(*of);
      }
      return total;
    }
    default:
      return 1;
  }
}

}  // namespace gantry::object::cel
