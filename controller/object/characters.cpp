#include "controller/object/characters.hpp"

#include <string.h>

#include <algorithm>

namespace gantry::object {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

std::int64_t code_points(std::string_view text) { return std::ranges::count_if(text, begins_character); }

std::optional<std::size_t> byte_at(std::string_view text, std::int64_t index) {
  if (index < 0) return std::nullopt;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (begins_character(text[at]) && index-- == 0) return at;
  }
  return index == 0 ? std::optional(text.size()) : std::nullopt;
}

std::size_t find_text(std::string_view text, std::string_view part) {
  if (part.empty()) return 0;
  const void* found = memmem(text.data(), text.size(), part.data(), part.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string_view::npos;
}

std::string lower_ascii(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  return text;
}

std::string upper_ascii(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
  return text;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace gantry::object
