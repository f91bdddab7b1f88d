// A Table of the server (meta.k8s.io/v1), turned into columns for people.
#pragma once

#include <string>
#include <vector>

#include "controller/cli/context.hpp"
#include "controller/cli/path.hpp"
#include "controller/cli/text_table.hpp"

namespace gantry::cli {

struct TableOptions {
  bool wide = false;
  bool with_namespace = false;
  bool show_labels = false;
  std::vector<std::string> label_columns;
  PathPtr sort_by;          // a path in the object; needs rows with objects
  std::string name_prefix;  // "app.gantry.dev/" when several kinds are shown
};

class ServerTable {
 public:
  explicit ServerTable(TableOptions options) : options_(std::move(options)) {}

  // Adds a Table's rows, or an object's or a plain list's when the server knows no Tables.
  void add(const json::Value& answer, const Clock& clock);
  bool empty() const { return rows_.empty(); }
  void print(std::ostream& out, bool with_headers, const Style& style);
  // Of a watch's Deleted and Bookmark events nothing is known but this.
  const std::string& revision() const { return revision_; }

 private:
  struct Row {
    std::vector<std::string> cells;
    std::string sort_key;
  };
  void read_columns(const json::Value& answer);
  void add_row(std::vector<std::string> cells, const json::Value& object);

  TableOptions options_;
  std::vector<std::string> headers_;
  std::vector<bool> shown_;
  std::vector<Row> rows_;
  std::vector<TextTable> text_;  // empty before the first print
  std::string revision_;
};

}  // namespace gantry::cli
