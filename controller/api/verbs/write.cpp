#include "controller/api/verbs/write.hpp"

#include "controller/api/core_kinds.hpp"
#include "controller/api/status.hpp"
#include "controller/api/verbs/tracking.hpp"
#include "controller/object/metadata.hpp"

namespace gantry::api::verbs {
namespace {

constexpr int kNamesMax = 8;  // generated names that may be taken
constexpr std::size_t kSuffix = 5, kGeneratedMax = 63 - kSuffix;

void keep(json::Value& metadata, const json::Value* old, std::string_view field) {
  const json::Value* before = old ? old->find(field) : nullptr;
  if (before) {
    metadata[field] = *before;
  } else {
    metadata.as_object().erase(field);
  }
}

// What only the server writes. An object's uid may be repeated by a request, so a wrong one is left to be judged.
void keep_server_fields(json::Value& object, const json::Value& old) {
  json::Value& metadata = object["metadata"];
  const json::Value* before = old.find("metadata");
  for (const auto field :
       {"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion"})
    keep(metadata, before, field);
  if (metadata.string_or("uid").empty()) keep(metadata, before, "uid");
  metadata.as_object().erase("selfLink");
}

void take(json::Value& object, const json::Value& from, std::string_view field) {
  if (const json::Value* value = from.find(field)) {
    object[field] = *value;
  } else {
    object.as_object().erase(field);
  }
}

// Of `object` only the part that the endpoint owns; the rest as it was.
void keep_other_half(const Target& target, json::Value& object, const json::Value& old) {
  const bool is_namespace = target.served->is("", "namespaces");
  if (target.subresource == "status" || target.subresource == "finalize") {
    json::Value result = old;
    take(result, object, target.subresource == "status" ? "status" : "spec");
    take(result["metadata"], object["metadata"], "managedFields");
    object = std::move(result);
    return;
  }
  if (target.served->has_status_subresource()) take(object, old, "status");
  if (is_namespace) take(object, old, "spec");
}

void count_generation(const Served& served, json::Value& object, const json::Value& old) {
  if (!served.kind->has_generation) return;
  const auto counts = [&](std::string_view field) {
    return field != "metadata" && field != "apiVersion" && field != "kind" &&
           !(field == "status" && served.has_status_subresource());
  };
  const auto differs = [&](const json::Value& from, const json::Value& to) {
    for (const auto& [field, value] : from.as_object()) {
      if (!counts(field)) continue;
      const json::Value* other = to.find(field);
      if (!other || !(*other == value)) return true;
    }
    return false;
  };
  if (!differs(object, old) && !differs(old, object)) return;
  json::Value& metadata = object["metadata"];
  metadata["generation"] = metadata.int_or("generation", 0) + 1;
}

void stamp_new(Plane& plane, const Target& target, json::Value& object) {
  json::Value& metadata = object["metadata"];
  for (const auto field :
       {"resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"})
    metadata.as_object().erase(field);
  metadata["uid"] = plane.random.uuid();
  metadata["creationTimestamp"] = format_time(plane.front.clock().wall());
  if (target.served->kind->has_generation) metadata["generation"] = 1;
  if (!target.served->kind->namespaced && metadata.string_or("namespace").empty())
    metadata.as_object().erase("namespace");
  if (target.served->has_status_subresource()) object.as_object().erase("status");
}

// Replaces an empty name by a generated one that is not taken.
void name_it(Plane& plane, Target& target, json::Value& object) {
  if (!target.name.empty()) return;
  std::string prefix = object["metadata"].string_or("generateName");
  if (prefix.empty()) return;  // judged: a name is required
  if (prefix.size() > kGeneratedMax) prefix.resize(kGeneratedMax);
  for (int tries = 0; tries < kNamesMax; ++tries) {
    target.name = prefix + plane.random.suffix(kSuffix);
    if (!plane.store.find(target.key())) break;
  }
  object["metadata"]["name"] = target.name;
}

Error being_closed(const Served& served) {
  return Error(ErrorCode::MethodNotAllowed, "create not allowed while custom resource definition " +
                                                std::string(served.resource.qualified()) + " is terminating");
}

bool is_done(const Served& served, const json::Value& object, const object::Meta& meta) {
  if (!meta.deleting || !meta.finalizers.empty()) return false;
  if (!served.is("", "namespaces")) return true;
  const json::Value* finalizers = object.at({"spec", "finalizers"});
  return !finalizers || !finalizers->is_array() || finalizers->as_array().empty();
}

}  // namespace

Current current_of(const Plane& plane, const Target& target) {
  ObjectPtr live = get(plane, target);
  json::Value old = target.served->read(*live);
  return {std::move(live), std::move(old)};
}

std::optional<Revision> revision_in(const json::Value& object) {
  const json::Value* value = object.at({"metadata", "resourceVersion"});
  if (!value || !value->is_string() || value->as_string().empty() || value->as_string() == "0") return std::nullopt;
  return parse_revision(value->as_string(), "metadata.resourceVersion");
}

ObjectPtr unstored(const Target& target, json::Value object, std::optional<Revision> revision) {
  if (target.served->view) target.served->view->store(object);
  object::Meta meta = object::meta_of(object);
  std::string bytes;
  if (revision) {
    bytes = object::encode(object).with(*revision);
  } else {
    object["metadata"].as_object().erase("resourceVersion");
    bytes = json::dump(object);
  }
  return std::make_shared<object::Object>(target.key(), revision.value_or(0), std::move(meta), std::move(bytes));
}

void require_namespace(const Plane& plane, const Target& target, const WriteQuery& query) {
  const ServedPtr& namespaces = plane.catalogue.namespaces();
  if (target.ns.empty() || !namespaces) return;
  const ObjectPtr found = plane.store.find({namespaces->resource, "", target.ns});
  if (!found && query.coming_namespaces && query.coming_namespaces->contains(target.ns)) return;
  if (!found) throw not_found(namespaces->resource, target.ns);
  if (!found->meta().deleting) return;
  Error error = forbidden(target.served->resource, target.name,
                          "unable to create new content in namespace " + target.ns + " because it is being terminated");
  error.causes.push_back(
      {"NamespaceTerminating", "metadata.namespace", "namespace " + target.ns + " is being terminated"});
  throw error;
}

bool lost_race(const Target& target, const Error& error) {
  const object::Resource stored = target.served->stored;
  return error.code() == ErrorCode::Conflict && error.about && error.about->kind == stored.plural() &&
         error.about->group == stored.group() && error.about->name == target.name;
}

Task<Written> store_new(Plane& plane, const Target& wanted, const WriteQuery& query, json::Value object,
                        Tracking tracking) {
  Target target = wanted;
  const Served& served = *target.served;
  if (served.closing) throw being_closed(served);
  require_namespace(plane, target, query);
  name_it(plane, target, object);
  stamp_new(plane, target, object);
  prepare_core(served, object, nullptr);
  plane.admission->judge(served, {*served.kind, object, nullptr, query.user, query.dry_run});
  if (tracking == Tracking::Compare)
    object::track_update(nullptr, object, *served.kind->schema,
                         writer_of(target, query.manager, plane.front.clock().wall()));
  store::Encoded encoded = plane.admission->encode(target, object);

  std::optional<Error> taken;
  if (query.dry_run) {
    if (!plane.store.find(target.key())) co_return Written{unstored(target, object, std::nullopt), true, false};
    taken = already_exists(served.resource, target.name);
  } else {
    try {
      co_return Written{co_await plane.store.create(target.key(), std::move(encoded), {query.fence}), true, false};
    } catch (const Error& error) {
      if (error.code() != ErrorCode::AlreadyExists) throw;
      taken = error;
    }
  }
  // A generated name that was taken: the next attempt gets another.
  if (wanted.name.empty()) taken->retry_after = std::chrono::seconds(1);
  throw *taken;
}

Task<std::optional<Written>> rewrite(Plane& plane, const Target& target, const WriteQuery& query,
                                     const Current& current, json::Value object, Tracking tracking) {
  const Served& served = *target.served;
  keep_server_fields(object, current.old);
  keep_other_half(target, object, current.old);
  prepare_core(served, object, &current.old);
  count_generation(served, object, current.old);
  plane.admission->judge(served, {*served.kind, object, &current.old, query.user, query.dry_run});
  if (tracking == Tracking::Compare) {
    object::track_update(&current.old, object, *served.kind->schema,
                         writer_of(target, query.manager, plane.front.clock().wall()));
  }

  const object::Meta meta = object::meta_of(object);
  const bool done = is_done(served, object, meta);
  if (!done && object::changes_nothing(current.old, object)) co_return Written{current.live, false, false};
  if (query.dry_run) co_return Written{unstored(target, object, current.live->revision()), false, done};

  store::Encoded encoded = plane.admission->encode(target, object);
  const Revision expected = current.live->revision();
  try {
    if (done)
      co_return Written{co_await plane.store.remove(target.key(), expected, std::move(encoded), {query.fence}),
                        false,
                        true,
                        {},
                        current.live};
    co_return Written{co_await plane.store.update(target.key(), expected, std::move(encoded), {query.fence}),
                      false,
                      false,
                      {},
                      current.live};
  } catch (const Error& error) {
    if (!lost_race(target, error)) throw;
  }
  co_return std::nullopt;
}

}  // namespace gantry::api::verbs
