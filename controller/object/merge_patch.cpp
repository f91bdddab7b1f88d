#include "controller/object/patch.hpp"

namespace gantry::object {

using json::Value;

namespace {

Value without_nulls(const Value& patch) {
  if (!patch.is_object()) return patch;
  json::Object made;
  made.reserve(patch.as_object().size());
  for (const auto& [key, value] : patch.as_object()) {
    if (!value.is_null()) made.append_unsorted(key, without_nulls(value));
  }
  return Value(std::move(made));
}

// Both are sorted, so one pass makes the result: a patch of many members costs no more than it is long.
json::Object merged(json::Object target, const json::Object& patch) {
  json::Object made;
  made.reserve(target.size() + patch.size());
  auto* mine = target.begin();
  for (const auto& [key, value] : patch) {
    while (mine != target.end() && mine->key < key) {
      made.append_unsorted(std::move(mine->key), std::move(mine->value));
      ++mine;
    }
    const bool present = mine != target.end() && mine->key == key;
    if (!value.is_null()) {
      made.append_unsorted(key, present ? merge_patch(std::move(mine->value), value) : without_nulls(value));
    }
    if (present) ++mine;
  }
  for (; mine != target.end(); ++mine) made.append_unsorted(std::move(mine->key), std::move(mine->value));
  return made;
}

}  // namespace

Value merge_patch(Value document, const Value& patch) {
  if (!patch.is_object()) return patch;
  if (!document.is_object()) return without_nulls(patch);
  return Value(merged(std::move(document.as_object()), patch.as_object()));
}

}  // namespace gantry::object
