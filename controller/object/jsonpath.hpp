// kubectl's JSONPath: {.spec.replicas}, [0], [-1], [1:3], [*], ['a','b'], ..name, [?(@.type=="Ready")],
// {range}...{end},
// {"text"}. Compiled once, then used for printer columns, `get -o jsonpath` and `wait --for=jsonpath`. Immutable.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::object {

class JsonPath {
 public:
  // Text with expressions in braces, as after -o jsonpath=. Throws Error(BadRequest) with the position.
  static JsonPath parse_template(std::string_view text);
  // One expression, with or without braces and leading dot, as in printer columns and custom columns.
  static JsonPath parse(std::string_view expression);

  // What the expressions lead to, in order; what is missing yields nothing. Pointers into root.
  std::vector<const json::Value*> find(const json::Value& root) const;
  // Values as text, those of one expression separated by a space; objects and lists as JSON.
  std::string print(const json::Value& root) const;

  ~JsonPath();
  JsonPath(JsonPath&&) noexcept;
  JsonPath& operator=(JsonPath&&) noexcept;

  struct Node;

 private:
  JsonPath();
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace gantry::object
