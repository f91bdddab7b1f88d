#include "controller/object/cel/operations.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "controller/object/characters.hpp"

namespace gantry::object::cel {

using json::Value;

namespace {

constexpr double kPerCharacter = 0.1;

}  // namespace

void fail(std::string why) { throw Failure{std::move(why)}; }

const std::string& text(const Value& value) {
  if (!value.is_string()) fail("no such overload");
  return value.as_string();
}

Value negated(const Value& value) {
  if (value.is_double()) return Value(-value.as_double());
  if (!value.is_int()) fail("no such overload");
  if (value.as_int() == std::numeric_limits<std::int64_t>::min()) fail("integer overflow");
  return Value(-value.as_int());
}

Value computed(Op op, double a, double b) {
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

Value computed(Op op, std::int64_t a, std::int64_t b) {
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

Value converted(std::string_view to, const Value& of) {
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

void Operations::spend(double steps) {
  budget_.left -= steps;
  if (budget_.spent()) fail("call cost exceeds limit");
}

void Operations::spend_on(const std::string& text) { spend(kPerCharacter * static_cast<double>(text.size())); }

const Value& Operations::copied(const Value& value) {
  spend_on_all(value);
  return value;
}

void Operations::spend_on_all(const Value& value) {
  spend(1);
  if (value.is_string()) spend_on(value.as_string());
  if (value.is_array()) {
    for (const auto& item : value.as_array()) spend_on_all(item);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.as_object()) spend_on_all(member);
  }
}

bool Operations::equal(const Value& a, const Value& b, const Schema::Node* node) {
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

bool Operations::equal_lists(const json::Array& a, const json::Array& b, const Schema::Node* node) {
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

std::int64_t Operations::size(const Value& of) {
  if (of.is_array()) return static_cast<std::int64_t>(of.as_array().size());
  if (of.is_object()) return static_cast<std::int64_t>(of.as_object().size());
  spend_on(text(of));
  return code_points(of.as_string());
}

Value Operations::split(std::string_view text, std::string_view by) {
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

}  // namespace gantry::object::cel
