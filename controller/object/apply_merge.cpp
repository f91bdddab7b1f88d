// How a configuration and a live object become one, by schema.
#include <algorithm>
#include <set>

#include "controller/object/apply.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::object {

using json::Object;
using json::Value;
using Node = Schema::Node;
using Type = Node::Type;

namespace {

constexpr std::size_t kProblemsMax = 100;

Object merge_maps(const Node* node, const Object& live, const Object& config) {
  Object made;
  made.reserve(live.size() + config.size());
  const auto* mine = live.begin();
  for (const auto& [key, value] : config) {
    for (; mine != live.end() && mine->key < key; ++mine) made.append_unsorted(mine->key, mine->value);
    if (mine != live.end() && mine->key == key) {
      made.append_unsorted(key, detail::merge_config(node_of(node, key), mine->value, value));
      ++mine;
    } else {
      made.append_unsorted(key, value);
    }
  }
  for (; mine != live.end(); ++mine) made.append_unsorted(mine->key, mine->value);
  return made;
}

std::vector<std::string> elements(const Node& list, const json::Array& items) {
  std::vector<std::string> out;
  out.reserve(items.size());
  for (const auto& item : items) out.push_back(element_of(list, item));
  return out;
}

// Where each element of a list stands: sorted by element, first of each only.
class Positions {
 public:
  explicit Positions(const std::vector<std::string>& elements) {
    for (std::size_t i = 0; i < elements.size(); ++i) at_.emplace_back(elements[i], i);
    std::ranges::sort(at_);
  }
  std::optional<std::size_t> find(std::string_view element) const {
    const auto at = std::ranges::lower_bound(at_, element, {}, &Entry::first);
    if (at == at_.end() || at->first != element) return std::nullopt;
    return at->second;
  }

 private:
  using Entry = std::pair<std::string_view, std::size_t>;
  std::vector<Entry> at_;
};

// Items that both have stand in the order of the configuration; what only the live list has stays where it was among
// them; what only the configuration has follows its own neighbours.
json::Array merge_lists(const Node& list, const json::Array& live, const json::Array& config) {
  const auto live_elements = elements(list, live);
  const auto config_elements = elements(list, config);
  const Positions in_live(live_elements), in_config(config_elements);
  std::vector<std::size_t> shared;  // positions in config, in order, of what both have
  for (std::size_t i = 0; i < config.size(); ++i) {
    if (in_live.find(config_elements[i])) shared.push_back(i);
  }
  std::vector<bool> merged(config.size());
  json::Array made;
  made.reserve(live.size() + config.size());
  const auto take_config = [&](std::size_t at) {
    merged[at] = true;
    const auto mine = in_live.find(config_elements[at]);
    made.push_back(mine ? detail::merge_config(list.items.get(), live[*mine], config[at]) : config[at]);
  };
  std::size_t next = 0;  // in shared
  std::size_t l = 0, c = 0;
  while (l < live.size() || c < config.size()) {
    const auto wanted = l < live.size() ? in_config.find(live_elements[l]) : std::nullopt;
    if (l < live.size() && c < config.size()) {
      if (live_elements[l] == config_elements[c]) {
        take_config(c);
        ++l, ++c, ++next;
        continue;
      }
      if (wanted && next < shared.size() && shared[next] != *wanted) {
        ++l;  // it comes later, where the configuration has it
        continue;
      }
    }
    if (l < live.size() && !wanted) {
      made.push_back(live[l++]);
      continue;
    }
    if (l < live.size() && merged[*wanted]) ++l;
    if (c < config.size()) {
      if (next < shared.size() && shared[next] == c) ++next;
      take_config(c++);
    }
  }
  return made;
}

std::string_view go_name(Type type) {
  switch (type) {
    case Type::String:
      return "expected string, got ";
    case Type::Boolean:
      return "expected boolean, got ";
    case Type::Integer:
    case Type::Number:
      return "expected numeric (int or float), got ";
    default:
      return "expected any scalar, got ";
  }
}

class Checker {
 public:
  std::vector<std::string> problems;

