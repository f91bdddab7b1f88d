// Fields of what the controller and an agent say to each other: read with a clear word on what is wrong. Private to
// this folder.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/json.hpp"
#include "controller/base/secret.hpp"

namespace gantry::providers::agent::fields {

[[noreturn]] inline void wrong(std::string_view field, const std::string& why) {
  throw Error(ErrorCode::BadRequest, std::string(field) + ": " + why);
}

template <std::size_t N>
std::size_t one_of(const std::array<std::string_view, N>& words, const json::Value& from, std::string_view field,
                   std::string_view otherwise) {
  const std::string word = from.string_or(field, otherwise);
  const auto at = std::ranges::find(words, word);
  if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
  std::string known;
  for (const auto each : words) known += (known.empty() ? "" : ", ") + std::string(each);
  wrong(field, "\"" + word + "\" is none of " + known);
}

// A field of a given type, or its default; another type is refused rather than overlooked.
inline std::string text(const json::Value& from, std::string_view field, std::string_view otherwise = {}) {
  const json::Value* value = from.find(field);
  if (!value || value->is_null()) return std::string(otherwise);
  if (!value->is_string()) wrong(field, "a string is expected, not a value of type " + std::string(value->type_name()));
  return value->as_string();
}

inline std::int64_t number(const json::Value& from, std::string_view field, std::int64_t otherwise, std::int64_t least,
                           std::int64_t most) {
  const json::Value* value = from.find(field);
  if (!value || value->is_null()) return otherwise;
  if (!value->is_int()) wrong(field, "a whole number is expected");
  if (value->as_int() < least || value->as_int() > most)
    wrong(field, "it must be from " + std::to_string(least) + " to " + std::to_string(most));
  return value->as_int();
}

inline bool flag(const json::Value& from, std::string_view field) {
  const json::Value* value = from.find(field);
  if (!value || value->is_null()) return false;
  if (!value->is_bool()) wrong(field, "true or false is expected");
  return value->as_bool();
}

inline const json::Array& items(const json::Value& from, std::string_view field) {
  static const json::Array none;
  const json::Value* value = from.find(field);
  if (!value || value->is_null()) return none;
  if (!value->is_array()) wrong(field, "an array is expected");
  return value->as_array();
}

inline void need_object(const json::Value& value, std::string_view what) {
  if (!value.is_object()) wrong(what, "an object is expected, not a value of type " + std::string(value.type_name()));
}

inline void refuse_unknown(const json::Value& value, std::initializer_list<std::string_view> known) {
  for (const auto& [key, ignored] : value.as_object()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    std::string all;
    for (const auto each : known) all += (all.empty() ? "" : ", ") + std::string(each);
    wrong(key, "there is no such field; known are " + all);
  }
}

inline json::Array words(const std::vector<std::string>& all) {
  json::Array made;
  for (const auto& word : all) made.emplace_back(word);
  return made;
}

inline std::vector<std::string> words_from(const json::Value& from, std::string_view field) {
  std::vector<std::string> all;
  for (const auto& word : items(from, field)) {
    if (!word.is_string()) wrong(field, "an array of strings is expected");
    all.push_back(word.as_string());
  }
  return all;
}

// With the values of secrets: for the wire alone.
inline json::Array env(const std::vector<std::pair<std::string, Secret>>& all) {
  json::Array made;
  for (const auto& [name, value] : all) made.push_back(json::Object{{"name", name}, {"value", value.reveal()}});
  return made;
}

inline std::vector<std::pair<std::string, Secret>> env_from(const json::Value& from) {
  std::vector<std::pair<std::string, Secret>> env;
  const json::Value* value = from.find("env");
  if (!value || value->is_null()) return env;
  // The order matters to those that expand one from another, so it is an array; people may write an object.
  if (value->is_object()) {
    for (const auto& [name, ignored] : value->as_object()) env.emplace_back(name, Secret(text(*value, name)));
    return env;
  }
  for (const auto& each : items(from, "env")) {
    need_object(each, "env");
    env.emplace_back(text(each, "name"), Secret(text(each, "value")));
  }
  return env;
}

}  // namespace gantry::providers::agent::fields
