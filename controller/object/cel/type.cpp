#include "controller/object/cel/type.hpp"

#include <algorithm>
#include <utility>

#include "controller/object/schema_node.hpp"

namespace gantry::object::cel {
namespace {

using Is = Type::Is;

// What nobody has bounded is bounded by the largest request.
constexpr double kRequestMax = 3 << 20;

// The fewest bytes that a value of this type takes in a request, with its comma.
double smallest(const Schema::Node& node) {
  switch (node.type) {
    case Schema::Node::Type::Object:
    case Schema::Node::Type::Array:
    case Schema::Node::Type::String:
      return 3;
    case Schema::Node::Type::Boolean:
      return 5;
    default:
      return 2;
  }
}

double string_size(const Schema::Node& node) {
  const ValueRules* rules = node.rules.get();
  if (rules && !rules->allowed.empty()) {
    double longest = 0;
    for (const auto& word : rules->allowed) {
      if (word.is_string()) longest = std::max(longest, static_cast<double>(word.as_string().size()));
    }
    return longest;
  }
  if (rules && rules->max_length) return static_cast<double>(*rules->max_length);
  if (rules && (rules->format == Format::DateTime || rules->format == Format::Date)) return 35;
  return kRequestMax - 2;
}

std::optional<Type> list_type(const Schema::Node& node, Type type) {
  if (!node.items) return std::nullopt;
  const auto element = type_of(*node.items);
  if (!element) return std::nullopt;
  const bool bounded = node.rules && node.rules->max_items;
  type.is = Is::List;
  type.size = bounded ? static_cast<double>(*node.rules->max_items) : kRequestMax / smallest(*node.items);
  type.element = std::make_shared<const Type>(*element);
  return type;
}

std::optional<Type> object_type(const Schema::Node& node, Type type) {
  if (!node.additional) {
    if (node.properties.empty()) return std::nullopt;
    type.is = Is::Object;
    return type;
  }
  const auto element = type_of(*node.additional);
  if (!element) return std::nullopt;
  const bool bounded = node.rules && node.rules->max_properties;
  type.is = Is::Map;
  type.size =
      bounded ? static_cast<double>(*node.rules->max_properties) : kRequestMax / (smallest(*node.additional) + 4);
  type.element = std::make_shared<const Type>(*element);
  return type;
}

}  // namespace

std::string Type::text() const {
  switch (is) {
    case Is::Null:
      return "null_type";
    case Is::Bool:
      return "bool";
    case Is::Int:
      return "int";
    case Is::Double:
      return "double";
    case Is::String:
      return "string";
    case Is::IntOrString:
      return "dyn";
    case Is::List:
      return "list(" + (element ? element->text() : std::string("dyn")) + ")";
    case Is::Map:
      return "map(string, " + (element ? element->text() : std::string("dyn")) + ")";
    case Is::Object:
      return "object";
  }
  return "";
}

std::optional<Type> type_of(const Schema::Node& node) {
  Type type;
  type.nullable = node.nullable;
  type.node = &node;
  switch (node.type) {
    case Schema::Node::Type::Boolean:
      type.is = Is::Bool;
      return type;
    case Schema::Node::Type::Integer:
      type.is = Is::Int;
      return type;
    case Schema::Node::Type::Number:
      type.is = Is::Double;
      return type;
    case Schema::Node::Type::String:
      type.is = Is::String;
      type.size = string_size(node);
      return type;
    case Schema::Node::Type::IntOrString:
      type.is = Is::IntOrString;
      type.size = string_size(node);
      return type;
    case Schema::Node::Type::Array:
      return list_type(node, std::move(type));
    case Schema::Node::Type::Object:
      return object_type(node, std::move(type));
    case Schema::Node::Type::Any:
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Type> field_of(const Type& object, std::string_view name) {
  if (!object.node) return std::nullopt;
  const std::string property = unescaped(name);
  if (object.only_names && property != "name" && property != "generateName") return std::nullopt;
  const Schema::Node* node = object.node->property(property);
  if (!node) return std::nullopt;
  auto type = type_of(*node);
  if (type && object.node->embedded && property == "metadata") type->only_names = true;
  return type;
}

// apiextensions: what is no identifier, or is a word of CEL, is written in another way.
std::string unescaped(std::string_view name) {
  constexpr std::pair<std::string_view, std::string_view> kForms[] = {
      {"__underscores__", "__"}, {"__dot__", "."}, {"__dash__", "-"}, {"__slash__", "/"}};
  constexpr std::string_view kWords[] = {"true",     "false",   "null",      "in",       "as",  "break",  "const",
                                         "continue", "else",    "for",       "function", "if",  "import", "let",
                                         "loop",     "package", "namespace", "return",   "var", "void",   "while"};
  if (name.size() > 4 && name.starts_with("__") && name.ends_with("__")) {
    const std::string_view word = name.substr(2, name.size() - 4);
    if (std::ranges::find(kWords, word) != std::end(kWords)) return std::string(word);
  }
  std::string out;
  while (!name.empty()) {
    const auto form = std::ranges::find_if(kForms, [&](const auto& pair) { return name.starts_with(pair.first); });
    if (form == std::end(kForms)) {
      out += name.front();
      name.remove_prefix(1);
    } else {
      out += form->second;
      name.remove_prefix(form->first.size());
    }
  }
  return out;
}

}  // namespace gantry::object::cel
