#include "controller/object/cel/evaluate.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <span>

#include "controller/object/characters.hpp"
#include "controller/object/schema_node.hpp"

namespace gantry::object::cel {
namespace {

using json::Value;
using Is = Type::Is;

constexpr double kPerCharacter = 0.1;

// Why there is no answer. Never leaves this file; && and || and the quantifiers may do without one operand's answer.
struct Failure {
  std::string why;
};

[[noreturn]] void fail(std::string why) { throw Failure{std::move(why)}; }

// A value that stands in the object, or one that was worked out.
class Held {
 public:
  Held(const Value* borrowed) : value_(borrowed) {}
  Held(Value made) : owned_(std::make_shared<const Value>(std::move(made))), value_(owned_.get()) {}
  // A part of `whole`, which lives as long.
  Held(const Held& whole, const Value* part) : owned_(whole.owned_), value_(part) {}

  const Value& operator*() const { return *value_; }
  const Value* operator->() const { return value_; }

 private:
  std::shared_ptr<const Value> owned_;
  const Value* value_;
};

const Value kTrue(true), kFalse(false);

Held truth(bool value) { return value ? &kTrue : &kFalse; }

class Evaluation {
 public:
  Evaluation(std::span<const Binding> bindings, Budget& budget)
      : variables_(bindings.begin(), bindings.end()), budget_(budget) {}

  Held value(const Expression& e) {
    spend(1);
    switch (e.op) {
      case Op::Literal:
        return &e.literal;
      case Op::Name:
        return variable(e.name);
      case Op::Member: {
        const Held of = value(*e.args[0]);
        if (const Value* found = of->find(e.name)) return Held(of, found);
        fail("no such key: " + e.name);
      }
      case Op::Has:
        return truth(value(*e.args[0])->find(e.name) != nullptr);
      case Op::Index:
        return index(e);
      case Op::List: {
        json::Array list;
        for (const auto& arg : e.args) list.push_back(copied(*value(*arg)));
        return Value(std::move(list));
      }
      case Op::Map: {
        json::Object map;
        for (std::size_t i = 0; i < e.args.size(); i += 2) {
          map.set(text(*value(*e.args[i])), copied(*value(*e.args[i + 1])));
        }
        return Value(std::move(map));
      }
      case Op::Call:
        return call(e);
      case Op::Not:
        return truth(!holds(*e.args[0]));
      case Op::Negate:
        return negated(*value(*e.args[0]));
      case Op::And:
      case Op::Or:
        return both(e);
      case Op::Conditional:
        return value(*e.args[holds(*e.args[0]) ? 1 : 2]);
      case Op::Equal:
      case Op::NotEqual: {
        const Held a = value(*e.args[0]), b = value(*e.args[1]);
        const Schema::Node* node = e.args[0]->type.node ? e.args[0]->type.node : e.args[1]->type.node;
        return truth(equal(*a, *b, node) == (e.op == Op::Equal));
      }
      case Op::Less:
      case Op::LessEqual:
      case Op::Greater:
      case Op::GreaterEqual:
        return ordered(e);
      case Op::In:
        return contained(e);
      case Op::Add:
      case Op::Subtract:
      case Op::Multiply:
      case Op::Divide:
      case Op::Modulo:
        return computed(e);
      case Op::All:
      case Op::Exists:
        return quantified(e);
      case Op::ExistsOne:
      case Op::MapEach:
      case Op::Filter:
        return collected(e);
    }
    fail("not supported");
  }

 private:
  void spend(double steps) {
    budget_.left -= steps;
    if (budget_.spent()) fail("call cost exceeds limit");
  }

  void spend_on(const std::string& text) { spend(kPerCharacter * static_cast<double>(text.size())); }

  // What is copied is paid for first.
  const Value& copied(const Value& value) {
    spend_on_all(value);
    return value;
  }

  void spend_on_all(const Value& value) {
    spend(1);
    if (value.is_string()) spend_on(value.as_string());
    if (value.is_array()) {
      for (const auto& item : value.as_array()) spend_on_all(item);
    } else if (value.is_object()) {
      for (const auto& [key, member] : value.as_object()) spend_on_all(member);
    }
  }

