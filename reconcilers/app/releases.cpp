#include "reconcilers/app/releases.hpp"

#include <algorithm>
#include <charconv>

namespace gantry::reconcilers::app {

json::Value template_of(const json::Value& app) {
  json::Object made;
  const json::Value* spec = app.find("spec");
  for (const auto* field : {"source", "build", "runtime", "command", "args", "workingDirectory", "env", "envFrom",
                            "ports", "resources", "volumes", "stopGraceSeconds", "hooks", "placement"}) {
    if (const json::Value* value = spec ? spec->find(field) : nullptr) made.set(field, *value);
  }
  // How and how often it is asked for does not change what it is.
  json::Value* source = made.find("source");
  if (json::Value* git = source ? source->find("git") : nullptr; git && git->is_object()) {
    for (const auto* field : {"interval", "secretRef"}) git->as_object().erase(field);
  }
  // Which Servers match, and how many are made, changes without a new release; that they are found so is part of it.
  if (json::Value* placement = made.find("placement"); placement && placement->is_object()) {
    for (const auto* field : {"selector", "provision"}) {
      if (placement->find(field)) placement->as_object().set(field, json::Value(json::Object{}));
    }
  }
  // Changing it asks for new instances of the same thing.
  if (const json::Value* restarted = app.at({"metadata", "annotations", "gantry.dev/restarted-at"}))
    made.set("restartedAt", *restarted);
  return made;
}

ReleaseView read_release(const object::Object& object) {
  const json::Value json = object.decode();
  ReleaseView view;
  view.name = object.key().name;
  if (const json::Value* spec = json.find("spec")) {
    view.revision = spec->int_or("revision", 0);
    view.config_hash = spec->string_or("configHash");
    view.spec_hash = spec->string_or("specHash");
    view.held_for = spec->string_or("heldFor");
    view.rollback_request = spec->string_or("rollbackRequest");
    view.source_digest = spec->string_or("sourceDigest");
    view.source_revision = spec->string_or("sourceRevision");
    view.image_digest = spec->string_or("imageDigest");
    view.build_key = spec->string_or("buildKey");
    if (const json::Value* pod_template = spec->find("template")) view.pod_template = *pod_template;
  }
  if (const json::Value* status = json.find("status")) {
    view.phase = status->string_or("phase");
    view.reason = status->string_or("reason");
  }
  if (const json::Value* created = json.at({"metadata", "creationTimestamp"}))
    view.created = parse_time(created->as_string());
  return view;
}

namespace {

const ReleaseView* with_revision(const std::vector<ReleaseView>& releases, std::string_view text) {
  std::int64_t revision = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), revision);
  if (parsed.ec != std::errc()) return nullptr;
  const auto at =
      std::find_if(releases.begin(), releases.end(), [&](const auto& release) { return release.revision == revision; });
  return at == releases.end() ? nullptr : &*at;
}

const ReleaseView* last_good_before(const std::vector<ReleaseView>& releases, const ReleaseView& failed) {
  for (auto at = releases.rbegin(); at != releases.rend(); ++at) {
    if (at->revision < failed.revision && at->good()) return &*at;
  }
  return nullptr;
}

}  // namespace

Choice choose_release(const Wanted& wanted, const std::vector<ReleaseView>& releases) {
  Choice choice;
  const ReleaseView* newest = releases.empty() ? nullptr : &releases.back();
  choice.run = newest;
  if (newest && newest->phase == "Failed" && wanted.auto_rollback) {
    if (const ReleaseView* good = last_good_before(releases, *newest)) choice.run = good;
  }
  choice.revision = newest ? newest->revision + 1 : 1;

  const bool asked = !wanted.rollback_to.empty();
  const bool done = std::any_of(releases.begin(), releases.end(),
                                [&](const auto& release) { return release.rollback_request == wanted.rollback_to; });
  if (asked && !done) {
    choice.copy = with_revision(releases, wanted.rollback_to);
    if (choice.copy) {
      choice.make = true;
      choice.cause = "rollback to revision " + wanted.rollback_to;
      return choice;
    }
    choice.problem = "there is no revision " + wanted.rollback_to + " to roll back to";
  }
  if (!newest) {
    choice.make = true;
    choice.cause = "first release";
    return choice;
  }
  if (newest->held_for == wanted.spec_hash && !newest->held_for.empty()) {
    choice.run = newest;
    return choice;
  }
  if (newest->config_hash != wanted.config_hash) {
    choice.make = true;
    choice.cause =
        newest->spec_hash == wanted.spec_hash ? "a Secret or ConfigMap it uses has changed" : "the spec has changed";
    return choice;
  }
  return choice;
}

std::vector<std::string> releases_to_forget(const std::vector<ReleaseView>& releases, const std::string& running,
                                            std::size_t limit) {
  std::vector<std::string> names;
  if (releases.size() <= limit + 1) return names;
  std::size_t too_many = releases.size() - limit - 1;
  for (const auto& release : releases) {
    if (too_many == 0) break;
    if (release.name == running || &release == &releases.back()) continue;
    names.push_back(release.name);
    --too_many;
  }
  return names;
}

std::string release_name(const std::string& app, std::int64_t revision) { return app + "-" + std::to_string(revision); }

}  // namespace gantry::reconcilers::app
