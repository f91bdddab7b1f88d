// The typed view of a Snapshot's spec; crds/snapshot.yaml says what each field means.
#pragma once

#include "crds/common.hpp"

namespace gantry::crds {

// Exactly one is set.
struct SnapshotFrom {
  std::string image;
  std::optional<NameRef> snapshot_ref;
  std::optional<NameRef> server_ref;
};
template <class Visitor>
void fields(Visitor& visit, SnapshotFrom& part) {
  visit("image", part.image);
  visit("snapshotRef", part.snapshot_ref);
  visit("serverRef", part.server_ref);
}

struct SnapshotBuilder {
  std::string size;
  std::string region;
};
template <class Visitor>
void fields(Visitor& visit, SnapshotBuilder& part) {
  visit("size", part.size);
  visit("region", part.region);
}

struct SnapshotRebuild {
  bool on_agent_change = true;
  std::string schedule;  // empty: never
};
template <class Visitor>
void fields(Visitor& visit, SnapshotRebuild& part) {
  visit("onAgentChange", part.on_agent_change);
  visit("schedule", part.schedule);
}

struct SnapshotSpec {
  NameRef provider_ref;
  SnapshotFrom from;
  std::optional<SnapshotBuilder> builder;
  std::vector<std::string> packages;
  std::string cloud_init;
  std::vector<std::string> regions;
  SnapshotRebuild rebuild;
  int retain = 2;
  std::vector<Dependency> depends_on;
};
template <class Visitor>
void fields(Visitor& visit, SnapshotSpec& spec) {
  visit("providerRef", spec.provider_ref);
  visit("from", spec.from);
  visit("builder", spec.builder);
  visit("packages", spec.packages);
  visit("cloudInit", spec.cloud_init);
  visit("regions", spec.regions);
  visit("rebuild", spec.rebuild);
  visit("retain", spec.retain);
  visit("dependsOn", spec.depends_on);
}

SnapshotSpec decode_snapshot_spec(const json::Value& object);

}  // namespace gantry::crds
