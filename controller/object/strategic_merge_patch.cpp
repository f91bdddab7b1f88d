// Strategic merge, for the kinds that kubectl treats so: core/v1 and coordination.k8s.io/v1. In those that are served
// only two lists merge: metadata.finalizers (a set) and metadata.ownerReferences (by uid). The rest is merge_patch with
// directives.
#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"
#include "controller/object/patch.hpp"

namespace gantry::object {

using json::Value;

namespace {

constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDelete = "$deleteFromPrimitiveList/";
constexpr std::size_t kListMax = 1000;  // of finalizers, owners, retained keys: items are searched one by one

[[noreturn]] void malformed(const std::string& why) {
  throw Error(ErrorCode::BadRequest, "strategic merge patch: " + why);
}

const json::Array& list_of(const Value& value, std::string_view key) {
  if (!value.is_array()) malformed(quoted(key) + " must be a list");
  if (value.as_array().size() > kListMax) malformed(quoted(key) + " is too long");
  return value.as_array();
}

bool is_directive(std::string_view key) {
  return key == "$patch" || key == "$retainKeys" || key.starts_with(kOrder) || key.starts_with(kDelete);
}

// How the list `key` of the object at `path` merges: "" as a set, "uid" by that key; absent: it is replaced.
std::optional<std::string_view> merge_key(std::string_view path, std::string_view key) {
  if (path == "metadata" && key == "finalizers") return "";
  if (path == "metadata" && key == "ownerReferences") return "uid";
  return std::nullopt;
}

bool same(const Value& a, const Value& b, std::string_view key) {
  if (key.empty()) return a == b;
  const Value* mine = a.find(key);
  const Value* theirs = b.find(key);
  return mine && theirs && *mine == *theirs;
}

auto find_in(json::Array& list, const Value& item, std::string_view key) {
  return std::ranges::find_if(list, [&](const Value& candidate) { return same(candidate, item, key); });
}

Value merge(Value document, const Value& patch, const std::string& path);

json::Array merge_list(json::Array list, const json::Array& patch, std::string_view key) {
  const bool replaces =
      std::ranges::any_of(patch, [](const Value& item) { return item.string_or("$patch") == "replace"; });
  if (replaces) list.clear();
  for (const auto& item : patch) {
    const std::string directive = item.string_or("$patch");
    if (directive == "replace") continue;
    if (!key.empty() && !item.find(key)) malformed("map does not contain declared merge key: " + std::string(key));
    const auto at = find_in(list, item, key);
    if (directive == "delete") {
      if (at != list.end()) list.erase(at);
    } else if (at == list.end()) {
      if (list.size() > kListMax) malformed("the merged list is too long");
      list.push_back(merge(Value(), item, "-"));
    } else if (!key.empty()) {
      *at = merge(std::move(*at), item, "-");
    }
  }
  return list;
}

// Items that `order` names stand in its order; the others keep their place among themselves, in front of what followed.
json::Array in_order(json::Array list, const json::Array& order, std::string_view key) {
  const auto rank = [&](const Value& item) {
    return std::ranges::find_if(
               order, [&](const Value& wanted) { return key.empty() ? wanted == item : same(wanted, item, key); }) -
           order.begin();
  };
  const auto unnamed = static_cast<std::ptrdiff_t>(order.size());
  json::Array named;
  for (const auto& item : list) {
    if (rank(item) != unnamed) named.push_back(item);
  }
  std::ranges::stable_sort(named, {}, rank);
  auto next = named.begin();
  for (auto& item : list) {
    if (rank(item) != unnamed) item = std::move(*next++);
  }
  return list;
}

void retain(json::Object& target, const Value& keys, const json::Object& patch) {
  const auto& kept = list_of(keys, "$retainKeys");
  const auto listed = [&](const std::string& key) { return std::ranges::find(kept, Value(key)) != kept.end(); };
  for (const auto& [key, value] : patch) {
    if (!is_directive(key) && !value.is_null() && !listed(key))
      malformed("$retainKeys must list every key of the patch, " + quoted(key) + " too");
  }
  json::Object left;
  for (auto& member : target) {
    if (listed(member.key)) left.append_unsorted(std::move(member.key), std::move(member.value));
  }
  target = std::move(left);
}

void apply_directives(json::Object& target, const json::Object& patch, const std::string& path) {
  if (const Value* keys = patch.find("$retainKeys")) retain(target, *keys, patch);
  for (const auto& [key, value] : patch) {
    if (!key.starts_with(kDelete)) continue;
    const std::string name = key.substr(kDelete.size());
    Value* list = target.find(name);
    if (merge_key(path, name) != "" || !list || !list->is_array()) continue;
    list_of(*list, name);
    const auto& doomed = list_of(value, key);
    std::erase_if(list->as_array(), [&](const Value& item) { return std::ranges::find(doomed, item) != doomed.end(); });
  }
}

void apply_orders(json::Object& target, const json::Object& patch, const std::string& path) {
  for (const auto& [key, value] : patch) {
    if (!key.starts_with(kOrder)) continue;
    const std::string name = key.substr(kOrder.size());
    const auto by = merge_key(path, name);
    Value* list = target.find(name);
    if (by && list && list->is_array()) *list = Value(in_order(std::move(list->as_array()), list_of(value, key), *by));
  }
}

Value merge_member(Value mine, const Value& patch, const std::string& path, const std::string& key) {
  const auto by = merge_key(path, key);
  if (by && patch.is_array()) {
    if (mine.is_array()) list_of(mine, key);
    json::Array list = mine.is_array() ? std::move(mine.as_array()) : json::Array();
    return Value(merge_list(std::move(list), list_of(patch, key), *by));
  }
  return merge(std::move(mine), patch, path.empty() ? key : path + "." + key);
}

Value merge(Value document, const Value& patch, const std::string& path) {
  if (!patch.is_object()) return patch;
  const json::Object& changes = patch.as_object();
  if (const Value* directive = changes.find("$patch")) {
    const std::string what = directive->is_string() ? directive->as_string() : std::string();
    if (what == "delete") return Value(json::Object());
    if (what != "replace" && what != "merge") malformed("unknown patch type found: " + what);
    if (what == "replace") document = Value();
  }
  json::Object target = document.is_object() ? std::move(document.as_object()) : json::Object();
  apply_directives(target, changes, path);
  json::Object made;
  made.reserve(target.size() + changes.size());
  auto* mine = target.begin();
  for (const auto& [key, value] : changes) {
    if (is_directive(key)) continue;
    while (mine != target.end() && mine->key < key) {
      made.append_unsorted(std::move(mine->key), std::move(mine->value));
      ++mine;
    }
    const bool present = mine != target.end() && mine->key == key;
    if (!value.is_null())
      made.append_unsorted(key, merge_member(present ? std::move(mine->value) : Value(), value, path, key));
    if (present) ++mine;
  }
  for (; mine != target.end(); ++mine) made.append_unsorted(std::move(mine->key), std::move(mine->value));
  apply_orders(made, changes, path);
  return Value(std::move(made));
}

}  // namespace

Value strategic_merge_patch(Value document, const Value& patch) {
  if (!patch.is_object()) malformed("an object is expected, got " + std::string(patch.type_name()));
  return merge(std::move(document), patch, "");
}

}  // namespace gantry::object
