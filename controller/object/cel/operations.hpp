// What operators and functions do with values, apart from the expressions they stand in. Private to evaluate.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controller/object/cel/evaluate.hpp"
#include "controller/object/schema_node.hpp"

namespace gantry::object::cel {

// Why there is no answer. Never leaves evaluate(); && and || and the quantifiers may do without one operand's answer.
struct Failure {
  std::string why;
};
[[noreturn]] void fail(std::string why);

// The value, which must be a text.
const std::string& text(const json::Value& value);

json::Value negated(const json::Value& value);
json::Value computed(Op op, double a, double b);
json::Value computed(Op op, std::int64_t a, std::int64_t b);
// int(x), double(x), string(x).
json::Value converted(std::string_view to, const json::Value& of);

// What may take long: it is paid for from the budget as it goes on.
class Operations {
 public:
  explicit Operations(Budget& budget) : budget_(budget) {}

  void spend(double steps);
  void spend_on(const std::string& text);
  bool is_over() const { return budget_.spent(); }
  // What is copied is paid for first.
  const json::Value& copied(const json::Value& value);

  // Lists that are sets or maps by their schema are equal in any order. node: null when there is no schema.
  bool equal(const json::Value& a, const json::Value& b, const Schema::Node* node);
  std::int64_t size(const json::Value& of);
  json::Value split(std::string_view text, std::string_view by);

 private:
  void spend_on_all(const json::Value& value);
  bool equal_lists(const json::Array& a, const json::Array& b, const Schema::Node* node);

  Budget& budget_;
};

}  // namespace gantry::object::cel
