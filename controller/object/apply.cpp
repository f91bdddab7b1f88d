// Server-side apply. What makes it hard is giving up: a field that a manager applied before and does not apply now goes
// away, unless another manager holds it too. So after the merge, everything the manager had is first taken out, and
// then what others hold, or what was never the manager's, is put back. Sets of fields decide, never values.
#include "controller/object/apply.hpp"

#include <algorithm>

#include "controller/base/error.hpp"
#include "controller/object/field_error.hpp"

namespace gantry::object {

using json::Object;
using json::Value;
using Node = Schema::Node;

namespace {

constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t kConflictsMax = 1000;

const Value* last_applied(const Value& object) {
  const Value* text = object.at({"metadata", "annotations", kLastApplied});
  return text && text->is_string() && !text->as_string().empty() ? text : nullptr;
}

// What kubectl writes into its annotation: the configuration without that annotation.
std::string as_last_applied(const Value& config) {
  Value copy = config;
  if (Value* metadata = copy.find("metadata")) {
    Value* annotations = metadata->find("annotations");
    if (annotations && annotations->is_object()) annotations->as_object().erase(kLastApplied);
  }
  return json::dump(copy) + "\n";
}

void refuse_bad_config(const Value& config, const Schema& schema) {
  if (!config.is_object())
    throw Error(ErrorCode::BadRequest,
                "an applied configuration must be an object, not a " + std::string(config.type_name()));
  const Value* managed = config.at({"metadata", "managedFields"});
  if (managed && !managed->is_null()) throw Error(ErrorCode::BadRequest, "metadata.managedFields must be nil");
  const auto problems = detail::config_problems(schema.root(), config);
  if (problems.empty()) return;
  const Value* metadata = config.find("metadata");
  std::string message = "failed to create typed patch object (";
  message += (metadata ? metadata->string_or("namespace") : "") + "/" + (metadata ? metadata->string_or("name") : "");
  message += "; " + config.string_or("apiVersion") + ", Kind=" + config.string_or("kind") + "): ";
  if (problems.size() > 1) message += "errors:";
  for (const auto& problem : problems) message.append(problems.size() > 1 ? "\n  " : "").append(problem);
  throw Error(ErrorCode::BadRequest, std::move(message));
}

// Only what the endpoint is about takes part. Absent: the configuration is about nothing else anyway.
std::optional<Value> restricted(const Value& config, Part part) {
  const Value* status = config.find("status");
  if (part == Part::OnlyStatus) return status ? Value(Object{{"status", *status}}) : Value(Object());
  if (part == Part::Whole || !status) return std::nullopt;
  Value out = config;
  out.as_object().erase("status");
  return out;
}

// The quick answer to an apply that repeats itself: the manager has claimed the same before, and all of it is so.
bool repeats_itself(const Value& live, const Value& given, const Value& config, const Schema& schema,
                    const FieldWriter& writer) {
  const Value* managed = live.at({"metadata", "managedFields"});
  if (!managed || !managed->is_array()) return false;
  const auto own = std::ranges::find_if(managed->as_array(), [&](const Value& entry) {
    return entry.string_or("manager") == writer.manager && entry.string_or("operation") == "Apply" &&
           entry.string_or("subresource") == writer.subresource && entry.string_or("apiVersion") == writer.api_version;
  });
  if (own == managed->as_array().end() || !detail::merge_is_noop(&schema.root(), live, config)) return false;
  const Value* had = own->find("fieldsV1");
  if (!had || !had->is_object() ||
      !(had->as_object() == fields_of_config(schema.root(), config, writer.part()).fields()))
    return false;
  const Value* annotation = writer.manager == "kubectl" ? last_applied(live) : nullptr;
  return !annotation || annotation->as_string() == as_last_applied(given);
}

// What the server keeps in metadata does not come from a configuration.
void keep_bookkeeping(Value& merged, const Value& live) {
  Value* metadata = merged.find("metadata");
  const Value* before = live.find("metadata");
  if (!metadata || !metadata->is_object() || !before) return;
  for (const std::string_view key :
       {"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "name",
        "namespace", "resourceVersion", "selfLink", "uid"}) {
    if (const Value* value = before->find(key)) {
      metadata->as_object().set(key, *value);
    } else {
      metadata->as_object().erase(key);
    }
  }
}

struct Held {
  const ManagedEntry* by;
  FieldSet fields;
};

std::string holder_text(const ManagedEntry& entry) {
  std::string text = quoted(entry.manager);
  if (!entry.subresource.empty()) text += " with subresource " + quoted(entry.subresource);
  if (!entry.applies()) {
    text += " using " + entry.api_version;
  }
  return text;
}

Error conflict_error(std::vector<Held> conflicts) {
  std::ranges::sort(conflicts, [](const Held& a, const Held& b) {
    return std::tie(a.by->manager, a.by->operation, a.by->api_version, a.by->subresource) <
           std::tie(b.by->manager, b.by->operation, b.by->api_version, b.by->subresource);
  });
  std::vector<FieldError> causes;
  std::string list;
  for (const auto& held : conflicts) {
    const std::string holder = holder_text(*held.by);
    list.append(list.empty() ? "" : "\n").append("conflicts with ").append(holder).append(":");
    for (auto& path : held.fields.paths(kConflictsMax)) {
      list.append("\n- ").append(path);
      causes.push_back({"FieldManagerConflict", std::move(path), "conflict with " + holder});
    }
  }
  std::string message = "Apply failed with ";
  if (causes.size() == 1) {
    message += "1 conflict: " + causes[0].message + ": " + causes[0].field;
  } else {
    message += std::to_string(causes.size()) + " conflicts: " + list;
  }
  Error error(ErrorCode::Conflict, std::move(message));
  error.causes = std::move(causes);
  return error;
}

class Application {
 public:
  Application(const Value* live, const Value& given, const Value& config, const Schema& schema,
              const FieldWriter& writer)
      : root_(schema.root()),
        writer_(writer),
        live_(live ? *live : kNothing),
        given_(given),
        config_(config),
        created_(!live) {
    managed_ = read_managed_fields(live_, true).value_or(ManagedFields());
    if (created_ || !managed_.empty()) return;
    // What was there before anybody applied belongs to somebody, too.
    ManagedEntry before{"before-first-apply",
                        "Update",
                        std::string(writer.api_version),
                        std::string(writer.subresource),
                        format_time(writer.now),
                        fields_of_new(root_, live_, writer.part())};
    if (!before.fields.empty()) managed_.push_back(std::move(before));
    attributed_ = true;
  }

