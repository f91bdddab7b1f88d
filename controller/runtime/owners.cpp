#include "controller/runtime/owners.hpp"

#include <algorithm>

#include "controller/object/versions.hpp"

namespace gantry::runtime {
namespace {

json::Object guarded(const object::Object& object) {
  return {{"resourceVersion", std::to_string(object.revision())}, {"uid", object.meta().uid}};
}

}  // namespace

object::KindPtr kind_of(const object::KindTable& kinds, const object::Meta::Owner& owner) {
  if (object::KindPtr kind = kinds.find_kind(owner.api_version, owner.kind)) return kind;
  const std::size_t slash = owner.api_version.find('/');
  if (slash == std::string::npos) return nullptr;  // the core kinds have one version
  const std::string_view group = std::string_view(owner.api_version).substr(0, slash);
  const std::string_view version = std::string_view(owner.api_version).substr(slash + 1);
  for (const auto& kind : kinds.all()) {
    if (kind->kind == owner.kind && kind->group == group && object::has_version(*kind, version)) return kind;
  }
  return nullptr;
}

Verdict judge_dependent(const object::Meta& meta, const std::vector<OwnerState>& states) {
  Verdict verdict;
  if (meta.owners.empty() || meta.deleting) return verdict;
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i] == OwnerState::Absent) verdict.dead_owners.push_back(meta.owners[i].uid);
  }
  if (verdict.dead_owners.size() == meta.owners.size()) {
    verdict.remove = true;
    verdict.dead_owners.clear();
  }
  return verdict;
}

json::Value without_owners(const object::Object& object, const std::vector<std::string>& uids) {
  const json::Value value = object.decode();
  json::Array left;
  if (const auto* owners = value.at({"metadata", "ownerReferences"}); owners && owners->is_array()) {
    for (const auto& owner : owners->as_array()) {
      if (std::ranges::find(uids, owner.string_or("uid")) == uids.end()) left.push_back(owner);
    }
  }
  json::Object metadata = guarded(object);
  metadata.set("ownerReferences", left.empty() ? json::Value() : json::Value(std::move(left)));
  return json::Object{{"metadata", std::move(metadata)}};
}

json::Value with_retain() {
  return json::Object{
      {"metadata", json::Object{{"annotations", json::Object{{"gantry.dev/deletion-policy", "Retain"}}}}}};
}

json::Value without_finalizer(const object::Object& object, std::string_view finalizer) {
  json::Array left;
  for (const auto& name : object.meta().finalizers) {
    if (name != finalizer) left.emplace_back(name);
  }
  json::Object metadata = guarded(object);
  metadata.set("finalizers", std::move(left));
  return json::Object{{"metadata", std::move(metadata)}};
}

}  // namespace gantry::runtime
