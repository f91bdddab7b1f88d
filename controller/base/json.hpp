// A JSON value that can be built, changed and compared. simdjson reads it; dump() writes it canonically: members sorted
// by key, no spaces. Objects are sorted vectors: small, quick to scan, and equal when their text is equal.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace gantry::json {

class Value;
struct Member;

using Array = std::vector<Value>;

class Object {
 public:
  Object();
  Object(std::initializer_list<Member> members);
  Object(const Object&);
  Object(Object&&) noexcept;
  Object& operator=(const Object&);
  Object& operator=(Object&&) noexcept;
  ~Object();

  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  // Makes a null member when absent.
  Value& operator[](std::string_view key);
  void set(std::string_view key, Value value);
  bool erase(std::string_view key);
  // Adds at the end without looking; sort() must follow before anything else is called.
  void append_unsorted(std::string key, Value value);
  // The same, for the value to be filled in; it stays where it is while nothing is added beyond reserve().
  Value& append_unsorted(std::string_view key);
  // Sorts by key. Of members with the same key the last one wins; their keys are appended to duplicates, if given.
  void sort(std::vector<std::string>* duplicates = nullptr);

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  void reserve(std::size_t count);
  Member* begin();
  Member* end();
  const Member* begin() const;
  const Member* end() const;
  bool operator==(const Object&) const;

 private:
  std::vector<Member> members_;
};

class Value {
 public:
  Value() noexcept : type_(Type::Null), integer_(0) {}
  Value(std::nullptr_t) noexcept : Value() {}
  Value(bool value) noexcept : type_(Type::Bool), bool_(value) {}
  Value(double value) noexcept : type_(Type::Double), double_(value) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(std::string_view value) : type_(Type::String), string_(value) {}
  Value(std::string value) noexcept : type_(Type::String), string_(std::move(value)) {}
  Value(Array value) noexcept : type_(Type::Array), array_(std::move(value)) {}
  Value(Object value) noexcept : type_(Type::Object), object_(std::move(value)) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Value(T value) noexcept : type_(Type::Int), integer_(static_cast<std::int64_t>(value)) {}

  Value(const Value& other);
  Value(Value&& other) noexcept { take(other); }
  Value& operator=(const Value& other);
  Value& operator=(Value&& other) noexcept;
  ~Value() {
    if (type_ >= Type::String) destroy();
  }

  bool is_null() const { return type_ == Type::Null; }
  bool is_bool() const { return type_ == Type::Bool; }
  bool is_int() const { return type_ == Type::Int; }
  bool is_double() const { return type_ == Type::Double; }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return type_ == Type::String; }
  bool is_array() const { return type_ == Type::Array; }
  bool is_object() const { return type_ == Type::Object; }
  // As OpenAPI says it: null, boolean, integer, number, string, array, object.
  std::string_view type_name() const;

  // Throw Error(Invalid) naming both types when the value is of another type.
  bool as_bool() const;
  std::int64_t as_int() const;
  double as_double() const;  // integers too
  const std::string& as_string() const;
  const Array& as_array() const;
  Array& as_array();
  const Object& as_object() const;
  Object& as_object();

  // Null when this is no object or has no such member.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  // Walks down objects: at({"metadata", "name"}). Null when anything on the way is absent.
  const Value* at(std::initializer_list<std::string_view> path) const;
  // A null becomes an object first. Throws Error(Invalid) on other types.
  Value& operator[](std::string_view key);

  // Convenience for reading what may be absent.
  std::string string_or(std::string_view key, std::string_view otherwise = {}) const;
  // The string at the path, as at() walks; empty when it is absent or something else.
  std::string text_at(std::initializer_list<std::string_view> path) const;
  std::int64_t int_or(std::string_view key, std::int64_t otherwise) const;
  bool bool_or(std::string_view key, bool otherwise) const;

  bool operator==(const Value&) const;

 private:
  // Those that own memory come last.
  enum class Type : std::uint8_t { Null, Bool, Int, Double, String, Array, Object };

  void destroy() noexcept;
  // Fills raw memory; what is taken from keeps its type, and is empty then.
  void take(Value& other) noexcept;

  // By hand rather than a std::variant, whose visits were a fifth of what a write costs: values are moved and destroyed
  // far more often than they are looked at.
  Type type_;
  union {
    bool bool_;
    std::int64_t integer_;
    double double_;
    std::string string_;
    Array array_;
    Object object_;
  };
};

struct Member {
  std::string key;
  Value value;
  bool operator==(const Member&) const = default;
};

inline void Value::take(Value& other) noexcept {
  type_ = other.type_;
  switch (type_) {
    case Type::String:
      new (&string_) std::string(std::move(other.string_));
      break;
    case Type::Array:
      new (&array_) Array(std::move(other.array_));
      break;
    case Type::Object:
      new (&object_) Object(std::move(other.object_));
      break;
    default:
      integer_ = other.integer_;
  }
}

inline Value& Value::operator=(Value&& other) noexcept {
  if (this == &other) return *this;
  // What is assigned may live inside what is replaced.
  Value old(std::move(*this));
  if (type_ >= Type::String) destroy();
  take(other);
  return *this;
}

inline Object::Object() = default;
inline Object::Object(Object&&) noexcept = default;
inline Object::~Object() = default;
inline std::size_t Object::size() const { return members_.size(); }
inline void Object::reserve(std::size_t count) { members_.reserve(count); }
inline Member* Object::begin() { return members_.data(); }
inline Member* Object::end() { return members_.data() + members_.size(); }
inline const Member* Object::begin() const { return members_.data(); }
inline const Member* Object::end() const { return members_.data() + members_.size(); }

struct ParseLimits {
  std::size_t depth_max = 100;
};

// Throws Error(BadRequest) with the byte offset's neighbourhood and the reason: malformed, not UTF-8, too deep.
// duplicates receives the paths of keys that stand twice ("spec.replicas"); the last one wins.
Value parse(std::string_view text, std::vector<std::string>* duplicates = nullptr, ParseLimits limits = {});

std::string dump(const Value& value);
void dump_to(std::string& out, const Value& value);
// Indented by two spaces or as told, with a final newline: what people read.
std::string dump_pretty(const Value& value, int indent = 4);
void append_quoted(std::string& out, std::string_view text);
void append_number(std::string& out, double number);

}  // namespace gantry::json
