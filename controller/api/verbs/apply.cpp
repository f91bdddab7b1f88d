#include "controller/object/apply.hpp"

#include "controller/api/status.hpp"
#include "controller/api/verbs/tracking.hpp"
#include "controller/api/verbs/write.hpp"

namespace gantry::api::verbs {
namespace {

void tell_duplicates(const Body& body, Validation validation, Warnings& warnings) {
  if (validation == Validation::Ignore) return;
  for (const auto& path : body.duplicates) {
    const std::string problem = "duplicate field " + object::quoted(path);
    if (validation == Validation::Strict) throw Error(ErrorCode::BadRequest, "error decoding YAML: " + problem);
    warnings.push_back(problem);
  }
}

Error uid_mismatch(const Target& target, const std::string& wanted) {
  Error error(ErrorCode::Conflict,
              "Operation cannot be fulfilled on " + std::string(target.served->resource.qualified()) + " " +
                  object::quoted(target.name) + ": uid mismatch: the provided object specified uid " + wanted +
                  ", and no existing object was found");
  error.about = conflict(target.served->resource, target.name).about;
  return error;
}

// Empty when somebody else made it first.
Task<std::optional<Written>> apply_new(Plane& plane, const Target& target, const json::Value& config,
                                       const WriteQuery& query) {
  if (!target.subresource.empty()) throw not_found(target.served->resource, target.name);
  if (const std::string uid = config.find("metadata")->string_or("uid"); !uid.empty()) throw uid_mismatch(target, uid);
  const auto& schema = *target.served->kind->schema;
  auto applied = object::apply(nullptr, config, schema, writer_of(target, query.manager, plane.front.clock().wall()),
                               query.force.value_or(false));
  schema.set_defaults(applied.object);
  try {
    co_return co_await store_new(plane, target, query, std::move(applied.object), Tracking::Done);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::AlreadyExists) throw;
  }
  co_return std::nullopt;
}

}  // namespace

object::FieldWriter writer_of(const Target& target, const std::string& manager, WallTime now) {
  return {manager, target.served->api_version, target.subresource, target.served->has_status_subresource(), now};
}

Task<Written> apply(Plane& plane, const Target& wanted, Body body, const WriteQuery& query, Warnings& warnings) {
  Target target = wanted;
  agree_on_kind(*target.served, body.value);
  agree_on_address(target, body.value);
  tell_duplicates(body, query.validation, warnings);
  const auto& schema = *target.served->kind->schema;
  const auto sent = revision_in(body.value);

  const auto attempt = [&]() -> Task<std::optional<Written>> {
    const ObjectPtr live = plane.store.find(target.key());
    if (!live) co_return co_await apply_new(plane, target, body.value, query);
    if (sent && *sent != live->revision()) throw conflict(target.served->resource, target.name);
    Current current{live, target.served->read(*live)};
    auto applied =
        object::apply(&current.old, body.value, schema, writer_of(target, query.manager, plane.front.clock().wall()),
                      query.force.value_or(false));
    if (!applied.changed) co_return Written{live, false, false, std::move(current.old)};
    schema.set_defaults(applied.object);
    co_return co_await rewrite(plane, target, query, current, std::move(applied.object), Tracking::Done);
  };
  co_return co_await retry(target, kOften, attempt);
}

}  // namespace gantry::api::verbs
