#include "controller/cli/line_diff.hpp"

#include <algorithm>
#include <cstdint>

namespace gantry::cli {
namespace {

// Beyond this many differences the middle is shown as replaced: nobody reads such a diff line by line.
constexpr int kEditsMax = 2000;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

using Lines = std::vector<std::string_view>;

void replace_all(const Lines& before, const Lines& after, std::vector<DiffLine>& out) {
  for (const auto line : before) out.push_back({'-', line});
  for (const auto line : after) out.push_back({'+', line});
}

// trace[d] holds, for each diagonal, how far d edits reach. The way back through it is the shortest script.
void walk_back(const Lines& before, const Lines& after, const std::vector<std::vector<int>>& trace, int middle,
               std::vector<DiffLine>& out) {
  std::vector<DiffLine> reversed;
  int x = static_cast<int>(before.size());
  int y = static_cast<int>(after.size());
  const auto at = [](const std::vector<int>& row, int index) { return row[static_cast<std::size_t>(index)]; };
  const auto line = [](const Lines& lines, int index) { return lines[static_cast<std::size_t>(index)]; };
  for (int d = static_cast<int>(trace.size()) - 1; d > 0; --d) {
    const std::vector<int>& reach = trace[static_cast<std::size_t>(d) - 1];
    const int k = x - y;
    const bool down = k == -d || (k != d && at(reach, middle + k - 1) < at(reach, middle + k + 1));
    const int from_k = down ? k + 1 : k - 1;
    const int from_x = at(reach, middle + from_k);
    const int from_y = from_x - from_k;
    while (x > from_x && y > from_y && x > 0 && y > 0 && (down ? x > from_x : y > from_y)) {
      reversed.push_back({' ', line(before, --x)});
      --y;
    }
    if (down) {
      reversed.push_back({'+', line(after, --y)});
    } else {
      reversed.push_back({'-', line(before, --x)});
    }
  }
  while (x > 0) reversed.push_back({' ', line(before, --x)});
  out.insert(out.end(), reversed.rbegin(), reversed.rend());
}

void myers(const Lines& before, const Lines& after, std::vector<DiffLine>& out) {
  const int n = static_cast<int>(before.size());
  const int m = static_cast<int>(after.size());
  const int most = std::min(n + m, kEditsMax);
  const int middle = most + 1;
  std::vector<int> reach(static_cast<std::size_t>(2 * most + 3), 0);
  std::vector<std::vector<int>> trace;
  const auto at = [&reach, middle](int k) -> int& { return reach[static_cast<std::size_t>(middle + k)]; };
  for (int d = 0; d <= most; ++d) {
    for (int k = -d; k <= d; k += 2) {
      int x = k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
      while (x < n && x - k < m && before[static_cast<std::size_t>(x)] == after[static_cast<std::size_t>(x - k)]) ++x;
      at(k) = x;
      if (x < n || x - k < m) continue;
      trace.push_back(reach);
      return walk_back(before, after, trace, middle, out);
    }
    trace.push_back(reach);
  }
  replace_all(before, after, out);
}

}  // namespace

std::vector<DiffLine> diff_lines(std::string_view before, std::string_view after) {
  Lines one = lines_of(before), other = lines_of(after);
  std::size_t head = 0, tail = 0;
  while (head < one.size() && head < other.size() && one[head] == other[head]) ++head;
  while (tail < one.size() - head && tail < other.size() - head &&
         one[one.size() - 1 - tail] == other[other.size() - 1 - tail]) {
    ++tail;
  }
  std::vector<DiffLine> out;
  for (std::size_t i = 0; i < head; ++i) out.push_back({' ', one[i]});
  const auto inner = [head, tail](const Lines& lines) {
    return Lines(lines.begin() + static_cast<std::ptrdiff_t>(head), lines.end() - static_cast<std::ptrdiff_t>(tail));
  };
  myers(inner(one), inner(other), out);
  for (std::size_t i = one.size() - tail; i < one.size(); ++i) out.push_back({' ', one[i]});
  return out;
}

std::string unified_diff(std::string_view before, std::string_view after, std::size_t around) {
  const std::vector<DiffLine> lines = diff_lines(before, after);
  std::string text;
  std::size_t i = 0, old_line = 1, new_line = 1;
  const auto step = [&](const DiffLine& line) {
    if (line.mark != '+') ++old_line;
    if (line.mark != '-') ++new_line;
  };
  while (i < lines.size()) {
    std::size_t change = i;
    while (change < lines.size() && lines[change].mark == ' ') ++change;
    if (change == lines.size()) break;
    const std::size_t start = change - std::min(change - i, around);
    for (; i < start; ++i) step(lines[i]);
    // The hunk goes on while the next change is near enough for the contexts to touch.
    std::size_t end = change, last = change;
    for (; end < lines.size() && end <= last + 2 * around; ++end) {
      if (lines[end].mark != ' ') last = end;
    }
    end = std::min(last + around + 1, lines.size());
    std::string body;
    const std::size_t old_start = old_line, new_start = new_line;
    for (; i < end; ++i) {
      step(lines[i]);
      body += lines[i].mark;
      body.append(lines[i].text).append("\n");
    }
    const auto range = [](std::size_t first, std::size_t count) {
      return std::to_string(count == 0 ? first - 1 : first) + (count == 1 ? "" : "," + std::to_string(count));
    };
    text += "@@ -" + range(old_start, old_line - old_start) + " +" + range(new_start, new_line - new_start) + " @@\n" +
            body;
  }
  return text;
}

}  // namespace gantry::cli
