// A JSON value that can be built, changed and compared. simdjson reads it; dump() writes it canonically: members sorted
// by key, no spaces. Objects are sorted vectors: small, quick to scan, and equal when their text is equal.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
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
  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}
  template <class T>
    requires(std::is_integral_v<T> && !std::is_same_v<T, bool>)
  Value(T value) : data_(static_cast<std::int64_t>(value)) {}

  bool is_null() const { return data_.index() == 0; }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_double() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }
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
  std::int64_t int_or(std::string_view key, std::int64_t otherwise) const;
  bool bool_or(std::string_view key, bool otherwise) const;

  bool operator==(const Value&) const;

 private:
  std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, Array, Object> data_;
};

struct Member {
  std::string key;
  Value value;
  bool operator==(const Member&) const = default;
};

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
