// Validation, in the words of kube-openapi and apiextensions-apiserver. What is valid costs no allocation: paths are a
// chain on the stack, and are only written out for an error.
#include <algorithm>
#include <cmath>
#include <limits>

#include "controller/object/characters.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/schema_node.hpp"
#include "controller/object/schema_rules.hpp"

namespace gantry::object {

namespace {

using json::Value;
using Node = Schema::Node;
using Type = Node::Type;
using ListType = Node::ListType;

constexpr std::size_t kErrorsMax = 100;

// Where we are: the chain of names and indexes back to the root.
struct Where {
  const Where* up;
  std::string_view name;
  std::int64_t index = -1;

  std::string text() const {
    std::string out = up ? up->text() : std::string();
    if (index >= 0) return out.append("[").append(std::to_string(index)).append("]");
    if (!out.empty() && !name.empty()) out += '.';
    return out.append(name);
  }
};

std::string_view name_of(Type type) {
  switch (type) {
    case Type::Object:
      return "object";
    case Type::Array:
      return "array";
    case Type::String:
      return "string";
    case Type::Integer:
      return "integer";
    case Type::Number:
      return "number";
    case Type::Boolean:
      return "boolean";
    case Type::IntOrString:
      return "integer,string";
    case Type::Any:
      break;
  }
  return "";
}

bool integral(double value) { return std::trunc(value) == value && std::abs(value) < 9007199254740993.0; }

bool has_type(const Value& value, Type type) {
  switch (type) {
    case Type::Any:
      return true;
    case Type::Object:
      return value.is_object();
    case Type::Array:
      return value.is_array();
    case Type::String:
      return value.is_string();
    case Type::Integer:
      return value.is_int() || (value.is_double() && integral(value.as_double()));
    case Type::Number:
      return value.is_number();
    case Type::Boolean:
      return value.is_bool();
    case Type::IntOrString:
      return value.is_int() || value.is_string();
  }
  return false;
}

std::string plain(double number) {
  if (integral(number)) return std::to_string(static_cast<std::int64_t>(number));
  std::string out;
  json::append_number(out, number);
  return out;
}

// What makes an item of a set or keyed list the same as another: canonical JSON of the item, or of its keys.
std::string identity(const Node& node, const Value& item) {
  if (node.list_type == ListType::Set) return json::dump(item);
  json::Object keys;
  for (const auto& key : node.list_keys) {
    if (const Value* value = item.find(key)) keys.append_unsorted(key, *value);
  }
  return json::dump(Value(std::move(keys)));
}

// Positions of items that repeat an earlier one; each repeated item is named once, as upstream does.
std::vector<std::size_t> repeated(const Node& node, const json::Array& items) {
  std::vector<std::pair<std::string, std::size_t>> seen;
  seen.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) seen.emplace_back(identity(node, items[i]), i);
  std::ranges::sort(seen);
  std::vector<std::size_t> positions;
  for (std::size_t i = 1; i < seen.size(); ++i) {
    const bool same = seen[i].first == seen[i - 1].first;
    const bool told = i >= 2 && seen[i].first == seen[i - 2].first;
    if (same && !told) positions.push_back(seen[i].second);
  }
  std::ranges::sort(positions);
  return positions;
}

// The same question for a short list, without allocating: are all items different?
bool surely_unique(const Node& node, const json::Array& items) {
  if (items.size() < 2) return true;
  if (items.size() > 32) return false;
  for (std::size_t i = 1; i < items.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (node.list_type == ListType::Set) {
        if (items[i] == items[j]) return false;
        continue;
      }
      const bool differs = std::ranges::any_of(node.list_keys, [&](const std::string& key) {
        const Value* a = items[i].find(key);
        const Value* b = items[j].find(key);
        return (a && b) ? !(*a == *b) : a != b;
      });
      if (!differs) return false;
    }
  }
  return true;
}

