// Text as characters rather than bytes. The text is UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::object {

std::int64_t code_points(std::string_view text);
// The byte at which the character `index` begins; nothing when there is none, the end counting as one.
std::optional<std::size_t> byte_at(std::string_view text, std::int64_t index);
// Where `part` begins, npos when it is not there. In time that is linear in both, whatever they are.
std::size_t find_text(std::string_view text, std::string_view part);
// Letters of ASCII; all others stay.
std::string lower_ascii(std::string text);
std::string upper_ascii(std::string text);
std::string_view trimmed(std::string_view text);

}  // namespace gantry::object
