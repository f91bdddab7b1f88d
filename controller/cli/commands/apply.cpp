// gantry apply: server-side apply of manifests, many at a time, one line for each.
#include "controller/cli/commands.hpp"
#include "controller/cli/conditions.hpp"
#include "controller/cli/manifest.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/saved_plan.hpp"
#include "controller/cli/target.hpp"
#include "controller/cli/watch.hpp"

namespace gantry::cli {
namespace {

constexpr std::string_view kManager = "gantry";
constexpr std::size_t kBatch = 500;  // objects between two lines of output

// What must be there before the rest can use it.
int phase_of(const Manifest& manifest) {
  if (!manifest.resource->group.empty()) return 2;
  if (manifest.resource->kind == "Namespace") return 0;
  return manifest.resource->kind == "Secret" || manifest.resource->kind == "ConfigMap" ? 1 : 2;
}

// Equal but for what every write changes, and what the controller may have written between our two requests.
bool same_content(json::Value one, json::Value other, const json::Value& manifest) {
  for (json::Value* object : {&one, &other}) {
    object->as_object().erase("status");
    json::Value* metadata = object->find("metadata");
    if (!metadata || !metadata->is_object()) continue;
    for (const std::string_view field : {"managedFields", "resourceVersion"}) metadata->as_object().erase(field);
    if (!manifest.at({"metadata", "finalizers"})) metadata->as_object().erase("finalizers");
  }
  return one == other;
}

class Apply {
 public:
  explicit Apply(Context& context)
      : context_(context),
        flags_(context.flags()),
        output_(output_of(flags_)),
        dry_run_(flags_.choice("dry-run", {"none", "client", "server"})),
        validate_(flags_.choice("validate", {"strict", "warn", "ignore"})) {
    const bool selects = flags_.given("selector") || flags_.on("all");
    if (flags_.on("prune") && !selects) throw UsageError("--prune needs -l LABELS or --all: what may be removed");
    if (output_.form == Output::Form::Wide) throw UsageError("apply prints no tables: leave out -o wide");
  }

  int run() {
    std::vector<Manifest> manifests =
        flags_.given("plan") ? planned() : read_manifests(context_, flags_.all("filename"), flags_.on("recursive"));
    std::vector<Manifest*> good;
    for (Manifest& manifest : manifests) {
      if (is_usable(manifest)) good.push_back(&manifest);
    }
    std::ranges::stable_sort(good, {}, [](const Manifest* manifest) { return phase_of(*manifest); });
    for (const auto& batch : batches(good)) apply(batch);
    print_objects();
    if (flags_.on("prune")) prune();
    const bool ready = !flags_.on("wait") || dry_run_ != "none" || wait();
    if (failed_) return done_ ? kPartlyDone : kFailed;
    return ready ? kOk : kTimedOut;
  }

 private:
  struct Done {
    const Manifest* manifest;
    json::Value object;
  };

  std::vector<Manifest> planned() {
    if (flags_.given("filename")) throw UsageError("--plan holds the manifests already: leave out -f");
    return manifests_of_plan(context_, flags_.text("plan"));
  }

  bool is_usable(const Manifest& manifest) {
    if (!manifest.error.empty()) {
      fail(manifest, Error(ErrorCode::BadRequest, manifest.error));
      return false;
    }
    if (manifest.duplicates.empty() || validate_ == "ignore") return true;
    if (validate_ == "warn") {
      for (const std::string& text : manifest.duplicates) {
        context_.err() << context_.style().yellow("Warning:") << " " << text << "\n";
      }
      return true;
    }
    for (const std::string& text : manifest.duplicates) context_.print(Error(ErrorCode::BadRequest, text));
    ++failed_;
    return false;
  }

  // Objects of one phase, and each at most once, for what is in a batch is under way at the same time.
  static std::vector<std::vector<Manifest*>> batches(const std::vector<Manifest*>& manifests) {
    std::vector<std::vector<Manifest*>> all;
    std::set<std::string> paths;
    for (Manifest* manifest : manifests) {
      const bool fits = !all.empty() && all.back().size() < kBatch &&
                        phase_of(*all.back().back()) == phase_of(*manifest) && !paths.contains(manifest->path());
      if (!fits) {
        all.emplace_back();
        paths.clear();
      }
      paths.insert(manifest->path());
      all.back().push_back(manifest);
    }
    return all;
  }

