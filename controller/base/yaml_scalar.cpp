#include "controller/base/yaml_scalar.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace gantry::yaml {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_null(std::string_view text) { return is_one_of(text, {"", "~", "null", "Null", "NULL"}); }

std::optional<bool> to_bool(std::string_view text) {
  if (is_one_of(text, {"true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (is_one_of(text, {"false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  return std::nullopt;
}

// [+-]?(0x|0b|0o|0)?digits, underscores between digits ignored. Over 64 bits it becomes a float, as JSON has it.
std::optional<json::Value> to_int(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) base = 16;
  if (text.starts_with("0b") || text.starts_with("0B")) base = 2;
  if (text.starts_with("0o") || text.starts_with("0O")) base = 8;
  if (base != 10) {
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  if (digits.empty() || text.front() == '_' || text.back() == '_') return std::nullopt;
  std::uint64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value, base);
  if (read.ptr != end || read.ec != std::errc()) return std::nullopt;
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (value <= kMax)
    return json::Value(negative ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value));
  if (negative && value == kMax + 1) return json::Value(std::numeric_limits<std::int64_t>::min());
  return json::Value(negative ? -static_cast<double>(value) : static_cast<double>(value));
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_float(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
  };
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  std::size_t mantissa = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

std::optional<json::Value> to_float(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') digits += c;
  }
  if (!looks_like_float(digits)) return std::nullopt;
  const std::string_view number = std::string_view(digits).substr(digits[0] == '+' ? 1 : 0);
  double value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  if (read.ec != std::errc() || !std::isfinite(value)) return std::nullopt;
  // What kubectl sends for 1.0 or 1e3 is the JSON number 1 or 1000.
  if (value == std::trunc(value) && std::abs(value) < 0x1p63) return json::Value(static_cast<std::int64_t>(value));
  return json::Value(value);
}

bool is_infinite_or_nan(std::string_view text) {
  if (is_one_of(text, {".nan", ".NaN", ".NAN"})) return true;
  if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
  return is_one_of(text, {".inf", ".Inf", ".INF"});
}

}  // namespace

std::optional<json::Value> resolve_plain(std::string_view text) {
  if (is_null(text)) return json::Value();
  const char first = text.front();
  if (first == '+' || first == '-' || first == '.' || (first >= '0' && first <= '9')) {
    if (is_infinite_or_nan(text)) return std::nullopt;
    if (first != '.') {
      if (auto value = to_int(text)) return value;
    }
    if (auto value = to_float(text)) return value;
    return json::Value(text);
  }
  if (const auto value = to_bool(text)) return json::Value(*value);
  return json::Value(text);
}

std::optional<json::Value> resolve_tagged(std::string_view kind, std::string_view text) {
  if (kind == "null" && is_null(text)) return json::Value();
  if (kind == "int" && !text.empty()) return to_int(text);
  if (kind == "float" && !text.empty()) return to_float(text);
  if (kind == "bool") {
    if (const auto value = to_bool(text)) return json::Value(*value);
  }
  return std::nullopt;
}

}  // namespace gantry::yaml
