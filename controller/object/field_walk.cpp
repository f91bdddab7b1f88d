#include "controller/object/field_walk.hpp"

#include <algorithm>

namespace gantry::object {

using json::Object;
using json::Value;
using Node = Schema::Node;
using Type = Node::Type;
using ListType = Node::ListType;

namespace {

// What the server itself keeps; sorted.
constexpr std::string_view kBookkeeping[] = {"clusterName", "creationTimestamp", "generation",      "managedFields",
                                             "name",        "namespace",         "resourceVersion", "selfLink",
                                             "uid"};

bool is_bookkeeping(std::string_view key) { return std::ranges::binary_search(kBookkeeping, key); }

bool concerns(std::string_view key, Part part) {
  if (key == "apiVersion" || key == "kind") return false;
  if (part == Part::Whole) return true;
  return (key == "status") == (part == Part::OnlyStatus);
}

bool declared(const Node* node, std::string_view key) { return node && node->property(key); }

// The nodes of an object's members, asked for in order; null where the schema says nothing.
class NodeCursor {
 public:
  explicit NodeCursor(const Node* node) {
    if (node) cursor_.emplace(*node);
  }
  const Node* find(std::string_view key) { return cursor_ ? cursor_->find(key) : nullptr; }

 private:
  std::optional<detail::PropertyCursor> cursor_;
};

// Items by path element, sorted; an element that stands twice is marked, since nobody can own just one of them.
struct Item {
  std::string element;
  const Value* value;
  bool repeated = false;
};

std::vector<Item> items_of(const Node& list, const Value& value) {
  std::vector<Item> items;
  if (!value.is_array()) return items;
  items.reserve(value.as_array().size());
  for (const auto& item : value.as_array()) {
    std::string element = element_of(list, item);
    if (!element.empty()) items.push_back({std::move(element), &item});
  }
  std::ranges::stable_sort(items, {}, &Item::element);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (kept > 0 && items[kept - 1].element == items[i].element) {
      items[kept - 1].repeated = true;
    } else {
      if (kept != i) items[kept] = std::move(items[i]);
      ++kept;
    }
  }
  items.resize(kept);
  return items;
}

// What a configuration claims at a value: the fields below it, and whether it claims the value itself.
struct Claim {
  Object below;
  bool self = false;
};

void attach(Object& parent, std::string element, Claim claim) {
  if (!claim.self && claim.below.empty()) return;
  if (claim.self && !claim.below.empty()) claim.below.set(".", Value(Object()));
  parent.append_unsorted(std::move(element), Value(std::move(claim.below)));
}

Claim claim_of(const Node* node, const Value& value) {
  Claim claim;
  if (is_granular_map(node, value)) {
    claim.below.reserve(value.as_object().size());
    for (const auto& [key, child] : value.as_object()) {
      Claim inner = claim_of(node_of(node, key), child);
      inner.self |= (child.is_object() && child.as_object().empty()) || !declared(node, key);
      attach(claim.below, field_element(key), std::move(inner));
    }
  } else if (is_granular_list(node, value)) {
    for (auto& item : items_of(*node, value)) {
      Claim inner = item.repeated ? Claim() : claim_of(node->items.get(), *item.value);
      inner.self = true;
      attach(claim.below, std::move(item.element), std::move(inner));
    }
  } else {
    claim.self = true;
  }
  return claim;
}

// Everything at and below a value that was not there before.
Object all_of(const Node* node, const Value& value) {
  Object fields;
  if (is_granular_map(node, value) && !value.as_object().empty()) {
    fields.reserve(value.as_object().size() + 1);
    fields.append_unsorted(".", Value(Object()));
    NodeCursor nodes(node);
    for (const auto& [key, child] : value.as_object())
      fields.append_unsorted(field_element(key), Value(all_of(nodes.find(key), child)));
  } else if (is_granular_list(node, value) && !value.as_array().empty()) {
    fields.reserve(value.as_array().size() + 1);
    fields.append_unsorted(".", Value(Object()));
    for (auto& item : items_of(*node, value)) {
      fields.append_unsorted(std::move(item.element),
                             Value(item.repeated ? Object() : all_of(node->items.get(), *item.value)));
    }
  }
  return fields;
}

// The three sets of a comparison while they are built, for one value; absent: nothing.
struct Parts {
  std::optional<Object> added, modified, removed;
};

void attach(std::optional<Object>& parent, const std::string& element, std::optional<Object>& child) {
  if (!child) return;
  if (!parent) parent.emplace();
  parent->append_unsorted(element, Value(std::move(*child)));
}

void attach(Parts& parent, const std::string& element, Parts child) {
  attach(parent.added, element, child.added);
  attach(parent.modified, element, child.modified);
  attach(parent.removed, element, child.removed);
}

Parts compare_values(const Node* node, const Value* before, const Value* after);

const Object& members_of(const Value* value) {
  static const Object kNone;
  return value && value->is_object() ? value->as_object() : kNone;
}

// Calls visit(key, before, after) for each key of either, in order.
template <class Visit>
void zip(const Object& before, const Object& after, const Visit& visit) {
  const auto* a = before.begin();
  const auto* b = after.begin();
  while (a != before.end() || b != after.end()) {
    const int order = a == before.end() ? 1 : b == after.end() ? -1 : a->key.compare(b->key);
    visit(order <= 0 ? a->key : b->key, order <= 0 ? &a->value : nullptr, order >= 0 ? &b->value : nullptr);
    if (order <= 0) ++a;
    if (order >= 0) ++b;
  }
}

Parts compare_maps(const Node* node, const Value& before, const Value& after) {
  Parts parts;
  zip(members_of(&before), members_of(&after), [&](const std::string& key, const Value* a, const Value* b) {
    Parts inner = compare_values(node_of(node, key), a, b);
    if (inner.added || inner.modified || inner.removed) attach(parts, field_element(key), std::move(inner));
  });
  return parts;
}

Parts compare_items(const Node& list, const Item* a, const Item* b) {
  Parts parts;
  const bool many_before = a && a->repeated;
  const bool many_after = b && b->repeated;
  if (many_before && many_after) {
    parts.modified.emplace();
  } else if (many_before) {
    parts.removed.emplace();
    if (b) parts.added = all_of(list.items.get(), *b->value);
  } else if (many_after) {
    parts.added.emplace();
    if (a) parts.removed = all_of(list.items.get(), *a->value);
  } else {
    return compare_values(list.items.get(), a ? a->value : nullptr, b ? b->value : nullptr);
  }
  return parts;
}

Parts compare_lists(const Node& list, const Value& before, const Value& after) {
  Parts parts;
  if (before == after) return parts;
  const auto old_items = items_of(list, before);
  const auto new_items = items_of(list, after);
  auto a = old_items.begin();
  auto b = new_items.begin();
  while (a != old_items.end() || b != new_items.end()) {
    const int order = a == old_items.end() ? 1 : b == new_items.end() ? -1 : a->element.compare(b->element);
    const std::string& element = order <= 0 ? a->element : b->element;
    attach(parts, element, compare_items(list, order <= 0 ? &*a : nullptr, order >= 0 ? &*b : nullptr));
    if (order <= 0) ++a;
    if (order >= 0) ++b;
  }
  return parts;
}

bool is_empty(const Value& value) {
  return value.is_null() || (value.is_object() && value.as_object().empty()) ||
         (value.is_array() && value.as_array().empty());
}

Parts compare_values(const Node* node, const Value* before, const Value* after) {
  Parts parts;
  if (!before) {
    parts.added = all_of(node, *after);
    return parts;
  }
  if (!after) {
    parts.removed = all_of(node, *before);
    return parts;
  }
  // A null is any kind of empty; two empty ones are compared as wholes, since null is not {}.
  const bool both_empty = is_empty(*before) && is_empty(*after);
  const auto fits = [&](auto granular) {
    return !both_empty && (granular(node, *before) || before->is_null()) &&
           (granular(node, *after) || after->is_null()) && (granular(node, *before) || granular(node, *after));
  };
  if (fits(is_granular_map)) return compare_maps(node, *before, *after);
  if (fits(is_granular_list)) return compare_lists(*node, *before, *after);
  if (!(*before == *after)) parts.modified.emplace();
  return parts;
}

// Metadata is never owned as a whole, nor is what the server keeps in it.
template <class Each>
void each_root_field(const Node& root, const Value& object, Part part, const Each& each) {
  NodeCursor nodes(&root);
  for (const auto& [key, value] : members_of(&object)) {
    if (concerns(key, part)) each(key, nodes.find(key), value);
  }
}

template <class Fields>
Object metadata_fields(const Node* node, const Value& metadata, const Fields& fields) {
  Object made;
  NodeCursor nodes(node);
  for (const auto& [key, value] : members_of(&metadata)) {
    if (!is_bookkeeping(key)) fields(made, key, nodes.find(key), value);
  }
  return made;
}

}  // namespace

