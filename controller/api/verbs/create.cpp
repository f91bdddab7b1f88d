#include "controller/api/verbs/write.hpp"

namespace gantry::api::verbs {

Task<Written> create(Plane& plane, const Target& collection, Body body, const WriteQuery& query, Warnings& warnings) {
  Target target = collection;
  plane.admission->settle(*target.served, body, query.validation, warnings);
  agree_on_address(target, body.value);
  if (object::remove_duplicate_owners(body.value)) warnings.emplace_back(kDuplicateOwners);
  co_return co_await store_new(plane, target, query, std::move(body.value), Tracking::Compare);
}

}  // namespace gantry::api::verbs