  Held variable(std::string_view name) const {
    for (auto at = variables_.rbegin(); at != variables_.rend(); ++at) {
      if (at->name == name) return at->value;
    }
    fail("no such variable: " + std::string(name));
  }

  bool holds(const Expression& e) {
    const Held found = value(e);
    if (!found->is_bool()) fail("no such overload");
    return found->as_bool();
  }

  const std::string& text(const Value& value) {
    if (!value.is_string()) fail("no such overload");
    return value.as_string();
  }

  Held index(const Expression& e) {
    const Held of = value(*e.args[0]), by = value(*e.args[1]);
    if (of->is_object() && by->is_string()) {
      if (const Value* found = of->find(by->as_string())) return Held(of, found);
      fail("no such key: " + by->as_string());
    }
    if (!of->is_array() || !by->is_int()) fail("no such overload");
    const json::Array& list = of->as_array();
    if (by->as_int() < 0 || std::cmp_greater_equal(by->as_int(), list.size()))
      fail("index out of bounds: " + std::to_string(by->as_int()));
    return Held(of, &list[static_cast<std::size_t>(by->as_int())]);
  }

  // Either operand alone may decide; only when it does not, the other's failure counts.
  Held both(const Expression& e) {
    const bool decides = e.op == Op::Or;
    std::optional<Failure> failure;
    for (const auto& arg : e.args) {
      try {
        if (holds(*arg) == decides) return truth(decides);
      } catch (Failure& failed) {  // kept until the other is known
        if (budget_.spent()) throw;
        failure = std::move(failed);
      }
    }
    if (failure) throw *failure;
    return truth(!decides);
  }

  // Calls body(item) for each item of a list or key of a map, bound to the variable; until it says false.
  template <class Body>
  void each(const Expression& e, Body body) {
    const Held over = value(*e.args[0]);
    const auto one = [&](const Value& item) {
      spend(3);
      variables_.push_back({e.name, &item});
      const auto gone = std::unique_ptr<std::vector<Binding>, void (*)(std::vector<Binding>*)>(
          &variables_, [](std::vector<Binding>* all) { all->pop_back(); });
      return body(item);
    };
    if (over->is_array()) {
      for (const auto& item : over->as_array()) {
        if (!one(item)) return;
      }
    } else if (over->is_object()) {
      for (const auto& [key, unused] : over->as_object()) {
        const Value name(key);
        if (!one(name)) return;
      }
    } else {
      fail("no such overload");
    }
  }

  Held quantified(const Expression& e) {
    const bool decides = e.op == Op::Exists;
    bool decided = false;
    std::optional<Failure> failure;
    each(e, [&](const Value&) {
      try {
        decided = holds(*e.args[1]) == decides;
      } catch (Failure& failed) {  // another item may decide
        if (budget_.spent()) throw;
        failure = std::move(failed);
      }
      return !decided;
    });
    if (decided) return truth(decides);
    if (failure) throw *failure;
    return truth(!decides);
  }

  Held collected(const Expression& e) {
    json::Array kept;
    std::size_t count = 0;
    each(e, [&](const Value& item) {
      if (e.op == Op::MapEach) {
        kept.push_back(copied(*value(*e.args[1])));
      } else if (holds(*e.args[1])) {
        ++count;
        if (e.op == Op::Filter) kept.push_back(copied(item));
      }
      return true;
    });
    if (e.op == Op::ExistsOne) return truth(count == 1);
    return Value(std::move(kept));
  }

  // Lists that are sets or maps by their schema are equal in any order.
  bool equal(const Value& a, const Value& b, const Schema::Node* node) {
    spend(1);
    if (a.is_number() && b.is_number()) {
      return a.is_int() && b.is_int() ? a.as_int() == b.as_int() : a.as_double() == b.as_double();
    }
    if (a.is_string() && b.is_string()) {
      spend_on(a.as_string());
      return a.as_string() == b.as_string();
    }
    if (a.is_array() && b.is_array()) return equal_lists(a.as_array(), b.as_array(), node);
    if (a.is_object() && b.is_object()) {
      if (a.as_object().size() != b.as_object().size()) return false;
      return std::ranges::all_of(a.as_object(), [&](const json::Member& member) {
        const Value* other = b.find(member.key);
        return other && equal(member.value, *other, node ? node->member(member.key) : nullptr);
      });
    }
    return a == b;
  }

