#include "crds/fields.hpp"

#include <charconv>
#include <cmath>

namespace gantry::crds {
namespace detail {

void read(const json::Value& from, IntOrString& to) {
  to.is_int = from.is_int();
  if (from.is_int()) to.number = from.as_int();
  if (from.is_string()) to.text = from.as_string();
}

void read(const json::Value& from, Quantity& to) {
  if (from.is_string()) to.text = from.as_string();
  if (from.is_number()) to.text = json::dump(from);
}

}  // namespace detail

namespace {

std::optional<long double> scale_of(std::string_view suffix) {
  constexpr std::pair<std::string_view, long double> kScales[] = {
      {"", 1.0L},      {"n", 1e-9L},    {"u", 1e-6L},    {"m", 1e-3L},   {"k", 1e3L},     {"M", 1e6L},
      {"G", 1e9L},     {"T", 1e12L},    {"P", 1e15L},    {"E", 1e18L},   {"Ki", 0x1p10L}, {"Mi", 0x1p20L},
      {"Gi", 0x1p30L}, {"Ti", 0x1p40L}, {"Pi", 0x1p50L}, {"Ei", 0x1p60L}};
  for (const auto& [name, scale] : kScales) {
    if (name == suffix) return scale;
  }
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) return std::nullopt;
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  int exponent = 0;
  const auto read = std::from_chars(suffix.data(), suffix.data() + suffix.size(), exponent);
  if (read.ec != std::errc() || read.ptr != suffix.data() + suffix.size()) return std::nullopt;
  return std::pow(10.0L, static_cast<long double>(exponent));
}

// 64 bits of mantissa hold every whole quantity that fits an int64 exactly.
std::optional<std::int64_t> value_of(std::string_view text, long double unit) {
  const auto end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view number = text.substr(0, end);
  const auto dot = std::min(number.find('.'), number.size());
  if (number.empty() || number == "." || (dot < number.size() && number.find('.', dot + 1) != std::string_view::npos))
    return std::nullopt;
  const auto scale = scale_of(text.substr(end));
  if (!scale) return std::nullopt;
  long double digits = 0;
  int places = 0;
  for (std::size_t i = 0; i < number.size(); ++i) {
    if (i == dot) continue;
    digits = digits * 10 + (number[i] - '0');
    if (i > dot) ++places;
  }
  const long double value = std::ceil(digits * *scale * unit / std::pow(10.0L, static_cast<long double>(places)));
  if (!(value < 0x1p63L)) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::optional<std::int64_t> Quantity::milli() const { return value_of(text, 1000); }
std::optional<std::int64_t> Quantity::whole() const { return value_of(text, 1); }

}  // namespace gantry::crds
