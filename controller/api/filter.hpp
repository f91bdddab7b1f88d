// Which objects of a resource a list, a watch or a deletecollection is about: namespace, labels, fields.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/served.hpp"
#include "controller/object/selector.hpp"

namespace gantry::api {

class Filter {
 public:
  Filter() = default;
  // ns empty: all namespaces. Throws Error(BadRequest) for a malformed selector, or a field this kind cannot be
  // selected by.
  Filter(const Served& served, std::string ns, std::string_view labels, std::string_view fields);

  bool matches(const object::Object& object) const;
  // Whether anything beside the namespace is asked for.
  bool selects() const { return !labels_.everything() || !terms_.empty(); }
  const std::string& ns() const { return ns_; }
  // The one name that can match, if the selector demands one.
  const std::string* name() const { return name_ ? &*name_ : nullptr; }

 private:
  struct Term {
    std::vector<std::string> path;  // {"metadata","name"} and {"metadata","namespace"} are read from the key
    bool equal = true;
    std::string value;
    std::string written;  // the value as it would stand in the bytes: a cheap first look
  };
  bool holds(const Term& term, const object::Object& object, std::optional<json::Value>& decoded) const;

  std::shared_ptr<const View> view_;
  std::string ns_;
  std::optional<std::string> name_;
  object::LabelSelector labels_;
  std::vector<Term> terms_;
};

}  // namespace gantry::api
