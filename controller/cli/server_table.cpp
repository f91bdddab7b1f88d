#include "controller/cli/server_table.hpp"

#include "controller/cli/output.hpp"

namespace gantry::cli {
namespace {

std::string upper(std::string_view text) {
  std::string raised(text);
  for (char& c : raised) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return raised;
}

// One line, whatever a message holds.
std::string cell_of(const json::Value& value) {
  std::string text = text_of(value);
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

std::string labels_of(const json::Value& object) {
  std::string text;
  const json::Value* labels = object.at({"metadata", "labels"});
  if (labels && labels->is_object()) {
    for (const json::Member& label : labels->as_object()) {
      text += (text.empty() ? "" : ",") + label.key + "=" + text_of(label.value);
    }
  }
  return text.empty() ? "<none>" : text;
}

}  // namespace

void ServerTable::read_columns(const json::Value& answer) {
  const json::Value* columns = answer.find("columnDefinitions");
  if (!columns || !columns->is_array() || columns->as_array().empty() || !shown_.empty()) return;
  if (options_.with_namespace) headers_.emplace_back("NAMESPACE");
  for (const json::Value& column : columns->as_array()) {
    shown_.push_back(options_.wide || column.int_or("priority", 0) == 0);
    if (shown_.back()) headers_.push_back(upper(column.string_or("name")));
  }
  for (const std::string& label : options_.label_columns) headers_.push_back(upper(label.substr(label.rfind('/') + 1)));
  if (options_.show_labels) headers_.emplace_back("LABELS");
}

void ServerTable::add(const json::Value& answer, const Clock& clock) {
  if (const json::Value* revision = answer.at({"metadata", "resourceVersion"}); revision && revision->is_string()) {
    if (!revision->as_string().empty()) revision_ = revision->as_string();
  }
  static const json::Value kPlainColumns =
      json::Object{{"columnDefinitions", json::Array{json::Object{{"name", "Name"}}, json::Object{{"name", "Age"}}}}};
  const auto add_plain = [&](const json::Value& object) {
    read_columns(kPlainColumns);
    add_row({metadata_of(object, "name"), age_of(object.at({"metadata", "creationTimestamp"}), clock)}, object);
  };
  if (answer.string_or("kind") != "Table") {
    const json::Value* items = answer.find("items");
    if (!items || !items->is_array()) return add_plain(answer);
    for (const json::Value& item : items->as_array()) add_plain(item);
    return;
  }
  read_columns(answer);
  const json::Value* rows = answer.find("rows");
  if (!rows || !rows->is_array()) return;
  static const json::Value kNothing = json::Object{};
  for (const json::Value& row : rows->as_array()) {
    const json::Value* cells = row.find("cells");
    const json::Value* object = row.find("object");
    std::vector<std::string> texts;
    if (cells && cells->is_array()) {
      for (std::size_t i = 0; i < cells->as_array().size() && i < shown_.size(); ++i) {
        if (shown_[i]) texts.push_back(cell_of(cells->as_array()[i]));
      }
    }
    add_row(std::move(texts), object ? *object : kNothing);
  }
}

void ServerTable::add_row(std::vector<std::string> cells, const json::Value& object) {
  if (!cells.empty()) cells[0] = options_.name_prefix + cells[0];
  if (options_.with_namespace) cells.insert(cells.begin(), metadata_of(object, "namespace"));
  for (const std::string& label : options_.label_columns) {
    const json::Value* value = object.at({"metadata", "labels", label});
    cells.push_back(value ? text_of(*value) : "");
  }
  if (options_.show_labels) cells.push_back(labels_of(object));
  std::string key;
  if (options_.sort_by) {
    const auto found = options_.sort_by->find(object);
    if (!found.empty()) key = text_of(*found.front());
  }
  if (const std::string revision = metadata_of(object, "resourceVersion"); !revision.empty() && revision_.empty()) {
    revision_ = revision;
  }
  rows_.push_back({std::move(cells), std::move(key)});
}

void ServerTable::print(std::ostream& out, bool with_headers, const Style& style) {
  if (options_.sort_by) {
    std::ranges::stable_sort(rows_, [](const Row& a, const Row& b) { return comes_before(a.sort_key, b.sort_key); });
  }
  if (text_.empty()) text_.emplace_back(headers_);
  for (Row& row : rows_) text_.front().add(std::move(row.cells));
  rows_.clear();
  text_.front().print(out, with_headers, style);
}

}  // namespace gantry::cli
