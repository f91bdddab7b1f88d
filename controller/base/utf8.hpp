// UTF-8 as JSON and YAML need it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gantry {

// Length of the UTF-8 sequence at the front of text; 0 when there is none.
std::size_t utf8_length(std::string_view text);
// The text, with each byte that belongs to no character replaced by U+FFFD: for what comes from programs and networks.
std::string valid_utf8(std::string_view text);

}  // namespace gantry
