#include "controller/base/json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "controller/base/error.hpp"

namespace gantry::json {

Object::Object() = default;
Object::Object(const Object&) = default;
Object::Object(Object&&) noexcept = default;
Object& Object::operator=(const Object&) = default;
Object& Object::operator=(Object&&) noexcept = default;
Object::~Object() = default;

Object::Object(std::initializer_list<Member> members) : members_(members) { sort(); }

namespace {

constexpr auto kByKey = [](const Member& member, std::string_view key) { return std::string_view(member.key) < key; };

[[noreturn]] void wrong_type(std::string_view wanted, std::string_view got) {
  throw Error(ErrorCode::Invalid, "expected " + std::string(wanted) + ", got " + std::string(got));
}

}  // namespace

const Value* Object::find(std::string_view key) const {
  const auto at = std::lower_bound(members_.begin(), members_.end(), key, kByKey);
  return at != members_.end() && at->key == key ? &at->value : nullptr;
}

Value* Object::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

Value& Object::operator[](std::string_view key) {
  auto at = std::lower_bound(members_.begin(), members_.end(), key, kByKey);
  if (at == members_.end() || at->key != key) at = members_.insert(at, Member{std::string(key), Value()});
  return at->value;
}

void Object::set(std::string_view key, Value value) { (*this)[key] = std::move(value); }

bool Object::erase(std::string_view key) {
  const auto at = std::lower_bound(members_.begin(), members_.end(), key, kByKey);
  if (at == members_.end() || at->key != key) return false;
  members_.erase(at);
  return true;
}

void Object::append_unsorted(std::string key, Value value) { members_.push_back(Member{std::move(key), std::move(value)}); }

void Object::sort(std::vector<std::string>* duplicates) {
  const auto before = [](const Member& a, const Member& b) { return a.key < b.key; };
  if (!std::is_sorted(members_.begin(), members_.end(), before)) std::stable_sort(members_.begin(), members_.end(), before);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (i + 1 < members_.size() && members_[i + 1].key == members_[i].key) {
      if (duplicates && (duplicates->empty() || duplicates->back() != members_[i].key)) duplicates->push_back(members_[i].key);
      continue;
    }
    if (kept != i) members_[kept] = std::move(members_[i]);
    ++kept;
  }
  members_.resize(kept);
}

std::size_t Object::size() const { return members_.size(); }
void Object::reserve(std::size_t count) { members_.reserve(count); }
Member* Object::begin() { return members_.data(); }
Member* Object::end() { return members_.data() + members_.size(); }
const Member* Object::begin() const { return members_.data(); }
const Member* Object::end() const { return members_.data() + members_.size(); }
bool Object::operator==(const Object&) const = default;
bool Value::operator==(const Value&) const = default;

