#include "reconcilers/snapshot/snapshot_plan.hpp"

#include <algorithm>

#include "providers/money.hpp"

namespace gantry::reconcilers::snapshot {
namespace {

using provider::block;
using providers::CloudImage;
using providers::CloudServer;
using runtime::Action;
using runtime::Plan;
using Verb = Action::Verb;

constexpr Duration kWhileBuilding = std::chrono::seconds(10);

void step(Plan& plan, Verb verb, std::string type, std::string target, std::string reason, json::Value after = {},
          bool destructive = false) {
  provider::add_step(plan, verb, std::move(type), std::move(target),
                     {std::move(reason), {}, std::move(after), destructive});
}

std::optional<Duration> still_invisible(const SnapshotView& view, std::string_view what) {
  if (!view.is_pending(what)) return std::nullopt;
  return provider::still_invisible(view.pending, view.can(), view.now);
}

void plan_removal(const SnapshotView& view, Plan& plan) {
  if (!view.ref.account) {
    if (view.external_name.empty() && !view.pending) return;
    block(plan, view.problem_reason,
          view.problem +
              "; without it the images cannot be removed there (or annotate "
              "gantry.dev/deletion-policy: Retain to leave them)");
    return;
  }
  if (view.stale) {
    plan.look_again = view.can().poll_every;
    return;
  }
  for (const auto& builder : view.builders) {
    if (!builder.busy) {
      step(plan, Verb::Delete, "builder", builder.id, "the Snapshot is deleted");
    } else {
      plan.look_again = view.can().poll_every;
    }
  }
  for (const auto& image : view.images) {
    if (!image.mark) continue;  // named by the user and never taken over: not ours to remove
    if (image.state != CloudImage::State::Making && !image.busy) {
      step(plan, Verb::Delete, "image", image.id, "the Snapshot is deleted", {}, true);
    } else {
      plan.look_again = view.can().poll_every;
    }
  }
  if (!plan.actions.empty() || plan.look_again) return;
  if (const auto wait = still_invisible(view, "")) plan.look_again = *wait;
}

// A builder that is there, for the image that is wanted: gone off by itself, it is done.
void plan_with_builder(const SnapshotView& view, const CloudServer& builder, Plan& plan) {
  if (builder.busy || builder.state == CloudServer::State::Starting || builder.state == CloudServer::State::Stopping) {
    plan.look_again = view.can().poll_every;
  } else if (builder.state == CloudServer::State::New) {
    step(plan, Verb::Run, "power-on", builder.id, "the builder is new");
  } else if (builder.state == CloudServer::State::Off) {
    if (const auto wait = still_invisible(view, "image-")) {
      plan.look_again = *wait;
    } else {
      step(plan, Verb::Create, "image", builder.id, "what was to be built is built",
           json::Object{{"content", view.content}});
      step(plan, Verb::Delete, "builder", builder.id, "it is not needed once there is an image");
    }
  } else {
    plan.look_again = kWhileBuilding;
  }
}

void plan_from_server(const SnapshotView& view, Plan& plan) {
  const CloudServer& server = *view.source;
  if (const auto wait = still_invisible(view, "image-")) {
    plan.look_again = *wait;
  } else if (server.busy) {
    plan.look_again = view.can().poll_every;
  } else if (server.state != CloudServer::State::Off && !view.can().image_of_running) {
    block(plan, "ServerRuns", "spec.from.serverRef: this provider takes images only of servers that are off");
    plan.look_again = std::chrono::minutes(1);
  } else if (!view.limit_refusal.empty()) {
    block(plan, "LimitExceeded", view.limit_refusal);
    plan.look_again = std::chrono::minutes(1);
  } else {
    step(plan, Verb::Create, "image", server.id, "an image of that Server is wanted",
         json::Object{{"content", view.content}});
  }
}

std::string why_failed(const SnapshotView& view) {
  if (!view.report.empty()) return "what it was to build has failed; its last lines: " + view.report;
  return "it has not gone off in " + human_duration(kBuildTime) + ": what it was to build has failed";
}

void plan_build(const SnapshotView& view, Plan& plan) {
  if (view.stale) {
    plan.look_again = view.can().poll_every;
    return;
  }
  if (view.source) return plan_from_server(view, plan);
  const CloudServer* mine = nullptr;
  for (const auto& builder : view.builders) {
    const bool right = builder.name == builder_name(view) && !mine;
    const bool failed = has_failed(view, builder) && !builder.busy;
    if (right && !failed) {
      mine = &builder;
    } else if (builder.busy) {
      plan.look_again = view.can().poll_every;
    } else {
      step(plan, Verb::Delete, "builder", builder.id,
           right ? why_failed(view) : "it builds what is not wanted any more");
    }
  }
  if (!plan.actions.empty() || (plan.look_again && !mine)) return;
  if (mine) return plan_with_builder(view, *mine, plan);
  if (const auto wait = still_invisible(view, "builder-")) {
    plan.look_again = *wait;
  } else if (view.pause > Duration{}) {
    block(plan, "BuildFailed", view.failure + "; tried again in " + human_duration(view.pause));
    plan.look_again = view.pause;
  } else if (view.agent_pending) {
    block(plan, "AgentBeingPacked", "the agent is being packed for other machines");
  } else if (!view.offer.problem.empty()) {
    block(plan, "CatalogueMismatch", view.offer.problem);
  } else if (!view.limit_refusal.empty()) {
    block(plan, "LimitExceeded", view.limit_refusal);
    plan.look_again = std::chrono::minutes(1);
  } else {
    json::Object after{{"size", view.size}, {"region", view.region}, {"image", view.image}};
    if (view.offer.monthly) after.set("monthly", to_string(*view.offer.monthly));
    step(plan, Verb::Create, "builder", builder_name(view),
         view.images.empty() ? "there is no image yet" : "what it is made of has changed", std::move(after));
    step(plan, Verb::Create, "image", view.name, "once the builder has gone off");
    step(plan, Verb::Delete, "builder", builder_name(view), "it is not needed once there is an image");
  }
}

// Named by the user, and not touched by us yet, or not there at all. True when nothing else can be done.
bool plan_adoption(const SnapshotView& view, Plan& plan) {
  if (!view.as_it_is) return false;
  if (view.stale) {
    plan.look_again = view.can().poll_every;
    return true;
  }
  const auto named = std::ranges::find(view.images, view.external_name, &CloudImage::id);
  if (named == view.images.end()) {
    block(plan, "ExternalNameNotFound",
          "annotation gantry.dev/external-name says \"" + view.external_name +
              "\", and the provider has no such image; set another, or take it away and say in spec.from what to build "
              "from");
    return true;
  }
  if (named->mark) return false;
  step(plan, Verb::Update, "mark", named->id, "gantry.dev/external-name names it: it is taken over");
  return true;
}

// The image is there: away with the builder, copies to where they are missing, away with what is too old.
void plan_keep(const SnapshotView& view, const CloudImage& image, Plan& plan) {
  if (view.external_name != image.id || view.pending) {
    step(plan, Verb::Run, "record", image.id, "the provider's id is noted");
    return;
  }
  if (view.stale) {
    plan.look_again = view.can().poll_every;
    return;
  }
  for (const auto& builder : view.builders) {
    if (builder.busy) {
      plan.look_again = view.can().poll_every;
    } else {
      step(plan, Verb::Delete, "builder", builder.id, "the image is there");
    }
  }
  // A second image of the same content: one of two calls of which the first one's answer was lost.
  for (const auto& other : view.images) {
    if (other.id != image.id && other.content == image.content && other.state != CloudImage::State::Making &&
        !other.busy)
      step(plan, Verb::Delete, "image", other.id, "a twin: two were made where one was meant");
  }
  if (image.busy) {
    plan.look_again = view.can().poll_every;
    return;
  }
  for (const auto& region : view.regions) {
    if (std::ranges::find(image.regions, region) == image.regions.end())
      step(plan, Verb::Create, "copy", region, "spec.regions asks for it there");
  }
  if (!plan.actions.empty() || plan.look_again) return;
  int kept = 0;
  for (const auto& other : view.images) {
    // What it is built from stays, however old.
    if (other.content == image.content || other.busy || other.id == view.image) continue;
    if (++kept > view.spec.retain)
      step(plan, Verb::Delete, "image", other.id,
           "spec.retain keeps " + std::to_string(view.spec.retain) + " older ones", {}, true);
  }
  if (plan.actions.empty() && view.due) plan.look_again = *view.due - view.now + std::chrono::seconds(1);
}

}  // namespace

const CloudImage* SnapshotView::wanted() const {
  // Oldest first among equals, so that a twin is not preferred to what is used already.
  const CloudImage* found = nullptr;
  for (const auto& candidate : images) {
    if (candidate.content == content && candidate.state != CloudImage::State::Failed) found = &candidate;
  }
  return found;
}

bool SnapshotView::in_all_regions(const CloudImage& candidate) const {
  return std::ranges::all_of(
      regions, [&](const auto& one) { return std::ranges::find(candidate.regions, one) != candidate.regions.end(); });
}

const CloudImage* SnapshotView::usable() const {
  const CloudImage* best = wanted();
  if (best && best->state == CloudImage::State::Available && in_all_regions(*best)) return best;
  for (const auto& candidate : images) {
    if (candidate.state == CloudImage::State::Available && in_all_regions(candidate)) return &candidate;
  }
  return best && best->state == CloudImage::State::Available ? best : nullptr;
}

bool has_failed(const SnapshotView& view, const CloudServer& builder) {
  const bool late = builder.created + kBuildTime <= view.now;
  return builder.state != CloudServer::State::Off && (late || !view.report.empty());
}

std::string builder_name(const SnapshotView& view) { return view.name + "-build-" + view.content.substr(0, 8); }

Plan plan_snapshot(const SnapshotView& view) {
  Plan plan;
  if (view.deleting) {
    plan_removal(view, plan);
    return plan;
  }
  if (!view.problem.empty()) {
    block(plan, view.problem_reason, view.problem);
    return plan;
  }
  for (const auto& image : view.images) {
    if (image.state == CloudImage::State::Failed && image.mark && !view.stale)
      step(plan, Verb::Delete, "image", image.id, "the provider could not make it");
  }
  if (!plan.actions.empty()) return plan;
  if (plan_adoption(view, plan)) return plan;
  const CloudImage* image = view.wanted();
  if (!image) {
    plan_build(view, plan);
  } else if (image->state == CloudImage::State::Making) {
    plan.look_again = view.can().poll_every;
  } else {
    plan_keep(view, *image, plan);
  }
  return plan;
}

}  // namespace gantry::reconcilers::snapshot