bool is_granular_map(const Node* node, const Value& value) {
  if (!value.is_object()) return false;
  return !node || ((node->type == Type::Object || node->type == Type::Any) && !node->atomic_map);
}

bool is_granular_list(const Node* node, const Value& value) {
  return value.is_array() && node && node->type == Type::Array && node->list_type != ListType::Atomic;
}

const Node* node_of(const Node* parent, std::string_view key) { return parent ? parent->member(key) : nullptr; }

std::string field_element(std::string_view key) {
  std::string element;
  element.reserve(key.size() + 2);
  return element.append("f:").append(key);
}

std::string element_of(const Node& list, const Value& item) {
  if (list.list_type == ListType::Set) {
    if (item.is_null() || item.is_object() || item.is_array()) return {};
    std::string element = "v:";
    json::dump_to(element, item);
    return element;
  }
  if (!item.is_object()) return {};
  std::string element = "k:{";
  for (const auto& key : list.list_keys) {
    const Value* value = item.find(key);
    if (!value && list.items) {
      const Node* node = list.items->property(key);
      if (node && node->default_value) value = &*node->default_value;
    }
    if (!value) continue;
    if (element.size() > 3) element += ',';
    json::append_quoted(element, key);
    element += ':';
    json::dump_to(element, *value);
  }
  if (element.size() == 3) return {};
  return element += '}';
}

