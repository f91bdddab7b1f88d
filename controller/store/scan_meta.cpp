// At start every object's Meta is read again. Parsing the whole text for it would be most of the start, so this walks
// over canonical JSON to the few members of metadata that Meta has, and parses those alone.
#include <array>

#include "controller/store/change.hpp"

namespace gantry::store {
namespace {

constexpr std::array<std::string_view, 6> kWanted{"deletionTimestamp", "finalizers", "generation", "labels",
                                                  "ownerReferences",   "uid"};

// Just behind the string that starts at `at`.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

// Just behind the value that starts at `at`.
std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      if (depth == 0) return at;
      continue;
    }
    if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    } else if (c == ',' && depth == 0) {
      return at;
    }
    ++at;
  }
  return at;
}

// Calls member(key, value) for each member of the object that starts text, until it returns false.
template <class F>
void each_member(std::string_view text, F member) {
  std::size_t at = 1;
  while (at < text.size() && text[at] == '"') {
    const std::size_t key_end = skip_string(text, at);
    const std::size_t value = key_end + 1;
    if (value >= text.size()) return;
    const std::size_t value_end = skip_value(text, value);
    if (!member(text.substr(at + 1, key_end - at - 2), text.substr(value, value_end - value))) return;
    at = value_end + 1;
  }
}

}  // namespace

object::Meta scan_meta(std::string_view bytes) {
  json::Object wanted;
  each_member(bytes, [&](std::string_view key, std::string_view value) {
    if (key != "metadata") return true;
    each_member(value, [&](std::string_view name, std::string_view text) {
      for (const auto candidate : kWanted) {
        if (candidate == name) wanted.append_unsorted(std::string(name), json::parse(text));
      }
      return true;
    });
    return false;
  });
  wanted.sort();
  json::Object object;
  object.set("metadata", std::move(wanted));
  return object::meta_of(json::Value(std::move(object)));
}

}  // namespace gantry::store
