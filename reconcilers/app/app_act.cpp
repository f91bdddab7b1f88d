#include <algorithm>

#include "controller/base/utf8.hpp"
#include "controller/object/quantity.hpp"
#include "reconcilers/app/app_reconciler.hpp"
#include "reconcilers/app/app_seen.hpp"

namespace gantry::reconcilers::app {
namespace {

using Verb = runtime::Action::Verb;

const object::Resource& releases_resource() {
  static const auto resource = object::Resource::of("gantry.dev", "releases");
  return resource;
}

// What was made of the source, and is found again by.
void set_artifact(const SourceSeen& work, json::Object& spec) {
  if (!work.builds) return;
  if (!work.built.image.empty()) spec.set("imageDigest", work.built.image);
  if (work.build.kind != providers::BuildSpec::Kind::Pull) spec.set("buildKey", work.built.key);
}

}  // namespace

json::Object owned_metadata(const runtime::Subject& subject, const std::string& name) {
  const json::Value owner = json::Object{{"apiVersion", subject.json.string_or("apiVersion")},
                                         {"kind", subject.json.string_or("kind")},
                                         {"name", subject.key().name},
                                         {"uid", subject.meta().uid},
                                         {"controller", true},
                                         {"blockOwnerDeletion", true}};
  return {{"name", name},
          {"namespace", subject.key().ns},
          {"labels", json::Object{{"gantry.dev/app", subject.key().name}}},
          {"ownerReferences", json::Array{owner}}};
}

Task<> AppReconciler::act(const runtime::Subject& subject, const runtime::Seen& what, const runtime::Action& action,
                          runtime::Notes& notes) {
  const auto& seen = static_cast<const AppSeen&>(what);
  if (action.type == "answer") {
    act_on_answer(subject, seen, action, notes);
  } else if (action.type == "copy" || action.type == "build" || action.type == "image") {
    co_await act_on_source(seen, action, notes);
  } else if (action.type == "release" && action.verb == Verb::Create) {
    co_await make_release(subject, seen, action, notes);
  } else if (action.type == "release" && action.verb == Verb::Update) {
    co_await set_release_phase(subject, seen, action, notes);
  } else if (action.type == "release") {
    co_await parts_.client.remove({releases_resource(), subject.key().ns, action.target});
  } else if (action.type == "server") {
    co_await act_on_server(subject, seen, action, notes);
  } else if (action.type == "servers") {
    act_on_server_scaling(subject, action, notes);
  } else if (action.type == "placement") {
    co_await record_placement(subject, seen);
  } else if (action.type == "route") {
    co_await act_on_routes(subject, seen, action, notes);
  } else if (action.type == "hook" && action.verb == Verb::Create) {
    co_await start_hook(subject, seen, action, notes);
  } else if (action.type == "replicas") {
    act_on_scaling(subject, seen, action, notes);
  } else if (action.type == "run" && action.verb != Verb::Delete) {
    co_await act_on_run(subject, seen, action, notes);
  } else if (action.verb == Verb::Create) {
    co_await start_instance(subject, seen, action, notes);
  } else if (action.type == "record") {
    co_await stop_or_remove(subject, seen, action, Errand::What::Remove);
  } else {
    const std::string id = action.detail.string_or("instance");
    const bool sick = action.reason.starts_with("its health");
    for (const auto& one : seen.instances) {
      if (one.instance.id == id && !sick)
        memory_[subject.meta().uid].slots[{one.instance.release, one.instance.slot}].dismissed = id;
    }
    co_await stop_or_remove(subject, seen, action, Errand::What::Stop);
    notes.note({.warning = sick, .reason = "Stopping", .message = action.target + ": " + action.reason});
  }
}

Task<> AppReconciler::make_release(const runtime::Subject& subject, const AppSeen& seen, const runtime::Action&,
                                   runtime::Notes& notes) {
  const Choice& choice = seen.choice;
  json::Object spec;
  spec.set("appRef", json::Object{{"name", subject.key().name}});
  spec.set("revision", choice.revision);
  spec.set("cause", choice.cause);
  const json::Value& made_of = choice.copy ? choice.copy->pod_template : seen.pod_template;
  if (const json::Value* source = made_of.find("source")) spec.set("source", *source);
  if (choice.copy) {
    spec.set("template", choice.copy->pod_template);
    spec.set("sourceDigest", choice.copy->source_digest);
    if (!choice.copy->source_revision.empty()) spec.set("sourceRevision", choice.copy->source_revision);
    if (!choice.copy->image_digest.empty()) spec.set("imageDigest", choice.copy->image_digest);
    if (!choice.copy->build_key.empty()) spec.set("buildKey", choice.copy->build_key);
    spec.set("specHash", choice.copy->spec_hash);
    spec.set("configHash", choice.copy->config_hash);
    spec.set("heldFor", seen.spec_hash);
  } else {
    spec.set("template", seen.pod_template);
    spec.set("sourceDigest", seen.source_digest);
    if (!seen.work.revision.empty()) spec.set("sourceRevision", seen.work.revision);
    set_artifact(seen.work, spec);
    spec.set("specHash", seen.spec_hash);
    spec.set("configHash", seen.config_hash);
  }
  // Each release says which rollback was the last to be obeyed, so that it is known when the history has lost the one
  // that obeyed it.
  if (const std::string obeyed = subject.annotation("gantry.dev/rollback-to"); !obeyed.empty())
    spec.set("rollbackRequest", obeyed);
  const std::string name = release_name(subject.key().name, choice.revision);
  json::Object release{{"apiVersion", subject.json.string_or("apiVersion")},
                       {"kind", "Release"},
                       {"metadata", owned_metadata(subject, name)},
                       {"spec", std::move(spec)}};
  try {
    co_await parts_.client.create(releases_resource(), json::Value(std::move(release)),
                                  {.field_manager = "gantry-app"});
  } catch (const Error& error) {
    if (error.code() != ErrorCode::AlreadyExists) throw;  // made just before a crash: the next look finds it
  }
  notes.note({.warning = false, .reason = "ReleaseCreated", .message = "release " + name + ": " + choice.cause});
}

Task<> AppReconciler::set_release_phase(const runtime::Subject& subject, const AppSeen& seen,
                                        const runtime::Action& action, runtime::Notes& notes) {
  const std::string phase = action.after.string_or("phase");
  json::Object status{{"phase", phase}};
  const std::string now = format_time(seen.wall);
  if (phase == "Progressing") status.set("started", now);
  if (phase == "Active" || phase == "Failed") status.set("finished", now);
  if (phase == "Failed") {
    status.set("reason", valid_utf8(action.reason));
    status.set("evidence", co_await evidence_of(seen, action.target));
  }
  co_await parts_.client.patch_status({releases_resource(), subject.key().ns, action.target}, api::PatchType::Merge,
                                      json::Value(json::Object{{"status", std::move(status)}}),
                                      {.field_manager = "gantry-app"});
  if (phase == "Failed")
    notes.note(
        {.warning = true, .reason = "RolloutFailed", .message = "release " + action.target + ": " + action.reason});
  if (phase == "Active")
    notes.note(
        {.warning = false, .reason = "RolloutComplete", .message = "release " + action.target + ": " + action.reason});
}

providers::InstanceSpec AppReconciler::instance_spec(const runtime::Subject& subject, const AppSeen& seen, int slot,
                                                     int attempt) const {
  const ReleaseView& release = *seen.choice.run;
  const json::Value& pod_template = release.pod_template;
  providers::InstanceSpec spec;
  spec.id = subject.meta().uid.substr(0, 8) + "-" + std::to_string(release.revision) + "-" + std::to_string(slot) +
            "-" + std::to_string(attempt);
  spec.owner_uid = subject.meta().uid;
  spec.owner_namespace = subject.key().ns;
  spec.owner_name = subject.key().name;
  spec.release = release.name;
  spec.slot = slot;
  spec.config_hash = release.config_hash;
  spec.runtime =
      is_docker(pod_template) ? providers::InstanceSpec::Runtime::Docker : providers::InstanceSpec::Runtime::Process;
  for (const auto* field : {"command", "args"}) {
    const json::Value* words = pod_template.find(field);
    if (!words || !words->is_array()) continue;
    for (const auto& word : words->as_array()) spec.command.push_back(word.as_string());
  }
  if (const json::Value* image = pod_template.at({"source", "image", "ref"})) {
    // By digest: wherever the tag has moved since, each instance of a release is the same.
    spec.image = release.source_digest.empty() ? image->as_string() : release.source_digest;
  }
  const auto place = seen.placement.assignment.find(slot);
  if (place != seen.placement.assignment.end()) spec.server = place->second;
  if (spec.server.empty() || release.build_key.empty())
    spec.working_directory = parts_.sources.staged(release.source_digest);
  if (!release.build_key.empty()) {
    if (spec.runtime == providers::InstanceSpec::Runtime::Docker)
      spec.image = providers::built_image(subject.key().ns, subject.key().name, release.build_key);
    else if (spec.server.empty())
      spec.working_directory = parts_.builder.built_folder(release.build_key);
    else
      spec.build_key = release.build_key;
  } else if (spec.runtime == providers::InstanceSpec::Runtime::Process) {
    spec.code_folder = spec.working_directory;
    if (!spec.code_folder.empty()) spec.code_digest = release.source_digest;
  }
  if (const std::string inside = pod_template.string_or("workingDirectory"); !inside.empty()) {
    spec.working_directory =
        inside.starts_with('/') || spec.working_directory.empty() ? inside : spec.working_directory + "/" + inside;
  }
  spec.env = seen.run_environment ? seen.run_environment->values : seen.environment.values;
  if (const json::Value* ports = pod_template.find("ports"); ports && ports->is_array()) {
    const auto kept = seen.kept_ports.find(slot);
    for (const auto& port : ports->as_array()) {
      providers::InstancePort wish;
      wish.name = port.string_or("name");
      wish.port = static_cast<int>(port.int_or("port", 0));
      wish.host_port = static_cast<int>(port.int_or("hostPort", 0));
      wish.fixed = wish.host_port != 0;
      wish.protocol = port.string_or("protocol", "TCP");
      if (!wish.fixed && spec.ports.empty() && kept != seen.kept_ports.end()) wish.host_port = kept->second;
      spec.ports.push_back(wish);
    }
  }
  if (const json::Value* volumes = pod_template.find("volumes"); volumes && volumes->is_array()) {
    for (const auto& volume : volumes->as_array()) {
      spec.volumes.push_back({volume.string_or("name"), volume.string_or("mountPath"), volume.string_or("hostPath"),
                              volume.bool_or("readOnly", false)});
    }
  }
  if (const json::Value* resources = pod_template.find("resources")) {
    if (const json::Value* cpu = resources->find("cpu")) spec.cpu_millis = object::milli_of(*cpu);
    if (const json::Value* memory = resources->find("memory")) spec.memory_bytes = object::units_of(*memory);
  }
  spec.stop_grace = std::chrono::seconds(pod_template.int_or("stopGraceSeconds", 10));
  return spec;
}

}  // namespace gantry::reconcilers::app
