#include "controller/api/table.hpp"

#include <algorithm>
#include <cmath>

#include "controller/base/error.hpp"
#include "controller/base/json_partial.hpp"
#include "controller/base/raw_json.hpp"
#include "controller/object/jsonpath.hpp"

namespace gantry::api {

using json::Value;
using Cell = std::function<Value(const Value& object, WallTime now)>;

struct Table::Column {
  std::string name, type, format, description;
  std::int64_t priority = 0;
  Cell cell;
};

namespace {

constexpr std::string_view kEmptyTable = "{\"apiVersion\":\"meta.k8s.io/v1\",\"kind\":\"Table\",\"metadata\":";

Value age_of(const Value* timestamp, WallTime now) {
  if (!timestamp || !timestamp->is_string()) return nullptr;
  try {
    return human_duration(std::max(Duration::zero(), now - parse_time(timestamp->as_string())));
  } catch (const Error&) {  // whoever wrote it, a table is not where to refuse it
    return "<invalid>";
  }
}

// What a column of this type shows of a value; null when the type does not fit.
Value shown(const std::string& type, const Value& value, WallTime now) {
  if (type == "date") return value.is_string() ? age_of(&value, now) : Value("<invalid>");
  if (type == "boolean") return value.is_bool() ? value : Value();
  if (type == "number") return value.is_number() ? value : Value();
  if (value.is_int()) return value;
  if (value.is_double() && std::abs(value.as_double()) < 9e15) return static_cast<std::int64_t>(value.as_double());
  return nullptr;
}

Cell printer_cell(const object::PrinterColumn& column) {
  auto path = std::make_shared<const object::JsonPath>(object::JsonPath::parse(column.json_path));
  return [path, type = column.type](const Value& object, WallTime now) -> Value {
    const auto found = path->find(object);
    if (found.empty()) return nullptr;
    return type == "string" ? Value(path->print(object)) : shown(type, *found.front(), now);
  };
}

Cell text_at(std::initializer_list<std::string_view> path) {
  return [path = std::vector<std::string>(path.begin(), path.end())](const Value& object, WallTime) -> Value {
    const Value* at = &object;
    for (const auto& step : path) {
      if (at) at = at->find(step);
    }
    return at ? *at : Value("");
  };
}

std::size_t entries(const Value& object, std::string_view field) {
  const Value* map = object.find(field);
  return map && map->is_object() ? map->as_object().size() : 0;
}

Value data_count(const Value& object, WallTime) {
  return static_cast<std::int64_t>(entries(object, "data") + entries(object, "binaryData"));
}

const Value* first_string(const Value& object, std::initializer_list<std::initializer_list<std::string_view>> paths) {
  for (const auto& path : paths) {
    const Value* found = object.at(path);
    if (found && found->is_string()) return found;
  }
  return nullptr;
}

Value last_seen(const Value& event, WallTime now) {
  return age_of(
      first_string(
          event, {{"series", "lastObservedTime"}, {"lastTimestamp"}, {"eventTime"}, {"metadata", "creationTimestamp"}}),
      now);
}

Value first_seen(const Value& event, WallTime now) {
  return age_of(first_string(event, {{"firstTimestamp"}, {"eventTime"}}), now);
}

// app/web, as the object of an Event is written.
Value involved(const Value& event, WallTime) {
  const Value* object = event.find("involvedObject");
  if (!object) return "";
  std::string text = object->string_or("kind");
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string name = object->string_or("name");
  return name.empty() ? text : text + "/" + name;
}

Value source(const Value& event, WallTime) {
  const Value* from = event.find("source");
  std::string text = from ? from->string_or("component") : std::string();
  if (text.empty()) text = event.string_or("reportingComponent");
  const std::string host = from ? from->string_or("host") : std::string();
  return host.empty() ? text : text + ", " + host;
}

Value count(const Value& event, WallTime) {
  const Value* series = event.at({"series", "count"});
  return series && series->is_int() ? *series : Value(event.int_or("count", 1));
}

Value message(const Value& event, WallTime) {
  std::string text = event.string_or("message");
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// ClusterRole/view, as the role of a binding is written.
Value role_of(const Value& binding, WallTime) {
  const Value* ref = binding.find("roleRef");
  return ref ? ref->string_or("kind") + "/" + ref->string_or("name") : std::string();
}

// The subjects of one kind, with commas.
Cell subjects_of(std::string_view kind) {
  return [kind](const Value& binding, WallTime) -> Value {
    std::string text;
    const Value* subjects = binding.find("subjects");
    if (!subjects || !subjects->is_array()) return text;
    for (const auto& subject : subjects->as_array()) {
      if (subject.string_or("kind") != kind) continue;
      if (!text.empty()) text += ", ";
      if (const std::string ns = subject.string_or("namespace"); !ns.empty()) text += ns + "/";
      text += subject.string_or("name");
    }
    return text;
  };
}

}  // namespace

Include parse_include(const std::string* parameter) {
  if (!parameter || parameter->empty() || *parameter == "Metadata") return Include::Metadata;
  if (*parameter == "Object") return Include::Object;
  if (*parameter == "None") return Include::None;
  throw Error(ErrorCode::BadRequest,
              "unrecognized includeObject value: \"" + *parameter + "\"; it is Metadata, Object or None");
}

Table::Table(const object::Kind& kind) {
  if (kind.group.empty() && kind.plural == "events") {
    add_core_columns(kind);
  } else {
    add("Name", "string", 0, "Unique within the namespace and kind.", text_at({"metadata", "name"}));
    columns_.back().format = "name";
    if (kind.group == "rbac.authorization.k8s.io" && kind.plural.ends_with("bindings")) {
      add("Role", "string", 0, "The role that is given.", role_of);
      add_printer_columns(kind);
      add("Users", "string", 1, "To which users.", subjects_of("User"));
      add("Groups", "string", 1, "To which groups.", subjects_of("Group"));
      add("ServiceAccounts", "string", 1, "To which ServiceAccounts.", subjects_of("ServiceAccount"));
    } else {
      add_printer_columns(kind);
    }
  }
  define();
}

Table::~Table() = default;

void Table::add(std::string name, std::string type, std::int64_t priority, std::string description, Cell cell) {
  columns_.push_back({std::move(name), std::move(type), {}, std::move(description), priority, std::move(cell)});
}

// Events have no Name in front, and show what no path leads to.
void Table::add_core_columns(const object::Kind&) {
  add("Last Seen", "string", 0, "When it last happened.", last_seen);
  add("Type", "string", 0, "Normal or Warning.", text_at({"type"}));
  add("Reason", "string", 0, "What, in one word.", text_at({"reason"}));
  add("Object", "string", 0, "To what.", involved);
  add("Subobject", "string", 1, "To which part.", text_at({"involvedObject", "fieldPath"}));
  add("Source", "string", 1, "Who says so.", source);
  add("Message", "string", 0, "What, in a sentence.", message);
  add("First Seen", "string", 1, "When it first happened.", first_seen);
  add("Count", "integer", 1, "How often.", count);
  add("Name", "string", 1, "Name of the Event.", text_at({"metadata", "name"}));
  columns_.back().format = "name";
}

void Table::add_printer_columns(const object::Kind& kind) {
  const bool counts_data = kind.group.empty() && (kind.plural == "secrets" || kind.plural == "configmaps");
  for (const auto& column : kind.columns) {
    add(column.name, column.type, column.priority, column.description,
        counts_data && column.name == "Data" ? Cell(data_count) : printer_cell(column));
    columns_.back().format = column.format;
  }
  if (kind.columns.empty()) {
    add("Age", "date", 0, "Time since it was created.",
        [](const Value& object, WallTime now) { return age_of(object.at({"metadata", "creationTimestamp"}), now); });
  }
}

void Table::define() {
  json::Array list;
  for (const auto& column : columns_) {
    list.emplace_back(json::Object{{"description", column.description},
                                   {"format", column.format},
                                   {"name", column.name},
                                   {"priority", column.priority},
                                   {"type", column.type}});
  }
  definitions_ = json::dump(list);
}

void Table::append_row(std::string& out, const object::Object& object, Include include, WallTime now) const {
  // Who owns the fields is often half of an object.
  const Value decoded = json::parse_without(object.bytes(), {"metadata", "managedFields"});
  out += "{\"cells\":[";
  bool first = true;
  for (const auto& column : columns_) {
    if (!std::exchange(first, false)) out += ',';
    json::dump_to(out, column.cell(decoded, now));
  }
  out += ']';
  if (include != Include::None) out += ",\"object\":";
  if (include == Include::Object) out += object.bytes();
  if (include == Include::Metadata) append_partial(out, object);
  out += '}';
}

std::string Table::of_one(const object::Object& object, Include include, WallTime now, bool with_definitions) const {
  std::string out(kEmptyTable);
  out.append("{\"resourceVersion\":\"").append(std::to_string(object.revision())).append("\"},\"columnDefinitions\":");
  out.append(with_definitions ? std::string_view(definitions_) : std::string_view("null")).append(",\"rows\":[");
  append_row(out, object, include, now);
  return out += "]}";
}

std::string Table::empty(std::string_view metadata) const {
  return std::string(kEmptyTable).append(metadata).append(",\"columnDefinitions\":null,\"rows\":[]}");
}

std::string_view metadata_of(std::string_view canonical) {
  const std::string_view found = json::raw_at(canonical, {"metadata"});
  return found.empty() ? "{}" : found;
}

void append_partial(std::string& out, const object::Object& object) {
  out.append("{\"apiVersion\":\"meta.k8s.io/v1\",\"kind\":\"PartialObjectMetadata\",\"metadata\":");
  out.append(metadata_of(object.bytes())).append("}");
}

}  // namespace gantry::api