std::string_view Value::type_name() const {
  constexpr std::string_view kNames[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
  return kNames[data_.index()];
}

bool Value::as_bool() const {
  if (const auto* value = std::get_if<bool>(&data_)) return *value;
  wrong_type("boolean", type_name());
}

std::int64_t Value::as_int() const {
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return *value;
  wrong_type("integer", type_name());
}

double Value::as_double() const {
  if (const auto* value = std::get_if<double>(&data_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&data_)) return static_cast<double>(*value);
  wrong_type("number", type_name());
}

const std::string& Value::as_string() const {
  if (const auto* value = std::get_if<std::string>(&data_)) return *value;
  wrong_type("string", type_name());
}

const Array& Value::as_array() const {
  if (const auto* value = std::get_if<Array>(&data_)) return *value;
  wrong_type("array", type_name());
}

Array& Value::as_array() { return const_cast<Array&>(std::as_const(*this).as_array()); }

const Object& Value::as_object() const {
  if (const auto* value = std::get_if<Object>(&data_)) return *value;
  wrong_type("object", type_name());
}

Object& Value::as_object() { return const_cast<Object&>(std::as_const(*this).as_object()); }

const Value* Value::find(std::string_view key) const {
  const auto* object = std::get_if<Object>(&data_);
  return object ? object->find(key) : nullptr;
}

Value* Value::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

const Value* Value::at(std::initializer_list<std::string_view> path) const {
  const Value* here = this;
  for (const auto key : path) {
    here = here->find(key);
    if (!here) return nullptr;
  }
  return here;
}

Value& Value::operator[](std::string_view key) {
  if (is_null()) data_ = Object();
  return as_object()[key];
}

std::string Value::string_or(std::string_view key, std::string_view otherwise) const {
  const Value* value = find(key);
  return value && value->is_string() ? value->as_string() : std::string(otherwise);
}

std::int64_t Value::int_or(std::string_view key, std::int64_t otherwise) const {
  const Value* value = find(key);
  return value && value->is_int() ? value->as_int() : otherwise;
}

bool Value::bool_or(std::string_view key, bool otherwise) const {
  const Value* value = find(key);
  return value && value->is_bool() ? value->as_bool() : otherwise;
}

namespace {

struct Builder {
  std::vector<std::string>* duplicates;
  std::string path;  // kept only when duplicates are wanted

  Value build(const simdjson::dom::element& element) {
    using simdjson::dom::element_type;
    switch (element.type()) {
      case element_type::ARRAY: return array(element.get_array().value_unsafe());
      case element_type::OBJECT: return object(element.get_object().value_unsafe());
      case element_type::STRING: return Value(element.get_string().value_unsafe());
      case element_type::INT64: return Value(element.get_int64().value_unsafe());
      case element_type::UINT64: return Value(static_cast<double>(element.get_uint64().value_unsafe()));
      case element_type::DOUBLE: return Value(element.get_double().value_unsafe());
      case element_type::BOOL: return Value(element.get_bool().value_unsafe());
      case element_type::NULL_VALUE: break;
    }
    return Value();
  }

  Value array(const simdjson::dom::array& from) {
    Array made;
    made.reserve(from.size());
    const std::size_t length = path.size();
    for (const auto item : from) {
      if (duplicates) path += "[" + std::to_string(made.size()) + "]";
      made.push_back(build(item));
      path.resize(length);
    }
    return Value(std::move(made));
  }

  Value object(const simdjson::dom::object& from) {
    Object made;
    made.reserve(from.size());
    const std::size_t length = path.size();
    for (const auto field : from) {
      if (duplicates) path.append(path.empty() ? "" : ".").append(field.key);
      made.append_unsorted(std::string(field.key), build(field.value));
      path.resize(length);
    }
    if (!duplicates) {
      made.sort();
      return Value(std::move(made));
    }
    std::vector<std::string> keys;
    made.sort(&keys);
    for (const auto& key : keys) duplicates->push_back(path.empty() ? key : path + "." + key);
    return Value(std::move(made));
  }
};

std::string_view reason(simdjson::error_code error) {
  switch (error) {
    case simdjson::DEPTH_ERROR: return "nested too deeply";
    case simdjson::UTF8_ERROR: return "not valid UTF-8";
    case simdjson::EMPTY: return "empty";
    case simdjson::NUMBER_ERROR: return "a number is malformed or out of range";
    case simdjson::STRING_ERROR: return "a string is malformed";
    case simdjson::UNCLOSED_STRING: return "a string is not closed";
    case simdjson::UNESCAPED_CHARS: return "a string has a control character";
    default: return "malformed";
  }
}

}  // namespace

Value parse(std::string_view text, std::vector<std::string>* duplicates, ParseLimits limits) {
  thread_local simdjson::dom::parser parser;
  // A parser keeps the largest buffer it ever needed; one huge document should not cost memory for ever.
  constexpr std::size_t kKeep = 4 << 20;
  if (parser.capacity() < text.size() || parser.max_depth() != limits.depth_max || parser.capacity() > kKeep) {
    const auto capacity = std::max<std::size_t>(text.size(), 64 << 10);
    if (parser.capacity() > kKeep) parser = simdjson::dom::parser();
    if (parser.allocate(capacity, limits.depth_max)) throw Error(ErrorCode::TooLarge, "JSON is too large to read");
  }
  const auto result = parser.parse(text.data(), text.size(), true);
  if (result.error()) {
    throw Error(ErrorCode::BadRequest, "JSON is " + std::string(reason(result.error())) +
                                           (result.error() == simdjson::DEPTH_ERROR ? " (at most " + std::to_string(limits.depth_max) + " levels)" : ""));
  }
  return Builder{duplicates, {}}.build(result.value_unsafe());
}

void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, start, i - start);
    start = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        out += "\\u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out.append(text, start);
  out += '"';
}

void append_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";  // JSON has no word for it
    return;
  }
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  const std::string_view written(text, static_cast<std::size_t>(end - text));
  out += written;
  // A float stays a float when read back.
  if (written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void dump_to(std::string& out, const Value& value) {
  if (value.is_null()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.as_bool() ? "true" : "false";
  } else if (value.is_int()) {
    char text[24];
    out.append(text, std::to_chars(text, text + sizeof text, value.as_int()).ptr);
  } else if (value.is_double()) {
    append_number(out, value.as_double());
  } else if (value.is_string()) {
    append_quoted(out, value.as_string());
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const auto& item : value.as_array()) {
      if (!std::exchange(first, false)) out += ',';
      dump_to(out, item);
    }
    out += ']';
  } else {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : value.as_object()) {
      if (!std::exchange(first, false)) out += ',';
      append_quoted(out, key);
      out += ':';
      dump_to(out, item);
    }
    out += '}';
  }
}

std::string dump(const Value& value) {
  std::string out;
  dump_to(out, value);
  return out;
}

namespace {

void pretty(std::string& out, const Value& value, int indent, int depth) {
  const auto line = [&](int at) {
    out += '\n';
    out.append(static_cast<std::size_t>(at * indent), ' ');
  };
  if (value.is_array() && !value.as_array().empty()) {
    out += '[';
    bool first = true;
    for (const auto& item : value.as_array()) {
      if (!std::exchange(first, false)) out += ',';
      line(depth + 1);
      pretty(out, item, indent, depth + 1);
    }
    line(depth);
    out += ']';
  } else if (value.is_object() && !value.as_object().empty()) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : value.as_object()) {
      if (!std::exchange(first, false)) out += ',';
      line(depth + 1);
      append_quoted(out, key);
      out += ": ";
      pretty(out, item, indent, depth + 1);
    }
    line(depth);
    out += '}';
  } else {
    dump_to(out, value);
  }
}

}  // namespace

std::string dump_pretty(const Value& value, int indent) {
  std::string out;
  pretty(out, value, indent, 0);
  out += '\n';
  return out;
}

}  // namespace gantry::json
