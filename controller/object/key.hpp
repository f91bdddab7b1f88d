// The address of an object. A Resource is interned: equal resources are the same pointer, so keys are cheap to copy,
// compare and hash.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace gantry::object {

// One monotonic counter for the whole store; 0 means "none".
using Revision = std::uint64_t;

class Resource {
 public:
  // group "" is core. Interning takes a lock; keep the result where it is asked for often. Any thread.
  static Resource of(std::string_view group, std::string_view plural);
  Resource() = default;

  std::string_view group() const;
  std::string_view plural() const;
  // "apps.gantry.dev", or "secrets" for core: how errors and RBAC name it.
  std::string_view qualified() const;
  explicit operator bool() const { return name_ != nullptr; }
  bool operator==(const Resource&) const = default;
  // By qualified name, so that order does not depend on addresses.
  std::strong_ordering operator<=>(const Resource& other) const;
  std::size_t hash() const { return std::hash<const void*>()(name_); }

 private:
  struct Name;
  explicit Resource(const Name* name) : name_(name) {}
  const Name* name_ = nullptr;
};

struct Key {
  Resource resource;
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;

  bool operator==(const Key&) const = default;
  auto operator<=>(const Key&) const = default;
  std::string to_string() const;  // apps.gantry.dev/prod/web
};

struct KeyHash {
  std::size_t operator()(const Key& key) const;
};

}  // namespace gantry::object
