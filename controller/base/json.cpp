#include "controller/base/json.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "controller/base/error.hpp"
#include "controller/base/json_partial.hpp"

namespace gantry::json {

Object::Object(const Object&) = default;
Object& Object::operator=(const Object&) = default;
Object& Object::operator=(Object&&) noexcept = default;

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

void Object::append_unsorted(std::string key, Value value) { members_.emplace_back(std::move(key), std::move(value)); }

Value& Object::append_unsorted(std::string_view key) { return members_.emplace_back(std::string(key), Value()).value; }

void Object::sort(std::vector<std::string>* duplicates) {
  const auto before = [](const Member& a, const Member& b) { return a.key < b.key; };
  if (!std::is_sorted(members_.begin(), members_.end(), before))
    std::stable_sort(members_.begin(), members_.end(), before);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (i + 1 < members_.size() && members_[i + 1].key == members_[i].key) {
      if (duplicates && (duplicates->empty() || duplicates->back() != members_[i].key))
        duplicates->push_back(members_[i].key);
      continue;
    }
    if (kept != i) members_[kept] = std::move(members_[i]);
    ++kept;
  }
  members_.resize(kept);
}

bool Object::operator==(const Object&) const = default;

Value::Value(const Value& other) : type_(other.type_) {
  switch (type_) {
    case Type::String:
      new (&string_) std::string(other.string_);
      break;
    case Type::Array:
      new (&array_) Array(other.array_);
      break;
    case Type::Object:
      new (&object_) Object(other.object_);
      break;
    default:
      integer_ = other.integer_;
  }
}

Value& Value::operator=(const Value& other) { return *this = Value(other); }

void Value::destroy() noexcept {
  switch (type_) {
    case Type::String:
      string_.~basic_string();
      break;
    case Type::Array:
      array_.~Array();
      break;
    case Type::Object:
      object_.~Object();
      break;
    default:
      break;
  }
}

bool Value::operator==(const Value& other) const {
  if (type_ != other.type_) return false;
  switch (type_) {
    case Type::Null:
      return true;
    case Type::Bool:
      return bool_ == other.bool_;
    case Type::Int:
      return integer_ == other.integer_;
    case Type::Double:
      return double_ == other.double_;
    case Type::String:
      return string_ == other.string_;
    case Type::Array:
      return array_ == other.array_;
    case Type::Object:
      break;
  }
  return object_ == other.object_;
}

std::string_view Value::type_name() const {
  constexpr std::string_view kNames[] = {"null", "boolean", "integer", "number", "string", "array", "object"};
  return kNames[static_cast<std::size_t>(type_)];
}

bool Value::as_bool() const {
  if (!is_bool()) wrong_type("boolean", type_name());
  return bool_;
}

std::int64_t Value::as_int() const {
  if (!is_int()) wrong_type("integer", type_name());
  return integer_;
}

double Value::as_double() const {
  if (is_int()) return static_cast<double>(integer_);
  if (!is_double()) wrong_type("number", type_name());
  return double_;
}

const std::string& Value::as_string() const {
  if (!is_string()) wrong_type("string", type_name());
  return string_;
}

const Array& Value::as_array() const {
  if (!is_array()) wrong_type("array", type_name());
  return array_;
}

Array& Value::as_array() { return const_cast<Array&>(std::as_const(*this).as_array()); }

const Object& Value::as_object() const {
  if (!is_object()) wrong_type("object", type_name());
  return object_;
}

Object& Value::as_object() { return const_cast<Object&>(std::as_const(*this).as_object()); }

const Value* Value::find(std::string_view key) const { return is_object() ? object_.find(key) : nullptr; }

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
  if (is_null()) *this = Object();
  return as_object()[key];
}

std::string Value::string_or(std::string_view key, std::string_view otherwise) const {
  const Value* value = find(key);
  return value && value->is_string() ? value->as_string() : std::string(otherwise);
}

