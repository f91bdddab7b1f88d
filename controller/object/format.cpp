#include "controller/object/format.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace gantry::object {

namespace {

constexpr std::array<std::pair<std::string_view, Format>, 17> kFormats{{
    {"int32", Format::Int32},
    {"int64", Format::Int64},
    {"float", Format::Float},
    {"byte", Format::Byte},
    {"date", Format::Date},
    {"date-time", Format::DateTime},
    {"duration", Format::Duration},
    {"ipv4", Format::Ipv4},
    {"ipv6", Format::Ipv6},
    {"cidr", Format::Cidr},
    {"uri", Format::Uri},
    {"email", Format::Email},
    {"hostname", Format::Hostname},
    {"mac", Format::Mac},
    {"uuid", Format::Uuid},
    {"datetime", Format::DateTime},
    {"float32", Format::Float},
}};

bool digit(char c) { return c >= '0' && c <= '9'; }
bool hex(char c) { return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool alphanumeric(char c) { return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Reads exactly `count` digits at the front.
bool take_digits(std::string_view& text, std::size_t count, int& value) {
  if (text.size() < count) return false;
  value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!digit(text[i])) return false;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool take_date(std::string_view& text) {
  int year = 0, month = 0, day = 0;
  if (!take_digits(text, 4, year) || !take(text, '-') || !take_digits(text, 2, month) || !take(text, '-') ||
      !take_digits(text, 2, day)) {
    return false;
  }
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool date_time(std::string_view text) {
  int hour = 0, minute = 0, second = 0;
  if (!take_date(text)) return false;
  if (!take(text, 'T') && !take(text, 't')) return false;
  if (!take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute) || !take(text, ':') ||
      !take_digits(text, 2, second)) {
    return false;
  }
  if (hour > 23 || minute > 59 || second > 60) return false;
  if (take(text, '.')) {
    if (text.empty() || !digit(text.front())) return false;
    while (!text.empty() && digit(text.front())) text.remove_prefix(1);
  }
  if (take(text, 'Z') || take(text, 'z')) return text.empty();
  if (!take(text, '+') && !take(text, '-')) return false;
  return take_digits(text, 2, hour) && take(text, ':') && take_digits(text, 2, minute) && text.empty() && hour <= 23 &&
         minute <= 59;
}

// Go's durations ("1h30m"), and "2 days" as strfmt also takes it.
bool duration(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text == "0") return true;
  if (text.empty()) return false;
  constexpr std::string_view kUnits[] = {"nanoseconds",
                                         "nanosecond",
                                         "microseconds",
                                         "microsecond",
                                         "milliseconds",
                                         "millisecond",
                                         "seconds",
                                         "second",
                                         "minutes",
                                         "minute",
                                         "hours",
                                         "hour",
                                         "days",
                                         "day",
                                         "weeks",
                                         "week",
                                         "ns",
                                         "us",
                                         "µs",
                                         "ms",
                                         "s",
                                         "m",
                                         "h",
                                         "d",
                                         "w"};
  while (!text.empty()) {
    std::size_t digits = 0;
    std::size_t at = 0;
    bool point = false;
    for (; at < text.size() && (digit(text[at]) || (text[at] == '.' && !point)); ++at) {
      if (text[at] == '.') {
        point = true;
      } else {
        ++digits;
      }
    }
    if (digits == 0) return false;
    text.remove_prefix(at);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                    [&](std::string_view candidate) { return text.starts_with(candidate); });
    if (unit == std::end(kUnits)) return false;
    text.remove_prefix(unit->size());
  }
  return true;
}

bool ip(std::string_view text, int family) {
  char copy[64];
  if (text.size() >= sizeof copy || text.empty()) return false;
  copy[text.copy(copy, sizeof copy - 1)] = '\0';
  unsigned char parsed[16];
  return text.find('\0') == std::string_view::npos && inet_pton(family, copy, parsed) == 1;
}

bool cidr(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view bits = text.substr(slash + 1);
  if (bits.empty() || bits.size() > 3 || !std::all_of(bits.begin(), bits.end(), digit)) return false;
  if (bits.size() > 1 && bits.front() == '0') return false;
  int length = 0;
  for (const char c : bits) length = length * 10 + (c - '0');
  const std::string_view address = text.substr(0, slash);
  return (ip(address, AF_INET) && length <= 32) || (ip(address, AF_INET6) && length <= 128);
}

bool byte(std::string_view text) {
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  return std::all_of(text.begin(), text.end() - static_cast<std::ptrdiff_t>(padding),
                     [](char c) { return alphanumeric(c) || c == '+' || c == '/'; });
}

// An absolute URI or an absolute path, as Go's url.ParseRequestURI takes it.
bool uri(std::string_view text) {
  if (text.empty() ||
      std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= ' '; })) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && (i + 2 >= text.size() || !hex(text[i + 1]) || !hex(text[i + 2]))) return false;
  }
  if (text.front() == '/') return true;
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || digit(text.front())) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return alphanumeric(c) || c == '+' || c == '-' || c == '.'; }) &&
         colon + 1 < text.size();
}

