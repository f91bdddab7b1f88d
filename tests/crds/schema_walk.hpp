// Holds a struct's field list against the schema beside it, as decode() holds it against an object.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "crds/fields.hpp"

namespace gantry::crds {

class SchemaWalk {
 public:
  SchemaWalk(const json::Value& schema, std::string path) : schema_(schema), path_(std::move(path)) {}

  template <class T>
  void operator()(std::string_view name, T& value) {
    read_.insert(std::string(name));
    const std::string path = path_ + "." + std::string(name);
    const json::Value* node = schema_.at({"properties", name});
    if (!node) {
      ADD_FAILURE() << path << " is read by the struct, but the schema does not know it";
      return;
    }
    compare(*node, value, path);
    compare_default(*node, value, path);
  }

  void everything_was_read() const {
    for (const auto& [name, node] : schema_.find("properties")->as_object())
      EXPECT_TRUE(read_.contains(name)) << path_ << "." << name << " is allowed by the schema, but no struct reads it";
  }

 private:
  static void is(const json::Value& node, std::string_view type, const std::string& path) {
    EXPECT_EQ(node.string_or("type"), type) << path;
  }
  static void compare(const json::Value& node, std::string&, const std::string& path) {
    is(node, "string", path);
    EXPECT_FALSE(node.find("enum")) << path << " should be an enum";
  }
  static void compare(const json::Value& node, bool&, const std::string& path) { is(node, "boolean", path); }
  static void compare(const json::Value& node, int&, const std::string& path) {
    is(node, "integer", path);
    EXPECT_EQ(node.string_or("format"), "int32") << path;
  }
  static void compare(const json::Value& node, std::int64_t&, const std::string& path) {
    is(node, "integer", path);
    EXPECT_EQ(node.string_or("format"), "int64") << path;
  }
  static void compare(const json::Value& node, IntOrString&, const std::string& path) {
    EXPECT_TRUE(node.bool_or("x-kubernetes-int-or-string", false)) << path;
  }
  static void compare(const json::Value& node, Quantity&, const std::string& path) {
    EXPECT_TRUE(node.bool_or("x-kubernetes-int-or-string", false)) << path;
    EXPECT_TRUE(node.find("pattern")) << path;
  }
  static void compare(const json::Value& node, json::Value&, const std::string& path) {
    EXPECT_TRUE(node.bool_or("x-kubernetes-preserve-unknown-fields", false)) << path;
  }
  template <Worded T>
  static void compare(const json::Value& node, T& value, const std::string& path) {
    const auto known = words(value);
    const json::Value* allowed = node.find("enum");
    ASSERT_TRUE(allowed) << path;
    std::vector<std::string> said;
    for (const auto& word : allowed->as_array()) said.push_back(word.as_string());
    EXPECT_EQ(said, std::vector<std::string>(known.begin(), known.end())) << path;
  }
  template <class T>
  static void compare(const json::Value& node, std::optional<T>&, const std::string& path) {
    T fresh{};
    compare(node, fresh, path);
  }
  template <class T>
  static void compare(const json::Value& node, std::vector<T>&, const std::string& path) {
    is(node, "array", path);
    T fresh{};
    compare(*node.find("items"), fresh, path + "[]");
  }
  template <class T>
  static void compare(const json::Value& node, std::map<std::string, T>&, const std::string& path) {
    is(node, "object", path);
    ASSERT_TRUE(node.find("additionalProperties")) << path;
    T fresh{};
    compare(*node.find("additionalProperties"), fresh, path + "{}");
  }
  template <class T>
    requires(std::is_class_v<T>)
  static void compare(const json::Value& node, T& value, const std::string& path) {
    is(node, "object", path);
    SchemaWalk walk(node, path);
    fields(walk, value);
    walk.everything_was_read();
  }

  template <class T>
  static void compare_default(const json::Value& node, const T& value, const std::string& path) {
    if constexpr (std::is_scalar_v<T> || std::is_same_v<T, std::string> || std::is_same_v<T, IntOrString>) {
      const json::Value* filled_in = node.find("default");
      if (!filled_in) return;
      T read = value;
      detail::read(*filled_in, read);
      EXPECT_TRUE(read == value) << path << ": the schema's default is " << json::dump(*filled_in)
                                 << ", the struct's initializer says otherwise";
    }
  }

  const json::Value& schema_;
  std::string path_;
  std::set<std::string> read_;
};

}  // namespace gantry::crds
