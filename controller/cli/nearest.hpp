// "Did you mean …?"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gantry::cli {

// How many letters must be typed, dropped, replaced or swapped with a neighbour to turn one word into the other.
std::size_t edits_between(std::string_view one, std::string_view other);

// The candidate that is near enough to have been meant; the first of equals.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace gantry::cli
