#include "controller/cli/describe.hpp"

#include "controller/cli/output.hpp"
#include "controller/cli/path.hpp"
#include "controller/cli/text_table.hpp"

namespace gantry::cli {
namespace {

bool is_empty(const json::Value& value) {
  return (value.is_object() && value.as_object().empty()) || (value.is_array() && value.as_array().empty());
}

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Fields one below the other: "Name:   value", nested ones indented, lists with a dash before each item.
class Fields {
 public:
  Fields(std::ostream& out, const Style& style) : out_(out), style_(style) {}

  void print(const json::Object& object, const std::string& indent) {
    std::size_t width = 0;
    for (const json::Member& member : object) {
      if (is_inline(member.value)) width = std::max(width, display_width(title(member.key)) + 1);
    }
    for (const json::Member& member : object) field(title(member.key), member.value, indent, width);
  }

  void line(const std::string& name, const std::string& text, const std::string& indent, std::size_t width) {
    out_ << indent << style_.bold(name + ":");
    const std::size_t used = display_width(name) + 1;
    out_ << std::string(width + 2 - std::min(width + 2, used), ' ');
    // Further lines of a text stand under its first.
    const std::string margin = "\n" + indent + std::string(width + 2, ' ');
    for (const char c : text) {
      if (c == '\n') {
        out_ << margin;
      } else {
        out_ << (static_cast<unsigned char>(c) < ' ' ? ' ' : c);
      }
    }
    out_ << "\n";
  }

  // A free map (labels, a ConfigMap's data) keeps its keys as they are.
  bool plain_keys = false;

 private:
  std::string title(const std::string& key) const { return plain_keys ? key : words_of(key); }

  static bool is_inline(const json::Value& value) {
    return is_empty(value) || (!value.is_object() && !value.is_array());
  }

  void field(const std::string& name, const json::Value& value, const std::string& indent, std::size_t width) {
    if (is_inline(value)) return line(name, is_empty(value) ? "<none>" : text_of(value), indent, width);
    out_ << indent << style_.bold(name + ":") << "\n";
    if (value.is_object()) return print(value.as_object(), indent + "  ");
    for (const json::Value& item : value.as_array()) list_item(item, indent + "  ");
  }

  void list_item(const json::Value& item, const std::string& indent) {
    if (!item.is_object() || item.as_object().empty()) {
      out_ << indent << "- " << text_of(item) << "\n";
      return;
    }
    const json::Object& object = item.as_object();
    std::size_t width = 0;
    for (const json::Member& member : object) {
      if (is_inline(member.value)) width = std::max(width, display_width(title(member.key)) + 1);
    }
    bool first = true;
    for (const json::Member& member : object) {
      out_ << indent << (std::exchange(first, false) ? "- " : "  ");
      nested_in_item(title(member.key), member.value, indent + "  ", width);
    }
  }

  // As field(), but the indent of the first line is written already.
  void nested_in_item(const std::string& name, const json::Value& value, const std::string& indent, std::size_t width) {
    if (is_inline(value)) {
      out_ << style_.bold(name + ":") << std::string(width + 2 - display_width(name) - 1, ' ')
           << (is_empty(value) ? "<none>" : text_of(value)) << "\n";
      return;
    }
    out_ << style_.bold(name + ":") << "\n";
    if (value.is_object()) return print(value.as_object(), indent + "  ");
    for (const json::Value& item : value.as_array()) list_item(item, indent + "  ");
  }

