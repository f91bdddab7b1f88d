#include "controller/base/base64.hpp"

#include <array>
#include <cstdint>

namespace gantry {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> reversed(std::string_view letters) {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < letters.size(); ++i)
    table[static_cast<unsigned char>(letters[i])] = static_cast<std::int8_t>(i);
  return table;
}

constexpr auto kFromStandard = reversed(kStandard);
constexpr auto kFromUrl = reversed(kUrl);

}  // namespace

std::string base64_encode(std::string_view bytes, Alphabet alphabet) {
  const std::string_view letters = alphabet == Alphabet::Standard ? kStandard : kUrl;
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (std::size_t k = 0; k <= count; ++k) out += letters[group >> (18 - 6 * k) & 63];
    if (alphabet == Alphabet::Standard) out.append(3 - count, '=');
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text, Alphabet alphabet) {
  const auto& table = alphabet == Alphabet::Standard ? kFromStandard : kFromUrl;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  std::size_t letters = 0, padding = 0;
  for (const unsigned char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      ++padding;
      continue;
    }
    const int value = table[c];
    if (value < 0 || padding > 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (++letters % 4 == 0) {
      for (const int shift : {16, 8, 0}) out += static_cast<char>(group >> shift & 255);
      group = 0;
    }
  }
  const std::size_t rest = letters % 4;
  if (rest == 1 || (alphabet == Alphabet::Standard && padding != (4 - rest) % 4)) return std::nullopt;
  if (rest >= 2) out += static_cast<char>(group >> (rest == 2 ? 4 : 10) & 255);
  if (rest == 3) out += static_cast<char>(group >> 2 & 255);
  return out;
}

}  // namespace gantry