  bool equal_lists(const json::Array& a, const json::Array& b, const Schema::Node* node) {
    if (a.size() != b.size()) return false;
    const Schema::Node* items = node ? node->items.get() : nullptr;
    if (!node || node->list_type == Schema::Node::ListType::Atomic) {
      return std::ranges::equal(a, b, [&](const Value& x, const Value& y) { return equal(x, y, items); });
    }
    const auto sorted = [&](const json::Array& list) {
      std::vector<std::string> texts;
      for (const auto& item : list) {
        texts.push_back(json::dump(item));
        spend_on(texts.back());
      }
      std::ranges::sort(texts);
      return texts;
    };
    return sorted(a) == sorted(b);
  }

  Held ordered(const Expression& e) {
    const Held a = value(*e.args[0]), b = value(*e.args[1]);
    std::partial_ordering order = std::partial_ordering::unordered;
    if (a->is_int() && b->is_int()) {
      order = a->as_int() <=> b->as_int();
    } else if (a->is_number() && b->is_number()) {
      order = a->as_double() <=> b->as_double();
    } else if (a->is_string() && b->is_string()) {
      spend_on(a->as_string());
      order = a->as_string() <=> b->as_string();
    } else if (a->is_bool() && b->is_bool()) {
      order = static_cast<int>(a->as_bool()) <=> static_cast<int>(b->as_bool());
    } else {
      fail("no such overload");
    }
    switch (e.op) {
      case Op::Less:
        return truth(order < 0);
      case Op::LessEqual:
        return truth(order <= 0);
      case Op::Greater:
        return truth(order > 0);
      default:
        return truth(order >= 0);
    }
  }

  Held contained(const Expression& e) {
    const Held what = value(*e.args[0]), in = value(*e.args[1]);
    if (in->is_object()) return truth(in->find(text(*what)) != nullptr);
    if (!in->is_array()) fail("no such overload");
    return truth(std::ranges::any_of(in->as_array(), [&](const Value& item) { return equal(item, *what, nullptr); }));
  }

  static Held negated(const Value& value) {
    if (value.is_double()) return Value(-value.as_double());
    if (!value.is_int()) fail("no such overload");
    if (value.as_int() == std::numeric_limits<std::int64_t>::min()) fail("integer overflow");
    return Value(-value.as_int());
  }

  Held computed(const Expression& e) {
    const Held a = value(*e.args[0]), b = value(*e.args[1]);
    if (a->is_string() && b->is_string()) {
      spend_on(a->as_string());
      spend_on(b->as_string());
      return Value(a->as_string() + b->as_string());
    }
    if (a->is_array() && b->is_array()) {
      json::Array joined;
      for (const auto* list : {&*a, &*b}) {
        for (const auto& item : list->as_array()) joined.push_back(copied(item));
      }
      return Value(std::move(joined));
    }
    if (!a->is_number() || !b->is_number()) fail("no such overload");
    // 2 is also what a number such as 2.0 may look like in JSON.
    return e.type.is == Is::Double ? computed(e.op, a->as_double(), b->as_double())
                                   : computed(e.op, a->as_int(), b->as_int());
  }

  static Held computed(Op op, double a, double b) {
    switch (op) {
      case Op::Add:
        return Value(a + b);
      case Op::Subtract:
        return Value(a - b);
      case Op::Multiply:
        return Value(a * b);
      default:
        return Value(a / b);
    }
  }

  static Held computed(Op op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    bool overflow = false;
    switch (op) {
      case Op::Add:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
      case Op::Subtract:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
      case Op::Multiply:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
      default:
        if (b == 0) fail(op == Op::Divide ? "division by zero" : "modulus by zero");
        overflow = a == std::numeric_limits<std::int64_t>::min() && b == -1;
        if (!overflow) result = op == Op::Divide ? a / b : a % b;
    }
    if (overflow) fail("integer overflow");
    return Value(result);
  }

