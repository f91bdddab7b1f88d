#include "controller/cli/output.hpp"

#include "controller/base/yaml.hpp"
#include "controller/cli/nearest.hpp"
#include "controller/cli/path.hpp"
#include "controller/cli/text_table.hpp"

namespace gantry::cli {
namespace {

constexpr std::pair<std::string_view, Output::Form> kForms[] = {{"", Output::Form::Table},
                                                                {"wide", Output::Form::Wide},
                                                                {"yaml", Output::Form::Yaml},
                                                                {"json", Output::Form::Json},
                                                                {"name", Output::Form::Name},
                                                                {"jsonpath", Output::Form::JsonPath},
                                                                {"custom-columns", Output::Form::CustomColumns}};

// Calls visit for each item of a list, or for the object itself.
template <class F>
void each_object(const json::Value& value, F visit) {
  const json::Value* items = value.find("items");
  if (!items || !items->is_array() || !value.string_or("kind").ends_with("List")) return visit(value);
  for (const json::Value& item : items->as_array()) visit(item);
}

void print_columns(Context& context, const std::string& columns, const json::Value& value) {
  std::vector<std::string> headers;
  std::vector<PathPtr> paths;
  std::string_view rest = columns;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view column = rest.substr(0, comma);
    const std::size_t colon = column.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == column.size()) {
      throw UsageError("a column is HEADER:PATH, such as NAME:.metadata.name, not \"" + std::string(column) + "\"");
    }
    headers.emplace_back(column.substr(0, colon));
    paths.push_back(path_of(column.substr(colon + 1)));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  TextTable table(headers);
  each_object(value, [&](const json::Value& object) {
    std::vector<std::string> row;
    for (const PathPtr& path : paths) {
      std::string cell;
      for (const json::Value* found : path->find(object)) cell += (cell.empty() ? "" : ",") + text_of(*found);
      row.push_back(cell.empty() ? "<none>" : cell);
    }
    table.add(std::move(row));
  });
  table.print(context.out(), true, context.style());
}

}  // namespace

Output output_of(const Flags& flags) {
  const std::string word = flags.text("output");
  const std::size_t equals = word.find('=');
  const std::string name = word.substr(0, equals);
  const auto form =
      std::ranges::find(kForms, std::string_view(name), &std::pair<std::string_view, Output::Form>::first);
  if (form == std::end(kForms)) {
    std::vector<std::string_view> names;
    for (const auto& [known, unused] : kForms) names.push_back(known);
    std::string message = "unknown output \"" + name + "\"";
    if (const auto near = nearest(name, names)) message += "; did you mean \"" + *near + "\"?";
    throw UsageError(message + " (wide, yaml, json, name, jsonpath=..., custom-columns=...)");
  }
  Output output{form->second, equals == std::string::npos ? "" : word.substr(equals + 1)};
  const bool needs_detail = output.form == Output::Form::JsonPath || output.form == Output::Form::CustomColumns;
  if (needs_detail && output.detail.empty())
    throw UsageError("-o " + name + " needs =...: gantry help get shows examples");
  if (!needs_detail && !output.detail.empty()) throw UsageError("-o " + name + " takes nothing behind it");
  if (output.form == Output::Form::JsonPath) template_of(output.detail);  // a mistake is told before anything is asked
  return output;
}

void print_value(Context& context, const Output& output, const json::Value& value) {
  std::ostream& out = context.out();
  switch (output.form) {
    case Output::Form::Yaml:
      out << yaml::dump(value);
      break;
    case Output::Form::Json:
      out << json::dump_pretty(value);
      break;
    case Output::Form::Name:
      each_object(value, [&out](const json::Value& object) { out << label_of(object) << "\n"; });
      break;
    case Output::Form::JsonPath:
      out << template_of(output.detail)->print(value);
      break;
    case Output::Form::CustomColumns:
      print_columns(context, output.detail, value);
      break;
    case Output::Form::Table:
    case Output::Form::Wide:
      throw Error(ErrorCode::Internal, "a table is not printed from an object");
  }
}

json::Value list_of(std::vector<json::Value> items) {
  json::Object list{{"apiVersion", "v1"}, {"kind", "List"}, {"metadata", json::Object{{"resourceVersion", ""}}}};
  list.set("items", json::Array(std::move(items)));  // a braced list would copy them
  return list;
}

void drop_managed_fields(json::Value& object) {
  if (json::Value* metadata = object.find("metadata"); metadata && metadata->is_object()) {
    metadata->as_object().erase("managedFields");
  }
}

std::string label_of(const json::Value& object) {
  ApiResource resource;
  const std::string api_version = object.string_or("apiVersion");
  const std::size_t slash = api_version.find('/');
  if (slash != std::string::npos) resource.group = api_version.substr(0, slash);
  resource.kind = object.string_or("kind");
  return resource.label(metadata_of(object, "name"));
}

std::string text_of(const json::Value& value) {
  if (value.is_null()) return {};
  return value.is_string() ? value.as_string() : json::dump(value);
}

std::string age_of(const json::Value* time, const Clock& clock) {
  if (!time || !time->is_string()) return "<unknown>";
  try {
    return human_duration(std::max(Duration::zero(), Duration(clock.wall() - parse_time(time->as_string()))));
  } catch (const Error&) {
    return "<invalid>";
  }
}

std::string metadata_of(const json::Value& object, std::string_view field) {
  const json::Value* metadata = object.find("metadata");
  return metadata && metadata->is_object() ? metadata->string_or(field) : std::string();
}

}  // namespace gantry::cli
