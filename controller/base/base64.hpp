// Base64 as the API needs it: standard with padding for data, URL-safe without for tokens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gantry {

enum class Alphabet { Standard, Url };

std::string base64_encode(std::string_view bytes, Alphabet alphabet = Alphabet::Standard);
// Null when text is not base64 of that alphabet. Line breaks are skipped, padding may be missing in URL form only.
std::optional<std::string> base64_decode(std::string_view text, Alphabet alphabet = Alphabet::Standard);

}  // namespace gantry
