#include "controller/cli/nearest.hpp"

#include <algorithm>
#include <vector>

namespace gantry::cli {

std::size_t edits_between(std::string_view one, std::string_view other) {
  std::vector<std::size_t> before_last, last(other.size() + 1), row(other.size() + 1);
  for (std::size_t j = 0; j <= other.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= one.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (one[i - 1] == other[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = std::move(last);
    last = std::move(row);
    row.assign(other.size() + 1, 0);
  }
  return last[other.size()];
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string_view> candidates) {
  const std::size_t allowed = word.size() < 4 ? 1 : word.size() < 8 ? 2 : 3;
  std::size_t best = allowed + 1;
  std::optional<std::string> found;
  for (const std::string_view candidate : candidates) {
    const std::size_t edits = edits_between(word, candidate);
    if (edits >= best) continue;
    best = edits;
    found = std::string(candidate);
  }
  return found;
}

}  // namespace gantry::cli
