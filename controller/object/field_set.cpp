#include "controller/object/field_set.hpp"

#include <algorithm>
#include <optional>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::object {

using json::Object;
using json::Value;

namespace {

// In a node of the tree: "." sorts before every path element.
bool has_dot(const Object& node) { return !node.empty() && node.begin()->key == "."; }
bool is_member(const Object& node) { return node.empty() || has_dot(node); }
template <class O>
auto* children(O& node) {
  return has_dot(node) ? node.begin() + 1 : node.begin();
}

Object& object_of(json::Member& member) { return member.value.as_object(); }
const Object& object_of(const json::Member& member) { return member.value.as_object(); }

[[noreturn]] void bad(std::string_view key, std::string_view why) {
  throw Error(ErrorCode::Invalid, "managedFields: " + quoted(key.substr(0, 200)) + " " + std::string(why));
}

// The element as we would write it ourselves; absent for kinds of elements that a later version may know.
std::optional<std::string> canonical(const std::string& key) {
  if (key.size() < 2 || key[1] != ':') bad(key, "is no path element");
  const std::string_view rest = std::string_view(key).substr(2);
  switch (key[0]) {
    case 'f':
      return key;
    case 'k': {
      const Value keys = json::parse(rest);
      if (!keys.is_object()) bad(key, "must hold an object");
      return "k:" + json::dump(keys);
    }
    case 'v':
      return "v:" + json::dump(json::parse(rest));
    case 'i':
      if (rest.empty() || rest.size() > 9 || !std::ranges::all_of(rest, [](char c) { return c >= '0' && c <= '9'; }))
        bad(key, "must hold an index");
      return key;
    default:
      return std::nullopt;
  }
}

Object canonical_node(const Object& from) {
  Object made;
  made.reserve(from.size());
  for (const auto& [key, value] : from) {
    if (!value.is_object()) bad(key, "must be an object");
    if (key == ".") {
      made.append_unsorted(".", Value(Object()));
    } else if (auto element = canonical(key)) {
      made.append_unsorted(std::move(*element), Value(canonical_node(value.as_object())));
    }
  }
  made.sort();
  if (made.size() == 1 && has_dot(made)) return {};
  return made;
}

// Whether the children of b, and b's own membership where `self`, are in a.
bool node_covers(const Object& a, const Object& b, bool self) {
  if (self && is_member(b) && !is_member(a)) return false;
  const auto* mine = children(a);
  for (const auto* theirs = children(b); theirs != b.end(); ++theirs) {
    while (mine != a.end() && mine->key < theirs->key) ++mine;
    if (mine == a.end() || mine->key != theirs->key || !node_covers(object_of(*mine), object_of(*theirs), true))
      return false;
  }
  return true;
}

void add_children(Object& made, Object& a, const Object& b);

void add_node(Object& a, const Object& b) {
  const bool member = is_member(a) || is_member(b);
  Object made;
  made.reserve(a.size() + b.size() + 1);
  if (member) made.append_unsorted(".", Value(Object()));
  add_children(made, a, b);
  a = made.size() == 1 && member ? Object() : std::move(made);
}

void add_children(Object& made, Object& a, const Object& b) {
  auto* mine = children(a);
  for (const auto* theirs = children(b); theirs != b.end(); ++theirs) {
    while (mine != a.end() && mine->key < theirs->key) {
      made.append_unsorted(std::move(mine->key), std::move(mine->value));
      ++mine;
    }
    if (mine != a.end() && mine->key == theirs->key) {
      add_node(object_of(*mine), object_of(*theirs));
      made.append_unsorted(std::move(mine->key), std::move(mine->value));
      ++mine;
    } else {
      made.append_unsorted(theirs->key, theirs->value);
    }
  }
  for (; mine != a.end(); ++mine) made.append_unsorted(std::move(mine->key), std::move(mine->value));
}

bool remove_node(Object& a, const Object& b, bool deep);

// Removes the children of b from those of a. Touches nothing else, so that a set that is not concerned stays as it is.
void remove_children(Object& a, const Object& b, bool deep) {
  std::vector<std::size_t> gone;
  auto* mine = children(a);
  for (const auto* theirs = children(b); theirs != b.end() && mine != a.end(); ++theirs) {
    while (mine != a.end() && mine->key < theirs->key) ++mine;
    if (mine == a.end() || mine->key != theirs->key) continue;
    if (remove_node(object_of(*mine), object_of(*theirs), deep))
      gone.push_back(static_cast<std::size_t>(mine - a.begin()));
  }
  if (gone.empty()) return;
  Object left;
  left.reserve(a.size() - gone.size());
  auto next = gone.begin();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (next != gone.end() && *next == i) {
      ++next;
    } else {
      left.append_unsorted(std::move(a.begin()[i].key), std::move(a.begin()[i].value));
    }
  }
  a = std::move(left);
}

