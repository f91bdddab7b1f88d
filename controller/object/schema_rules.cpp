#include "controller/object/schema_rules.hpp"

#include <algorithm>

#include "controller/object/cel/rule.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::object::detail {
namespace {

using json::Value;
using Node = Schema::Node;

constexpr double kObjectMax = 10'000'000;
constexpr std::size_t kErrorsMax = 100;

class Compiling {
 public:
  explicit Compiling(std::vector<FieldError>& causes) : causes_(causes) {}

  // True when the node or one below it has rules.
  bool compile(Node& node, const std::string& path, double occurrences, bool correlatable) {
    const Value* list = node.source ? node.source->find("x-kubernetes-validations") : nullptr;
    if (list) read(node, *list, path + ".x-kubernetes-validations", {node, occurrences, correlatable});
    bool below = !node.cel.empty();
    for (auto& property : node.properties) {
      below |= compile(*property.node, path + ".properties[" + property.name + "]", occurrences, correlatable);
    }
    if (node.additional) {
      below |= compile(*node.additional, path + ".additionalProperties", occurrences * entries(node), correlatable);
    }
    if (node.items) {
      const bool keyed = node.list_type == Node::ListType::Map;
      below |= compile(*node.items, path + ".items", occurrences * entries(node), correlatable && keyed);
    }
    return node.cel_below = below;
  }

 private:
  static double entries(const Node& node) {
    const auto type = cel::type_of(node);
    return type ? type->size : 1;
  }

  void read(Node& node, const Value& list, const std::string& path, const cel::Place& place) {
    if (!list.is_array()) {
      causes_.push_back(type_invalid(path, Value(list.type_name()), "must be a list of rules"));
      return;
    }
    std::size_t i = 0;
    for (const auto& source : list.as_array()) {
      auto rule = cel::Rule::compile(source, place, path + "[" + std::to_string(i++) + "]", causes_);
      if (rule) node.cel.push_back(std::move(rule));
    }
  }

  std::vector<FieldError>& causes_;
};

class Checking {
 public:
  std::vector<FieldError> errors;

  void check(const Node& node, const Value& value, const Value* old, std::string& path) {
    if (!node.cel_below || value.is_null() || stopped()) return;
    if (old && old->is_null()) old = nullptr;
    const bool unchanged = old && *old == value;
    for (const auto& rule : node.cel) {
      // What was there before is not judged anew, except for how it got from there to here.
      if (unchanged && !rule->is_transition()) continue;
      rule->check(value, old, path, budget_, errors);
      if (stopped()) return;
    }
    if (value.is_object()) {
      members(node, value.as_object(), old, path);
    } else if (value.is_array() && node.items) {
      items(node, value.as_array(), old, path);
    }
  }

 private:
  bool stopped() {
    if (budget_.spent() && !told_) {
      told_ = true;
      errors.push_back(invalid("<nil>", Value(), "validation rules took too long, no further rules were checked"));
    }
    return told_ || errors.size() >= kErrorsMax;
  }

  void members(const Node& node, const json::Object& object, const Value* old, std::string& path) {
    PropertyCursor cursor(node);
    const std::size_t length = path.size();
    for (const auto& [key, value] : object) {
      const Node* child = cursor.find(key);
      if (!child || !child->cel_below) continue;
      path.append(path.empty() ? "" : ".").append(key);
      check(*child, value, old ? old->find(key) : nullptr, path);
      path.resize(length);
    }
  }

  void items(const Node& node, const json::Array& list, const Value* old, std::string& path) {
    const std::size_t length = path.size();
    for (std::size_t i = 0; i < list.size(); ++i) {
      path.append("[").append(std::to_string(i)).append("]");
      check(*node.items, list[i], old ? same_item(node, list[i], *old) : nullptr, path);
      path.resize(length);
    }
  }

  bool told_ = false;
  cel::Budget budget_{kObjectMax};
};

}  // namespace

const Value* same_item(const Node& node, const Value& item, const Value& old) {
  if (node.list_type != Node::ListType::Map || !old.is_array() || !item.is_object()) return nullptr;
  const auto same = [&](const Value& candidate) {
    return candidate.is_object() && std::ranges::all_of(node.list_keys, [&](const std::string& key) {
             const Value* a = item.find(key);
             const Value* b = candidate.find(key);
             return (a && b) ? *a == *b : a == b;
           });
  };
  const auto at = std::ranges::find_if(old.as_array(), same);
  return at == old.as_array().end() ? nullptr : &*at;
}

void compile_rules(Node& root, const std::string& path, std::vector<FieldError>& causes) {
  Compiling(causes).compile(root, path, 1, true);
}

std::vector<FieldError> check_rules(const Node& root, const Value& object, const Value* old) {
  if (!root.cel_below) return {};
  Checking checking;
  std::string path;
  checking.check(root, object, old, path);
  return std::move(checking.errors);
}

}  // namespace gantry::object::detail