  std::ostream& out_;
  const Style& style_;
};

std::string map_text(const json::Value* map, std::string_view between) {
  std::string text;
  if (map && map->is_object()) {
    for (const json::Member& member : map->as_object()) {
      if (member.key == "kubectl.kubernetes.io/last-applied-configuration") continue;
      text += (text.empty() ? "" : "\n") + member.key + std::string(between) + text_of(member.value);
    }
  }
  return text.empty() ? "<none>" : text;
}

std::string owners_text(const json::Value& metadata) {
  std::string text;
  const json::Value* owners = metadata.find("ownerReferences");
  if (!owners || !owners->is_array()) return text;
  for (const json::Value& owner : owners->as_array()) {
    text += (text.empty() ? "" : ", ") + owner.string_or("kind") + "/" + owner.string_or("name");
  }
  return text;
}

void print_metadata(std::ostream& out, const json::Value& object, const Clock& clock, const Style& style) {
  static const json::Value kNone = json::Object{};
  const json::Value* found = object.find("metadata");
  const json::Value& metadata = found ? *found : kNone;
  std::vector<std::pair<std::string, std::string>> rows = {{"Name", metadata.string_or("name")}};
  if (const std::string ns = metadata.string_or("namespace"); !ns.empty()) rows.emplace_back("Namespace", ns);
  rows.emplace_back("Kind", object.string_or("kind") + " (" + object.string_or("apiVersion") + ")");
  rows.emplace_back("Labels", map_text(metadata.find("labels"), "="));
  rows.emplace_back("Annotations", map_text(metadata.find("annotations"), ": "));
  if (const std::string made = metadata.string_or("creationTimestamp"); !made.empty()) {
    rows.emplace_back("Created", made + " (" + age_of(metadata.find("creationTimestamp"), clock) + " ago)");
  }
  if (const std::string end = metadata.string_or("deletionTimestamp"); !end.empty()) {
    const json::Value* finalizers = metadata.find("finalizers");
    rows.emplace_back("Deleting", "since " + end + ", held by " + (finalizers ? text_of(*finalizers) : "nothing"));
  }
  if (metadata.find("generation")) rows.emplace_back("Generation", text_of(*metadata.find("generation")));
  if (const std::string owners = owners_text(metadata); !owners.empty()) rows.emplace_back("Controlled By", owners);
  Fields fields(out, style);
  for (const auto& [name, text] : rows) fields.line(name, text, "", 13);
}

void print_secret(std::ostream& out, const json::Value& object, const Style& style) {
  Fields fields(out, style);
  fields.line("Type", object.string_or("type", "Opaque"), "", 13);
  out << style.bold("Data:") << "\n";
  const json::Value* data = object.find("data");
  if (!data || !data->is_object()) return;
  std::size_t width = 0;
  for (const json::Member& member : data->as_object()) width = std::max(width, display_width(member.key) + 1);
  for (const json::Member& member : data->as_object()) {
    // Base64: three bytes in four characters.
    std::string_view text = member.value.is_string() ? std::string_view(member.value.as_string()) : std::string_view();
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    fields.line(member.key, std::to_string(text.size() / 4 * 3 - padding) + " bytes", "  ", width);
  }
}

void print_conditions(std::ostream& out, const json::Value& conditions, const Clock& clock, const Style& style) {
  out << style.bold("Conditions:") << "\n";
  TextTable table({"Type", "Status", "Reason", "Since", "Message"});
  for (const json::Value& condition : conditions.as_array()) {
    table.add({condition.string_or("type"), condition.string_or("status"), condition.string_or("reason"),
               age_of(condition.find("lastTransitionTime"), clock), condition.string_or("message")});
  }
  table.print(out, true, style, "  ");
}

}  // namespace

std::string words_of(std::string_view field) {
  std::string words;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    // Before a capital that begins a word; "podIPs" and "URL" stay together.
    const bool begins =
        i > 0 && is_upper(c) &&
        (!is_upper(field[i - 1]) || (i + 1 < field.size() && !is_upper(field[i + 1]) && field[i + 1] != 's'));
    if (begins) words += ' ';
    words += i == 0 && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return words;
}

void print_description(std::ostream& out, const json::Value& object, const Clock& clock, const Style& style) {
  print_metadata(out, object, clock, style);
  const bool core = object.string_or("apiVersion") == "v1";
  if (core && object.string_or("kind") == "Secret") return print_secret(out, object, style);
  Fields fields(out, style);
  fields.plain_keys = core && object.string_or("kind") == "ConfigMap";
  json::Object rest;
  const json::Value* conditions = nullptr;
  for (const json::Member& member : object.as_object()) {
    if (member.key == "metadata" || member.key == "apiVersion" || member.key == "kind") continue;
    json::Value value = member.value;
    if (member.key == "status" && value.is_object()) {
      conditions = object.at({"status", "conditions"});
      value.as_object().erase("conditions");
    }
    if (!is_empty(value)) rest.set(member.key, std::move(value));
  }
  fields.print(rest, "");
  if (conditions && conditions->is_array() && !conditions->as_array().empty()) {
    print_conditions(out, *conditions, clock, style);
  }
}

std::string last_seen(const json::Value& event) {
  for (const std::string_view field : {"lastTimestamp", "eventTime"}) {
    if (std::string time = event.string_or(field); !time.empty()) return time;
  }
  return metadata_of(event, "creationTimestamp");
}

void sort_events(std::vector<json::Value>& events) {
  std::ranges::stable_sort(events, [](const json::Value& a, const json::Value& b) {
    const std::string one = last_seen(a), other = last_seen(b);
    if (one != other) return one < other;
    return comes_before(metadata_of(a, "resourceVersion"), metadata_of(b, "resourceVersion"));
  });
}

std::string event_age(const json::Value& event, const Clock& clock) {
  const json::Value last(last_seen(event));
  std::string text = age_of(&last, clock);
  const std::int64_t count = event.int_or("count", 1);
  const json::Value first(event.string_or("firstTimestamp"));
  if (count > 1) text += " (x" + std::to_string(count) + " over " + age_of(&first, clock) + ")";
  return text;
}

void print_call_table(std::ostream& out, const json::Value& calls, const Clock& clock, const Style& style) {
  const json::Value* items = calls.find("items");
  if (!items || !items->is_array() || items->as_array().empty()) return;
  out << style.bold("Calls to the provider:") << "\n";
  TextTable table({"Age", "Operation", "Status", "Time", "Problem"});
  for (const json::Value& call : items->as_array()) {
    const std::int64_t status = call.int_or("status", 0);
    table.add({age_of(call.find("time"), clock), call.string_or("operation"),
               status == 0 ? "none" : std::to_string(status), std::to_string(call.int_or("millis", 0)) + "ms",
               call.string_or("problem")});
  }
  table.print(out, true, style, "  ");
}

void print_event_table(std::ostream& out, std::vector<json::Value> events, const Clock& clock, const Style& style) {
  if (events.empty()) {
    out << style.bold("Events:") << "  <none>\n";
    return;
  }
  sort_events(events);
  out << style.bold("Events:") << "\n";
  TextTable table({"Type", "Reason", "Age", "From", "Message"});
  for (const json::Value& event : events) {
    const json::Value* component = event.at({"source", "component"});
    std::string from = component ? text_of(*component) : "";
    if (from.empty()) from = event.string_or("reportingComponent");
    table.add({event.string_or("type"), event.string_or("reason"), event_age(event, clock), from,
               event.string_or("message")});
  }
  table.print(out, true, style, "  ");
}

}  // namespace gantry::cli
