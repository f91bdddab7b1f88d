#include "controller/cli/text_table.hpp"

#include <algorithm>

namespace gantry::cli {
namespace {

constexpr std::size_t kGap = 3;
constexpr std::size_t kColumnMin = 6;  // the gap included

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void TextTable::print(std::ostream& out, bool with_headers, const Style& style, std::string_view indent) {
  if (rows_.empty()) return;
  widths_.resize(std::max(widths_.size(), headers_.size()), kColumnMin);
  const auto widen = [this](const std::vector<std::string>& row) {
    for (std::size_t i = 0; i < std::min(row.size(), widths_.size()); ++i) {
      widths_[i] = std::max(widths_[i], display_width(row[i]) + kGap);
    }
  };
  if (with_headers) widen(headers_);
  for (const auto& row : rows_) widen(row);

  std::string text;
  const auto line = [&](const std::vector<std::string>& row, bool header) {
    text += indent;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += header ? style.bold(row[i]) : i == 0 ? row[i] : style.status(row[i]);
      if (i + 1 < row.size()) text.append(widths_[i] - std::min(widths_[i], display_width(row[i])), ' ');
    }
    text += '\n';
  };
  if (with_headers) line(headers_, true);
  for (const auto& row : rows_) line(row, false);
  out << text;
  rows_.clear();
}

}  // namespace gantry::cli