bool hostname(std::string_view text) {
  if (text.empty() || text.size() > 255) return false;
  while (true) {
    const auto dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    const auto allowed = [](char c) { return alphanumeric(c) || c == '-' || (static_cast<unsigned char>(c) & 0x80); };
    if (!std::all_of(label.begin(), label.end(), allowed)) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool email(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos || at == 0 || at > 64) return false;
  const std::string_view local = text.substr(0, at);
  if (local.front() == '.' || local.back() == '.' || local.find("..") != std::string_view::npos) return false;
  constexpr std::string_view kSpecial = " ()<>[]:;@\\,\"";
  if (std::any_of(local.begin(), local.end(), [&](char c) {
        return static_cast<unsigned char>(c) <= ' ' || kSpecial.find(c) != std::string_view::npos;
      })) {
    return false;
  }
  return hostname(text.substr(at + 1));
}

bool mac(std::string_view text) {
  if (text.size() != 17 && text.size() != 23 && text.size() != 59) return false;
  const char separator = text[2];
  if (separator != ':' && separator != '-') return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 3 == 2 ? text[i] != separator : !hex(text[i])) return false;
  }
  return true;
}

bool uuid(std::string_view text) {
  constexpr std::size_t kParts[] = {8, 4, 4, 4, 12};
  bool first = true;
  for (const std::size_t length : kParts) {
    if (!first) take(text, '-');
    first = false;
    if (text.size() < length || !std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length), hex)) {
      return false;
    }
    text.remove_prefix(length);
  }
  return text.empty();
}

}  // namespace

Format format_of(std::string_view name) {
  for (const auto& [known, format] : kFormats) {
    if (known == name) return format;
  }
  return Format::None;
}

std::string_view name_of(Format format) {
  for (const auto& [name, known] : kFormats) {
    if (known == format) return name;
  }
  return {};
}

bool has_format(std::string_view text, Format format) {
  switch (format) {
    case Format::Byte:
      return byte(text);
    case Format::Date:
      return take_date(text) && text.empty();
    case Format::DateTime:
      return date_time(text);
    case Format::Duration:
      return duration(text);
    case Format::Ipv4:
      return ip(text, AF_INET);
    case Format::Ipv6:
      return ip(text, AF_INET6);
    case Format::Cidr:
      return cidr(text);
    case Format::Uri:
      return uri(text);
    case Format::Email:
      return email(text);
    case Format::Hostname:
      return hostname(text);
    case Format::Mac:
      return mac(text);
    case Format::Uuid:
      return uuid(text);
    case Format::None:
    case Format::Int32:
    case Format::Int64:
    case Format::Float:
      break;
  }
  return true;
}

}  // namespace gantry::object