class Validator {
 public:
  // With ratcheting, `old` is what stood here before, and a value that equals it is not judged again.
  // Quiet: only whether something is wrong is wanted, as soon as it is known, and nothing is written out.
  explicit Validator(bool ratcheting, bool quiet = false) : ratcheting_(ratcheting), quiet_(quiet) {}

  void check(const Node& node, const Value& value, const Value* old, const Where& where) {
    if (errors.size() >= kErrorsMax || (quiet_ && failed_)) return;
    const std::size_t before = errors.size();
    check_type(node, value, where);
    if (value.is_object()) {
      check_members(node, value.as_object(), old, where);
    } else if (value.is_array()) {
      check_items(node, value.as_array(), old, where);
    }
    if (node.rules && !value.is_null()) check_rules(node, *node.rules, value, where);
    if (ratcheting_ && errors.size() > before && old && *old == value) errors.resize(before);
  }

  std::vector<FieldError> errors;
  bool failed() const { return failed_; }

 private:
  // True when that is all there is to do about a violation.
  bool noted() {
    failed_ = true;
    return quiet_;
  }

  void fail(FieldError error) {
    if (noted()) return;
    if (errors.size() < kErrorsMax) errors.push_back(std::move(error));
  }

  static std::string field(const Where& where) {
    std::string text = where.text();
    return text.empty() ? "<nil>" : text;
  }

  static std::string in_body(const Where& where, std::string_view rest) {
    return where.text().append(" in body ").append(rest);
  }

  void fail_invalid(const Where& where, const Value& value, std::string_view rest) {
    if (noted()) return;
    fail(invalid(field(where), value, in_body(where, rest)));
  }

  void check_type(const Node& node, const Value& value, const Where& where) {
    if (value.is_null()) {
      if (!node.nullable && node.type != Type::Any) wrong_type(node, "null", where);
      return;
    }
    if (!has_type(value, node.type)) wrong_type(node, value.type_name(), where);
  }

  void wrong_type(const Node& node, std::string_view got, const Where& where) {
    if (noted()) return;
    const std::string rest = "must be of type " + std::string(name_of(node.type)) + ": " + quoted(got);
    fail(type_invalid(field(where), Value(got), in_body(where, rest)));
  }

  void check_members(const Node& node, const json::Object& object, const Value* old, const Where& where) {
    detail::PropertyCursor cursor(node);
    auto required_name = node.required.begin();
    for (const auto& [key, value] : object) {
      for (; required_name != node.required.end(); ++required_name) {
        const int order = detail::order_of(*required_name, key);
        if (order > 0) break;
        if (order < 0) missing(*required_name, where);
      }
      if (const Node* child = cursor.find(key))
        check(*child, value, old ? old->find(key) : nullptr, Where{&where, key});
    }
    while (required_name != node.required.end()) missing(*required_name++, where);
    if (node.embedded && where.up) check_embedded(object, where);
  }

  void missing(const std::string& name, const Where& where) {
    if (!noted()) fail(required(Where{&where, name}.text()));
  }

  // An object inside an object must say what it is.
  void check_embedded(const json::Object& object, const Where& where) {
    for (const std::string_view name : {"apiVersion", "kind"}) {
      const Value* value = object.find(name);
      if (!value || (value->is_string() && value->as_string().empty())) {
        fail(required(Where{&where, name}.text(), "must not be empty"));
      }
    }
  }

