#include "controller/api/status.hpp"
#include "controller/api/verbs/write.hpp"

namespace gantry::api::verbs {
namespace {

void require_same_uid(const Target& target, const json::Value& object, const Current& current) {
  const std::string uid = object.find("metadata")->string_or("uid");
  if (uid.empty() || uid == current.live->meta().uid) return;
  Error error = conflict(target.served->resource, target.name);
  const auto about = error.about;
  error = Error(ErrorCode::Conflict,
                "Operation cannot be fulfilled on " + std::string(target.served->resource.qualified()) + " " +
                    object::quoted(target.name) + ": Precondition failed: UID in precondition: " + uid +
                    ", UID in object meta: " + current.live->meta().uid);
  error.about = about;
  throw error;
}

}  // namespace

Task<Written> update(Plane& plane, const Target& wanted, Body body, const WriteQuery& query, Warnings& warnings) {
  Target target = wanted;
  const Served& served = *target.served;
  plane.admission->settle(served, body, query.validation, warnings);
  agree_on_address(target, body.value);
  if (object::remove_duplicate_owners(body.value)) warnings.emplace_back(kDuplicateOwners);
  if (served.create_on_update && target.subresource.empty() && !plane.store.find(target.key())) {
    co_return co_await store_new(plane, target, query, std::move(body.value), Tracking::Compare);
  }

  const std::optional<Revision> sent = revision_in(body.value);
  if (!sent && !served.unconditional_update) {
    get(plane, target);  // an absent object is told first
    throw invalid(*served.kind, target.name,
                  {object::invalid("metadata.resourceVersion", 0, "must be specified for an update")});
  }
  const auto attempt = [&]() -> Task<std::optional<Written>> {
    const Current current = current_of(plane, target);
    require_same_uid(target, body.value, current);
    if (sent && *sent != current.live->revision()) throw conflict(served.resource, target.name);
    json::Value object = sent ? std::move(body.value) : body.value;
    co_return co_await rewrite(plane, target, query, current, std::move(object), Tracking::Compare);
  };
  co_return co_await retry(target, sent ? kOnce : kOften, attempt);
}

}  // namespace gantry::api::verbs
