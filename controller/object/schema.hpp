// A structural schema (apiextensions.k8s.io/v1), compiled once: it fills in defaults, drops what it does not know, and
// reports every violation with its field path, as Kubernetes words them (../reference: kubernetes API conventions).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"

namespace gantry::object {

class Schema {
 public:
  // One node of the compiled tree; server-side apply and explain walk it.
  struct Node;

  // schema is openAPIV3Schema of a CRD version. Throws Error(Invalid) with causes.
  static std::shared_ptr<const Schema> compile(const json::Value& schema);

  const Node& root() const { return *root_; }
  const json::Value& source() const { return source_; }

  // In this order on every write, and again on what was stored under an older schema.
  // Removes unknown fields and nulls that are not allowed; unknown receives their paths (spec.replicsa).
  void prune(json::Value& object, std::vector<std::string>* unknown = nullptr) const;
  void set_defaults(json::Value& object) const;
  // Empty when valid. Every violation, not only the first (at most 100 of them).
  std::vector<FieldError> validate(const json::Value& object) const;
  // On an update: values that did not change are not judged again (ratcheting, KEP-4008).
  std::vector<FieldError> validate_update(const json::Value& object, const json::Value& old) const;

  ~Schema();

 private:
  Schema();
  std::unique_ptr<Node> root_;
  json::Value source_;
};

}  // namespace gantry::object
