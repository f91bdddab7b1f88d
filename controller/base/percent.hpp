// Percent-encoding of a part of a URL (RFC 3986): a path's segment, a query's value.
#pragma once

#include <string>
#include <string_view>

namespace gantry {

// plain_marks: what is left as it is, besides letters and digits.
std::string percent_encode(std::string_view text, std::string_view plain_marks = "-._~");

}  // namespace gantry
