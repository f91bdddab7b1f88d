// What changed between two texts, line by line (Myers' algorithm), as `diff -u` prints it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gantry::cli {

struct DiffLine {
  char mark = ' ';  // ' ' in both, '-' in the first only, '+' in the second only
  std::string_view text;
};

// Both texts in one: views into them.
std::vector<DiffLine> diff_lines(std::string_view before, std::string_view after);

// Hunks with three lines around each change; empty when nothing differs.
std::string unified_diff(std::string_view before, std::string_view after, std::size_t around = 3);

}  // namespace gantry::cli
