// The rules of x-kubernetes-validations at one place of a schema (apiextensions.k8s.io/v1 ValidationRule): compiled,
// typed and bounded in cost when the schema is read; what is not supported is refused then.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/object/cel/evaluate.hpp"

namespace gantry::object::cel {

// Where in a schema a rule stands, as far as rules care.
struct Place {
  const Schema::Node& node;
  // How often it can occur in one object.
  double occurrences = 1;
  // Whether what stood here before can be told: not so below lists without keys.
  bool correlatable = true;
};

class Rule {
 public:
  // source: one entry of x-kubernetes-validations. Reports to `causes` what is wrong with it, at path, and is null
  // then.
  static std::unique_ptr<Rule> compile(const json::Value& source, const Place& place, const std::string& path,
                                       std::vector<FieldError>& causes);

  // It compares with what was there before, and says nothing of what is new.
  bool is_transition() const { return is_transition_; }
  // old may be null. Adds what the rule has against the value; path is where that stands.
  void check(const json::Value& value, const json::Value* old, const std::string& path, Budget& budget,
             std::vector<FieldError>& causes) const;

 private:
  Rule() = default;
  FieldError failure(const std::string& path, std::string_view message) const;

  std::string text_;
  std::string type_;  // of the value, as the schema says it
  std::string message_;
  std::string reason_;
  std::string field_path_;
  ExpressionPtr rule_;
  ExpressionPtr message_expression_;
  bool is_transition_ = false;
};

}  // namespace gantry::object::cel
