#include "reconcilers/snapshot/snapshot_reconciler.hpp"

#include <algorithm>

#include "controller/base/cron.hpp"
#include "controller/base/digest.hpp"

namespace gantry::reconcilers::snapshot {
namespace {

using providers::CloudImage;
using providers::CloudServer;
using providers::Mark;
using Verb = runtime::Action::Verb;

constexpr std::size_t kRecipeDigits = 24;

Mark image_mark(const runtime::Subject& subject) { return {subject.meta().uid, "image"}; }
Mark builder_mark(const runtime::Subject& subject) { return {subject.meta().uid, "builder"}; }

void problem(SnapshotView& view, std::string reason, std::string message) {
  if (!view.problem.empty()) return;
  view.problem_reason = std::move(reason);
  view.problem = std::move(message);
}

std::string hex8(std::uint32_t number) {
  std::string out(8, '0');
  for (int i = 7; i >= 0; --i, number >>= 4) out[static_cast<std::size_t>(i)] = "0123456789abcdef"[number & 15];
  return out;
}

std::optional<WallTime> next_due(const std::string& schedule, WallTime after) {
  if (schedule.empty()) return std::nullopt;
  static const auto utc = TimeZone::utc();
  const auto due = Cron::parse(schedule).next(std::chrono::floor<std::chrono::seconds>(after), *utc);
  return due ? std::optional<WallTime>(*due) : std::nullopt;
}

}  // namespace

SnapshotReconciler::SnapshotReconciler(Parts parts) : parts_(std::move(parts)) {
  parts_.accounts.on_change([this](const std::string& uid) {
    if (const auto known = memory_.find(uid); known != memory_.end()) parts_.wake(known->second.key);
  });
}

SnapshotReconciler::Memory& SnapshotReconciler::memory_of(const runtime::Subject& subject) {
  Memory& memory = memory_[subject.meta().uid];
  memory.key = subject.key();
  return memory;
}

Task<runtime::SeenPtr> SnapshotReconciler::observe(const runtime::Subject& subject) {
  auto seen = std::make_shared<SnapshotView>();
  SnapshotView& view = *seen;
  memory_of(subject);
  view.deleting = subject.meta().deleting;
  view.name = subject.key().ns == "default" ? subject.key().name : subject.key().ns + "-" + subject.key().name;
  view.now = parts_.reactor.clock().wall();
  view.spec = crds::decode_snapshot_spec(subject.json);
  view.external_name = subject.annotation("gantry.dev/external-name");
  view.pending = provider::pending_of(subject);
  view.as_it_is = !view.external_name.empty() && view.external_name == view.spec.from.image &&
                  view.spec.packages.empty() && view.spec.cloud_init.empty();
  view.ref = co_await parts_.accounts.of(subject.key().ns, view.spec.provider_ref.name);
  if (!view.ref.account) {
    problem(view, view.ref.problem_reason, view.ref.problem);
    co_return seen;
  }
  co_await observe_account(subject, view);
  if (!view.deleting) {
    if (!view.can().snapshots) problem(view, "NotSupported", "this provider keeps no images of one's own");
    co_await observe_base(subject, view);
    choose_content(subject, view);
    observe_report(subject, view);
    co_await observe_builder(subject, view);
  }
  const runtime::Plan next = plan_snapshot(view);
  memory_of(subject).hurry = !next.actions.empty() || (next.look_again && *next.look_again <= std::chrono::seconds(10));
  co_return seen;
}

Task<> SnapshotReconciler::observe_account(const runtime::Subject& subject, SnapshotView& view) {
  const provider::AccountPtr account = view.ref.account;
  const Instant now = parts_.reactor.now();
  const bool hurry = memory_of(subject).hurry || view.deleting;
  view.sweep = co_await account->sweep(now - (hurry ? account->can().poll_every : account->rest() * 2));
  const Memory memory = memory_of(subject);
  view.stale = memory.acted != Instant{} && view.sweep->began <= memory.acted;
  view.failure = memory.failure;
  if (memory.failed_at != Instant{} && now - memory.failed_at < parts_.retry)
    view.pause = parts_.retry - (now - memory.failed_at);
  for (const auto& server : view.sweep->inventory.servers) {
    if (server.mark == builder_mark(subject)) view.builders.push_back(server);
  }
  for (const auto& image : view.sweep->inventory.images) {
    const bool named = view.as_it_is && image.id == view.external_name;
    if (image.mark == image_mark(subject) || (named && !image.mark)) {
      view.images.push_back(image);
    } else if (named) {
      problem(view, "OwnedByAnother",
              "image \"" + image.id + "\" of gantry.dev/external-name belongs to another object");
    }
  }
  // Before it is believed that there is nothing although something was made, or may have been: what one listing leaves
  // out is asked for by its mark.
  const bool made = view.pending || !view.external_name.empty();
  if (made && !view.stale && view.images.empty())
    view.images = co_await account->provider().images_of(image_mark(subject));
  if (made && !view.stale && view.builders.empty() && (view.deleting || view.is_pending("builder-")))
    view.builders = co_await account->provider().servers_of(builder_mark(subject));
  std::ranges::sort(view.images, [](const CloudImage& a, const CloudImage& b) {
    return a.created != b.created ? a.created > b.created : a.id > b.id;
  });
  std::ranges::sort(view.builders, [](const CloudServer& a, const CloudServer& b) {
    return a.created != b.created ? a.created < b.created : a.id < b.id;
  });
}

Task<> SnapshotReconciler::observe_base(const runtime::Subject& subject, SnapshotView& view) {
  view.image = view.spec.from.image;
  view.own_image = std::ranges::find(view.sweep->inventory.images, view.image, &CloudImage::id) !=
                   view.sweep->inventory.images.end();
  if (view.spec.from.snapshot_ref) {
    const std::string& name = view.spec.from.snapshot_ref->name;
    const auto base = co_await parts_.client.find({subject.key().resource, subject.key().ns, name});
    const json::Value json = base ? base->decode() : json::Value();
    const json::Value* id = json.at({"status", "id"});
    view.own_image = true;
    view.image = id && id->is_string() ? id->as_string() : "";
    if (!base) {
      problem(view, "ReferenceNotFound",
              "Snapshot \"" + name + "\" does not exist; this goes on by itself when it does");
    } else if (view.image.empty()) {
      problem(view, "SnapshotNotReady",
              "Snapshot \"" + name + "\" has no image yet; this goes on by itself when it has");
    }
  } else if (view.spec.from.server_ref) {
    const std::string& name = view.spec.from.server_ref->name;
    const auto server =
        co_await parts_.client.find({object::Resource::of("gantry.dev", "servers"), subject.key().ns, name});
    const std::string uid = server ? server->meta().uid : "";
    for (const auto& machine : view.sweep->inventory.servers) {
      if (machine.mark == Mark{uid, "server"}) view.source = machine;
    }
    if (!server) {
      problem(view, "ReferenceNotFound", "Server \"" + name + "\" does not exist; this goes on by itself when it does");
    } else if (!view.source) {
      problem(view, "ServerNotReady", "Server \"" + name + "\" has no machine at this provider yet");
    } else {
      view.image = view.source->id;
    }
  }
}

void SnapshotReconciler::choose_content(const runtime::Subject& subject, SnapshotView& view) const {
  // "*" is told by the catalogue; see observe_builder().
  const bool everywhere = std::ranges::find(view.spec.regions, "*") != view.spec.regions.end();
  if (view.can().image_regions && !everywhere) view.regions = view.spec.regions;
  const provider::AgentSource agent = parts_.agent_source();
  view.agent_pending = agent.pending;
  view.agent_version = agent.version;
  const json::Value* made_with = subject.json.at({"status", "agentVersion"});
  if (!view.spec.rebuild.on_agent_change && made_with && made_with->is_string())
    view.agent_version = made_with->as_string();
  json::Array packages(view.spec.packages.begin(), view.spec.packages.end());
  const json::Value recipe = json::Object{{"from", view.image},
                                          {"packages", std::move(packages)},
                                          {"cloudInit", view.spec.cloud_init},
                                          {"agent", view.source ? "" : view.agent_version}};
  view.recipe = sha256_hex(json::dump(recipe)).substr(0, kRecipeDigits);
  view.content = view.recipe + hex8(0);
  if (view.as_it_is) {
    const auto named = std::ranges::find(view.images, view.external_name, &CloudImage::id);
    if (named != view.images.end()) view.content = named->content;
    return;
  }
  // The newest of this recipe is wanted, until its schedule wants another.
  for (const auto& image : view.images) {
    if (!image.content.starts_with(view.recipe) || image.state == CloudImage::State::Failed) continue;
    view.content = image.content;
    if (image.state != CloudImage::State::Available) break;
    view.due = next_due(view.spec.rebuild.schedule, image.created);
    if (view.due && *view.due <= view.now) {
      const auto minutes = std::chrono::floor<std::chrono::minutes>(*view.due).time_since_epoch().count();
      view.content = view.recipe + hex8(static_cast<std::uint32_t>(minutes));
    }
    break;
  }
}

std::string SnapshotReconciler::report_token(const runtime::Subject& subject, const SnapshotView& view) const {
  return parts_.build_reports ? parts_.build_reports->token(subject.meta().uid, view.content) : std::string();
}

void SnapshotReconciler::observe_report(const runtime::Subject& subject, SnapshotView& view) const {
  if (!parts_.build_reports) return;
  const std::string token = report_token(subject, view);
  // The next builder is not to be blamed for what the last one said.
  if (view.builders.empty()) return parts_.build_reports->forget(token);
  parts_.build_reports->expect(token);
  view.report = provider::last_lines(parts_.build_reports->find(token).value_or(""));
}

// The machine that builds: what it would be, and whether it may be. Looked up only when one is to be made.
Task<> SnapshotReconciler::observe_builder(const runtime::Subject& subject, SnapshotView& view) {
  const bool everywhere = std::ranges::find(view.spec.regions, "*") != view.spec.regions.end();
  const bool to_build = !view.wanted() && view.builders.empty() && !view.source;
  const bool to_take = !view.wanted() && view.source;
  if (!to_build && !to_take && !(everywhere && view.can().image_regions)) co_return;
  const provider::CataloguePtr catalogue = co_await view.ref.account->catalogue();
  if (everywhere && view.can().image_regions) {
    for (const auto& region : catalogue->regions) {
      if (region.available) view.regions.push_back(region.name);
    }
  }
  if (to_take) view.usage = provider::usage_of_image(view.source->disk_bytes.value_or(0), catalogue->image_gib_month);
  if (to_take) view.usage.what = "an image of that server";
  if (to_build) observe_order(subject, *catalogue, view);
  if (!to_build && !to_take) co_return;
  view.limit_refusal =
      view.ref.account
          ->would_pass(subject.meta().uid, view.ref.spec.limits.value_or(crds::ProviderLimits{}), view.usage)
          .value_or("");
}

void SnapshotReconciler::observe_order(const runtime::Subject& subject, const providers::Catalogue& catalogue,
                                       SnapshotView& view) {
  view.region =
      view.spec.builder && !view.spec.builder->region.empty() ? view.spec.builder->region : view.ref.spec.region;
  if (view.spec.builder) view.size = view.spec.builder->size;
  if (view.size.empty()) {
    if (const auto* size = provider::cheapest(catalogue, view.region, view.now)) view.size = size->name;
  }
  provider::Wish wish{view.size, view.region, view.own_image ? "" : view.image,
                      {},        0,           subject.annotation("gantry.dev/allow-retired") == "true"};
  view.offer = provider::find_offer(catalogue, view.can(), wish, view.now);
  view.usage = provider::usage_of_build(view.offer.size, view.offer.monthly, catalogue);
}

runtime::Plan SnapshotReconciler::plan(const runtime::Subject&, const runtime::Seen& seen) {
  return plan_snapshot(static_cast<const SnapshotView&>(seen));
}

Task<> SnapshotReconciler::act(const runtime::Subject& subject, const runtime::Seen& seen,
                               const runtime::Action& action, runtime::Notes& notes) {
  const auto& view = static_cast<const SnapshotView&>(seen);
  providers::Provider& cloud = view.ref.account->provider();
  if (action.type == "record")
    co_return co_await annotate(subject,
                                {{"gantry.dev/external-name", action.target}, {"gantry.dev/create-pending", nullptr}});
  if (action.type == "builder" && action.verb == Verb::Create) co_return co_await create_builder(subject, view, notes);
  if (action.type == "image" && action.verb == Verb::Create)
    co_return co_await create_image(subject, view, action.target, notes);
  memory_of(subject).acted = parts_.reactor.now();
  try {
    if (action.type == "builder") {
      const auto builder = std::ranges::find(view.builders, action.target, &CloudServer::id);
      const bool failed =
          builder != view.builders.end() && !view.deleting && !view.wanted() && has_failed(view, *builder);
      if (failed) {
        memory_of(subject).failed_at = parts_.reactor.now();
        memory_of(subject).failure = action.reason;
        notes.note({true, "BuildFailed", "builder " + action.target + ": " + action.reason});
      }
      view.ref.account->removed(action.target);
      co_await cloud.remove_server(action.target);
    } else if (action.type == "image") {
      co_await cloud.remove_image(action.target);
      notes.note({false, "ImageRemoved", "image " + action.target + ": " + action.reason});
    } else if (action.type == "mark") {
      co_await cloud.mark_image(action.target, image_mark(subject));
      notes.note({false, "Adopted", "image " + action.target + " is looked after from now on"});
    } else if (action.type == "power-on") {
      co_await cloud.power(action.target, providers::Provider::Power::On);
    } else if (action.type == "copy") {
      co_await cloud.copy_image(view.wanted()->id, action.target);
    }
  } catch (const Error& error) {  // tidy: it is busy with something else; the next look tells when it no longer is
    if (error.code() != ErrorCode::Conflict) throw;
  }
}

Task<> SnapshotReconciler::create_builder(const runtime::Subject& subject, const SnapshotView& view,
                                          runtime::Notes& notes) {
  const provider::AccountPtr account = view.ref.account;
  providers::ServerOrder order;
  order.mark = builder_mark(subject);
  order.name = builder_name(view);
  order.size = view.size;
  order.region = view.region;
  order.image = view.image;
  order.own_image = view.own_image;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(view.now.time_since_epoch()).count();
  order.token = subject.meta().uid + "-" + view.content.substr(0, 12) + "-" + std::to_string(seconds);
  const provider::AgentSource agent = parts_.agent_source();
  const std::string reports =
      agent.reports.empty() || !parts_.build_reports ? "" : agent.reports + report_token(subject, view);
  order.user_data = Secret(provider::merge_user_data(
      {provider::report_script(reports), view.spec.cloud_init, provider::builder_script(view.spec.packages, agent)}));
  if (order.user_data.reveal().size() > view.can().user_data_max)
    throw Error(ErrorCode::Invalid, "spec.cloudInit is too large: the provider takes " +
                                        std::to_string(view.can().user_data_max) + " bytes in all");
  if (view.pending && !(co_await account->provider().servers_of(order.mark)).empty()) {
    memory_of(subject).acted = parts_.reactor.now();
    co_return;
  }
  if (account->reserve(subject.meta().uid, view.ref.spec.limits.value_or(crds::ProviderLimits{}), view.usage))
    co_return;  // somebody was quicker; the next look tells it
  co_await announce(subject, "builder-" + view.content, view.now);
  notes.note({false, "Building", "builder " + order.name + " (" + view.size + ") at " + account->name()});
  std::optional<Error> failure;
  try {
    co_await account->provider().create_server(std::move(order));
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  if (failure->retryable()) throw *failure;
  // Kept rather than thrown: the annotation that was written wakes the next attempt at once.
  account->release(subject.meta().uid);
  notes.note({true, std::string(traits(failure->code()).reason), failure->message()});
  memory_of(subject).failed_at = parts_.reactor.now();
  memory_of(subject).failure = failure->message();
}

Task<> SnapshotReconciler::create_image(const runtime::Subject& subject, const SnapshotView& view,
                                        const std::string& server, runtime::Notes& notes) {
  providers::Provider& cloud = view.ref.account->provider();
  if (view.is_pending("image-")) {
    const auto known = co_await cloud.images_of(image_mark(subject));
    if (std::ranges::any_of(known, [&](const auto& image) { return image.content == view.content; })) {
      memory_of(subject).acted = parts_.reactor.now();
      co_return;
    }
  }
  co_await announce(subject, "image-" + view.content, view.now);
  notes.note({false, "TakingImage", "of server " + server});
  std::optional<Error> failure;
  try {
    co_await cloud.create_image({image_mark(subject), view.name, view.content, server});
  } catch (const Error& error) {  // tidy: busy is no failure; the next look tells when it no longer is
    if (error.code() != ErrorCode::Conflict) failure = error;
  }
  if (failure) throw *failure;
}

Task<> SnapshotReconciler::announce(const runtime::Subject& subject, const std::string& what, WallTime now) {
  co_await annotate(subject, {{"gantry.dev/create-pending", provider::pending_value(what, now)}});
  memory_of(subject).acted = parts_.reactor.now();
}

Task<> SnapshotReconciler::annotate(const runtime::Subject& subject, json::Object annotations) {
  co_await provider::annotate(parts_.client, subject, std::move(annotations), "gantry-snapshot");
}

runtime::Report SnapshotReconciler::report(const runtime::Subject& subject, const runtime::Seen& seen,
                                           const runtime::Plan& plan) {
  const auto& view = static_cast<const SnapshotView&>(seen);
  runtime::Report report;
  const json::Value* before = subject.json.find("status");
  if (!view.ref.account) {
    if (before) report.status = *before;
    report.conditions = {{"Ready", "Unknown", view.problem_reason, view.problem}};
    return report;
  }
  const json::Value* history = before ? before->find("history") : nullptr;
  const auto version_of = [&](const CloudImage& image) {
    if (history && history->is_array()) {
      for (const auto& entry : history->as_array()) {
        if (entry.string_or("id") == image.id) return entry.string_or("agentVersion");
      }
    }
    return view.source || view.as_it_is ? std::string() : view.agent_version;
  };
  json::Array list;
  for (const auto& image : view.images) {
    if (image.state != CloudImage::State::Available) continue;
    json::Object entry{{"id", image.id}, {"created", format_time(image.created)}};
    if (const auto version = version_of(image); !version.empty()) entry.set("agentVersion", version);
    list.emplace_back(std::move(entry));
  }
  report.status["history"] = std::move(list);
  const CloudImage* usable = view.usable();
  const CloudImage* wanted = view.wanted();
  if (usable) {
    report.status["id"] = usable->id;
    json::Array regions(usable->regions.begin(), usable->regions.end());
    if (!regions.empty()) report.status["regions"] = std::move(regions);
    if (const auto version = version_of(*usable); !version.empty()) report.status["agentVersion"] = version;
    report.status["sizeGiB"] = static_cast<double>(usable->size_bytes) / static_cast<double>(1 << 30);
    report.conditions.push_back(view.in_all_regions(*usable)
                                    ? runtime::Condition{"Ready", "True", "ImageAvailable", "Servers can start from it"}
                                    : runtime::Condition{"Ready", "False", "Copying", "it is not in all regions yet"});
  } else {
    const bool stuck = plan.blocked;
    report.conditions.push_back({"Ready", "False", stuck ? plan.blocked_reason : "Building",
                                 stuck ? plan.blocked_message : "there is no image yet"});
  }
  if (usable && usable == wanted) {
    report.conditions.push_back({"Current", "True", "SameContent", ""});
  } else {
    report.conditions.push_back({"Current", "False", usable ? "Stale" : "Building",
                                 usable ? "what it is made of has changed since" : "there is no image yet"});
  }
  if (!plan.blocked && !view.deleting && (!plan.actions.empty() || memory_.at(subject.meta().uid).hurry))
    report.conditions.push_back({"Synced", "Unknown", "Progressing", "something is on its way at the provider"});
  return report;
}

}  // namespace gantry::reconcilers::snapshot
