// The compiled form of a schema: what pruning, defaulting, validation, server-side apply and explain walk. Properties
// are sorted by name, as the members of a json::Object are, so that both are walked together without a search.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/object/format.hpp"
#include "controller/object/pattern.hpp"
#include "controller/object/schema.hpp"

namespace gantry::object {

// What a value must satisfy beyond its type.
struct ValueRules {
  std::optional<double> minimum, maximum, multiple_of;
  bool exclusive_minimum = false, exclusive_maximum = false;
  std::optional<std::int64_t> min_length, max_length;  // code points
  std::optional<std::int64_t> min_items, max_items;
  std::optional<std::int64_t> min_properties, max_properties;
  std::optional<Pattern> pattern;
  Format format = Format::None;
  std::vector<json::Value> allowed;  // enum
  std::vector<std::unique_ptr<Schema::Node>> all_of, any_of, one_of;
  std::unique_ptr<Schema::Node> not_of;
};

namespace cel {
class Rule;
}

struct Schema::Node {
  Node();
  ~Node();

  enum class Type : std::uint8_t { Any, Object, Array, String, Integer, Number, Boolean, IntOrString };
  enum class ListType : std::uint8_t { Atomic, Set, Map };

  struct Property {
    std::string name;
    std::unique_ptr<Node> node;
  };

  Type type = Type::Any;
  ListType list_type = ListType::Atomic;
  bool nullable = false;
  bool preserve_unknown = false;
  bool any_additional = false;  // additionalProperties: true
  bool embedded = false;        // an object of its own, with apiVersion, kind and metadata
  bool atomic_map = false;
  bool defaults_below = false;  // something below has a default
  std::vector<Property> properties;
  std::vector<std::string> required;
  std::unique_ptr<Node> additional;
  std::unique_ptr<Node> items;
  std::vector<std::string> list_keys;        // sorted
  std::optional<json::Value> default_value;  // complete: with the defaults of what lies below it
  std::unique_ptr<ValueRules> rules;
  std::vector<std::unique_ptr<const cel::Rule>> cel;  // x-kubernetes-validations
  bool cel_below = false;                             // here, or somewhere below
  const json::Value* source = nullptr;                // description, enum, ... for explain; lives as long as the Schema

  const Node* property(std::string_view name) const;
  // The node of a member: a property, else additionalProperties; null when nothing is known about it.
  const Node* member(std::string_view name) const;
  bool keeps_unknown() const { return preserve_unknown || any_additional; }
};

namespace detail {

// As a.compare(b), but settles most comparisons of field names by their first letters.
inline int order_of(std::string_view a, std::string_view b) {
  if (!a.empty() && !b.empty() && a.front() != b.front()) {
    return static_cast<unsigned char>(a.front()) - static_cast<unsigned char>(b.front());
  }
  return a.compare(b);
}

// The node for each member of an object in turn; keys must be asked for in ascending order.
class PropertyCursor {
 public:
  explicit PropertyCursor(const Schema::Node& node)
      : at_(node.properties.data()), end_(at_ + node.properties.size()), otherwise_(node.additional.get()) {}

  const Schema::Node* find(std::string_view key) {
    for (; at_ != end_; ++at_) {
      const int order = order_of(at_->name, key);
      if (order == 0) return at_->node.get();
      if (order > 0) break;
    }
    return otherwise_;
  }

 private:
  const Schema::Node::Property* at_;
  const Schema::Node::Property* end_;
  const Schema::Node* otherwise_;
};

// Used by Schema::compile, and again on values that are defaults themselves.
void prune(const Schema::Node& node, json::Value& value, std::string& path, std::vector<std::string>* unknown);
void set_defaults(const Schema::Node& node, json::Value& value);
std::vector<FieldError> validate(const Schema::Node& node, const json::Value& value, const json::Value* old,
                                 std::string_view path);

// Throws Error(Invalid) with every violation of the rules for structural schemas.
std::unique_ptr<Schema::Node> compile_schema(const json::Value& schema);

}  // namespace detail

}  // namespace gantry::object