  Request patch(const Manifest& manifest) const {
    const std::string_view validation = validate_ == "strict" ? "Strict" : validate_ == "warn" ? "Warn" : "Ignore";
    return {.method = "PATCH",
            .path = manifest.path() + query({{"fieldManager", kManager},
                                             {"fieldValidation", validation},
                                             {"force", flags_.on("force-conflicts") ? "true" : "false"},
                                             {"dryRun", dry_run_ == "server" ? "All" : ""}}),
            .accept = std::string(kJson),
            .content_type = std::string(kApplyPatch),
            .body = json::dump(manifest.object)};
  }

  void apply(const std::vector<Manifest*>& batch) {
    // What is there now tells "configured" from "unchanged".
    std::vector<Request> reads, writes;
    for (const Manifest* manifest : batch) {
      reads.push_back({.path = manifest->path()});
      if (dry_run_ != "client") writes.push_back(patch(*manifest));
    }
    const std::vector<Response> before = context_.server().send_all(reads);
    const std::vector<Response> after = context_.server().send_all(writes);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Response& answer = writes.empty() ? before[i] : after[i];
      context_.print_warnings(answer);
      const bool absent = writes.empty() && answer.status == 404;
      if (!answer.ok() && !absent) {
        fail(*batch[i], answer.error());
        continue;
      }
      succeed(*batch[i], before[i], writes.empty() ? batch[i]->object : answer.json());
    }
    context_.out().flush();
  }

  void succeed(const Manifest& manifest, const Response& before, json::Value object) {
    ++done_;
    std::string_view word = "configured";
    if (!before.ok()) {
      word = "created";
    } else if (dry_run_ != "client") {
      json::Value old = before.json();
      const bool same_revision = metadata_of(old, "resourceVersion") == metadata_of(object, "resourceVersion");
      const bool same = (same_revision && dry_run_ == "none") || same_content(std::move(old), object, manifest.object);
      if (same) word = "unchanged";
    }
    if (output_.form == Output::Form::Table) say(manifest.label(), word);
    applied_.push_back({&manifest, std::move(object)});
  }

  void say(std::string_view label, std::string_view word) {
    const Style& style = context_.style();
    const std::string shown = word == "created"     ? style.green(word)
                              : word == "pruned"    ? style.red(word)
                              : word == "unchanged" ? style.dim(word)
                                                    : style.yellow(word);
    context_.out() << label << " " << shown << suffix() << "\n";
  }

  std::string_view suffix() const {
    return dry_run_ == "client" ? " (dry run)" : dry_run_ == "server" ? " (server dry run)" : "";
  }

  void fail(const Manifest& manifest, const Error& error) {
    ++failed_;
    const auto line = [&manifest](const std::string& field) { return manifest.where(field); };
    if (const auto* answer = dynamic_cast<const ServerError*>(&error)) {
      ServerError placed = *answer;
      placed.while_(manifest.where(error));
      context_.print(placed, line);
    } else {
      context_.print(Error(error.code(), manifest.where() + ": " + error.message()));
    }
  }

  void print_objects() {
    if (output_.form == Output::Form::Table || applied_.empty()) return;
    std::vector<json::Value> objects;
    for (Done& done : applied_) {
      objects.push_back(done.object);
      drop_managed_fields(objects.back());
    }
    print_value(context_, output_, objects.size() == 1 ? objects.front() : list_of(std::move(objects)));
  }

  bool may_prune(const json::Value& object, const ApiResource& resource, const std::set<std::string>& kept) const {
    const json::Value* metadata = object.find("metadata");
    if (!metadata || metadata->find("ownerReferences") || metadata->find("deletionTimestamp")) return false;
    const json::Value* annotation = object.at({"metadata", "annotations", "gantry.dev/prune"});
    if (annotation && text_of(*annotation) == "disabled") return false;
    if (kept.contains(resource.path(metadata->string_or("namespace"), metadata->string_or("name")))) return false;
    const json::Value* managers = metadata->find("managedFields");
    return managers && managers->is_array() && std::ranges::any_of(managers->as_array(), [](const json::Value& entry) {
             return entry.string_or("manager") == kManager && entry.string_or("operation") == "Apply";
           });
  }

  // Removes what an earlier apply made, the selector covers, and no manifest declares any more.
  void prune() {
    if (failed_) {
      context_.err() << "Nothing was pruned, since not all manifests could be applied.\n";
      return;
    }
    std::set<std::string> kept, namespaces;
    for (const Done& done : applied_) {
      kept.insert(done.manifest->path());
      if (done.manifest->resource->namespaced) namespaces.insert(done.manifest->ns);
    }
    for (const ResourcePtr& resource : context_.discovery().all()) {
      const bool ours = resource->in_category("gantry") ||
                        (resource->group.empty() && (resource->kind == "Secret" || resource->kind == "ConfigMap"));
      if (!ours || !resource->namespaced || !resource->has_verb("delete") || !resource->has_verb("list")) continue;
      for (const std::string& ns : namespaces) {
        for (const json::Value& object : list_all(context_, *resource, ns, flags_.text("selector"))) {
          if (may_prune(object, *resource, kept)) remove(*resource, ns, metadata_of(object, "name"));
        }
      }
    }
  }

