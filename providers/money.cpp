#include "providers/money.hpp"

#include <algorithm>
#include <cctype>

namespace gantry::providers {
namespace {

constexpr std::int64_t kUnit = 1'000'000;
constexpr std::int64_t kCent = kUnit / 100;
constexpr std::int64_t kUnitsMax = 1'000'000'000;  // so that sums fit

[[noreturn]] void refuse(std::string_view text) {
  throw Error(ErrorCode::Invalid, "\"" + std::string(text) + "\" is no amount of money; expected one like 3.49 EUR");
}

std::int64_t micros_of(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::string_view whole = text.substr(0, point);
  const std::string_view part = point < text.size() ? text.substr(point + 1) : std::string_view();
  const auto digits = [](std::string_view some) {
    return std::ranges::all_of(some, [](unsigned char c) { return std::isdigit(c) != 0; });
  };
  if (whole.empty() || !digits(whole) || !digits(part) || (part.empty() && point < text.size())) refuse(text);
  std::int64_t micros = 0;
  for (const char c : whole) {
    micros = micros * 10 + (c - '0');
    if (micros > kUnitsMax) refuse(text);
  }
  micros *= kUnit;
  std::int64_t worth = kUnit / 10;
  for (std::size_t i = 0; i < part.size() && i < 6; ++i, worth /= 10) micros += worth * (part[i] - '0');
  if (part.size() > 6 && part[6] >= '5') ++micros;
  return micros;
}

}  // namespace

Money money_of(std::string_view decimal, std::string_view currency) {
  return {micros_of(decimal), std::string(currency)};
}

Money parse_money(std::string_view text) {
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos || blank + 4 != text.size()) refuse(text);
  const std::string_view currency = text.substr(blank + 1);
  if (!std::ranges::all_of(currency, [](unsigned char c) { return c >= 'A' && c <= 'Z'; })) refuse(text);
  return money_of(text.substr(0, blank), currency);
}

std::string to_string(const Money& money) {
  const std::int64_t cents = (money.micros + kCent - 1) / kCent;
  std::string part = std::to_string(cents % 100);
  if (part.size() < 2) part.insert(0, "0");
  return std::to_string(cents / 100) + "." + part + (money.currency.empty() ? "" : " " + money.currency);
}

Money operator+(const Money& a, const Money& b) {
  if (!a.currency.empty() && !b.currency.empty() && a.currency != b.currency)
    throw Error(ErrorCode::Invalid, to_string(a) + " and " + to_string(b) + " cannot be added: the currencies differ");
  return {a.micros + b.micros, a.currency.empty() ? b.currency : a.currency};
}

}  // namespace gantry::providers
