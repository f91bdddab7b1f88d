#include "controller/object/managed_fields.hpp"

#include <algorithm>

#include "controller/base/error.hpp"

namespace gantry::object {

using json::Object;
using json::Value;

namespace {

constexpr std::size_t kUpdatesMax = 10;
constexpr std::string_view kAncient = "ancient-changes";

const Value* managed_list(const Value& object) { return object.at({"metadata", "managedFields"}); }

// [] and [{}] ask for a clean slate.
bool is_reset(const Value* list) {
  if (!list || !list->is_array()) return false;
  const auto& entries = list->as_array();
  return entries.empty() || (entries.size() == 1 && entries[0].is_object() && entries[0].as_object().empty());
}

std::optional<ManagedEntry> read_entry(Value& from, bool trusted) {
  ManagedEntry entry{from.string_or("manager"),     from.string_or("operation"), from.string_or("apiVersion"),
                     from.string_or("subresource"), from.string_or("time"),      {}};
  if (entry.operation != "Apply" && entry.operation != "Update") return std::nullopt;
  if (entry.api_version.empty() || from.string_or("fieldsType") != "FieldsV1") return std::nullopt;
  Value* fields = from.find("fieldsV1");
  if (!fields || fields->is_null()) return entry;
  if (!fields->is_object()) return std::nullopt;
  try {
    entry.fields = trusted ? FieldSet(std::move(fields->as_object())) : FieldSet::parse(*fields);
  } catch (const Error&) {  // an invalid entry is no entry
    return std::nullopt;
  }
  return entry;
}

std::optional<ManagedFields> read_list(Value list, bool trusted) {
  ManagedFields managed;
  if (!list.is_array()) return managed;
  managed.reserve(list.as_array().size() + 1);
  for (auto& from : list.as_array()) {
    auto entry = read_entry(from, trusted);
    if (!entry) return std::nullopt;
    managed.push_back(std::move(*entry));
  }
  return managed;
}

Value write_entry(ManagedEntry entry) {
  Object out;
  out.reserve(7);
  out.append_unsorted("apiVersion", Value(std::move(entry.api_version)));
  out.append_unsorted("fieldsType", Value("FieldsV1"));
  out.append_unsorted("fieldsV1", Value(std::move(entry.fields).release()));
  out.append_unsorted("manager", Value(std::move(entry.manager)));
  out.append_unsorted("operation", Value(std::move(entry.operation)));
  if (!entry.subresource.empty()) out.append_unsorted("subresource", Value(std::move(entry.subresource)));
  if (!entry.time.empty()) out.append_unsorted("time", Value(std::move(entry.time)));
  return Value(std::move(out));
}

// What the write starts from: what the client says, if it says anything valid, else what is stored. Taken out of
// object, which gets the outcome in the end.
ManagedFields managed_before(const Value* old, Value& object, const FieldWriter& writer) {
  const Value* stored = old ? managed_list(*old) : nullptr;
  auto* sent = const_cast<Value*>(managed_list(object));
  const bool unchanged = sent && stored && *sent == *stored;
  if (unchanged) return read_list(std::move(*sent), true).value_or(ManagedFields());
  if (sent && writer.subresource.empty()) {
    if (is_reset(sent)) return {};
    if (auto managed = read_list(std::move(*sent), false); managed && !managed->empty()) return std::move(*managed);
  }
  return stored ? read_list(*stored, true).value_or(ManagedFields()) : ManagedFields();
}

ManagedEntry& entry_of(ManagedFields& managed, const FieldWriter& writer, std::string_view operation) {
  for (auto& entry : managed) {
    if (entry.is_of(writer, operation)) return entry;
  }
  managed.push_back({std::string(writer.manager),
                     std::string(operation),
                     std::string(writer.api_version),
                     std::string(writer.subresource),
                     {},
                     {}});
  return managed.back();
}

// Collapses what the schema now treats as one; true when the node itself became such a whole.
bool collapse(const Schema::Node* node, Object& fields) {
  const bool below = std::ranges::any_of(fields, [](const json::Member& member) { return member.key != "."; });
  if (!node || !below) return false;
  using Node = Schema::Node;
  const bool atomic_list = node->type == Node::Type::Array && node->list_type == Node::ListType::Atomic;
  if (node->atomic_map || atomic_list) return true;
  for (auto& [element, child] : fields) {
    const Node* next =
        element.starts_with("f:") ? node->member(std::string_view(element).substr(2)) : node->items.get();
    if (next && collapse(next, child.as_object())) child = Value(Object());
  }
  return false;
}

}  // namespace

Part FieldWriter::part() const {
  if (!has_status) return Part::Whole;
  return subresource == "status" ? Part::OnlyStatus : Part::WithoutStatus;
}

bool ManagedEntry::is_of(const FieldWriter& writer, std::string_view op) const {
  // One applier stays the same over all versions of a kind.
  return manager == writer.manager && operation == op && subresource == writer.subresource &&
         (applies() || api_version == writer.api_version);
}

std::optional<ManagedFields> read_managed_fields(const Value& object, bool trusted) {
  const Value* list = managed_list(object);
  return list ? read_list(*list, trusted) : ManagedFields();
}

void write_managed_fields(Value& object, ManagedFields managed) {
  Value* metadata = object.find("metadata");
  if (managed.empty()) {
    if (metadata && metadata->is_object()) metadata->as_object().erase("managedFields");
    return;
  }
  if (managed.size() > 1) {
    std::ranges::stable_sort(managed, [](const ManagedEntry& a, const ManagedEntry& b) {
      return std::tie(a.operation, a.time, a.manager, a.api_version, a.subresource) <
             std::tie(b.operation, b.time, b.manager, b.api_version, b.subresource);
    });
  }
  json::Array list;
  list.reserve(managed.size());
  for (auto& entry : managed) list.push_back(write_entry(std::move(entry)));
  object["metadata"].as_object().set("managedFields", Value(std::move(list)));
}

void track_update(const Value* old, Value& object, const Schema& schema, const FieldWriter& writer) {
  ManagedFields managed = managed_before(old, object, writer);
  if (old && managed.empty()) {
    // Nobody was tracked so far, and now it is too late to know who set what.
    write_managed_fields(object, {});
    return;
  }
  if (!old && managed.empty()) {
    ManagedEntry& made = entry_of(managed, writer, "Update");
    made.fields = fields_of_new(schema.root(), object, writer.part());
    made.time = format_time(writer.now);
    if (made.fields.empty()) managed.clear();
    write_managed_fields(object, std::move(managed));
    return;
  }
  static const Value kNothing{Object()};
  Difference change = compare(schema.root(), old ? *old : kNothing, object, writer.part());
  if (!change.none()) {
    detail::take_fields(managed, change);
    if (!change.added.empty() || !change.modified.empty()) {
      ManagedEntry& own = entry_of(managed, writer, "Update");
      own.fields.add(change.added);
      own.fields.add(change.modified);
      own.time = format_time(writer.now);
    }
    detail::cap_updates(managed);
  }
  write_managed_fields(object, std::move(managed));
}

void detail::take_fields(ManagedFields& managed, const Difference& change) {
  for (auto& entry : managed) {
    entry.fields.remove_deep(change.added);
    entry.fields.remove_deep(change.modified);
    entry.fields.remove_deep(change.removed);
  }
  std::erase_if(managed, [](const ManagedEntry& entry) { return entry.fields.empty(); });
}

void detail::cap_updates(ManagedFields& managed) {
  std::vector<ManagedEntry*> updates;
  for (auto& entry : managed) {
    if (!entry.applies()) updates.push_back(&entry);
  }
  if (updates.size() <= kUpdatesMax) return;
  std::ranges::stable_sort(updates, [](const ManagedEntry* a, const ManagedEntry* b) {
    return std::tie(a->time, a->manager) < std::tie(b->time, b->manager);
  });
  std::size_t left = updates.size();
  for (std::size_t i = 0; i < updates.size() && left > kUpdatesMax; ++i) {
    // The first of a version becomes the bucket of that version, once there is a second to go into it.
    const auto same_version = [&](const ManagedEntry* other) { return other->api_version == updates[i]->api_version; };
    ManagedEntry* bucket = *std::find_if(updates.begin(), updates.end(), same_version);
    if (bucket == updates[i]) continue;
    bucket->manager = kAncient;
    bucket->subresource.clear();
    bucket->fields.add(updates[i]->fields);
    bucket->time = updates[i]->time;
    updates[i]->operation.clear();
    --left;
  }
  std::erase_if(managed, [](const ManagedEntry& entry) { return entry.operation.empty(); });
}

void detail::follow_schema(const Schema::Node& root, ManagedFields& managed) {
  for (auto& entry : managed) {
    Object fields = std::move(entry.fields).release();
    collapse(&root, fields);
    entry.fields = FieldSet(std::move(fields));
  }
}

bool changes_nothing(const Value& old, const Value& object) {
  const auto same = [](const Value* a, const Value* b) { return (a && b) ? *a == *b : a == b; };
  const auto same_entries = [](const Value* a, const Value* b) {
    if (!a || !b || !a->is_array() || !b->is_array()) return a == b;
    return std::ranges::equal(a->as_array(), b->as_array(), [](Value x, Value y) {
      if (x.is_object()) x.as_object().erase("time");
      if (y.is_object()) y.as_object().erase("time");
      return x == y;
    });
  };
  const auto same_metadata = [&](const Value& a, const Value& b) {
    std::size_t counted = 0;
    for (const auto& [key, value] : a.as_object()) {
      if (key == "resourceVersion") continue;
      ++counted;
      const Value* other = b.find(key);
      if (key == "managedFields" ? !same_entries(&value, other) : !same(&value, other)) return false;
    }
    return counted == b.as_object().size() - (b.find("resourceVersion") ? 1 : 0);
  };
  if (!old.is_object() || !object.is_object() || old.as_object().size() != object.as_object().size()) return false;
  const auto* theirs = object.as_object().begin();
  for (const auto& [key, value] : old.as_object()) {
    if (key != theirs->key) return false;
    const bool both = value.is_object() && theirs->value.is_object();
    if (key == "metadata" && both ? !same_metadata(value, theirs->value) : !(value == theirs->value)) return false;
    ++theirs;
  }
  return true;
}

}  // namespace gantry::object
