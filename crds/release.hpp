// The typed view of a Release's spec; crds/release.yaml says what each field means.
#pragma once

#include "crds/common.hpp"

namespace gantry::crds {

struct ReleaseSpec {
  NameRef app_ref;
  std::int64_t revision = 0;
  AppSource source;
  std::string source_digest;
  std::string source_revision;
  std::string image_digest;
  std::string build_key;
  json::Value from_template;  // of the App's spec
  std::string spec_hash;
  std::string config_hash;
  std::string held_for;
  std::string rollback_request;
  std::string cause;
};
template <class Visitor>
void fields(Visitor& visit, ReleaseSpec& spec) {
  visit("appRef", spec.app_ref);
  visit("revision", spec.revision);
  visit("source", spec.source);
  visit("sourceDigest", spec.source_digest);
  visit("sourceRevision", spec.source_revision);
  visit("imageDigest", spec.image_digest);
  visit("buildKey", spec.build_key);
  visit("template", spec.from_template);
  visit("specHash", spec.spec_hash);
  visit("configHash", spec.config_hash);
  visit("heldFor", spec.held_for);
  visit("rollbackRequest", spec.rollback_request);
  visit("cause", spec.cause);
}

ReleaseSpec decode_release_spec(const json::Value& object);

}  // namespace gantry::crds
