// Pruning and defaulting. Both walk the value and the nodes side by side, since both are sorted by name.
#include "controller/object/schema.hpp"

#include <algorithm>

#include "controller/object/cel/rule.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/schema_node.hpp"
#include "controller/object/schema_rules.hpp"

namespace gantry::object {

using json::Value;
using Node = Schema::Node;

namespace {

constexpr std::size_t kUnknownMax = 1000;  // nobody reads more, and a hostile object may have a million

void report(std::vector<std::string>* unknown, const std::string& path, std::string_view key) {
  if (!unknown || unknown->size() >= kUnknownMax) return;
  unknown->push_back(path.empty() ? std::string(key) : path + "." + std::string(key));
}

// True when the member is to go.
bool prune_member(const Node& node, const Node* child, json::Member& member, std::string& path,
                  std::vector<std::string>* unknown) {
  if (!child) {
    if (node.keeps_unknown()) return false;
    report(unknown, path, member.key);
    return true;
  }
  if (member.value.is_null()) return !child->nullable;
  if (!member.value.is_object() && !member.value.is_array()) return false;
  const std::size_t length = path.size();
  if (unknown) path.append(path.empty() ? "" : ".").append(member.key);
  detail::prune(*child, member.value, path, unknown);
  path.resize(length);
  return false;
}

void prune_object(const Node& node, json::Object& object, std::string& path, std::vector<std::string>* unknown) {
  detail::PropertyCursor cursor(node);
  std::vector<bool> gone;  // made when the first member goes, so that the usual case allocates nothing
  std::size_t i = 0;
  for (auto& member : object) {
    if (prune_member(node, cursor.find(member.key), member, path, unknown)) {
      if (gone.empty()) gone.resize(object.size());
      gone[i] = true;
    }
    ++i;
  }
  if (gone.empty()) return;
  json::Object kept;
  i = 0;
  for (auto& member : object) {
    if (!gone[i++]) kept.append_unsorted(std::move(member.key), std::move(member.value));
  }
  object = std::move(kept);
}

}  // namespace

Node::Node() = default;
Node::~Node() = default;

const Node* Node::property(std::string_view name) const {
  const auto at = std::ranges::lower_bound(properties, name, {}, &Property::name);
  return at != properties.end() && at->name == name ? at->node.get() : nullptr;
}

const Node* Node::member(std::string_view name) const {
  const Node* found = property(name);
  return found ? found : additional.get();
}

void detail::prune(const Node& node, Value& value, std::string& path, std::vector<std::string>* unknown) {
  if (node.keeps_unknown() && node.properties.empty() && !node.items) return;
  if (value.is_object()) {
    prune_object(node, value.as_object(), path, unknown);
  } else if (value.is_array() && node.items) {
    const std::size_t length = path.size();
    std::size_t i = 0;
    for (auto& item : value.as_array()) {
      if (item.is_object() || item.is_array()) {
        if (unknown) path.append("[").append(std::to_string(i)).append("]");
        detail::prune(*node.items, item, path, unknown);
        path.resize(length);
      }
      ++i;
    }
  }
}

void detail::set_defaults(const Node& node, Value& value) {
  if (!node.defaults_below) return;
  if (value.is_array() && node.items) {
    for (auto& item : value.as_array()) {
      if (item.is_null() && !node.items->nullable && node.items->default_value) item = *node.items->default_value;
      detail::set_defaults(*node.items, item);
    }
    return;
  }
  if (!value.is_object()) return;
  json::Object& object = value.as_object();
  std::size_t missing = 0;
  detail::PropertyCursor cursor(node);
  for (auto& member : object) {
    const Node* child = cursor.find(member.key);
    if (!child) continue;
    if (member.value.is_null() && !child->nullable && child->default_value) {
      member.value = *child->default_value;
    } else if (child->defaults_below) {
      detail::set_defaults(*child, member.value);
    }
  }
  for (const auto& property : node.properties) {
    if (!property.node->default_value || object.contains(property.name)) continue;
    if (missing++ == 0) object.reserve(object.size() + node.properties.size());
    object.set(property.name, *property.node->default_value);
  }
}

Schema::Schema() = default;
Schema::~Schema() = default;

std::shared_ptr<const Schema> Schema::compile(const Value& schema) {
  std::shared_ptr<Schema> compiled(new Schema());
  compiled->source_ = schema;
  compiled->root_ = detail::compile_schema(compiled->source_);
  return compiled;
}

void Schema::prune(Value& object, std::vector<std::string>* unknown) const {
  std::string path;
  detail::prune(*root_, object, path, unknown);
}

void Schema::set_defaults(Value& object) const { detail::set_defaults(*root_, object); }

namespace {

// Rules may count on what the rest of the schema says, so they wait until that holds.
std::vector<FieldError> with_rules(const Node& root, std::vector<FieldError> errors, const Value& object,
                                   const Value* old) {
  if (errors.empty()) return detail::check_rules(root, object, old);
  if (root.cel_below) {
    errors.push_back(invalid("<nil>", Value(),
                             "some validation rules were not checked because the object was invalid; correct the "
                             "existing errors to complete validation"));
  }
  return errors;
}

}  // namespace

std::vector<FieldError> Schema::validate(const Value& object) const {
  return with_rules(*root_, detail::validate(*root_, object, nullptr, {}), object, nullptr);
}

std::vector<FieldError> Schema::validate_update(const Value& object, const Value& old) const {
  // Nearly always all is well, and then nothing needs to be compared with what was before.
  auto errors = detail::validate(*root_, object, nullptr, {});
  if (!errors.empty()) errors = detail::validate(*root_, object, &old, {});
  return with_rules(*root_, std::move(errors), object, &old);
}

}  // namespace gantry::object
