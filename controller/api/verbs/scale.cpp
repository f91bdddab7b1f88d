#include "controller/api/status.hpp"
#include "controller/api/verbs/write.hpp"
#include "controller/object/patch.hpp"

namespace gantry::api::verbs {
namespace {

constexpr std::string_view kScaleVersion = "autoscaling/v1";

// ".spec.replicas" as {"spec","replicas"}; a CRD's scale paths know no other form.
std::vector<std::string> steps_of(std::string_view dotted) {
  std::vector<std::string> steps;
  for (std::size_t start = 0; start <= dotted.size();) {
    const auto dot = std::min(dotted.find('.', start), dotted.size());
    if (dot > start) steps.emplace_back(dotted.substr(start, dot - start));
    start = dot + 1;
  }
  return steps;
}

const json::Value* look(const json::Value& object, std::string_view dotted) {
  const json::Value* at = &object;
  for (const auto& step : steps_of(dotted)) {
    at = at->find(step);
    if (!at) return nullptr;
  }
  return at;
}

json::Value scale_from(const Served& served, const json::Value& object, Revision revision) {
  const auto& paths = *served.kind->scale;
  json::Object metadata{{"resourceVersion", std::to_string(revision)}};
  const json::Value* own = object.find("metadata");
  for (const auto field : {"name", "namespace", "uid", "creationTimestamp"}) {
    if (const json::Value* value = own ? own->find(field) : nullptr) metadata.set(field, *value);
  }
  const auto number = [&](const std::string& path) {
    const json::Value* value = look(object, path);
    return value && value->is_int() ? value->as_int() : 0;
  };
  json::Object status{{"replicas", number(paths.status_path)}};
  if (const json::Value* selector = paths.selector_path.empty() ? nullptr : look(object, paths.selector_path);
      selector && selector->is_string()) {
    status.set("selector", *selector);
  }
  return json::Object{{"apiVersion", kScaleVersion},
                      {"kind", "Scale"},
                      {"metadata", std::move(metadata)},
                      {"spec", json::Object{{"replicas", number(paths.spec_path)}}},
                      {"status", std::move(status)}};
}

// The object with the replicas that a Scale asks for. Error(Conflict) when the Scale is of an older revision.
json::Value scaled(const Target& target, const Current& current, const json::Value& scale) {
  const Served& served = *target.served;
  const auto sent = revision_in(scale);
  if (sent && *sent != current.live->revision()) throw conflict(served.resource, target.name);
  const json::Value* replicas = scale.at({"spec", "replicas"});
  if (replicas && !replicas->is_int() && !replicas->is_null()) {
    throw invalid(*served.kind, target.name,
                  {object::type_invalid("spec.replicas", *replicas, "spec.replicas in body must be of type integer")});
  }
  json::Value object = current.old;
  json::Value* at = &object;
  for (const auto& step : steps_of(served.kind->scale->spec_path)) at = &(*at)[step];
  *at = replicas && replicas->is_int() ? replicas->as_int() : 0;
  return object;
}

Task<Written> write_scale(Plane& plane, const Target& target, const WriteQuery& query,
                          std::function<json::Value(const Current&)> wanted) {
  const auto attempt = [&]() -> Task<std::optional<Written>> {
    const Current current = current_of(plane, target);
    co_return co_await rewrite(plane, target, query, current, scaled(target, current, wanted(current)),
                               Tracking::Compare);
  };
  co_return co_await retry(target, kOften, attempt);
}

void require_scale(const json::Value& scale) {
  if (!scale.is_object())
    throw Error(ErrorCode::BadRequest, "the body must be a Scale, and is of type " + std::string(scale.type_name()));
  const std::string kind = scale.string_or("kind", "Scale");
  if (kind != "Scale")
    throw Error(ErrorCode::BadRequest,
                "the body must be a Scale of " + std::string(kScaleVersion) + ", and is a " + kind);
}

}  // namespace

json::Value scale_of(const Served& served, const object::Object& object) {
  return scale_from(served, served.read(object), object.revision());
}

Task<Written> update_scale(Plane& plane, const Target& target, Body body, const WriteQuery& query, Warnings&) {
  require_scale(body.value);
  co_return co_await write_scale(plane, target, query, [&](const Current&) { return body.value; });
}

Task<Written> patch_scale(Plane& plane, const Target& target, PatchType type, Body body, const WriteQuery& query,
                          Warnings&) {
  if (type != PatchType::Merge && type != PatchType::Json) {
    throw unsupported_media_type({"application/json-patch+json", "application/merge-patch+json"});
  }
  co_return co_await write_scale(plane, target, query, [&](const Current& current) {
    const json::Value scale = scale_from(*target.served, current.old, current.live->revision());
    return type == PatchType::Merge ? object::merge_patch(scale, body.value) : object::json_patch(scale, body.value);
  });
}

}  // namespace gantry::api::verbs
