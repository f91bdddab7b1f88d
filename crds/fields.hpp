// What a struct of crds/ reads from JSON, as a list of its fields:
//
//   template <class Visitor>
//   void fields(Visitor& visit, DnsRecordSpec& spec) { visit("zone", spec.zone); visit("ttl", spec.ttl); }
//
// decode() follows the list, and tests/crds holds it against the schema beside it: every field, type, enum and default.
// A field that is absent keeps what the struct's initializer says, which is the schema's default.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "controller/base/json.hpp"

namespace gantry::crds {

// 3 or "25%"; 80 or "http".
struct IntOrString {
  bool is_int = true;
  std::int64_t number = 0;
  std::string text;
  bool operator==(const IntOrString&) const = default;
};

// The quantities of Kubernetes: 500m, 1Gi, 12e6. Kept as written.
struct Quantity {
  std::string text;
  // In thousandths, or whole. Throw Error(Invalid) when the text is no quantity, or does not fit 64 bits.
  std::int64_t milli() const;
  std::int64_t whole() const;
  bool operator==(const Quantity&) const = default;
};

// An enum names its words in the order of its values: std::span<const std::string_view> words(Runtime).
template <class T>
concept Worded = std::is_enum_v<T> && requires(T value) {
  { words(value) } -> std::convertible_to<std::span<const std::string_view>>;
};

template <Worded T>
std::string_view to_string(T value) {
  return words(value)[static_cast<std::size_t>(value)];
}

namespace detail {

inline void read(const json::Value& from, json::Value& to) { to = from; }
inline void read(const json::Value& from, std::string& to) {
  if (from.is_string()) to = from.as_string();
}
inline void read(const json::Value& from, bool& to) {
  if (from.is_bool()) to = from.as_bool();
}
inline void read(const json::Value& from, std::int64_t& to) {
  if (from.is_int()) to = from.as_int();
}
inline void read(const json::Value& from, int& to) {
  if (from.is_int()) to = static_cast<int>(from.as_int());
}
void read(const json::Value& from, IntOrString& to);
void read(const json::Value& from, Quantity& to);

template <Worded T>
void read(const json::Value& from, T& to) {
  if (!from.is_string()) return;
  const auto known = words(to);
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i] == from.as_string()) to = static_cast<T>(i);
  }
}

template <class T>
  requires(std::is_class_v<T>)
void read(const json::Value& from, T& to);

template <class T>
void read(const json::Value& from, std::optional<T>& to) {
  read(from, to.emplace());
}

template <class T>
void read(const json::Value& from, std::vector<T>& to) {
  if (!from.is_array()) return;
  to.clear();
  to.reserve(from.as_array().size());
  for (const auto& item : from.as_array()) read(item, to.emplace_back());
}

template <class T>
void read(const json::Value& from, std::map<std::string, T>& to) {
  if (!from.is_object()) return;
  to.clear();
  for (const auto& [key, value] : from.as_object()) read(value, to[key]);
}

struct Reader {
  const json::Value& from;
  template <class T>
  void operator()(std::string_view name, T& to) const {
    if (const json::Value* value = from.find(name); value && !value->is_null()) read(*value, to);
  }
};

template <class T>
  requires(std::is_class_v<T>)
void read(const json::Value& from, T& to) {
  Reader reader{from};
  fields(reader, to);
}

}  // namespace detail

// The spec of an object. Never throws: a field of another type than expected reads as absent.
template <class Spec>
Spec decode_spec(const json::Value& object) {
  Spec spec;
  if (const json::Value* from = object.find("spec")) detail::read(*from, spec);
  return spec;
}

}  // namespace gantry::crds