FieldSet fields_of_config(const Node& root, const Value& object, Part part) {
  Object fields;
  each_root_field(root, object, part, [&](const std::string& key, const Node* node, const Value& value) {
    Claim claim;
    if (key == "metadata") {
      claim.below = metadata_fields(node, value,
                                    [&](Object& made, const std::string& name, const Node* child, const Value& inner) {
                                      Claim one = claim_of(child, inner);
                                      one.self |= inner.is_object() && inner.as_object().empty();
                                      attach(made, field_element(name), std::move(one));
                                    });
    } else {
      claim = claim_of(node, value);
      claim.self |= (value.is_object() && value.as_object().empty()) || !declared(&root, key);
    }
    attach(fields, field_element(key), std::move(claim));
  });
  return FieldSet(std::move(fields));
}

FieldSet fields_of_new(const Node& root, const Value& object, Part part) {
  Object fields;
  each_root_field(root, object, part, [&](const std::string& key, const Node* node, const Value& value) {
    if (key != "metadata") {
      fields.append_unsorted(field_element(key), Value(all_of(node, value)));
      return;
    }
    Object below =
        metadata_fields(node, value, [&](Object& made, const std::string& name, const Node* child, const Value& inner) {
          made.append_unsorted(field_element(name), Value(all_of(child, inner)));
        });
    if (!below.empty()) fields.append_unsorted("f:metadata", Value(std::move(below)));
  });
  return FieldSet(std::move(fields));
}

Difference compare(const Node& root, const Value& before, const Value& after, Part part) {
  Parts parts;
  zip(members_of(&before), members_of(&after), [&](const std::string& key, const Value* a, const Value* b) {
    if (!concerns(key, part)) return;
    if (key != "metadata") {
      attach(parts, field_element(key), compare_values(root.member(key), a, b));
      return;
    }
    const Node* node = root.member(key);
    Parts inner;
    zip(members_of(a), members_of(b), [&](const std::string& name, const Value* x, const Value* y) {
      if (!is_bookkeeping(name)) attach(inner, field_element(name), compare_values(node_of(node, name), x, y));
    });
    attach(parts, field_element(key), std::move(inner));
  });
  const auto set = [](std::optional<Object>& fields) { return FieldSet(fields ? std::move(*fields) : Object()); };
  return {set(parts.added), set(parts.modified), set(parts.removed)};
}

}  // namespace gantry::object
