#include "controller/object/schema_vocabulary.hpp"

#include <algorithm>

namespace gantry::object::vocabulary {
namespace {

using json::Value;

constexpr std::string_view kMetadata = R"({
  "type": "object", "description": "Standard object metadata.",
  "properties": {
    "annotations": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Unstructured keys and values set by tools; total size at most 256 KiB."},
    "creationTimestamp": {"type": "string", "format": "date-time", "description": "When the object was created; set by the server."},
    "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
    "deletionTimestamp": {"type": "string", "format": "date-time", "description": "When deletion was asked for; set by the server."},
    "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set", "description": "Must be empty before the object is removed."},
    "generateName": {"type": "string", "description": "Prefix of a name that the server makes when name is empty."},
    "generation": {"type": "integer", "format": "int64", "description": "Grows with each change of the desired state; set by the server."},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Keys and values to organize and select objects."},
    "managedFields": {"type": "array", "description": "Which manager set which fields.", "items": {"type": "object", "properties": {
      "apiVersion": {"type": "string"}, "fieldsType": {"type": "string"},
      "fieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
      "manager": {"type": "string"}, "operation": {"type": "string"}, "subresource": {"type": "string"},
      "time": {"type": "string", "format": "date-time"}}}},
    "name": {"type": "string", "description": "Unique within a namespace; cannot be changed."},
    "namespace": {"type": "string", "description": "The space within which names must be unique."},
    "ownerReferences": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
      "description": "Objects this one depends on; when all are gone, it is removed.",
      "items": {"type": "object", "x-kubernetes-map-type": "atomic", "required": ["uid"], "properties": {
        "apiVersion": {"type": "string"}, "blockOwnerDeletion": {"type": "boolean"}, "controller": {"type": "boolean"},
        "kind": {"type": "string"}, "name": {"type": "string"}, "uid": {"type": "string"}}}},
    "resourceVersion": {"type": "string", "description": "Changes with every change of the object; opaque."},
    "selfLink": {"type": "string"},
    "uid": {"type": "string", "description": "Unique in time and space; set by the server."}
  }})";

constexpr std::string_view kUnsupported[] = {"$ref",      "definitions", "dependencies",   "patternProperties",
                                             "id",        "deprecated",  "discriminator",  "readOnly",
                                             "writeOnly", "xml",         "additionalItems"};

// All that a schema may say.
constexpr std::string_view kKnown[] = {"$schema",
                                       "additionalProperties",
                                       "allOf",
                                       "anyOf",
                                       "default",
                                       "description",
                                       "enum",
                                       "example",
                                       "exclusiveMaximum",
                                       "exclusiveMinimum",
                                       "externalDocs",
                                       "format",
                                       "items",
                                       "maxItems",
                                       "maxLength",
                                       "maxProperties",
                                       "maximum",
                                       "minItems",
                                       "minLength",
                                       "minProperties",
                                       "minimum",
                                       "multipleOf",
                                       "not",
                                       "nullable",
                                       "oneOf",
                                       "pattern",
                                       "properties",
                                       "required",
                                       "title",
                                       "type",
                                       "uniqueItems",
                                       "x-kubernetes-embedded-resource",
                                       "x-kubernetes-int-or-string",
                                       "x-kubernetes-list-map-keys",
                                       "x-kubernetes-list-type",
                                       "x-kubernetes-map-type",
                                       "x-kubernetes-preserve-unknown-fields",
                                       "x-kubernetes-validations"};

constexpr std::string_view kStructural[] = {"type",
                                            "description",
                                            "title",
                                            "default",
                                            "additionalProperties",
                                            "nullable",
                                            "x-kubernetes-preserve-unknown-fields",
                                            "x-kubernetes-embedded-resource",
                                            "x-kubernetes-int-or-string",
                                            "x-kubernetes-list-type",
                                            "x-kubernetes-list-map-keys",
                                            "x-kubernetes-map-type",
                                            "x-kubernetes-validations"};

}  // namespace

std::span<const std::string_view> unsupported() { return kUnsupported; }

bool is_unknown(std::string_view word) {
  return std::ranges::find(kKnown, word) == std::end(kKnown) &&
         std::ranges::find(kUnsupported, word) == std::end(kUnsupported);
}

std::span<const std::string_view> structural() { return kStructural; }

const Value& metadata_schema() {
  static const auto* schema = new Value(json::parse(kMetadata));
  return *schema;
}

const Value& string_schema() {
  static const auto* schema = new Value(json::Object{{"type", "string"}});
  return *schema;
}

const Value& int_or_string_any_of() {
  static const auto* pattern =
      new Value(json::Array{Value(json::Object{{"type", "integer"}}), Value(json::Object{{"type", "string"}})});
  return *pattern;
}

}  // namespace gantry::object::vocabulary
