#include "controller/object/metadata.hpp"

#include <algorithm>
#include <string>

#include "controller/object/field_error.hpp"
#include "controller/object/names.hpp"

namespace gantry::object {

using json::Value;

namespace {

constexpr std::size_t kAnnotationsMax = 256 << 10;
constexpr std::size_t kErrorsMax = 100;

const Value& metadata_of(const Value& object) {
  static const auto* none = new Value(json::Object());
  const Value* metadata = object.find("metadata");
  return metadata && metadata->is_object() ? *metadata : *none;
}

const json::Object* object_at(const Value& value, std::string_view key) {
  const Value* found = value.find(key);
  return found && found->is_object() ? &found->as_object() : nullptr;
}

const json::Array* list_at(const Value& value, std::string_view key) {
  const Value* found = value.find(key);
  return found && found->is_array() ? &found->as_array() : nullptr;
}

class Checks {
 public:
  void add(FieldError error) {
    if (errors.size() < kErrorsMax) errors.push_back(std::move(error));
  }

  void name(const Value& metadata, NameRule rule) {
    const Value* value = metadata.find("name");
    const Value* generated = metadata.find("generateName");
    const auto problem = rule == NameRule::Label         ? dns_label_problem
                         : rule == NameRule::PathSegment ? path_segment_problem
                                                         : subdomain_problem;
    if (generated && generated->is_string() && !generated->as_string().empty()) {
      // What stands before the random end may itself end in a dash or dot.
      std::string prefix = generated->as_string();
      if (prefix.back() == '-' || prefix.back() == '.') prefix.back() = 'a';
      if (const std::string what = problem(prefix); !what.empty())
        add(invalid("metadata.generateName", *generated, what));
    }
    if (!value || !value->is_string() || value->as_string().empty()) {
      add(required("metadata.name", "name or generateName is required"));
    } else if (const std::string what = problem(value->as_string()); !what.empty()) {
      add(invalid("metadata.name", *value, what));
    }
  }

  void ns(const Value& metadata, bool namespaced) {
    const Value* value = metadata.find("namespace");
    const bool given = value && value->is_string() && !value->as_string().empty();
    if (namespaced && !given) {
      add(required("metadata.namespace"));
    } else if (!namespaced && given) {
      add(forbidden("metadata.namespace", "not allowed on this type"));
    } else if (given) {
      if (const std::string what = dns_label_problem(value->as_string()); !what.empty())
        add(invalid("metadata.namespace", *value, what));
    }
  }

  void labels(const Value& metadata) {
    const json::Object* labels = object_at(metadata, "labels");
    if (!labels) return;
    for (const auto& [key, value] : *labels) {
      if (const std::string what = label_key_problem(key); !what.empty())
        add(invalid("metadata.labels", Value(key), what));
      if (!value.is_string()) continue;  // the schema tells
      if (const std::string what = label_value_problem(value.as_string()); !what.empty())
        add(invalid("metadata.labels", value, what));
    }
  }

