#include "controller/object/patch.hpp"

#include "controller/api/status.hpp"
#include "controller/api/verbs/write.hpp"

namespace gantry::api::verbs {
namespace {

json::Value patched(const Target& target, PatchType type, const json::Value& document, const json::Value& patch) {
  switch (type) {
    case PatchType::Merge:
      return object::merge_patch(document, patch);
    case PatchType::Json:
      return object::json_patch(document, patch);
    case PatchType::Strategic:
      if (target.served->strategic_patch) return object::strategic_merge_patch(document, patch);
      break;
    case PatchType::Apply:
      break;
  }
  throw unsupported_media_type(
      {"application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"});
}

void require_shape(PatchType type, const json::Value& patch) {
  const bool list = type == PatchType::Json;
  if (list ? patch.is_array() : patch.is_object()) return;
  throw Error(ErrorCode::BadRequest, std::string("the patch must be ") + (list ? "a list of operations" : "an object") +
                                         ", and is of type " + std::string(patch.type_name()));
}

}  // namespace

Task<Written> patch(Plane& plane, const Target& target, PatchType type, Body body, const WriteQuery& query,
                    Warnings& warnings) {
  require_shape(type, body.value);
  const auto attempt = [&]() -> Task<std::optional<Written>> {
    const Current current = current_of(plane, target);
    json::Value object = patched(target, type, current.old, body.value);
    Warnings told;
    plane.admission->settle_patched(target, object, body.duplicates, query.validation, told);
    Target address = target;
    agree_on_address(address, object);
    if (object::remove_duplicate_owners(object)) told.emplace_back(kDuplicateOwners);
    // A resourceVersion in the patch is a precondition; without one, the patch has left the live one where it was.
    const auto sent = revision_in(object);
    if (sent && *sent != current.live->revision()) throw conflict(target.served->resource, target.name);
    auto written = co_await rewrite(plane, target, query, current, std::move(object), Tracking::Compare);
    if (written) std::ranges::move(told, std::back_inserter(warnings));
    co_return written;
  };
  co_return co_await retry(target, kOften, attempt);
}

}  // namespace gantry::api::verbs
