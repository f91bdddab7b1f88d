// From a CRD's openAPIV3Schema to the tree of nodes, refusing what is not structural (apiextensions.k8s.io/v1).
#include <algorithm>

#include "controller/object/field_error.hpp"
#include "controller/object/schema_node.hpp"
#include "controller/object/schema_rules.hpp"
#include "controller/object/schema_vocabulary.hpp"

namespace gantry::object {

namespace {

using json::Value;
using Node = Schema::Node;
using Type = Node::Type;
using ListType = Node::ListType;

enum class Level { Root, Field, Item };

class Compiler {
 public:
  std::unique_ptr<Node> root(const Value& schema) {
    auto node = structure(schema, Level::Root, "openAPIV3Schema");
    if (errors_.empty()) detail::compile_rules(*node, "openAPIV3Schema", errors_);
    if (!errors_.empty()) {
      std::string message = "not a structural schema: " + errors_.front().field + ": " + errors_.front().message;
      if (errors_.size() > 1) message += " (and " + std::to_string(errors_.size() - 1) + " more)";
      Error error(ErrorCode::Invalid, std::move(message));
      error.causes = std::move(errors_);
      throw error;
    }
    return node;
  }

 private:
  void fail(FieldError error) { errors_.push_back(std::move(error)); }

  bool is_object(const Value& schema, const std::string& path) {
    if (schema.is_object()) return true;
    fail(type_invalid(path, Value(schema.type_name()), "must be an object"));
    return false;
  }

  bool flag(const Value& schema, std::string_view key, const std::string& path) {
    const Value* value = schema.find(key);
    if (!value) return false;
    if (!value->is_bool()) {
      fail(type_invalid(path + "." + std::string(key), Value(value->type_name()), "must be a boolean"));
      return false;
    }
    return value->as_bool();
  }

  std::unique_ptr<Node> structure(const Value& schema, Level level, const std::string& path) {
    auto node = std::make_unique<Node>();
    node->source = &schema;
    if (!is_object(schema, path)) return node;
    refuse_unsupported(schema, path);
    node->nullable = flag(schema, "nullable", path);
    node->preserve_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields", path);
    node->embedded = flag(schema, "x-kubernetes-embedded-resource", path) || level == Level::Root;
    read_type(*node, schema, level, path);
    read_properties(*node, schema, level, path);
    read_list(*node, schema, path);
    read_map_type(*node, schema, path);
    if (node->embedded) add_object_fields(*node, level, path);
    node->required = words(schema, "required", path);
    std::ranges::sort(node->required);
    node->rules = read_rules(*node, schema, path);
    read_default(*node, schema, path);
    return node;
  }

  void refuse_unsupported(const Value& schema, const std::string& path) {
    for (const auto key : vocabulary::unsupported()) {
      if (schema.find(key)) fail(forbidden(path + "." + std::string(key), std::string(key) + " is not supported"));
    }
    if (flag(schema, "uniqueItems", path)) {
      fail(forbidden(path + ".uniqueItems",
                     "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"));
    }
    for (const auto& [key, unused] : schema.as_object()) {
      if (vocabulary::is_unknown(key)) fail(forbidden(path + "." + key, "unknown in a schema"));
    }
  }

  void read_type(Node& node, const Value& schema, Level level, const std::string& path) {
    const bool int_or_string = flag(schema, "x-kubernetes-int-or-string", path);
    const std::string type = schema.string_or("type");
    constexpr std::pair<std::string_view, Type> kTypes[] = {{"object", Type::Object}, {"array", Type::Array},
                                                            {"string", Type::String}, {"integer", Type::Integer},
                                                            {"number", Type::Number}, {"boolean", Type::Boolean}};
    for (const auto& [name, known] : kTypes) {
      if (name == type) node.type = known;
    }
    if (int_or_string) {
      if (!type.empty()) fail(forbidden(path + ".type", "must be empty if x-kubernetes-int-or-string is true"));
      if (node.preserve_unknown)
        fail(invalid(path + ".x-kubernetes-preserve-unknown-fields", Value(true),
                     "must be false if x-kubernetes-int-or-string is true"));
      node.type = Type::IntOrString;
      return;
    }
    if (type.empty()) {
      if (node.preserve_unknown) return;
      fail(required(path + ".type", level == Level::Root   ? "must not be empty at the root"
                                    : level == Level::Item ? "must not be empty for specified array items"
                                                           : "must not be empty for specified object fields"));
    } else if (node.type == Type::Any) {
      static const std::vector<std::string> kNames{"array", "boolean", "integer", "number", "object", "string"};
      fail(not_supported(path + ".type", Value(type), kNames));
    } else if (level == Level::Root && node.type != Type::Object) {
      fail(invalid(path + ".type", Value(type), "must be object at the root"));
    } else if (node.embedded && node.type != Type::Object) {
      fail(invalid(path + ".type", Value(type), "must be object if x-kubernetes-embedded-resource is true"));
    }
  }