  ApplyResult run(bool force) {
    FieldSet claimed = fields_of_config(root_, config_, writer_.part());
    detail::follow_schema(root_, managed_);
    const ManagedFields before = managed_;
    Value merged = detail::merge_config(&root_, live_, config_);
    if (!created_) keep_bookkeeping(merged, live_);
    ManagedEntry own = take_own();
    const FieldSet had = std::move(own.fields);
    own.fields = claimed;
    prune(merged, had, claimed);

    const Difference change = compare(root_, live_, merged, writer_.part());
    settle_conflicts(change, force);
    detail::take_fields(managed_, change);
    own.api_version = writer_.api_version;
    if (!own.fields.empty()) managed_.push_back(std::move(own));
    if (writer_.manager == "kubectl" && last_applied(merged))
      merged["metadata"]["annotations"][kLastApplied] = Value(as_last_applied(given_));
    return finish(std::move(merged), before);
  }

 private:
  static inline const Value kNothing{Object()};

  ManagedEntry take_own() {
    for (auto at = managed_.begin(); at != managed_.end(); ++at) {
      if (!at->is_of(writer_, "Apply")) continue;
      ManagedEntry own = std::move(*at);
      managed_.erase(at);
      return own;
    }
    return {std::string(writer_.manager),     "Apply", std::string(writer_.api_version),
            std::string(writer_.subresource), {},      {}};
  }

  // Takes away what was applied before, is not applied now, and is held by nobody else.
  void prune(Value& merged, const FieldSet& had, const FieldSet& claimed) const {
    if (claimed.covers(had)) return;
    const auto parents = [&](const FieldSet& set) { return detail::with_parents(root_, set); };
    const auto without = [&](const FieldSet& doomed) {
      Value value = merged;
      detail::remove_fields(&root_, value, doomed);
      return value;
    };
    const auto fields = [&](const Value& value) { return parents(fields_of_config(root_, value, Part::Whole)); };
    const FieldSet last = parents(had);
    const FieldSet all = fields(merged);
    FieldSet held = claimed;
    for (const auto& entry : managed_) held.add(entry.fields);

    FieldSet kept = fields(without(last));
    kept.add(parents(held));
    FieldSet doomed = all;
    doomed.remove(kept);
    const FieldSet left = fields(without(doomed));

    // What hangs below a removed field but never was the manager's is put back.
    FieldSet mine = all;
    mine.remove(left);
    merged = without(mine.common_with(last));
  }

  void settle_conflicts(const Difference& change, bool force) const {
    if (force) return;
    FieldSet touched = change.modified;
    touched.add(change.added);
    std::vector<Held> conflicts;
    for (const auto& entry : managed_) {
      FieldSet common = entry.fields.common_with(touched);
      if (!common.empty()) conflicts.push_back({&entry, std::move(common)});
    }
    if (conflicts.empty()) return;
    if (writer_.manager == "kubectl") {
      const FieldSet allowed = held_by_client_side_apply();
      for (auto& held : conflicts) held.fields.remove(allowed);
      std::erase_if(conflicts, [](const Held& held) { return held.fields.empty(); });
    }
    if (!conflicts.empty()) throw conflict_error(std::move(conflicts));
  }