  void annotations(const Value& metadata) {
    const json::Object* annotations = object_at(metadata, "annotations");
    if (!annotations) return;
    std::size_t bytes = 0;
    std::string lower;
    for (const auto& [key, value] : *annotations) {
      bytes += key.size() + (value.is_string() ? value.as_string().size() : 0);
      lower.assign(key);
      std::ranges::transform(lower, lower.begin(),
                             [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
      if (const std::string what = label_key_problem(lower); !what.empty())
        add(invalid("metadata.annotations", Value(key), what));
    }
    if (bytes > kAnnotationsMax) add(too_long("metadata.annotations", kAnnotationsMax));
  }

  void finalizers(const Value& metadata) {
    const json::Array* finalizers = list_at(metadata, "finalizers");
    if (!finalizers) return;
    bool orphan = false, foreground = false;
    for (const auto& finalizer : *finalizers) {
      if (!finalizer.is_string()) continue;
      if (const std::string what = label_key_problem(finalizer.as_string()); !what.empty())
        add(invalid("metadata.finalizers", finalizer, what));
      orphan |= finalizer.as_string() == "orphan";
      foreground |= finalizer.as_string() == "foregroundDeletion";
    }
    if (orphan && foreground) {
      add(invalid("metadata.finalizers", *metadata.find("finalizers"),
                  "finalizer orphan and foregroundDeletion cannot be both set"));
    }
  }

  void owners(const Value& metadata) {
    const json::Array* owners = list_at(metadata, "ownerReferences");
    if (!owners) return;
    std::string controller;
    std::size_t i = 0;
    for (const auto& owner : *owners) {
      const std::string at = "metadata.ownerReferences[" + std::to_string(i++) + "]";
      for (const std::string_view key : {"apiVersion", "kind", "name", "uid"}) {
        if (owner.string_or(key).empty()) add(required(at + "." + std::string(key), "must not be empty"));
      }
      if (std::ranges::count(owner.string_or("apiVersion"), '/') > 1)
        add(invalid(at + ".apiVersion", Value(owner.string_or("apiVersion")),
                    "must be <group>/<version> or <version>"));
      if (owner.string_or("apiVersion") == "v1" && owner.string_or("kind") == "Event")
        add(invalid(at, owner, "/v1, Kind=Event is disallowed from being an owner"));
      if (!owner.bool_or("controller", false)) continue;
      const std::string who = owner.string_or("kind") + "/" + owner.string_or("name");
      if (!controller.empty()) {
        add(invalid("metadata.ownerReferences", *metadata.find("ownerReferences"),
                    "Only one reference can have Controller set to true. Found \"true\" in references for " +
                        controller + " and " + who));
      } else {
        controller = who;
      }
    }
  }

  void managed_fields(const Value& metadata) {
    const json::Array* entries = list_at(metadata, "managedFields");
    if (!entries) return;
    static const std::vector<std::string> kOperations{"Apply", "Update"};
    std::size_t i = 0;
    for (const auto& entry : *entries) {
      const std::string at = "metadata.managedFields[" + std::to_string(i++) + "]";
      const std::string operation = entry.string_or("operation");
      if (operation.empty()) {
        add(required(at + ".operation", "must not be empty"));
      } else if (operation != "Apply" && operation != "Update") {
        add(not_supported(at + ".operation", Value(operation), kOperations));
      }
      const std::string type = entry.string_or("fieldsType");
      if (!type.empty() && type != "FieldsV1") add(invalid(at + ".fieldsType", Value(type), "must be `FieldsV1`"));
      if (entry.string_or("manager").size() > 128) add(too_long(at + ".manager", 128));
    }
  }

  void unchanged(const Value& metadata, const Value& old) {
    constexpr std::string_view kFixed[] = {
        "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"};
    for (const auto key : kFixed) {
      const Value* now = metadata.find(key);
      const Value* before = old.find(key);
      if ((now && before) ? *now == *before : now == before) continue;
      add(invalid("metadata." + std::string(key), now ? *now : Value(), "field is immutable"));
    }
  }

  // Cleaning up goes towards an end: whoever is not in yet, does not get in any more.
  void no_new_finalizers(const Value& metadata, const Value& old) {
    const Value* deletion = old.find("deletionTimestamp");
    const json::Array* now = list_at(metadata, "finalizers");
    if (!deletion || deletion->is_null() || !now) return;
    const json::Array* before = list_at(old, "finalizers");
    std::string added;
    for (const auto& finalizer : *now) {
      if (!finalizer.is_string() || (before && std::ranges::find(*before, finalizer) != before->end())) continue;
      added.append(added.empty() ? "" : ", ").append(quoted(finalizer.as_string()));
    }
    if (added.empty()) return;
    add(forbidden(
        "metadata.finalizers",
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{" + added + "}"));
  }

  std::vector<FieldError> errors;
};

}  // namespace

std::vector<FieldError> validate_metadata(const Value& object, bool namespaced, NameRule rule) {
  const Value& metadata = metadata_of(object);
  Checks checks;
  checks.name(metadata, rule);
  checks.ns(metadata, namespaced);
  checks.labels(metadata);
  checks.annotations(metadata);
  checks.owners(metadata);
  checks.finalizers(metadata);
  checks.managed_fields(metadata);
  return std::move(checks.errors);
}

std::vector<FieldError> validate_metadata_update(const Value& object, const Value& old, bool namespaced,
                                                 NameRule rule) {
  auto errors = validate_metadata(object, namespaced, rule);
  Checks checks;
  checks.no_new_finalizers(metadata_of(object), metadata_of(old));
  checks.unchanged(metadata_of(object), metadata_of(old));
  for (auto& error : checks.errors) errors.push_back(std::move(error));
  return errors;
}

bool remove_duplicate_owners(Value& object) {
  Value* metadata = object.find("metadata");
  Value* owners = metadata ? metadata->find("ownerReferences") : nullptr;
  if (!owners || !owners->is_array()) return false;
  json::Array& list = owners->as_array();
  const auto before = list.size();
  for (std::size_t i = 0; i < list.size() && before <= 1000; ++i) {
    list.erase(std::remove(list.begin() + static_cast<std::ptrdiff_t>(i) + 1, list.end(), list[i]), list.end());
  }
  return list.size() != before;
}

}  // namespace gantry::object