  void check_items(const Node& node, const json::Array& items, const Value* old, const Where& where) {
    if (node.list_type != ListType::Atomic && !surely_unique(node, items)) check_unique(node, items, old, where);
    if (!node.items) return;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const Value* before = old ? detail::same_item(node, items[i], *old) : nullptr;
      check(*node.items, items[i], before, Where{&where, {}, static_cast<std::int64_t>(i)});
    }
  }

  void check_unique(const Node& node, const json::Array& items, const Value* old, const Where& where) {
    if (node.list_type == ListType::Map && !std::ranges::all_of(items, &Value::is_object))
      return;  // told as a wrong type
    // A list that had repetitions already is left alone, as upstream does.
    if (ratcheting_ && old && old->is_array() && !repeated(node, old->as_array()).empty()) return;
    for (const std::size_t i : repeated(node, items)) {
      Value shown = node.list_type == ListType::Set ? items[i] : json::parse(identity(node, items[i]));
      fail(duplicate(Where{&where, {}, static_cast<std::int64_t>(i)}.text(), shown));
    }
  }

  void check_rules(const Node& node, const ValueRules& rules, const Value& value, const Where& where) {
    if (!rules.allowed.empty()) check_enum(rules, value, where);
    if (value.is_string()) {
      check_string(rules, value, where);
    } else if (value.is_number()) {
      check_number(node, rules, value, where);
    } else if (value.is_array()) {
      check_item_count(rules, value, where);
    } else if (value.is_object()) {
      check_member_count(rules, value, where);
    }
    if (!rules.all_of.empty() || !rules.any_of.empty() || !rules.one_of.empty() || rules.not_of)
      check_junctors(rules, value, where);
  }

  void check_enum(const ValueRules& rules, const Value& value, const Where& where) {
    if (std::ranges::find(rules.allowed, value) != rules.allowed.end() || noted()) return;
    std::vector<std::string> words;
    for (const auto& allowed : rules.allowed)
      words.push_back(allowed.is_string() ? allowed.as_string() : json::dump(allowed));
    fail(not_supported(field(where), value, words));
  }

  void check_string(const ValueRules& rules, const Value& value, const Where& where) {
    const std::string& text = value.as_string();
    const auto bytes = static_cast<std::int64_t>(text.size());
    if (rules.max_length && bytes > *rules.max_length && code_points(text) > *rules.max_length) {
      fail(too_long(field(where), *rules.max_length));
    }
    if (rules.min_length && bytes < *rules.min_length * 4 && code_points(text) < *rules.min_length) {
      fail_invalid(where, value, "should be at least " + std::to_string(*rules.min_length) + " chars long");
    }
    if (rules.pattern && !rules.pattern->found_in(text)) {
      fail_invalid(where, value, "should match '" + rules.pattern->text() + "'");
    }
    if (rules.format != Format::None && !has_format(text, rules.format)) {
      const std::string rest = "must be of type " + std::string(object::name_of(rules.format)) + ": " + quoted(text);
      fail(type_invalid(field(where), value, in_body(where, rest)));
    }
  }

  void check_number(const Node& node, const ValueRules& rules, const Value& value, const Where& where) {
    const double number = value.as_double();
    if (rules.minimum && (rules.exclusive_minimum ? number <= *rules.minimum : number < *rules.minimum)) {
      fail_invalid(where, value,
                   (rules.exclusive_minimum ? "should be greater than " : "should be greater than or equal to ") +
                       plain(*rules.minimum));
    }
    if (rules.maximum && (rules.exclusive_maximum ? number >= *rules.maximum : number > *rules.maximum)) {
      fail_invalid(where, value,
                   (rules.exclusive_maximum ? "should be less than " : "should be less than or equal to ") +
                       plain(*rules.maximum));
    }
    if (rules.multiple_of) {
      const double times = number / *rules.multiple_of;
      if (std::abs(times - std::round(times)) > 1e-9 * std::max(1.0, std::abs(times))) {
        fail_invalid(where, value, "should be a multiple of " + plain(*rules.multiple_of));
      }
    }
    const bool in_range =
        rules.format == Format::Int32
            ? number >= std::numeric_limits<std::int32_t>::min() && number <= std::numeric_limits<std::int32_t>::max()
        : rules.format == Format::Float ? std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max())
                                        : true;
    if (!in_range) {
      const std::string rest = "Checked value must be of type " + std::string(name_of(node.type)) + " with format " +
                               std::string(object::name_of(rules.format)) + " in " + where.text();
      fail(invalid(field(where), value, rest));
    }
  }

  void check_item_count(const ValueRules& rules, const Value& value, const Where& where) {
    const auto count = static_cast<std::int64_t>(value.as_array().size());
    if (rules.min_items && count < *rules.min_items) {
      fail_invalid(where, Value(count), "should have at least " + std::to_string(*rules.min_items) + " items");
    }
    if (rules.max_items && count > *rules.max_items) fail(too_many(field(where), count, *rules.max_items));
  }

  void check_member_count(const ValueRules& rules, const Value& value, const Where& where) {
    const auto count = static_cast<std::int64_t>(value.as_object().size());
    if (rules.min_properties && count < *rules.min_properties) {
      fail_invalid(where, Value(count),
                   "should have at least " + std::to_string(*rules.min_properties) + " properties");
    }
    if (rules.max_properties && count > *rules.max_properties)
      fail(too_many(field(where), count, *rules.max_properties));
  }

  // What `alternative` has against the value.
  static std::vector<FieldError> against(const Node& alternative, const Value& value, const Where& where) {
    Validator inner(false);
    inner.check(alternative, value, nullptr, where);
    return std::move(inner.errors);
  }

  static bool fits(const Node& alternative, const Value& value, const Where& where) {
    Validator inner(false, true);
    inner.check(alternative, value, nullptr, where);
    return !inner.failed();
  }

  // When no alternative fits, the complaints of the one that is nearest say most about what was meant.
  void append_nearest(const std::vector<std::unique_ptr<Node>>& alternatives, const Value& value, const Where& where) {
    std::optional<std::vector<FieldError>> nearest;
    for (const auto& alternative : alternatives) {
      auto complaints = against(*alternative, value, where);
      if (!nearest || complaints.size() < nearest->size()) nearest = std::move(complaints);
    }
    append(std::move(*nearest));
  }

  void fail_composite(const Where& where, std::string_view rest) {
    if (noted()) return;
    fail(invalid(field(where), Value(""), quoted(where.text()) + std::string(rest)));
  }

  void append(std::vector<FieldError> more) {
    for (auto& error : more) fail(std::move(error));
  }

  void check_junctors(const ValueRules& rules, const Value& value, const Where& where) {
    const auto fitting = [&](const std::vector<std::unique_ptr<Node>>& alternatives) {
      return std::ranges::count_if(alternatives,
                                   [&](const auto& alternative) { return fits(*alternative, value, where); });
    };
    if (!rules.any_of.empty() && fitting(rules.any_of) == 0) {
      fail_composite(where, " must validate at least one schema (anyOf)");
      if (!quiet_) append_nearest(rules.any_of, value, where);
    }
    if (!rules.one_of.empty()) check_one_of(rules, value, where, fitting(rules.one_of));
    if (!rules.all_of.empty()) check_all_of(rules, value, where, static_cast<std::size_t>(fitting(rules.all_of)));
    if (rules.not_of && fits(*rules.not_of, value, where)) fail_composite(where, " must not validate the schema (not)");
  }

  void check_one_of(const ValueRules& rules, const Value& value, const Where& where, std::ptrdiff_t fitting) {
    if (fitting == 1) return;
    const std::string found =
        fitting == 0 ? "Found none valid" : "Found " + std::to_string(fitting) + " valid alternatives";
    fail_composite(where, " must validate one and only one schema (oneOf). " + found);
    if (fitting == 0 && !quiet_) append_nearest(rules.one_of, value, where);
  }

  void check_all_of(const ValueRules& rules, const Value& value, const Where& where, std::size_t fitting) {
    if (fitting == rules.all_of.size() || noted()) return;
    for (const auto& part : rules.all_of) append(against(*part, value, where));
    fail_composite(where, fitting == 0 ? " must validate all the schemas (allOf). None validated"
                                       : " must validate all the schemas (allOf)");
  }

  bool ratcheting_;
  bool quiet_;
  bool failed_ = false;
};

}  // namespace

std::vector<FieldError> detail::validate(const Node& node, const Value& value, const Value* old,
                                         std::string_view path) {
  Validator validator(old != nullptr);
  validator.check(node, value, old, Where{nullptr, path});
  return std::move(validator.errors);
}

}  // namespace gantry::object