  Held call(const Expression& e) {
    const Held of = value(*e.args[0]);
    if (e.name == "size") return Value(size(*of));
    if (!e.method) return converted(e.name, *of);
    const std::string& receiver = text(*of);
    spend_on(receiver);
    if (e.name == "matches") return truth(e.pattern->found_in(receiver));
    if (e.name == "lowerAscii") return Value(lower_ascii(receiver));
    if (e.name == "upperAscii") return Value(upper_ascii(receiver));
    if (e.name == "trim") return Value(trimmed(receiver));
    if (e.name == "substring") return substring(e, receiver);
    const Held argument = value(*e.args[1]);
    const std::string& other = text(*argument);
    spend_on(other);
    if (e.name == "contains") return truth(find_text(receiver, other) != std::string_view::npos);
    if (e.name == "startsWith") return truth(receiver.starts_with(other));
    if (e.name == "endsWith") return truth(receiver.ends_with(other));
    if (e.name == "split") return split(receiver, other);
    const std::size_t at = find_text(receiver, other);  // indexOf
    return Value(at == std::string_view::npos ? std::int64_t{-1}
                                              : code_points(std::string_view(receiver).substr(0, at)));
  }

  std::int64_t size(const Value& of) {
    if (of.is_array()) return static_cast<std::int64_t>(of.as_array().size());
    if (of.is_object()) return static_cast<std::int64_t>(of.as_object().size());
    spend_on(text(of));
    return code_points(of.as_string());
  }

  static Held converted(std::string_view to, const Value& of) {
    if (to == "string") return of.is_string() ? of : Value(json::dump(of));
    double number = 0;
    if (of.is_string()) {
      const std::string& text = of.as_string();
      const char* end = text.data() + text.size();
      if (to == "int") {
        std::int64_t whole = 0;
        const auto [stop, error] = std::from_chars(text.data(), end, whole);
        if (error != std::errc() || stop != end) fail("type conversion error from string to int");
        return Value(whole);
      }
      const auto [stop, error] = std::from_chars(text.data(), end, number);
      if (error != std::errc() || stop != end) fail("type conversion error from string to double");
      return Value(number);
    }
    if (!of.is_number()) fail("no such overload");
    if (to == "double") return Value(of.as_double());
    if (of.is_int()) return of;
    number = std::trunc(of.as_double());
    if (!(std::abs(number) < 9.2e18)) fail("integer overflow");
    return Value(static_cast<std::int64_t>(number));
  }

  Held substring(const Expression& e, const std::string& text) {
    const auto bound = [&](std::size_t i) {
      const Held index = value(*e.args[i]);
      if (!index->is_int()) fail("no such overload");
      const auto at = byte_at(text, index->as_int());
      if (!at) fail("index out of range: " + std::to_string(index->as_int()));
      return *at;
    };
    const std::size_t from = bound(1);
    const std::size_t to = e.args.size() > 2 ? bound(2) : text.size();
    if (to < from) fail("invalid substring range");
    return Value(text.substr(from, to - from));
  }

  Held split(std::string_view text, std::string_view by) {
    json::Array parts;
    while (true) {
      spend(1);
      // Without a separator, into characters.
      const std::size_t at = by.empty() ? byte_at(text, 1).value_or(text.size()) : find_text(text, by);
      const bool last = at == std::string_view::npos || (by.empty() && at >= text.size());
      parts.emplace_back(std::string(last ? text : text.substr(0, at)));
      if (last) break;
      text.remove_prefix(at + by.size());
    }
    return Value(std::move(parts));
  }

  std::vector<Binding> variables_;
  Budget& budget_;
};

}  // namespace

std::expected<Value, std::string> evaluate(const Expression& expression, std::span<const Binding> bindings,
                                           Budget& budget) {
  try {
    return *Evaluation(bindings, budget).value(expression);
  } catch (Failure& failure) {  // an answer of its own, to whoever has asked
    return std::unexpected(std::move(failure.why));
  }
}

}  // namespace gantry::object::cel
