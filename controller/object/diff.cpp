#include "controller/object/diff.hpp"

#include <algorithm>
#include <array>

#include "controller/object/field_walk.hpp"

namespace gantry::object {

using json::Value;
using Node = Schema::Node;

namespace {

constexpr std::string_view kHidden = "***";

class Differ {
 public:
  Differ(const DiffOptions& options, bool is_secret) : options_(options), is_secret_(is_secret) {}

  void compare(const Node* node, const Value* before, const Value* after, const std::string& path) {
    if (changes.size() >= options_.changes_max || ignored(path)) return;
    if (before && after && *before == *after) return;
    if (secret(path)) return add(path, before, after, true);
    if (before && after && before->is_object() && after->is_object())
      return compare_objects(node, *before, *after, path);
    if (before && after && before->is_array() && after->is_array())
      return compare_lists(node, before->as_array(), after->as_array(), path);
    if (branches(before) || branches(after)) return compare_sides(node, before, after, path);
    add(path, before, after, false);
  }

  std::vector<FieldChange> changes;

 private:
  static bool branches(const Value* value) { return value && value->is_object() && !value->as_object().empty(); }

  bool ignored(std::string_view path) const { return options_.ignore ? options_.ignore(path) : is_server_field(path); }

  bool secret(std::string_view path) const {
    if (options_.secret) return options_.secret(path);
    if (!is_secret_) return false;
    // kubectl apply keeps a copy of everything in an annotation.
    if (path == "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]") return true;
    return std::ranges::any_of(std::array{"data", "stringData"}, [&](std::string_view field) {
      return path.starts_with(field) && path.size() > field.size() &&
             (path[field.size()] == '.' || path[field.size()] == '[');
    });
  }

  // One side is an object, the other absent or something else: its fields are named one by one, unless a value that
  // may be secret would be shown whole.
  void compare_sides(const Node* node, const Value* before, const Value* after, const std::string& path) {
    static const Value kNone{json::Object()};
    if (before && after) add(path, branches(before) ? &kNone : before, branches(after) ? &kNone : after, false);
    compare_objects(node, branches(before) ? *before : kNone, branches(after) ? *after : kNone, path);
  }

  void compare_objects(const Node* node, const Value& before, const Value& after, const std::string& path) {
    const auto& mine = before.as_object();
    const auto& theirs = after.as_object();
    const auto* a = mine.begin();
    const auto* b = theirs.begin();
    while (a != mine.end() || b != theirs.end()) {
      const int order = a == mine.end() ? 1 : b == theirs.end() ? -1 : a->key.compare(b->key);
      const std::string& key = order <= 0 ? a->key : b->key;
      compare(node_of(node, key), order <= 0 ? &a->value : nullptr, order >= 0 ? &b->value : nullptr, below(path, key));
      if (order <= 0) ++a;
      if (order >= 0) ++b;
    }
  }

  // A key with dots in it must not read as a path.
  static std::string below(const std::string& path, const std::string& key) {
    if (key.find_first_of(".[]/") != std::string::npos) return path + "[" + key + "]";
    return path.empty() ? key : path + "." + key;
  }

  void compare_lists(const Node* node, const json::Array& before, const json::Array& after, const std::string& path) {
    const Value probe{json::Array()};
    if (node && is_granular_list(node, probe)) return compare_keyed(*node, before, after, path);
    const std::size_t count = std::max(before.size(), after.size());
    for (std::size_t i = 0; i < count; ++i) {
      compare(node ? node->items.get() : nullptr, i < before.size() ? &before[i] : nullptr,
              i < after.size() ? &after[i] : nullptr, path + "[" + std::to_string(i) + "]");
    }
  }

  void compare_keyed(const Node& list, const json::Array& before, const json::Array& after, const std::string& path) {
    const auto keyed = [&](const json::Array& items) {
      std::vector<std::pair<std::string, const Value*>> out;
      for (const auto& item : items) out.emplace_back(element_of(list, item), &item);
      return out;
    };
    const auto mine = keyed(before);
    const auto theirs = keyed(after);
    auto sorted_mine = mine, sorted_theirs = theirs;
    std::ranges::sort(sorted_mine);
    std::ranges::sort(sorted_theirs);
    const auto find = [](const auto& sorted, const std::string& element) -> const Value* {
      const auto at = std::ranges::lower_bound(sorted, element, {},
                                               [](const auto& entry) -> const std::string& { return entry.first; });
      return at != sorted.end() && at->first == element ? at->second : nullptr;
    };
    for (const auto& [element, item] : mine)
      compare(list.items.get(), item, find(sorted_theirs, element), path + short_text(element));
    for (const auto& [element, item] : theirs) {
      if (!find(sorted_mine, element)) compare(list.items.get(), nullptr, item, path + short_text(element));
    }
  }

  // [name=http] rather than [name="http"]: for people.
  static std::string short_text(const std::string& element) {
    std::string text = element.empty() ? "[?]" : path_element_text(element);
    std::erase(text, '"');
    return text;
  }

  void add(const std::string& path, const Value* before, const Value* after, bool hidden) {
    FieldChange change{path, std::nullopt, std::nullopt, hidden};
    if (before) change.before = hidden ? Value(kHidden) : *before;
    if (after) change.after = hidden ? Value(kHidden) : *after;
    changes.push_back(std::move(change));
  }

  const DiffOptions& options_;
  const bool is_secret_;
};

bool is_secret(const Value& object) {
  return object.string_or("kind") == "Secret" && object.string_or("apiVersion") == "v1";
}

}  // namespace

bool is_server_field(std::string_view path) {
  constexpr std::string_view kFields[] = {"metadata.managedFields", "metadata.resourceVersion",   "metadata.generation",
                                          "metadata.uid",           "metadata.creationTimestamp", "metadata.selfLink"};
  return std::ranges::find(kFields, path) != std::end(kFields);
}

std::vector<FieldChange> diff(const Value& before, const Value& after, const DiffOptions& options) {
  Differ differ(options, is_secret(before) || is_secret(after));
  differ.compare(options.node, &before, &after, "");
  return std::move(differ.changes);
}

}  // namespace gantry::object
