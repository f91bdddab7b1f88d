#include "controller/base/raw_json.hpp"

#include <cstddef>

namespace gantry::json {
namespace {

// From the opening quote to behind the closing one.
std::size_t skip_string(std::string_view text, std::size_t at) {
  while ((at = text.find('"', at + 1)) != std::string_view::npos) {
    // A quote is escaped by an odd number of backslashes before it.
    std::size_t before = at;
    while (text[before - 1] == '\\') --before;
    if ((at - before) % 2 == 0) return at + 1;
  }
  return text.size();
}

std::size_t skip_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  while (at < text.size()) {
    switch (text[at]) {
      case '"':
        at = skip_string(text, at);
        if (depth == 0) return at;
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (depth == 0) return at;
        if (--depth == 0) return at + 1;
        break;
      case ',':
        if (depth == 0) return at;
        break;
      default:
        break;
    }
    ++at;
  }
  return at;
}

std::string_view member(std::string_view object, std::string_view name) {
  std::size_t at = 1;
  while (at < object.size() && object[at] == '"') {
    const std::size_t key_end = skip_string(object, at);
    const std::string_view key = object.substr(at + 1, key_end - at - 2);
    const std::size_t value = key_end + 1;
    const std::size_t end = skip_value(object, value);
    if (key == name) return object.substr(value, end - value);
    if (end >= object.size() || object[end] != ',') break;
    at = end + 1;
  }
  return {};
}

}  // namespace

std::string_view raw_at(std::string_view object, std::initializer_list<std::string_view> path) {
  for (const std::string_view name : path) {
    if (object.empty() || object.front() != '{') return {};
    object = member(object, name);
  }
  return object;
}

}  // namespace gantry::json
