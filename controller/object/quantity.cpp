#include "controller/object/quantity.hpp"

#include <array>
#include <limits>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::object {

namespace {

using Wide = __int128;

constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
constexpr int kDigitsMax = 18;

struct Suffix {
  std::string_view text;
  int power_of_2;
  int power_of_10;
};
constexpr std::array<Suffix, 14> kSuffixes{{{"Ki", 10, 0},
                                            {"Mi", 20, 0},
                                            {"Gi", 30, 0},
                                            {"Ti", 40, 0},
                                            {"Pi", 50, 0},
                                            {"Ei", 60, 0},
                                            {"n", 0, -9},
                                            {"u", 0, -6},
                                            {"m", 0, -3},
                                            {"k", 0, 3},
                                            {"M", 0, 6},
                                            {"G", 0, 9},
                                            {"T", 0, 12},
                                            {"P", 0, 15}}};

// digits * 2^p2 * 10^p10
struct Parsed {
  bool negative = false;
  std::int64_t digits = 0;
  int power_of_2 = 0;
  int power_of_10 = 0;
};

std::optional<int> exponent(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || text.size() > 2) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

std::optional<Parsed> parse(std::string_view text) {
  Parsed parsed;
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) {
    parsed.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  int digits = 0;
  bool any = false, point = false;
  while (!text.empty() && ((text.front() >= '0' && text.front() <= '9') || (text.front() == '.' && !point))) {
    if (text.front() == '.') {
      point = true;
    } else {
      any = true;
      if (digits > 0 || text.front() != '0') ++digits;
      if (digits > kDigitsMax) return std::nullopt;
      parsed.digits = parsed.digits * 10 + (text.front() - '0');
      if (point) --parsed.power_of_10;
      if (parsed.power_of_10 < -kDigitsMax) return std::nullopt;
    }
    text.remove_prefix(1);
  }
  if (!any) return std::nullopt;
  if (text.empty()) return parsed;
  for (const auto& suffix : kSuffixes) {
    if (suffix.text != text) continue;
    parsed.power_of_2 = suffix.power_of_2;
    parsed.power_of_10 += suffix.power_of_10;
    return parsed;
  }
  if (text == "E") {
    parsed.power_of_10 += 18;
    return parsed;
  }
  if (text.front() != 'e' && text.front() != 'E') return std::nullopt;
  const auto power = exponent(text.substr(1));
  if (!power) return std::nullopt;
  parsed.power_of_10 += *power;
  return parsed;
}

// The quantity times 10^scale, rounded away from zero; absent when it does not fit.
std::optional<std::int64_t> scaled(const Parsed& parsed, int scale) {
  Wide value = parsed.digits;
  value <<= parsed.power_of_2;  // below 2^60 * 2^60
  int power = parsed.power_of_10 + scale;
  if (value == 0) return 0;
  for (; power > 0; --power) {
    if (value > kMax) return std::nullopt;
    value *= 10;
  }
  bool rest = false;
  for (; power < 0; ++power) {
    rest |= value % 10 != 0;
    value /= 10;
  }
  if (rest) ++value;
  if (value > kMax) return std::nullopt;
  return static_cast<std::int64_t>(parsed.negative ? -value : value);
}

std::int64_t read(std::string_view text, int scale) {
  const auto parsed = parse(text);
  const auto value = parsed ? scaled(*parsed, scale) : std::nullopt;
  if (value) return *value;
  throw Error(ErrorCode::Invalid, quoted(text.substr(0, 64)) +
                                      " is no quantity: write a number with one of the suffixes m, k, M, G, T, P, E, "
                                      "Ki, Mi, Gi, Ti, Pi, Ei, as in 500m or 2Gi");
}

std::string text_of(const json::Value& quantity) {
  return quantity.is_string() ? quantity.as_string() : json::dump(quantity);
}

}  // namespace

std::int64_t parse_milli(std::string_view text) { return read(text, 3); }
std::int64_t parse_units(std::string_view text) { return read(text, 0); }
std::int64_t milli_of(const json::Value& quantity) { return read(text_of(quantity), 3); }
std::int64_t units_of(const json::Value& quantity) { return read(text_of(quantity), 0); }
bool is_quantity(std::string_view text) { return parse(text).has_value(); }

std::string format_milli(std::int64_t milli) {
  return milli % 1000 == 0 ? std::to_string(milli / 1000) : std::to_string(milli) + "m";
}

std::string format_bytes(std::int64_t bytes) {
  constexpr std::pair<std::int64_t, std::string_view> kUnits[] = {{std::int64_t{1} << 60, "Ei"},
                                                                  {std::int64_t{1} << 50, "Pi"},
                                                                  {std::int64_t{1} << 40, "Ti"},
                                                                  {std::int64_t{1} << 30, "Gi"},
                                                                  {std::int64_t{1} << 20, "Mi"},
                                                                  {std::int64_t{1} << 10, "Ki"},
                                                                  {1'000'000'000'000, "T"},
                                                                  {1'000'000'000, "G"},
                                                                  {1'000'000, "M"},
                                                                  {1'000, "k"}};
  for (const auto& [unit, suffix] : kUnits) {
    if (bytes != 0 && bytes % unit == 0) return std::to_string(bytes / unit) + std::string(suffix);
  }
  return std::to_string(bytes);
}

}  // namespace gantry::object
