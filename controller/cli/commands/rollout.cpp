// gantry rollout: an App's releases: watch one arrive, list them, go back, start anew, hold. Each is a plain read or
// write of the App's annotations and its Release objects; the controller does the rest.
#include "controller/cli/commands.hpp"
#include "controller/cli/conditions.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/target.hpp"
#include "controller/cli/text_table.hpp"
#include "controller/cli/watch.hpp"

namespace gantry::cli {
namespace {

constexpr std::string_view kRollbackTo = "gantry.dev/rollback-to";
constexpr std::string_view kRestartedAt = "gantry.dev/restarted-at";
constexpr std::string_view kPaused = "gantry.dev/paused";
constexpr std::string_view kStopped = "gantry.dev/stopped";

constexpr auto kReleasePause = std::chrono::milliseconds(200);

Target app_of(Context& context) { return one_target_of(context, context.operands(), "apps.gantry.dev"); }

json::Value read(Context& context, const Target& app) {
  return context.ask({.path = app.resource->path(context.ns(), app.name)});
}

void annotate(Context& context, const Target& app, std::string_view name, json::Value value) {
  json::Value annotations = json::Object{};
  annotations[name] = std::move(value);
  const json::Value patch = json::Object{{"metadata", json::Object{{"annotations", std::move(annotations)}}}};
  context.ask({.method = "PATCH",
               .path = app.resource->path(context.ns(), app.name) + query({{"fieldManager", "gantry-rollout"}}),
               .content_type = std::string(kMergePatch),
               .body = json::dump(patch)});
}

// In order of revision.
std::vector<json::Value> releases_of(Context& context, const Target& app) {
  const ResourcePtr releases = context.discovery().resource("releases.gantry.dev");
  auto found = list_all(context, *releases, context.ns(), "gantry.dev/app=" + app.name);
  std::ranges::stable_sort(found, {}, [](const json::Value& release) {
    const json::Value* spec = release.find("spec");
    return spec ? spec->int_or("revision", 0) : 0;
  });
  return found;
}

std::string field_of(const json::Value& object, std::string_view part, std::string_view field) {
  const json::Value* value = object.at({part, field});
  return value ? text_of(*value) : std::string();
}

// --- status

struct Progress {
  bool complete = false;
  bool failed = false;
  std::string text;
};

Progress progress_of(const json::Value& app, const std::string& name) {
  const json::Value* metadata = app.find("metadata");
  const json::Value* status = app.find("status");
  const std::int64_t generation = metadata ? metadata->int_or("generation", 0) : 0;
  if (!status || status->int_or("observedGeneration", 0) < generation) {
    return {.text = "Waiting for the controller to see the newest spec of \"" + name + "\"..."};
  }
  const json::Value* spec = app.find("spec");
  const std::int64_t wanted = spec ? spec->int_or("replicas", 1) : 1;
  const json::Value* progressing = find_condition(app, "Progressing");
  if (progressing && progressing->string_or("status") == "False") {
    return {.failed = true, .text = progressing->string_or("reason") + ": " + progressing->string_or("message")};
  }
  const bool settled = !progressing || progressing->string_or("reason") == "RolloutComplete";
  if (settled && condition_is(app, "Ready", "True")) {
    return {.complete = true, .text = "app \"" + name + "\" successfully rolled out"};
  }
  return {.text = "Waiting for rollout of \"" + name + "\": " + std::to_string(status->int_or("updatedReplicas", 0)) +
                  " of " + std::to_string(wanted) + " replicas updated, " +
                  std::to_string(status->int_or("readyReplicas", 0)) + " ready..."};
}

// A restart or an undo that was asked for a moment ago may not have a release yet, and the App's status speaks of the
// old one until it has.
bool newest_runs(Context& context, const Target& app, const json::Value& object) {
  const auto releases = releases_of(context, app);
  if (releases.empty()) return true;
  const auto obeyed = [&](std::string_view annotation, std::initializer_list<std::string_view> field) {
    const json::Value* wanted = object.at({"metadata", "annotations", annotation});
    return !wanted || std::ranges::any_of(releases, [&](const json::Value& release) {
      const json::Value* found = release.at(field);
      return found && *found == *wanted;
    });
  };
  return obeyed(kRestartedAt, {"spec", "template", "restartedAt"}) &&
         obeyed(kRollbackTo, {"spec", "rollbackRequest"}) &&
         metadata_of(releases.back(), "name") == field_of(object, "status", "release");
}

int rollout_status(Context& context) {
  const Target app = app_of(context);
  const bool waits = context.flags().on("watch");
  const Duration timeout = context.flags().duration("timeout").value_or(std::chrono::hours(24));
  const Instant end = context.clock().now() + timeout;
  Progress progress;
  json::Value seen;
  std::string said;
  const auto say = [&](const std::string& text) {
    if (text != said) context.out() << text << "\n" << std::flush;
    said = text;
  };
  const auto look = [&](const json::Value* object) {
    if (!object) throw ServerError(ErrorCode::NotFound, app.resource->qualified() + " \"" + app.name + "\" not found");
    seen = *object;
    progress = progress_of(*object, app.name);
    if (!progress.complete && !progress.failed) say(progress.text);
    return progress.complete || progress.failed || !waits;
  };
  while (true) {
    const Duration left = end - context.clock().now();
    if (left < Duration::zero() || !wait_until(context, *app.resource, context.ns(), app.name, left, look)) {
      throw Error(ErrorCode::Timeout, "the rollout of \"" + app.name +
                                          "\" is not complete in time; gantry describe app " + app.name + " says why");
    }
    if (progress.failed) {
      throw Error(ErrorCode::Internal, "the rollout of \"" + app.name + "\" has failed: " + progress.text);
    }
    if (!progress.complete) return kOk;
    if (newest_runs(context, app, seen)) break;
    say("Waiting for the newest release of \"" + app.name + "\" to be started...");
    if (!waits) return kOk;
    context.server().pause(kReleasePause);
  }
  say(progress.text);
  return kOk;
}

// --- history

std::string source_text(const json::Value& release) {
  const json::Value* source = release.at({"spec", "source"});
  if (!source || !source->is_object()) return "<unknown>";
  for (const auto& [part, field] : {std::pair("image", "ref"), std::pair("git", "url"), std::pair("code", "path")}) {
    const json::Value* value = source->at({part, field});
    if (!value) continue;
    const json::Value* ref = source->at({"git", "ref"});
    return text_of(*value) + (ref ? "@" + text_of(*ref) : "");
  }
  return json::dump(*source);
}

int rollout_history(Context& context) {
  const Target app = app_of(context);
  read(context, app);  // so that a wrong name is an error, not an empty history
  const auto releases = releases_of(context, app);
  if (const auto revision = context.flags().number("revision")) {
    for (const json::Value& release : releases) {
      if (field_of(release, "spec", "revision") != std::to_string(*revision)) continue;
      json::Value shown = release;
      drop_managed_fields(shown);
      const Output output = output_of(context.flags());
      print_value(context, output.for_people() ? Output{Output::Form::Yaml, ""} : output, shown);
      return kOk;
    }
    throw Error(ErrorCode::NotFound, "\"" + app.name + "\" has no revision " + std::to_string(*revision));
  }
  TextTable table({"REVISION", "AGE", "RESULT", "SOURCE", "CAUSE"});
  for (const json::Value& release : releases) {
    const std::string phase = field_of(release, "status", "phase");
    table.add({field_of(release, "spec", "revision"),
               age_of(release.at({"metadata", "creationTimestamp"}), context.clock()),
               phase.empty() ? "Pending" : phase, source_text(release), field_of(release, "spec", "cause")});
  }
  if (table.empty()) context.err() << "\"" << app.name << "\" has no release yet.\n";
  table.print(context.out(), true, context.style());
  return kOk;
}

// --- undo

// The newest one that served before the one that runs.
std::string previous_revision(const std::vector<json::Value>& releases, const std::string& running) {
  std::string found;
  for (const json::Value& release : releases) {
    if (metadata_of(release, "name") == running) break;
    const std::string phase = field_of(release, "status", "phase");
    if (phase == "Superseded" || phase == "Active") found = field_of(release, "spec", "revision");
  }
  return found;
}

int rollout_undo(Context& context) {
  const Target app = app_of(context);
  const json::Value object = read(context, app);
  const auto releases = releases_of(context, app);
  std::string revision = context.flags().number("to-revision") ? context.flags().text("to-revision") : "";
  if (revision.empty() || revision == "0")
    revision = previous_revision(releases, field_of(object, "status", "release"));
  if (revision.empty())
    throw Error(ErrorCode::NotFound, "there is no earlier release of \"" + app.name + "\" that served");
  const bool known = std::ranges::any_of(
      releases, [&](const json::Value& release) { return field_of(release, "spec", "revision") == revision; });
  if (!known) {
    throw Error(ErrorCode::NotFound, "\"" + app.name + "\" has no revision " + revision + "; gantry rollout history " +
                                         app.name + " lists them");
  }
  // The controller obeys each value once; going back to the same revision a second time needs another one.
  const json::Value* before = object.at({"metadata", "annotations", kRollbackTo});
  const auto used = [&](const json::Value& release) {
    return field_of(release, "spec", "rollbackRequest") == revision;
  };
  std::string request = revision;
  if ((before && text_of(*before) == revision) || std::ranges::any_of(releases, used)) {
    request += " at " + format_time(context.clock().wall());
  }
  annotate(context, app, kRollbackTo, request);
  context.out() << app.resource->label(app.name) << " rolled back to revision " << revision << "\n";
  return kOk;
}

int rollout_restart(Context& context) {
  const Target app = app_of(context);
  annotate(context, app, kRestartedAt, format_micro_time(context.clock().wall()));
  context.out() << app.resource->label(app.name) << " restarted\n";
  return kOk;
}

int rollout_pause(Context& context) {
  const Target app = app_of(context);
  annotate(context, app, kPaused, "true");
  context.out() << app.resource->label(app.name) << " paused\n";
  return kOk;
}

int rollout_resume(Context& context) {
  const Target app = app_of(context);
  annotate(context, app, kPaused, nullptr);
  context.out() << app.resource->label(app.name) << " resumed\n";
  return kOk;
}

int stop(Context& context) {
  const Target app = app_of(context);
  annotate(context, app, kStopped, "true");
  context.out() << app.resource->label(app.name) << " stopped\n";
  return kOk;
}

int start(Context& context) {
  const Target app = app_of(context);
  annotate(context, app, kStopped, nullptr);
  context.out() << app.resource->label(app.name) << " started\n";
  return kOk;
}

Command row(std::string_view name, std::string_view summary, std::string_view help, std::vector<Flag> flags,
            int (*run)(Context&)) {
  return {.name = name,
          .group = "Releases",
          .usage = "APP | TYPE/NAME",
          .summary = summary,
          .help = help,
          .flags = std::move(flags),
          .run = run};
}

}  // namespace

Command rollout_status_command() {
  return row("rollout status", "Show a rollout until it is complete or has failed",
             "Exit code 0 complete, 1 failed, 3 the time is up.\n"
             "\n"
             "Examples:\n"
             "  gantry rollout status web --timeout=5m\n",
             {{.name = "watch", .letter = 'w', .help = "wait for the end", .otherwise = "true", .sourced = false},
              {.name = "timeout", .value = "TIME", .help = "how long to wait; none: for ever"}},
             rollout_status);
}

Command rollout_history_command() {
  return row("rollout history", "List the releases of an App",
             "Examples:\n"
             "  gantry rollout history web\n"
             "  gantry rollout history web --revision=3     # what was to run then\n",
             {{.name = "revision", .value = "N", .help = "show this one in full", .sourced = false}, kOutputFlag},
             rollout_history);
}

Command rollout_undo_command() {
  return row("rollout undo", "Go back to an earlier release",
             "Makes a new release that is a copy of the old one. Applying the same manifest again does not undo it;\n"
             "changing the spec does.\n"
             "\n"
             "Examples:\n"
             "  gantry rollout undo web                     # to the one before\n"
             "  gantry rollout undo web --to-revision=3\n",
             {{.name = "to-revision",
               .value = "N",
               .help = "which; 0: the one that served before",
               .otherwise = "0",
               .sourced = false}},
             rollout_undo);
}

Command rollout_restart_command() {
  return row("rollout restart", "Start every instance anew, a few at a time as in any rollout",
             "Examples:\n"
             "  gantry rollout restart web && gantry rollout status web\n",
             {}, rollout_restart);
}

Command stop_command() {
  return row(
      "stop", "End every instance of an App, and keep it so",
      "Instances finish their requests first. What is declared stays as it is, and neither a reconcile nor a sync\n"
      "starts it again: only gantry start does. Its routes answer 503.\n"
      "\n"
      "Examples:\n"
      "  gantry stop web && gantry wait app/web --for=jsonpath='{.status.replicas}'=0\n",
      {}, stop);
}

Command start_command() {
  return row("start", "Start a stopped App again", "Examples:\n  gantry start web\n", {}, start);
}

Command rollout_pause_command() {
  return row("rollout pause", "Look and report, but change nothing", "Examples:\n  gantry rollout pause web\n", {},
             rollout_pause);
}

Command rollout_resume_command() {
  return row("rollout resume", "Go on after a pause", "Examples:\n  gantry rollout resume web\n", {}, rollout_resume);
}

}  // namespace gantry::cli
