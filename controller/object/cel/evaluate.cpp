#include "controller/object/cel/evaluate.hpp"

#include <algorithm>
#include <memory>
#include <span>

#include "controller/object/cel/operations.hpp"
#include "controller/object/characters.hpp"

namespace gantry::object::cel {
namespace {

using json::Value;
using Is = Type::Is;

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
      : variables_(bindings.begin(), bindings.end()), work_(budget) {}

  Held value(const Expression& e) {
    work_.spend(1);
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
        for (const auto& arg : e.args) list.push_back(work_.copied(*value(*arg)));
        return Value(std::move(list));
      }
      case Op::Map: {
        json::Object map;
        for (std::size_t i = 0; i < e.args.size(); i += 2) {
          map.set(text(*value(*e.args[i])), work_.copied(*value(*e.args[i + 1])));
        }
        return Value(std::move(map));
      }
      case Op::Call:
        return call(e);
      case Op::Not:
        return truth(!holds(*e.args[0]));
      case Op::Negate:
        return Held(negated(*value(*e.args[0])));
      case Op::And:
      case Op::Or:
        return both(e);
      case Op::Conditional:
        return value(*e.args[holds(*e.args[0]) ? 1 : 2]);
      case Op::Equal:
      case Op::NotEqual: {
        const Held a = value(*e.args[0]), b = value(*e.args[1]);
        const Schema::Node* node = e.args[0]->type.node ? e.args[0]->type.node : e.args[1]->type.node;
        return truth(work_.equal(*a, *b, node) == (e.op == Op::Equal));
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
        if (work_.is_over()) throw;
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
      work_.spend(3);
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
        if (work_.is_over()) throw;
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
        kept.push_back(work_.copied(*value(*e.args[1])));
      } else if (holds(*e.args[1])) {
        ++count;
        if (e.op == Op::Filter) kept.push_back(work_.copied(item));
      }
      return true;
    });
    if (e.op == Op::ExistsOne) return truth(count == 1);
    return Value(std::move(kept));
  }

  Held ordered(const Expression& e) {
    const Held a = value(*e.args[0]), b = value(*e.args[1]);
    std::partial_ordering order = std::partial_ordering::unordered;
    if (a->is_int() && b->is_int()) {
      order = a->as_int() <=> b->as_int();
    } else if (a->is_number() && b->is_number()) {
      order = a->as_double() <=> b->as_double();
    } else if (a->is_string() && b->is_string()) {
      work_.spend_on(a->as_string());
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
    return truth(
        std::ranges::any_of(in->as_array(), [&](const Value& item) { return work_.equal(item, *what, nullptr); }));
  }

  Held computed(const Expression& e) {
    const Held a = value(*e.args[0]), b = value(*e.args[1]);
    if (a->is_string() && b->is_string()) {
      work_.spend_on(a->as_string());
      work_.spend_on(b->as_string());
      return Value(a->as_string() + b->as_string());
    }
    if (a->is_array() && b->is_array()) {
      json::Array joined;
      for (const auto* list : {&*a, &*b}) {
        for (const auto& item : list->as_array()) joined.push_back(work_.copied(item));
      }
      return Value(std::move(joined));
    }
    if (!a->is_number() || !b->is_number()) fail("no such overload");
    // 2 is also what a number such as 2.0 may look like in JSON.
    return e.type.is == Is::Double ? cel::computed(e.op, a->as_double(), b->as_double())
                                   : cel::computed(e.op, a->as_int(), b->as_int());
  }

  Held call(const Expression& e) {
    const Held of = value(*e.args[0]);
    if (e.name == "size") return Value(work_.size(*of));
    if (!e.method) return Held(converted(e.name, *of));
    const std::string& receiver = text(*of);
    work_.spend_on(receiver);
    if (e.name == "matches") return truth(e.pattern->found_in(receiver));
    if (e.name == "lowerAscii") return Value(lower_ascii(receiver));
    if (e.name == "upperAscii") return Value(upper_ascii(receiver));
    if (e.name == "trim") return Value(trimmed(receiver));
    if (e.name == "substring") return substring(e, receiver);
    const Held argument = value(*e.args[1]);
    const std::string& other = text(*argument);
    work_.spend_on(other);
    if (e.name == "contains") return truth(find_text(receiver, other) != std::string_view::npos);
    if (e.name == "startsWith") return truth(receiver.starts_with(other));
    if (e.name == "endsWith") return truth(receiver.ends_with(other));
    if (e.name == "split") return work_.split(receiver, other);
    const std::size_t at = find_text(receiver, other);  // indexOf
    return Value(at == std::string_view::npos ? std::int64_t{-1}
                                              : code_points(std::string_view(receiver).substr(0, at)));
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

  std::vector<Binding> variables_;
  Operations work_;
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