  void check(const Node* node, const Value& value, const std::string& path) {
    if (!node || value.is_null() || problems.size() >= kProblemsMax) return;
    switch (node->type) {
      case Type::Any:
        return value.is_object() ? check_map(*node, value.as_object(), path) : void();
      case Type::Object:
        return value.is_object() ? check_map(*node, value.as_object(), path) : wrong("expected map, got ", value, path);
      case Type::Array:
        return value.is_array() ? check_list(*node, value.as_array(), path) : wrong("expected list, got ", value, path);
      case Type::String:
        return value.is_string() ? void() : wrong(go_name(node->type), value, path);
      case Type::Boolean:
        return value.is_bool() ? void() : wrong(go_name(node->type), value, path);
      case Type::Integer:
      case Type::Number:
        return value.is_number() ? void() : wrong(go_name(node->type), value, path);
      case Type::IntOrString:
        return value.is_number() || value.is_string() ? void() : wrong(go_name(node->type), value, path);
    }
  }

 private:
  void fail(const std::string& path, std::string_view what) {
    if (problems.size() < kProblemsMax)
      problems.push_back(path.empty() ? std::string(what) : path + ": " + std::string(what));
  }

  void wrong(std::string_view expected, const Value& value, const std::string& path) {
    std::string shown = json::dump(value);
    if (shown.size() > 200) shown = std::string(value.type_name());
    fail(path, std::string(expected) + shown);
  }

  void check_map(const Node& node, const Object& object, const std::string& path) {
    for (const auto& [key, value] : object) {
      const Node* child = node.member(key);
      if (child) {
        if (!value.is_null()) check(child, value, path + "." + key);
      } else if (!node.keeps_unknown()) {
        fail(path + "." + key, "field not declared in schema");
      }
    }
  }

  void check_list(const Node& node, const json::Array& items, const std::string& path) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < items.size() && problems.size() < kProblemsMax; ++i) {
      std::string here = path + "[" + std::to_string(i) + "]";
      if (is_granular_list(&node, Value(json::Array()))) {
        std::string element = element_of(node, items[i]);
        if (element.empty()) {
          fail(path, "element " + std::to_string(i) + ": " + no_element(node, items[i]));
          return;
        }
        const std::string name = path_element_text(element);
        if (!seen.insert(std::move(element)).second) fail(path, "duplicate entries for key " + name);
        here = path + name;
      }
      check(node.items.get(), items[i], here);
    }
  }

  static std::string no_element(const Node& node, const Value& item) {
    if (node.list_type == Node::ListType::Set)
      return "associative list without keys has an element that's a " + std::string(item.type_name());
    if (!item.is_object())
      return item.is_null() ? "associative list with keys may not have a null element"
                            : "associative list with keys may not have non-map elements";
    std::string keys;
    for (const auto& key : node.list_keys) keys.append(keys.empty() ? "" : " ").append(quoted(key));
    return "associative list with keys has an element that omits all key fields [" + keys +
           "] (and doesn't have default values for any key fields)";
  }
};

bool lists_match(const Node& list, const json::Array& live, const json::Array& config) {
  const auto live_elements = elements(list, live);
  // The configuration's items must be found in its order; with that, none can stand there twice.
  std::size_t l = 0;
  for (const auto& item : config) {
    const std::string element = element_of(list, item);
    while (l < live.size() && live_elements[l] != element) ++l;
    if (element.empty() || l == live.size() || !detail::merge_is_noop(list.items.get(), live[l], item)) return false;
    ++l;
  }
  return true;
}

}  // namespace

Value detail::merge_config(const Node* node, const Value& live, const Value& config) {
  const bool live_map = is_granular_map(node, live);
  const bool live_list = is_granular_list(node, live);
  // An applied null claims the field, and leaves alone what others put below it.
  if (config.is_null() && ((live_map && !live.as_object().empty()) || (live_list && !live.as_array().empty())))
    return live;
  if (live_map && is_granular_map(node, config)) return Value(merge_maps(node, live.as_object(), config.as_object()));
  if (live_list && is_granular_list(node, config)) return Value(merge_lists(*node, live.as_array(), config.as_array()));
  return config;
}

bool detail::merge_is_noop(const Node* node, const Value& live, const Value& config) {
  if (is_granular_map(node, live) && is_granular_map(node, config)) {
    const auto* mine = live.as_object().begin();
    const auto* end = live.as_object().end();
    for (const auto& [key, value] : config.as_object()) {
      while (mine != end && mine->key < key) ++mine;
      if (mine == end || mine->key != key || !merge_is_noop(node_of(node, key), mine->value, value)) return false;
    }
    return true;
  }
  if (is_granular_list(node, live) && is_granular_list(node, config))
    return lists_match(*node, live.as_array(), config.as_array());
  return live == config;
}

std::vector<std::string> detail::config_problems(const Node& root, const Value& config) {
  Checker checker;
  checker.check(&root, config, "");
  return std::move(checker.problems);
}

}  // namespace gantry::object
