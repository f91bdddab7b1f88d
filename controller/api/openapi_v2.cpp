#include "controller/api/openapi_v2.hpp"

#include <bit>
#include <cstdint>
#include <utility>

namespace gantry::api {
namespace {

using json::Value;

// A protobuf message that is being written. Field numbers are those of openapi_v2.proto.
class Message {
 public:
  void text(std::uint32_t number, std::string_view value) {
    if (!value.empty()) bytes(number, value);
  }
  void flag(std::uint32_t number, bool value) {
    if (value) whole(number, 1);
  }
  void whole(std::uint32_t number, std::int64_t value) {
    varint(number << 3);
    varint(static_cast<std::uint64_t>(value));
  }
  void real(std::uint32_t number, double value) {
    varint(number << 3 | 1);
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) out_ += static_cast<char>(bits >> shift & 0xFF);
  }
  void message(std::uint32_t number, const Message& value) { bytes(number, value.out_); }
  const std::string& str() const { return out_; }

 private:
  void bytes(std::uint32_t number, std::string_view value) {
    varint(number << 3 | 2);
    varint(value.size());
    out_ += value;
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>((value & 0x7F) | 0x80);
    out_ += static_cast<char>(value);
  }

  std::string out_;
};

// Any: JSON is YAML too.
Message any(const Value& value) {
  Message made;
  made.text(2, json::dump(value));
  return made;
}

Message named(std::string_view name, const Message& value) {
  Message made;
  made.text(1, name);
  made.message(2, value);
  return made;
}

std::string reference_in(const Value& schema) {
  constexpr std::string_view kPrefix = "#/components/schemas/";
  std::string target = schema.string_or("$ref");
  // A reference with a default beside it stands in an allOf in v3.
  if (const Value* all = schema.find("allOf"); target.empty() && all && all->is_array() && all->as_array().size() == 1)
    target = all->as_array()[0].string_or("$ref");
  return target.starts_with(kPrefix) ? "#/definitions/" + target.substr(kPrefix.size()) : std::string();
}

Message schema_message(const Value& schema);

void add_numbers(Message& made, const Value& schema) {
  constexpr std::pair<std::string_view, std::uint32_t> kReals[] = {{"multipleOf", 6}, {"maximum", 7}, {"minimum", 9}};
  constexpr std::pair<std::string_view, std::uint32_t> kWholes[] = {{"maxLength", 11},     {"minLength", 12},
                                                                    {"maxItems", 14},      {"minItems", 15},
                                                                    {"maxProperties", 17}, {"minProperties", 18}};
  for (const auto& [key, number] : kReals) {
    if (const Value* value = schema.find(key); value && value->is_number()) made.real(number, value->as_double());
  }
  for (const auto& [key, number] : kWholes) {
    if (const Value* value = schema.find(key); value && value->is_int()) made.whole(number, value->as_int());
  }
  made.flag(8, schema.bool_or("exclusiveMaximum", false));
  made.flag(10, schema.bool_or("exclusiveMinimum", false));
}

// What lies below. Nothing is said of what may be null, or is open: v2 has no word for either.
void add_structure(Message& made, const Value& schema) {
  const bool open = schema.bool_or("nullable", false) || schema.bool_or("x-kubernetes-preserve-unknown-fields", false);
  if (open || schema.bool_or("x-kubernetes-int-or-string", false)) return;
  if (const std::string type = schema.string_or("type"); !type.empty()) {
    Message types;
    types.text(1, type);
    made.message(22, types);
  }
  if (const Value* items = schema.find("items")) {
    Message list;
    list.message(1, schema_message(*items));
    made.message(23, list);
  }
  if (const Value* more = schema.find("additionalProperties")) {
    Message item;
    if (more->is_bool()) {
      item.flag(2, more->as_bool());
    } else {
      item.message(1, schema_message(*more));
    }
    made.message(21, item);
  }
  if (const Value* properties = schema.find("properties")) {
    Message list;
    for (const auto& [name, property] : properties->as_object()) list.message(1, named(name, schema_message(property)));
    made.message(25, list);
  }
}

Message schema_message(const Value& schema) {
  Message made;
  made.text(4, schema.string_or("description"));
  if (const std::string target = reference_in(schema); !target.empty()) {
    made.text(1, target);
    return made;
  }
  made.text(2, schema.string_or("format"));
  made.text(3, schema.string_or("title"));
  made.text(13, schema.string_or("pattern"));
  add_numbers(made, schema);
  if (const Value* required = schema.find("required"); required && required->is_array()) {
    for (const auto& name : required->as_array()) made.text(19, name.as_string());
  }
  if (const Value* allowed = schema.find("enum"); allowed && allowed->is_array()) {
    for (const auto& value : allowed->as_array()) made.message(20, any(value));
  }
  add_structure(made, schema);
  for (const auto& [key, value] : schema.as_object()) {
    if (key.starts_with("x-kubernetes-") && key != "x-kubernetes-validations") made.message(31, named(key, any(value)));
  }
  return made;
}

Message query_parameter(std::string_view name, std::string_view type) {
  Message query;
  query.text(2, "query");
  query.text(4, name);
  query.text(6, type);
  Message which, parameter, item;
  which.message(3, query);
  parameter.message(2, which);
  item.message(1, parameter);
  return item;
}

Message operation(const OpenApiPath& path, std::string_view action) {
  Message made;
  if (action == "patch") {
    for (const auto& type : path.patch_types) made.text(7, type);
    made.message(8, query_parameter("dryRun", "string"));
    made.message(8, query_parameter("fieldManager", "string"));
    made.message(8, query_parameter("fieldValidation", "string"));
    made.message(8, query_parameter("force", "boolean"));
  }
  Message ok, value, responses;
  ok.text(1, "OK");
  value.message(1, ok);
  responses.message(1, named("200", value));
  made.message(9, responses);
  made.message(13, named("x-kubernetes-action", any(Value(action))));
  made.message(13, named("x-kubernetes-group-version-kind", any(path.group_version_kind)));
  return made;
}

}  // namespace

std::string openapi_v2(const std::string& version, const json::Object& schemas, const std::vector<OpenApiPath>& paths) {
  Message info, all_paths, definitions, document;
  info.text(1, "gantry");
  info.text(2, version);
  for (const auto& path : paths) {
    Message item;
    item.message(2, operation(path, "get"));
    item.message(3, operation(path, "put"));
    item.message(5, operation(path, "delete"));
    item.message(8, operation(path, "patch"));
    all_paths.message(2, named(path.path, item));
  }
  for (const auto& [name, schema] : schemas) definitions.message(1, named(name, schema_message(schema)));
  document.text(1, "2.0");
  document.message(2, info);
  document.message(8, all_paths);
  document.message(9, definitions);
  return document.str();
}

}  // namespace gantry::api