  void remove(const ApiResource& resource, const std::string& ns, const std::string& name) {
    if (dry_run_ != "client") {
      json::Value options = json::Object{{"propagationPolicy", "Background"}};
      if (dry_run_ == "server") options["dryRun"] = json::Array{"All"};
      const Response answer = context_.server().send({.method = "DELETE",
                                                      .path = resource.path(ns, name),
                                                      .content_type = std::string(kJson),
                                                      .body = json::dump(options)});
      if (!answer.ok() && answer.status != 404) {
        ++failed_;
        return context_.print(answer.error());
      }
    }
    say(resource.label(name), "pruned");
  }

  // Until all are Ready. Kinds that have no conditions are ready by being there.
  bool wait() {
    const Instant end = context_.clock().now() + flags_.duration("timeout").value_or(std::chrono::minutes(5));
    bool all = true;
    for (const Done& done : applied_) {
      const Manifest& manifest = *done.manifest;
      if (!manifest.resource->in_category("gantry")) continue;
      std::string last = "it is gone";
      const bool ready = wait_until(context_, *manifest.resource, manifest.ns, manifest.name,
                                    std::max(Duration(end - context_.clock().now()), Duration::zero()),
                                    [&](const json::Value* object) {
                                      last = object ? condition_text(*object, "Ready") : "it is gone";
                                      return object && condition_is(*object, "Ready", "True");
                                    });
      all &= ready;
      if (ready) {
        context_.err() << manifest.label() << " is ready\n";
      } else {
        context_.print(Error(ErrorCode::Timeout, manifest.label() + " is not ready in time: " + last));
      }
    }
    return all;
  }

  Context& context_;
  const Flags& flags_;
  Output output_;
  std::string dry_run_;
  std::string validate_;
  std::vector<Done> applied_;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace

Command apply_command() {
  return {
      .name = "apply",
      .group = "Change what is",
      .usage = "-f FILE|FOLDER|URL|-",
      .summary = "Make what manifests declare true",
      .help =
          "Creates what is missing and changes what differs; fields that you leave out stay with whoever set them\n"
          "(server-side apply, field manager \"gantry\"). A broken document is reported with file and line, and the\n"
          "others are still applied: exit code 5.\n"
          "\n"
          "Examples:\n"
          "  gantry apply -f web.yaml\n"
          "  gantry apply -f manifests/ -R                    # a folder with all below it\n"
          "  gantry plan -f manifests/                        # first look what would happen\n"
          "  gantry apply -f web.yaml --wait --timeout=2m     # until it is Ready\n"
          "  gantry apply -f manifests/ --prune -l team=shop  # and remove what is no longer declared\n"
          "  gantry apply -f web.yaml --dry-run=server        # checked by the server, stored nowhere\n",
      .flags = {kFilenameFlag,
                kRecursiveFlag,
                {.name = "plan",
                 .value = "FILE",
                 .help = "apply what `gantry plan --out FILE` showed, if nothing has moved since",
                 .sourced = false},
                {.name = "dry-run",
                 .value = "HOW",
                 .help = "none; client: only read and compare; server: all checks, nothing stored",
                 .otherwise = "none"},
                {.name = "validate",
                 .value = "HOW",
                 .help = "unknown and double fields: strict refuses, warn, ignore",
                 .otherwise = "strict"},
                {.name = "force-conflicts", .help = "take over fields that another manager owns"},
                {.name = "prune", .help = "remove what was applied before and is in no manifest now", .sourced = false},
                {.name = "selector",
                 .letter = 'l',
                 .value = "LABELS",
                 .help = "with --prune: only among objects with these labels"},
                {.name = "all",
                 .help = "with --prune: among all objects of the namespaces in the manifests",
                 .sourced = false},
                {.name = "wait", .help = "return when everything is Ready"},
                {.name = "timeout", .value = "TIME", .help = "how long to wait", .otherwise = "5m"},
                {.name = "output",
                 .letter = 'o',
                 .value = "FORM",
                 .help = "print the objects: yaml, json, name, jsonpath=..."}},
      .run = [](Context& context) { return Apply(context).run(); },
  };
}

}  // namespace gantry::cli