std::string Value::text_at(std::initializer_list<std::string_view> path) const {
  const Value* value = at(path);
  return value && value->is_string() ? value->as_string() : std::string();
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

// Builds each value where it is to stay.
class Builder {
 public:
  explicit Builder(std::vector<std::string>* duplicates, MemberPath passed_over = {})
      : duplicates_(duplicates), passed_over_(passed_over) {}

  // The way to where we are; written out only for a key that stands twice.
  struct Where {
    const Where* up;
    std::string_view key;
    std::size_t index;

    std::string text() const {
      if (!up) return {};
      std::string out = up->text();
      if (key.data()) return out.append(out.empty() ? "" : ".").append(key);
      return out.append("[").append(std::to_string(index)).append("]");
    }
  };

  void build(const simdjson::dom::element& element, Value& out, const Where& where) {
    using simdjson::dom::element_type;
    switch (element.type()) {
      case element_type::ARRAY:
        return array(element.get_array().value_unsafe(), out, where);
      case element_type::OBJECT:
        return object(element.get_object().value_unsafe(), out, where);
      case element_type::STRING:
        out = Value(element.get_string().value_unsafe());
        return;
      case element_type::INT64:
        out = Value(element.get_int64().value_unsafe());
        return;
      case element_type::UINT64:
        out = Value(static_cast<double>(element.get_uint64().value_unsafe()));
        return;
      case element_type::DOUBLE:
        out = Value(element.get_double().value_unsafe());
        return;
      case element_type::BOOL:
        out = Value(element.get_bool().value_unsafe());
        return;
      case element_type::NULL_VALUE:
        return;
    }
  }

 private:
  void array(const simdjson::dom::array& from, Value& out, const Where& where) {
    out = Array();
    Array& made = out.as_array();
    made.reserve(from.size());
    for (const auto item : from) build(item, made.emplace_back(), Where{&where, {}, made.size() - 1});
  }

  void object(const simdjson::dom::object& from, Value& out, const Where& where) {
    out = Object();
    Object& made = out.as_object();
    made.reserve(from.size());
    const bool some_passed_over = is_passed_over(where);
    for (const auto field : from) {
      if (some_passed_over && field.key == passed_over_[1]) continue;
      build(field.value, made.append_unsorted(field.key), Where{&where, field.key, 0});
    }
    if (!duplicates_) return made.sort();
    std::vector<std::string> keys;
    made.sort(&keys);
    for (const auto& key : keys) duplicates_->push_back(Where{&where, key, 0}.text());
  }

  // Whether a member of what is here may be passed over.
  bool is_passed_over(const Where& where) const {
    return !passed_over_[1].empty() && where.up && !where.up->up && where.key == passed_over_[0];
  }

  std::vector<std::string>* duplicates_;
  MemberPath passed_over_;
};

std::string_view reason(simdjson::error_code error) {
  switch (error) {
    case simdjson::DEPTH_ERROR:
      return "nested too deeply";
    case simdjson::UTF8_ERROR:
      return "not valid UTF-8";
    case simdjson::EMPTY:
      return "empty";
    case simdjson::NUMBER_ERROR:
      return "a number is malformed or out of range";
    case simdjson::STRING_ERROR:
      return "a string is malformed";
    case simdjson::UNCLOSED_STRING:
      return "a string is not closed";
    case simdjson::UNESCAPED_CHARS:
      return "a string has a control character";
    default:
      return "malformed";
  }
}

}  // namespace

namespace {

// What a builder makes of the text.
Value built(std::string_view text, const ParseLimits& limits, Builder builder) {
  thread_local simdjson::dom::parser parser;
  // A parser keeps the largest buffer it ever needed; one huge document should not cost memory for ever.
  constexpr std::size_t kKeep = 4 << 20;
  if (parser.capacity() < text.size() || parser.max_depth() != limits.depth_max || parser.capacity() > kKeep) {
    const auto capacity = std::max<std::size_t>(text.size(), 64 << 10);
    if (parser.capacity() > kKeep) parser = simdjson::dom::parser();
    if (parser.allocate(capacity, limits.depth_max)) throw Error(ErrorCode::TooLarge, "JSON is too large to read");
  }
  // A view of nothing may have no address, and simdjson copies from there.
  if (text.data() == nullptr) text = std::string_view("", 0);
  const auto result = parser.parse(text.data(), text.size(), true);
  if (result.error()) {
    throw Error(ErrorCode::BadRequest, "JSON is " + std::string(reason(result.error())) +
                                           (result.error() == simdjson::DEPTH_ERROR
                                                ? " (at most " + std::to_string(limits.depth_max) + " levels)"
                                                : ""));
  }
  Value value;
  builder.build(result.value_unsafe(), value, Builder::Where{nullptr, {}, 0});
  return value;
}

}  // namespace

Value parse(std::string_view text, std::vector<std::string>* duplicates, ParseLimits limits) {
  return built(text, limits, Builder(duplicates));
}

Value parse_without(std::string_view text, MemberPath passed_over) {
  return built(text, {}, Builder(nullptr, passed_over));
}

namespace {

// Whether one of the eight bytes must be escaped: below 0x20, '"' or '\\'. Bit tricks as in Hacker's Delight, 6-1.
bool any_escaped(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
  const auto has_zero = [](std::uint64_t x) { return (x - kOnes) & ~x & kHighs; };
  const std::uint64_t control = (word - kOnes * 0x20) & ~word & kHighs;
  return (control | has_zero(word ^ (kOnes * '"')) | has_zero(word ^ (kOnes * '\\'))) != 0;
}

bool is_escaped(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

// Where the first byte that must be escaped stands, from `at` on; the text's end when there is none.
std::size_t next_escaped(std::string_view text, std::size_t at) {
  for (std::uint64_t word; text.size() - at >= sizeof word; at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if (any_escaped(word)) break;
  }
  while (at < text.size() && !is_escaped(static_cast<unsigned char>(text[at]))) ++at;
  return at;
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t start = 0;
  for (std::size_t i = 0; (i = next_escaped(text, i)) < text.size(); start = ++i) {
    out.append(text, start, i - start);
    const auto c = static_cast<unsigned char>(text[i]);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
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