  void read_properties(Node& node, const Value& schema, Level level, const std::string& path) {
    const Value* properties = schema.find("properties");
    if (properties && is_object(*properties, path + ".properties")) {
      for (const auto& [name, child] : properties->as_object()) {
        const std::string at = path + ".properties[" + name + "]";
        if (level == Level::Root && name == "metadata") {
          check_root_metadata(child, at);
          continue;
        }
        node.properties.push_back({name, structure(child, Level::Field, at)});
      }
    }
    const Value* additional = schema.find("additionalProperties");
    if (!additional) return;
    if (level == Level::Root) fail(forbidden(path + ".additionalProperties", "must not be used at the root"));
    if (properties)
      fail(forbidden(path + ".additionalProperties", "additionalProperties and properties are mutual exclusive"));
    if (additional->is_bool()) {
      node.any_additional = additional->as_bool();
    } else {
      node.additional = structure(*additional, Level::Field, path + ".additionalProperties");
    }
  }

  void check_root_metadata(const Value& metadata, const std::string& path) {
    if (!is_object(metadata, path)) return;
    const Value* properties = metadata.find("properties");
    if (!properties || !properties->is_object()) return;
    for (const auto& [name, child] : properties->as_object()) {
      if (name != "name" && name != "generateName") {
        fail(forbidden(
            path, "must not specify anything other than name and generateName, but metadata is implicitly specified"));
        continue;
      }
      restricted_.push_back({name, &child, path + ".properties[" + name + "]"});
    }
  }

  // apiVersion, kind and metadata need not be declared.
  void add_object_fields(Node& node, Level level, const std::string& path) {
    if (level != Level::Root && !node.preserve_unknown && node.properties.empty()) {
      fail(required(
          path + ".properties",
          "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"));
    }
    std::erase_if(node.properties, [](const auto& p) { return p.name == "metadata"; });
    for (const std::string_view name : {"apiVersion", "kind"}) {
      if (!node.property(name)) insert(node, name, structure(vocabulary::string_schema(), Level::Field, path));
    }
    auto metadata = structure(vocabulary::metadata_schema(), Level::Field, path);
    if (level == Level::Root) {
      for (auto& [name, schema, at] : std::exchange(restricted_, {})) {
        auto restricted = structure(*schema, Level::Field, at);
        std::erase_if(metadata->properties, [&](const auto& p) { return p.name == name; });
        insert(*metadata, name, std::move(restricted));
      }
    }
    insert(node, "metadata", std::move(metadata));
  }

  static void insert(Node& node, std::string_view name, std::unique_ptr<Node> child) {
    const auto at = std::ranges::lower_bound(node.properties, name, {}, &Node::Property::name);
    node.properties.insert(at, {std::string(name), std::move(child)});
  }

  void read_list(Node& node, const Value& schema, const std::string& path) {
    const Value* items = schema.find("items");
    if (items && items->is_array()) {
      fail(forbidden(path + ".items", "items must be a schema object and not an array"));
    } else if (items) {
      node.items = structure(*items, Level::Item, path + ".items");
    } else if (node.type == Type::Array) {
      fail(required(path + ".items", "must be specified"));
    }
    const Value* list_type = schema.find("x-kubernetes-list-type");
    const std::string name = schema.string_or("x-kubernetes-list-type");
    const std::string at = path + ".x-kubernetes-list-type";
    if (list_type && node.type != Type::Array)
      fail(invalid(path + ".type", Value(schema.string_or("type")),
                   "must be array if x-kubernetes-list-type is specified"));
    if (name == "set") {
      node.list_type = ListType::Set;
    } else if (name == "map") {
      node.list_type = ListType::Map;
      read_list_keys(node, schema, path);
    } else if (list_type && name != "atomic") {
      static const std::vector<std::string> kNames{"atomic", "set", "map"};
      fail(not_supported(at, *list_type, kNames));
    }
    if (name != "map" && schema.find("x-kubernetes-list-map-keys"))
      fail(forbidden(path + ".x-kubernetes-list-map-keys", "must not be set if x-kubernetes-list-type is not map"));
  }