// True when nothing of a is left.
bool remove_node(Object& a, const Object& b, bool deep) {
  if (b.empty() && deep) return true;
  const bool was_member = is_member(a);
  const bool stays = was_member && !is_member(b);
  if (a.empty()) return !stays;
  remove_children(a, b, deep);
  if (was_member && !stays) a.erase(".");
  if (children(a) != a.end()) return false;
  a = Object();
  return !stays;
}

std::optional<Object> common_node(const Object& a, const Object& b, bool self) {
  Object made;
  const bool member = self && is_member(a) && is_member(b);
  if (member) made.append_unsorted(".", Value(Object()));
  const auto* theirs = children(b);
  for (const auto* mine = children(a); mine != a.end(); ++mine) {
    while (theirs != b.end() && theirs->key < mine->key) ++theirs;
    if (theirs == b.end() || theirs->key != mine->key) continue;
    if (auto both = common_node(object_of(*mine), object_of(*theirs), true))
      made.append_unsorted(mine->key, Value(std::move(*both)));
  }
  if (made.empty()) return std::nullopt;
  if (member && made.size() == 1) return Object();
  return made;
}

// First the members of a level, then what lies below: the order in which upstream lists conflicts.
void list_paths(const Object& node, std::string& prefix, std::size_t max, std::vector<std::string>& out) {
  for (const auto* child = children(node); child != node.end() && out.size() < max; ++child) {
    if (is_member(object_of(*child))) out.push_back(prefix + path_element_text(child->key));
  }
  const std::size_t length = prefix.size();
  for (const auto* child = children(node); child != node.end() && out.size() < max; ++child) {
    prefix += path_element_text(child->key);
    list_paths(object_of(*child), prefix, max, out);
    prefix.resize(length);
  }
}

}  // namespace

std::string path_element_text(std::string_view element) {
  const std::string_view rest = element.substr(std::min<std::size_t>(2, element.size()));
  if (element.starts_with("f:")) return "." + std::string(rest);
  if (element.starts_with("v:")) return "[=" + std::string(rest) + "]";
  if (!element.starts_with("k:")) return "[" + std::string(rest) + "]";
  std::string out = "[";
  const Value keys = json::parse(rest);
  for (const auto& [name, value] : keys.as_object()) {
    if (out.size() > 1) out += ',';
    out.append(name).append("=").append(json::dump(value));
  }
  return out + "]";
}

FieldSet FieldSet::parse(const Value& fields_v1) {
  if (!fields_v1.is_object()) throw Error(ErrorCode::Invalid, "managedFields: fieldsV1 must be an object");
  FieldSet set(canonical_node(fields_v1.as_object()));
  set.fields_.erase(".");
  return set;
}

bool FieldSet::covers(const FieldSet& other) const { return node_covers(fields_, other.fields_, false); }

void FieldSet::add(const FieldSet& other) {
  if (other.empty() || covers(other)) return;
  Object made;
  made.reserve(fields_.size() + other.fields_.size());
  add_children(made, fields_, other.fields_);
  fields_ = std::move(made);
}

void FieldSet::remove(const FieldSet& other) { remove_children(fields_, other.fields_, false); }
void FieldSet::remove_deep(const FieldSet& other) { remove_children(fields_, other.fields_, true); }

FieldSet FieldSet::common_with(const FieldSet& other) const {
  return FieldSet(common_node(fields_, other.fields_, false).value_or(Object()));
}

std::vector<std::string> FieldSet::paths(std::size_t max) const {
  std::vector<std::string> out;
  std::string prefix;
  list_paths(fields_, prefix, max, out);
  return out;
}

}  // namespace gantry::object
