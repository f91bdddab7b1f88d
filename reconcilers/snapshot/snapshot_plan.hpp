// What is to be done for a Snapshot: a machine is made that builds and goes off, an image is taken of it, the machine
// goes, the image is copied to where it is wanted, older images go. Each step is found again after a crash by the marks
// on what it made. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controller/runtime/plan.hpp"
#include "controller/runtime/reconciler.hpp"
#include "crds/snapshot.hpp"
#include "reconcilers/provider/accounts.hpp"
#include "reconcilers/provider/offers.hpp"
#include "reconcilers/provider/steps.hpp"

namespace gantry::reconcilers::snapshot {

struct SnapshotView final : runtime::Seen {
  bool deleting = false;
  std::string name;
  std::string problem_reason;  // nothing can be done until something else changes
  std::string problem;
  crds::SnapshotSpec spec;
  provider::AccountRef ref;
  provider::SweepPtr sweep;

  // What it is made of, as 24 hex digits; an image's `content` is that and what its schedule adds.
  std::string recipe;
  std::string content;                           // wanted now
  std::optional<WallTime> due;                   // when the schedule wants the next one
  std::vector<providers::CloudImage> images;     // ours, newest first
  std::vector<providers::CloudServer> builders;  // ours, oldest first
  std::optional<providers::CloudServer> source;  // spec.from.serverRef: the image is taken of that one
  std::vector<std::string> regions;              // where it is wanted
  bool stale = false;                            // something was done since what is seen here was looked at
  bool agent_pending = false;                    // it is being packed: no builder can have it yet
  std::string report;                            // what the builder says has failed on it; empty: nothing
  std::optional<provider::Pending> pending;      // of "builder-<content>" or "image-<content>"
  std::string external_name;
  // That image, taken over as it is: spec.from.image names it too, and nothing is to be added.
  bool as_it_is = false;

  std::string size;  // of the builder
  std::string region;
  std::string image;  // it begins with
  bool own_image = false;
  provider::Offer offer;
  provider::Usage usage;
  std::string limit_refusal;
  std::string failure;  // the last build came to nothing; tried again in `pause`
  Duration pause{};
  std::string agent_version;
  WallTime now{};

  const providers::Capabilities& can() const { return ref.account->can(); }
  // The newest that Servers can start from; null when there is none.
  const providers::CloudImage* usable() const;
  const providers::CloudImage* wanted() const;
  bool is_pending(std::string_view what) const { return pending && pending->what.starts_with(what); }
  bool in_all_regions(const providers::CloudImage& image) const;
};

inline constexpr Duration kBuildTime = std::chrono::minutes(30);  // a builder that is not off by then has failed

runtime::Plan plan_snapshot(const SnapshotView& view);
std::string builder_name(const SnapshotView& view);
// It said so, or its time is over and it has not gone off.
bool has_failed(const SnapshotView& view, const providers::CloudServer& builder);

}  // namespace gantry::reconcilers::snapshot