  void read_list_keys(Node& node, const Value& schema, const std::string& path) {
    const std::string at = path + ".x-kubernetes-list-map-keys";
    node.list_keys = words(schema, "x-kubernetes-list-map-keys", path);
    if (node.list_keys.empty()) fail(required(at, "must not be empty if x-kubernetes-list-type is map"));
    if (!node.items) return;
    if (node.items->type != Type::Object)
      fail(invalid(path + ".items.type", Value(std::string()),
                   "must be object if parent array's x-kubernetes-list-type is map"));
    for (std::size_t i = 0; i < node.list_keys.size(); ++i) {
      const std::string here = at + "[" + std::to_string(i) + "]";
      const Node* key = node.items->property(node.list_keys[i]);
      if (!key) {
        fail(invalid(here, Value(node.list_keys[i]), "must be the name of an item property"));
        continue;
      }
      if (key->type == Type::Object || key->type == Type::Array || key->type == Type::Any)
        fail(invalid(here, Value(node.list_keys[i]), "must be a scalar item property"));
      if (key->nullable) fail(forbidden(here, "the key property must not be nullable"));
      if (!key->default_value && !std::ranges::binary_search(node.items->required, node.list_keys[i])) {
        fail(required(
            path + ".items.properties[" + node.list_keys[i] + "].default",
            "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"));
      }
    }
    std::ranges::sort(node.list_keys);
  }

  void read_map_type(Node& node, const Value& schema, const std::string& path) {
    const Value* map_type = schema.find("x-kubernetes-map-type");
    if (!map_type) return;
    const std::string name = schema.string_or("x-kubernetes-map-type");
    static const std::vector<std::string> kNames{"atomic", "granular"};
    if (name != "atomic" && name != "granular") fail(not_supported(path + ".x-kubernetes-map-type", *map_type, kNames));
    if (node.type != Type::Object)
      fail(invalid(path + ".type", Value(schema.string_or("type")),
                   "must be object if x-kubernetes-map-type is specified"));
    node.atomic_map = name == "atomic";
  }

  void read_default(Node& node, const Value& schema, const std::string& path) {
    const auto below = [](const Node& child) { return child.default_value || child.defaults_below; };
    node.defaults_below = std::ranges::any_of(node.properties, [&](const auto& p) { return below(*p.node); }) ||
                          (node.items && below(*node.items)) || (node.additional && below(*node.additional));
    const Value* value = schema.find("default");
    if (!value) return;
    const std::string at = path + ".default";
    Value complete = *value;
    std::vector<std::string> unknown;
    std::string here;
    detail::prune(node, complete, here, &unknown);
    for (const auto& field : unknown) fail(invalid(at + "." + field, Value(field), "must not contain unknown fields"));
    detail::set_defaults(node, complete);
    for (auto& error : detail::validate(node, complete, nullptr, at)) fail(std::move(error));
    node.default_value = std::move(complete);
  }

  // Value validation.

  template <class T>
  std::optional<T> number(const Value& schema, std::string_view key, const std::string& path) {
    const Value* value = schema.find(key);
    if (!value) return std::nullopt;
    const bool fits = std::is_same_v<T, double> ? value->is_number() : value->is_int();
    if (!fits) {
      fail(type_invalid(path + "." + std::string(key), Value(value->type_name()), "must be a number"));
      return std::nullopt;
    }
    if constexpr (std::is_same_v<T, double>) {
      return value->as_double();
    } else {
      if (value->as_int() < 0)
        fail(invalid(path + "." + std::string(key), *value, "must be greater than or equal to 0"));
      return value->as_int();
    }
  }

  std::vector<std::string> words(const Value& schema, std::string_view key, const std::string& path) {
    std::vector<std::string> out;
    const Value* list = schema.find(key);
    if (!list) return out;
    const std::string at = path + "." + std::string(key);
    if (!list->is_array()) {
      fail(type_invalid(at, Value(list->type_name()), "must be a list of strings"));
      return out;
    }
    for (const auto& word : list->as_array()) {
      if (word.is_string()) {
        out.push_back(word.as_string());
      } else {
        fail(type_invalid(at, Value(word.type_name()), "must be a list of strings"));
      }
    }
    return out;
  }