  // kubectl's own earlier client-side applies are no conflict: what its annotation says and the live object still has.
  FieldSet held_by_client_side_apply() const {
    const Value* text = last_applied(live_);
    if (!text) return {};
    try {
      const Value applied = json::parse(text->as_string());
      if (applied.string_or("apiVersion") != writer_.api_version) return {};
      FieldSet set = fields_of_config(root_, applied, Part::Whole);
      const Difference change = compare(root_, applied, live_, Part::Whole);
      set.remove(change.modified);
      set.remove(change.added);
      set.remove(change.removed);
      return set;
    } catch (const Error&) {  // a broken annotation allows nothing
      return {};
    }
  }

  ApplyResult finish(Value merged, const ManagedFields& before) {
    const auto same_sets = [&](const ManagedFields& a, const ManagedFields& b) {
      return std::ranges::all_of(a, [&](const ManagedEntry& entry) {
        return std::ranges::any_of(b, [&](const ManagedEntry& other) {
          return entry.manager == other.manager && entry.operation == other.operation &&
                 entry.api_version == other.api_version && entry.subresource == other.subresource &&
                 entry.fields == other.fields;
        });
      });
    };
    const bool same_object = !created_ && without_managers(merged) == without_managers(live_);
    const bool same_managers = !attributed_ && managed_.size() == before.size() && same_sets(managed_, before);
    if (same_object && same_managers) return {{}, false, false};
    for (auto& entry : managed_) {
      if (entry.is_of(writer_, "Apply")) entry.time = format_time(writer_.now);
    }
    write_managed_fields(merged, std::move(managed_));
    return {std::move(merged), created_, true};
  }

  static Value without_managers(Value object) {
    Value* metadata = object.find("metadata");
    if (metadata && metadata->is_object()) metadata->as_object().erase("managedFields");
    return object;
  }

  const Node& root_;
  const FieldWriter& writer_;
  const Value& live_;
  const Value& given_;
  const Value& config_;
  const bool created_;
  bool attributed_ = false;  // the live object had no managers at all
  ManagedFields managed_;
};

// In a node of a field set: whether the field itself is in the set.
bool is_member(const Object& fields) { return fields.empty() || fields.begin()->key == "."; }

void remove_below(const Node* node, Value& value, const Object& doomed) {
  if (is_granular_map(node, value)) {
    Object left;
    for (auto& [key, child] : value.as_object()) {
      const Value* below = doomed.find(field_element(key));
      if (below && is_member(below->as_object())) continue;
      if (below) remove_below(node_of(node, key), child, below->as_object());
      left.append_unsorted(std::move(key), std::move(child));
    }
    value = Value(std::move(left));
  } else if (is_granular_list(node, value)) {
    json::Array left;
    for (auto& item : value.as_array()) {
      const std::string element = element_of(*node, item);
      const Value* below = element.empty() ? nullptr : doomed.find(element);
      if (below && is_member(below->as_object())) continue;
      if (below) remove_below(node->items.get(), item, below->as_object());
      left.push_back(std::move(item));
    }
    value = Value(std::move(left));
  }
}

Object parents_below(const Node* node, const Object& fields) {
  Object made;
  made.reserve(fields.size() + 1);
  for (const auto& [element, child] : fields) {
    const std::string_view name = std::string_view(element).substr(std::min<std::size_t>(2, element.size()));
    const bool field = element.starts_with("f:");
    const Node* next = field ? node_of(node, name) : (node ? node->items.get() : nullptr);
    Object below = parents_below(next, child.as_object());
    if (field && node && node->property(name) && !is_member(below)) below.set(".", Value(Object()));
    made.append_unsorted(element, Value(std::move(below)));
  }
  return made;
}

}  // namespace

void detail::remove_fields(const Node* node, Value& value, const FieldSet& doomed) {
  if (!doomed.empty()) remove_below(node, value, doomed.fields());
}

FieldSet detail::with_parents(const Node& root, const FieldSet& set) {
  Object made = parents_below(&root, set.fields());
  // Nobody owns metadata as a whole: the server's part of it stays, whoever lets go of the rest.
  if (Value* metadata = made.find("f:metadata")) {
    metadata->as_object().erase(".");
    if (metadata->as_object().empty()) made.erase("f:metadata");
  }
  return FieldSet(std::move(made));
}

ApplyResult apply(const Value* live, const Value& config, const Schema& schema, const FieldWriter& writer, bool force) {
  const std::optional<Value> part = config.is_object() ? restricted(config, writer.part()) : std::nullopt;
  const Value& used = part ? *part : config;
  if (live && repeats_itself(*live, config, used, schema, writer)) return {{}, false, false};
  refuse_bad_config(config, schema);
  return Application(live, config, used, schema, writer).run(force);
}

}  // namespace gantry::object
