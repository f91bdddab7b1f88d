// Label selectors and field selectors as in list and watch requests.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/object/object.hpp"

namespace gantry::object {

class LabelSelector {
 public:
  LabelSelector() = default;  // matches everything
  // "a=b,c!=d,e in (x,y),!f". Throws Error(BadRequest) with the position.
  static LabelSelector parse(std::string_view text);
  // {matchLabels: {...}, matchExpressions: [...]}. Throws Error(Invalid).
  static LabelSelector from_json(const json::Value& selector);
  bool matches(const Meta& meta) const;
  bool everything() const { return requirements_.empty(); }

 private:
  enum class Op { In, NotIn, Exists, Absent };
  struct Requirement {
    std::string key;
    Op op;
    std::vector<std::string> values;
  };
  std::vector<Requirement> requirements_;
};

// Terms "path=value", "path==value", "path!=value". Which paths a resource allows is the API's business.
class FieldSelector {
 public:
  struct Term {
    std::string path;
    bool equal = true;
    std::string value;
  };
  FieldSelector() = default;
  static FieldSelector parse(std::string_view text);
  const std::vector<Term>& terms() const { return terms_; }
  bool everything() const { return terms_.empty(); }
  // The value of metadata.name=..., when the selector demands one.
  const std::string* exact_name() const;
  // metadata.name and metadata.namespace come from the key; other paths from the decoded object.
  bool matches(const Object& object) const;

 private:
  std::vector<Term> terms_;
};

}  // namespace gantry::object
