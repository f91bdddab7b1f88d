// The one road from a source to something that can be started: fetch, build, release. Only the fetch differs.
#include <algorithm>

#include "controller/object/quantity.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"
#include "reconcilers/git_credentials.hpp"

namespace gantry::reconcilers::app {
namespace {

using Verb = runtime::Action::Verb;
using providers::BuildSpec;
using providers::BuildState;
using providers::CodeSource;
using runtime::Condition;

constexpr Duration kServersPause = std::chrono::seconds(2);

const json::Value* source_of(const json::Value& pod_template, std::string_view kind) {
  return pod_template.at({"source", kind});
}

// What makes something of code: an image for containers, a build command for processes.
bool needs_build(const json::Value& pod_template) {
  if (source_of(pod_template, "image")) return false;
  if (is_docker(pod_template)) return true;
  const json::Value* build = pod_template.find("build");
  return build && (!build->string_or("command").empty() || build->string_or("preset") == "python");
}

void read_build(const json::Value& pod_template, BuildSpec& spec) {
  spec.kind = is_docker(pod_template) ? BuildSpec::Kind::Image : BuildSpec::Kind::Folder;
  for (const auto* field : {"command", "args"}) {
    const json::Value* words = pod_template.find(field);
    // A generated image starts what the App does; an image's own start is overridden by the App anyway.
    if (!words || !words->is_array() || spec.kind == BuildSpec::Kind::Folder) continue;
    for (const auto& word : words->as_array()) spec.start.push_back(word.as_string());
  }
  if (const json::Value* ports = pod_template.find("ports");
      ports && ports->is_array() && !ports->as_array().empty() && spec.kind == BuildSpec::Kind::Image)
    spec.port = static_cast<int>(ports->as_array()[0].int_or("port", 0));
  const json::Value* build = pod_template.find("build");
  spec.preset = build ? build->string_or("preset", "auto") : "auto";
  if (!build) return;
  spec.dockerfile = build->string_or("dockerfile");
  spec.command = build->string_or("command");
  spec.output = build->string_or("output");
  spec.node_version = build->string_or("nodeVersion");
  if (const json::Value* memory = build->find("memory")) spec.memory_bytes = object::units_of(*memory);
  spec.timeout = std::chrono::seconds(build->int_or("timeoutSeconds", 1200));
}

void name_owner(const runtime::Subject& subject, const Placement& placement, BuildSpec& spec) {
  // One that is away holds up nobody else: it gets what it needs when something is started there.
  spec.servers = placement.well();
  std::ranges::sort(spec.servers);
  spec.owner_uid = subject.meta().uid;
  spec.owner_namespace = subject.key().ns;
  spec.owner_name = subject.key().name;
  spec.ask = subject.annotation("gantry.dev/reconcile-at");
}

// The newest release that was made of the same source.
const ReleaseView* release_of_source(const AppSeen& seen) {
  const json::Value* wanted = seen.pod_template.find("source");
  for (auto release = seen.releases.rbegin(); wanted && release != seen.releases.rend(); ++release) {
    const json::Value* source = release->pod_template.find("source");
    if (source && *source == *wanted && !release->source_digest.empty()) return &*release;
  }
  return nullptr;
}

std::string first_lines(const std::string& text, std::size_t most) {
  return text.size() <= most ? text : text.substr(0, most) + "…";
}

}  // namespace

// ---------------------------------------------------------------- observe

Task<> AppReconciler::observe_source(const runtime::Subject& subject, AppSeen& seen) {
  SourceSeen& work = seen.work;
  const json::Value& made_of = seen.pod_template;
  if (const json::Value* image = source_of(made_of, "image")) {
    work.words = image->string_or("ref");
    // A tag is resolved once, for the release that first uses it; a moved tag is no reason to change what runs.
    if (const ReleaseView* known = release_of_source(seen)) {
      seen.source_digest = known->source_digest;
      seen.source_ready = true;
      co_return;
    }
    if (!is_docker(made_of)) co_return;
    work.builds = true;
    work.build.kind = BuildSpec::Kind::Pull;
    work.build.reference = work.words;
    name_owner(subject, seen.wanted_placement, work.build);
    work.built = co_await parts_.builder.look(work.build);
    if (work.built.phase == BuildState::Phase::Done) seen.source_digest = work.built.image;
    seen.source_ready = !seen.source_digest.empty();
    co_return;
  }
  try {
    work.code = co_await code_source(subject);
    if (!work.code) co_return;
    const providers::CodeFound found = co_await parts_.sources.look(*work.code);
    seen.source_digest = found.digest;
    work.revision = found.revision;
    work.staged = found.staged;
    work.fetching = found.fetching;
    work.look_again = found.look_again;
    (found.digest.empty() && !found.fetching ? seen.source_problem : work.fetch_problem) = found.problem;
  } catch (const Error& error) {
    seen.source_problem = error.message();
  }
  // Not known right now (a restart, a server that does not answer): what was last released holds.
  if (seen.source_digest.empty() && work.code && work.code->kind == CodeSource::Kind::Git) {
    if (const ReleaseView* known = release_of_source(seen)) {
      seen.source_digest = known->source_digest;
      work.staged = !parts_.sources.staged(known->source_digest).empty();
      work.fetch_problem = std::exchange(seen.source_problem, {});
    }
  }
  seen.source_ready = work.staged;
}

Task<std::optional<CodeSource>> AppReconciler::code_source(const runtime::Subject& subject) {
  CodeSource source;
  source.owner_uid = subject.meta().uid;
  if (const json::Value* code = subject.json.at({"spec", "source", "code"})) {
    source.upload = code->string_or("upload");
    source.path = code->string_or("path");
    source.kind = source.upload.empty() ? CodeSource::Kind::Path : CodeSource::Kind::Upload;
    co_return source;
  }
  const json::Value* git = subject.json.at({"spec", "source", "git"});
  if (!git) co_return std::nullopt;
  source.kind = CodeSource::Kind::Git;
  source.url = git->string_or("url");
  source.ref = git->string_or("ref");
  source.path = git->string_or("path");
  source.interval = parse_duration(git->string_or("interval", "1m"));
  source.ask = subject.annotation("gantry.dev/reconcile-at");
  const json::Value* secret = git->at({"secretRef", "name"});
  const std::string name = secret ? secret->as_string() : std::string();
  source.scope = name.empty() ? std::string() : subject.key().ns + "/" + name;
  source.credentials = co_await git_credentials(parts_.client, subject.key().ns, name, "spec.source.git.secretRef");
  co_return source;
}

// Once it is known that a release is to be made, or that what the running one was made of has gone.
Task<> AppReconciler::observe_build(const runtime::Subject& subject, AppSeen& seen) {
  SourceSeen& work = seen.work;
  const ReleaseView* again = nullptr;
  if (seen.choice.run && !seen.choice.make && artifact_is_gone(seen)) again = seen.choice.run;
  if (!again && (!seen.choice.make || seen.choice.copy || seen.source_digest.empty())) co_return;
  const json::Value& made_of = again ? again->pod_template : seen.pod_template;
  BuildSpec& spec = work.build;
  if (const json::Value* image = source_of(made_of, "image"); image && again) {
    work.builds = true;
    spec.kind = BuildSpec::Kind::Pull;
    spec.reference =
        again->source_digest.find('@') != std::string::npos ? again->source_digest : image->string_or("ref");
    name_owner(subject, again ? seen.placement : seen.wanted_placement, spec);
    parts_.builder.forget(providers::key_of(spec));
    work.built = co_await parts_.builder.look(spec);
    co_return;
  }
  if (!needs_build(made_of)) co_return;
  spec.digest = again ? again->source_digest : seen.source_digest;
  spec.folder = parts_.sources.staged(spec.digest);
  if (spec.folder.empty()) co_return;
  work.builds = true;
  name_owner(subject, again ? seen.placement : seen.wanted_placement, spec);
  read_build(made_of, spec);
  if (const json::Value* build = made_of.find("build")) {
    Environment environment =
        co_await resolve_environment(parts_.client, parts_.kinds, *build, subject.json, subject.key().ns);
    json::Object values;
    for (const auto& [name, value] : environment.values) values.set(name, value.reveal());
    if (!environment.values.empty())
      spec.env_digest = hmac_sha256(parts_.hash_key, json::dump(json::Value(std::move(values))));
    spec.env = std::move(environment.values);
    for (auto& missing : environment.missing) seen.environment.missing.push_back(std::move(missing));
  }
  if (again) parts_.builder.forget(again->build_key);
  work.built = co_await parts_.builder.look(spec);
  if (!again) seen.source_ready = work.built.phase == BuildState::Phase::Done;
}

// The host said so when an instance was to be started.
bool AppReconciler::artifact_is_gone(const AppSeen& seen) const {
  return std::ranges::any_of(seen.start_failures, [](const auto& failure) {
    return failure.second.find("No such image") != std::string::npos ||
           failure.second.find("no such image") != std::string::npos ||
           failure.second.find("what was built under") != std::string::npos;
  });
}

// ---------------------------------------------------------------- plan and act

// True when a release can be made now, or could after the actions that were added.
bool AppReconciler::plan_source(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  const SourceSeen& work = seen.work;
  const auto wait = [&](std::string reason, std::string message, std::optional<Duration> look_again = {}) {
    plan.blocked = true;
    plan.blocked_reason = std::move(reason);
    plan.blocked_message = std::move(message);
    plan.look_again = look_again;
    return false;
  };
  if (seen.choice.copy) return true;
  if (work.code && seen.source_digest.empty()) return wait("Fetching", "the source is being fetched");
  if (work.code && !work.staged) {
    plan.actions.push_back({Verb::Run,
                            "copy",
                            work.code->kind == CodeSource::Kind::Git ? work.code->url : work.code->path,
                            "the code is copied, so that editing it does not change what runs",
                            {},
                            seen.source_digest,
                            false,
                            {}});
  }
  if (!work.builds && !(work.code && !work.staged && needs_build(seen.pod_template))) return true;
  const bool pull = work.build.kind == BuildSpec::Kind::Pull && !work.code;
  switch (work.built.phase) {
    case BuildState::Phase::Done:
      return true;
    case BuildState::Phase::Running:
      return wait(pull ? "Pulling" : "Building", work.built.message);
    case BuildState::Phase::Failed:
      return wait(
          pull ? "PullFailed" : "BuildFailed",
          first_lines(work.built.message, 4000) +
              (work.built.retry_in ? "; tried again in " + human_duration(*work.built.retry_in) : std::string()),
          work.built.retry_in);
    case BuildState::Phase::Absent:
      if (seen.wanted_placement.declared && seen.wanted_placement.known().empty())
        return wait("ServersNotReady", seen.wanted_placement.problem(), kServersPause);
      break;
  }
  plan.actions.push_back({Verb::Run,
                          pull ? "image" : "build",
                          pull ? work.build.reference : subject.key().name,
                          pull ? "the image is made present and its tag resolved to a digest"
                               : "the code is built: " + seen.source_digest.substr(0, 19),
                          {},
                          {},
                          false,
                          {}});
  return true;
}

// What a running release was made of has gone from this host: it is made again, from what it was made of.
void AppReconciler::plan_rebuild(const runtime::Subject& subject, const AppSeen& seen, runtime::Plan& plan) {
  const SourceSeen& work = seen.work;
  if (seen.choice.make || !seen.choice.run || !work.builds || !artifact_is_gone(seen)) return;
  if (work.built.phase != BuildState::Phase::Absent) return;
  const bool pull = work.build.kind == BuildSpec::Kind::Pull;
  plan.actions.push_back({Verb::Run,
                          pull ? "image" : "build",
                          pull ? work.build.reference : subject.key().name,
                          "what " + seen.choice.run->name + " was made of is not there any more",
                          {},
                          {},
                          false,
                          {}});
}

Task<> AppReconciler::act_on_source(const AppSeen& seen, const runtime::Action& action, runtime::Notes& notes) {
  if (action.type == "copy") {
    co_await parts_.sources.stage(*seen.work.code, action.after.as_string());
    co_return;
  }
  // What was being built for an earlier wish is not needed any more.
  if (!seen.work.built.key.empty()) parts_.builder.keep_only_build(seen.work.build.owner_uid, seen.work.built.key);
  co_await parts_.builder.begin(seen.work.build);
  notes.note({.warning = false,
              .reason = action.type == "image" ? "Pulling" : "Building",
              .message = action.target + ": " + action.reason});
}

// ---------------------------------------------------------------- report

Condition AppReconciler::built_condition(const AppSeen& seen) const {
  const SourceSeen& work = seen.work;
  const bool pull = work.builds && work.build.kind == BuildSpec::Kind::Pull;
  if (!seen.source_problem.empty()) return {"Built", "False", "SourceNotFound", seen.source_problem};
  if (work.builds && work.built.phase == BuildState::Phase::Running)
    return {"Built", "Unknown", pull ? "Pulling" : "Building", work.built.message};
  if (work.builds && work.built.phase == BuildState::Phase::Failed)
    return {"Built", "False", pull ? "PullFailed" : "BuildFailed", first_lines(work.built.message, 4000)};
  if (seen.source_digest.empty())
    return {"Built", "Unknown", work.fetching ? "Fetching" : "Pending",
            work.fetching ? "the source is being fetched" : "the source has not been looked at yet"};
  std::string text = seen.source_digest;
  if (!work.revision.empty()) text += " of commit " + work.revision.substr(0, 12);
  if (!work.built.without.empty()) {
    const auto& [server, why] = *work.built.without.begin();
    text += "; " + std::to_string(work.built.without.size()) + " of " + std::to_string(work.build.servers.size()) +
            " Servers do not have it: Server " + server + ": " + first_lines(why, 1000);
  }
  if (!work.fetch_problem.empty())
    return {"Built", "True", "FetchFailed", text + "; the newest fetch failed: " + work.fetch_problem};
  return {"Built", "True", needs_build(seen.pod_template) ? "Built" : "SourceReady", text};
}

}  // namespace gantry::reconcilers::app
