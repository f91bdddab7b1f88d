// Columns for people, as kubectl sets them: upper-case headers, three spaces between, at least six wide.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "controller/cli/style.hpp"

namespace gantry::cli {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> headers) : headers_(std::move(headers)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }

  // Prints what was added since the last time, below the headers if they are wanted. Widths never shrink, so the rows
  // of a watch stay under their headers. An empty table prints nothing.
  void print(std::ostream& out, bool with_headers = true, const Style& style = Style(), std::string_view indent = {});

 private:
  std::vector<std::string> headers_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

// How many columns text takes: code points, for we do not know the terminal's font.
std::size_t display_width(std::string_view text);

}  // namespace gantry::cli