  std::unique_ptr<ValueRules> read_rules(Node& node, const Value& schema, const std::string& path) {
    auto rules = std::make_unique<ValueRules>();
    rules->minimum = number<double>(schema, "minimum", path);
    rules->maximum = number<double>(schema, "maximum", path);
    rules->multiple_of = number<double>(schema, "multipleOf", path);
    if (rules->multiple_of && *rules->multiple_of <= 0)
      fail(invalid(path + ".multipleOf", Value(*rules->multiple_of), "must be greater than 0"));
    rules->exclusive_minimum = flag(schema, "exclusiveMinimum", path);
    rules->exclusive_maximum = flag(schema, "exclusiveMaximum", path);
    rules->min_length = number<std::int64_t>(schema, "minLength", path);
    rules->max_length = number<std::int64_t>(schema, "maxLength", path);
    rules->min_items = number<std::int64_t>(schema, "minItems", path);
    rules->max_items = number<std::int64_t>(schema, "maxItems", path);
    rules->min_properties = number<std::int64_t>(schema, "minProperties", path);
    rules->max_properties = number<std::int64_t>(schema, "maxProperties", path);
    rules->format = format_of(schema.string_or("format"));
    if (const std::string text = schema.string_or("pattern"); !text.empty()) {
      try {
        rules->pattern.emplace(text);
      } catch (const Error& error) {  // becomes one of the causes
        fail(invalid(path + ".pattern", Value(text), error.message()));
      }
    }
    if (const Value* allowed = schema.find("enum")) {
      if (allowed->is_array() && !allowed->as_array().empty()) {
        rules->allowed = allowed->as_array();
      } else {
        fail(invalid(path + ".enum", *allowed, "must be a list of at least one value"));
      }
    }
    read_junctors(*rules, node, schema, path);
    return is_empty(*rules) ? nullptr : std::move(rules);
  }

  void read_junctors(ValueRules& rules, Node& outer, const Value& schema, const std::string& path) {
    const auto read = [&](std::string_view key, std::vector<std::unique_ptr<Node>>& out) {
      const Value* list = schema.find(key);
      if (!list) return;
      const std::string at = path + "." + std::string(key);
      if (!list->is_array()) {
        fail(type_invalid(at, Value(list->type_name()), "must be a list of schemas"));
        return;
      }
      if (key == "anyOf" && *list == vocabulary::int_or_string_any_of())
        return;  // said by x-kubernetes-int-or-string already
      std::size_t i = 0;
      for (const auto& nested : list->as_array()) {
        out.push_back(junct(nested, outer, at + "[" + std::to_string(i++) + "]"));
      }
    };
    read("allOf", rules.all_of);
    read("anyOf", rules.any_of);
    read("oneOf", rules.one_of);
    if (const Value* nested = schema.find("not")) rules.not_of = junct(*nested, outer, path + ".not");
  }

  // A schema below allOf, anyOf, oneOf or not: it restricts what `outer` has declared, and declares nothing.
  std::unique_ptr<Node> junct(const Value& schema, Node& outer, const std::string& path) {
    auto node = std::make_unique<Node>();
    node->source = &schema;
    node->nullable = true;
    if (!is_object(schema, path)) return node;
    refuse_unsupported(schema, path);
    for (const auto key : vocabulary::structural()) {
      if (schema.find(key)) fail(forbidden(path + "." + std::string(key), "must be undefined to be structural"));
    }
    if (const Value* properties = schema.find("properties");
        properties && is_object(*properties, path + ".properties")) {
      for (const auto& [name, child] : properties->as_object()) {
        const std::string at = path + ".properties[" + name + "]";
        Node* declared = const_cast<Node*>(outer.property(name));
        if (name == "metadata" && outer.embedded) {
          fail(forbidden(at, "must not be specified in a nested context"));
        } else if (declared) {
          node->properties.push_back({name, junct(child, *declared, at)});
        } else {
          fail(required(at, "must be declared outside of allOf, anyOf, oneOf and not as well"));
        }
      }
    }
    if (const Value* items = schema.find("items")) {
      if (outer.items) {
        node->items = junct(*items, *outer.items, path + ".items");
      } else {
        fail(required(path + ".items", "must be declared outside of allOf, anyOf, oneOf and not as well"));
      }
    }
    node->required = words(schema, "required", path);
    std::ranges::sort(node->required);
    node->rules = read_rules(outer, schema, path);
    return node;
  }

  static bool is_empty(const ValueRules& r) {
    return !r.minimum && !r.maximum && !r.multiple_of && !r.min_length && !r.max_length && !r.min_items &&
           !r.max_items && !r.min_properties && !r.max_properties && !r.pattern && r.format == Format::None &&
           r.allowed.empty() && r.all_of.empty() && r.any_of.empty() && r.one_of.empty() && !r.not_of;
  }

  struct Restricted {
    std::string name;
    const Value* schema;
    std::string path;
  };
  std::vector<FieldError> errors_;
  std::vector<Restricted> restricted_;  // rules for metadata.name and generateName, until metadata is made
};

}  // namespace

std::unique_ptr<Schema::Node> detail::compile_schema(const Value& schema) { return Compiler().root(schema); }

}  // namespace gantry::object
