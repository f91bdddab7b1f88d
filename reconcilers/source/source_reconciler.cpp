#include "reconcilers/source/source_reconciler.hpp"

#include <algorithm>
#include <filesystem>

#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/base/parallel.hpp"
#include "controller/base/yaml.hpp"
#include "crds/local_paths.hpp"
#include "reconcilers/git_credentials.hpp"

namespace gantry::reconcilers::source {

using providers::source::GitCheckout;
using providers::source::GitCredentials;

struct SourceSeen final : runtime::Seen {
  Instant now{};
  Tree tree;
  std::string folder;
  std::string revision;         // commit, or the tree's digest
  std::string problem;          // the tree cannot be read; nothing is done then
  std::vector<Held> inventory;  // with documents that failed and have not changed since counted as held
  std::size_t failed = 0;
  SyncPlan sync;
  bool everything = false;
  std::optional<Duration> look_again;
  std::vector<Broken> failures;
};

namespace {

using runtime::Action;

constexpr std::string_view kSourceLabel = "gantry.dev/source";
constexpr std::string_view kFileAnnotation = "gantry.dev/source-file";
constexpr std::string_view kHashAnnotation = "gantry.dev/source-hash";
constexpr std::size_t kAtOnce = 64;
constexpr std::size_t kFailuresShown = 50;
constexpr Duration kRetry = std::chrono::seconds(15);

std::string manager_of(const runtime::Subject& subject) { return "gantry-source-" + subject.key().name; }
std::string mark_of(const runtime::Subject& subject) { return subject.key().ns + "." + subject.key().name; }

bool is_git(const runtime::Subject& subject) { return subject.json.at({"spec", "git"}) != nullptr; }

Duration git_interval(const runtime::Subject& subject) {
  const json::Value* interval = subject.json.at({"spec", "git", "interval"});
  return interval && interval->is_string() ? parse_duration(interval->as_string()) : std::chrono::minutes(1);
}

// The document with our marks, and with a relative code folder made absolute: relative means beside the manifest.
json::Value marked(const Manifest& manifest, const std::string& ns, const std::string& mark,
                   const std::string& folder) {
  json::Value object = json::parse(manifest.text);
  json::Value& metadata = object["metadata"];
  if (!ns.empty()) metadata["namespace"] = ns;
  metadata["labels"][kSourceLabel] = mark;
  metadata["annotations"][kFileAnnotation] = manifest.file + ":" + std::to_string(manifest.line);
  metadata["annotations"][kHashAnnotation] = manifest.hash;
  object.as_object().erase("status");
  crds::make_paths_absolute(object, files::directory_of(files::join(folder, manifest.file)));
  return object;
}

// The line of the field that was complained about, read again from the file: only errors pay for it.
std::size_t line_of(const std::string& folder, const Manifest& manifest, const Error& error) {
  if (error.causes.empty()) return manifest.line;
  try {
    for (const auto& document : yaml::parse_all(files::read_file(files::join(folder, manifest.file)))) {
      if (document.line == manifest.line && document.error.empty()) return document.line_of(error.causes.front().field);
    }
  } catch (const Error&) {  // the file is gone meanwhile: the document's line will do
  }
  return manifest.line;
}

}  // namespace

SourceReconciler::SourceReconciler(Parts parts) : parts_(std::move(parts)) {}
SourceReconciler::~SourceReconciler() = default;

object::KindPtr SourceReconciler::kind_of(const Identity& identity) const {
  return parts_.kinds.find_kind(identity.api_version, identity.kind);
}

Task<std::string> SourceReconciler::folder_of(const runtime::Subject& subject, Memory& memory, SourceSeen& seen) {
  if (!is_git(subject)) {
    const std::string path = subject.json.at({"spec", "directory", "path"})->as_string();
    if (!memory.watch || memory.watch->root() != path || !memory.watch->watching()) {
      memory.watch =
          std::make_unique<FolderWatch>(parts_.reactor, path, [wake = parts_.wake, key = subject.key()] { wake(key); });
    }
    co_return path;
  }
  const std::string url = subject.json.at({"spec", "git"})->string_or("url");
  const std::string ref = subject.json.at({"spec", "git"})->string_or("ref");
  const std::string of = url + "#" + ref;
  const bool due = memory.checkout_of != of || parts_.reactor.now() - memory.fetched >= git_interval(subject);
  if (due) {
    const json::Value* secret = subject.json.at({"spec", "git", "secretRef", "name"});
    const GitCredentials credentials = co_await git_credentials(
        parts_.client, subject.key().ns, secret ? secret->as_string() : std::string(), "spec.git.secretRef");
    const std::string directory = files::join(parts_.directory, subject.meta().uid);
    std::optional<Error> failure;
    try {
      memory.checkout = co_await parts_.blocking.run(parts_.reactor, [directory, url, ref, credentials] {
        return GitCheckout(directory).fetch(url, ref, credentials);
      });
      memory.checkout_of = of;
      memory.fetch_problem.clear();
    } catch (const Error& error) {
      failure = error;
    }
    memory.fetched = parts_.reactor.now();
    if (failure) {
      memory.fetch_problem = failure->message();
      // What was fetched before is still what we know: nothing is applied or pruned for a server that does not answer.
      if (memory.checkout_of != of) throw Error(*failure);
    }
  }
  seen.look_again =
      std::max<Duration>(memory.fetched + git_interval(subject) - parts_.reactor.now(), std::chrono::seconds(1));
  const std::string inside = subject.json.at({"spec", "git"})->string_or("path");
  const auto folder = (std::filesystem::path(memory.checkout.folder) / inside).lexically_normal();
  if (!folder.string().starts_with(memory.checkout.folder))
    throw Error(ErrorCode::Invalid, "spec.git.path \"" + inside + "\" leads out of the repository");
  co_return folder.string();
}

Task<std::vector<Held>> SourceReconciler::read_inventory(const runtime::Subject& subject) {
  std::vector<Held> inventory;
  api::ListOptions options;
  options.label_selector = std::string(kSourceLabel) + "=" + mark_of(subject);
  const auto kinds = parts_.kinds.all();  // a copy: kinds come and go meanwhile
  for (const auto& kind : kinds) {
    api::List list;
    try {
      list = co_await parts_.client.list(kind->resource, options);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::NotFound) throw;
      continue;  // the kind is served no longer
    }
    for (const auto& object : list.items) {
      if (object->meta().deleting) continue;
      const json::Value json = object->decode();
      const json::Value* annotations = json.at({"metadata", "annotations"});
      Held held{{kind->api_version(), kind->kind, object->key().ns, object->key().name}, object->meta().uid, {}, {}};
      if (annotations) {
        held.hash = annotations->string_or(kHashAnnotation);
        held.file = annotations->string_or(kFileAnnotation);
        held.file.erase(std::min(held.file.rfind(':'), held.file.size()));
      }
      inventory.push_back(std::move(held));
    }
  }
  co_return inventory;
}

Task<runtime::SeenPtr> SourceReconciler::observe(const runtime::Subject& subject) {
  auto seen = std::make_shared<SourceSeen>();
  auto& memory = memory_[subject.meta().uid];
  seen->now = parts_.reactor.now();
  if (subject.meta().deleting) {
    seen->inventory = co_await read_inventory(subject);
    co_return seen;
  }
  try {
    seen->folder = co_await folder_of(subject, memory, *seen);
    seen->tree = co_await parts_.blocking.run(
        parts_.reactor, [tree = memory.tree, folder = seen->folder] { return tree->read(folder); });
  } catch (const Error& error) {
    seen->problem = error.message();
  }
  if (!seen->problem.empty()) {
    seen->look_again = std::chrono::seconds(5);
    co_return seen;
  }
  seen->now = parts_.reactor.now();
  if (memory.digest != seen->tree.digest || memory.changed == Instant{}) {
    memory.digest = seen->tree.digest;
    memory.changed = seen->now;
  }
  seen->revision = is_git(subject) ? memory.checkout.commit : seen->tree.digest;
  seen->everything = !memory.full_sync || seen->now - *memory.full_sync >= parts_.resync;
  if (!memory.inventory || seen->everything) memory.inventory = co_await read_inventory(subject);

  seen->inventory = *memory.inventory;
  for (const auto& [identity, failure] : memory.failures) {
    if (failure.retry_at <= seen->now) continue;
    const auto known = std::find_if(seen->inventory.begin(), seen->inventory.end(),
                                    [&](const auto& held) { return held.identity == identity; });
    if (known != seen->inventory.end()) {
      known->hash = failure.hash;
      known->file = failure.file;
    } else {
      seen->inventory.push_back({identity, {}, failure.hash, failure.file});
    }
  }
  const bool settled = seen->now - memory.changed >= parts_.settle;
  seen->sync = plan_sync({.tree = seen->tree,
                          .inventory = seen->inventory,
                          .ns = subject.key().ns,
                          .prune = subject.json.find("spec")->bool_or("prune", true),
                          .everything = seen->everything,
                          .settled = settled});
  std::erase_if(seen->sync.prune, [](const Held* held) { return held->uid.empty(); });

  seen->failures = seen->tree.broken;
  for (const auto& [identity, failure] : memory.failures)
    seen->failures.push_back({failure.file, failure.line, failure.message});
  const auto sooner = [&](Duration wait) {
    seen->look_again = seen->look_again ? std::min(*seen->look_again, wait) : wait;
  };
  if (!settled) sooner(memory.changed + parts_.settle - seen->now);
  if (!memory.failures.empty()) sooner(kRetry);
  if (!seen->tree.broken.empty()) sooner(kRetry);
  if (memory.full_sync)
    sooner(std::max<Duration>(*memory.full_sync + parts_.resync - seen->now, std::chrono::seconds(1)));
  co_return seen;
}

runtime::Plan SourceReconciler::plan(const runtime::Subject& subject, const runtime::Seen& what) {
  const auto& seen = static_cast<const SourceSeen&>(what);
  runtime::Plan plan;
  if (subject.meta().deleting) {
    // A Source that goes takes what it brought with it, unless it is told to leave it.
    const bool prune = subject.json.find("spec")->bool_or("prune", true);
    if (prune && !seen.inventory.empty()) {
      plan.actions.push_back({Action::Verb::Delete,
                              "manifests",
                              subject.key().name,
                              std::to_string(seen.inventory.size()) + " objects of the deleted Source",
                              {},
                              {},
                              true,
                              {}});
    }
    return plan;
  }
  plan.look_again = seen.look_again;
  if (!seen.problem.empty()) {
    plan.blocked = true;
    plan.blocked_reason = "SourceUnreadable";
    plan.blocked_message = seen.problem + "; nothing is applied or pruned until it can be read";
    return plan;
  }
  if (seen.sync.apply.empty() && seen.sync.prune.empty() && !seen.everything) return plan;
  Action action{Action::Verb::Run, "manifests", subject.key().name, {}, {}, {}, !seen.sync.prune.empty(), {}};
  action.reason = std::to_string(seen.sync.apply.size()) + " documents to apply, " +
                  std::to_string(seen.sync.prune.size()) + " objects to prune";
  json::Array names;
  for (const auto* held : seen.sync.prune) names.push_back(held->identity.kind + "/" + held->identity.name);
  if (!names.empty()) action.before["prune"] = std::move(names);
  plan.actions.push_back(std::move(action));
  return plan;
}

Task<> SourceReconciler::apply_one(const runtime::Subject& subject, const Manifest& manifest, const std::string& folder,
                                   Memory& memory) {
  const auto kind = kind_of(manifest.identity);
  Identity identity = manifest.identity;
  if (identity.ns.empty() && (!kind || kind->namespaced)) identity.ns = subject.key().ns;
  std::optional<Error> failure;
  try {
    if (!kind)
      throw Error(ErrorCode::BadRequest, "no kind \"" + identity.kind + "\" in " + identity.api_version +
                                             " is served here; see gantry api-resources");
    const std::string ns = kind->namespaced ? identity.ns : std::string();
    const auto stored = co_await parts_.client.patch({kind->resource, ns, identity.name}, api::PatchType::Apply,
                                                     marked(manifest, ns, mark_of(subject), folder),
                                                     {.field_manager = manager_of(subject), .force = true});
    identity.ns = ns;
    memory.failures.erase(identity);
    auto& inventory = *memory.inventory;
    const auto known =
        std::find_if(inventory.begin(), inventory.end(), [&](const auto& held) { return held.identity == identity; });
    Held held{identity, stored->meta().uid, manifest.hash, manifest.file};
    if (known == inventory.end()) {
      inventory.push_back(std::move(held));
    } else {
      *known = std::move(held);
    }
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) co_return;
  if (failure->code() == ErrorCode::Cancelled || failure->code() == ErrorCode::Unavailable) throw Error(*failure);
  memory.failures[identity] = {manifest.hash, line_of(folder, manifest, *failure), manifest.file, failure->message(),
                               parts_.reactor.now() + kRetry};
}

Task<> SourceReconciler::prune_one(const Held& held, runtime::Notes& notes, Memory& memory) {
  const auto kind = kind_of(held.identity);
  if (!kind) co_return;
  const object::Key key{kind->resource, held.identity.ns, held.identity.name};
  const auto live = co_await parts_.client.find(key);
  const json::Value json = live ? live->decode() : json::Value();
  const json::Value* annotations = json.at({"metadata", "annotations"});
  const bool kept = annotations && annotations->string_or("gantry.dev/prune") == "disabled";
  // The mark is looked at again just before: somebody may have taken the object over.
  if (live && live->meta().uid == held.uid && live->meta().label(kSourceLabel) && !kept && !live->meta().deleting) {
    try {
      co_await parts_.client.remove(key, {.uid = held.uid, .revision = {}, .fence = {}});
      notes.note({.warning = false,
                  .reason = "Pruned",
                  .message = held.identity.kind + "/" + held.identity.name + " has left " + held.file});
    } catch (const Error& error) {
      if (error.code() != ErrorCode::NotFound) throw;
    }
  }
  if (memory.inventory)
    std::erase_if(*memory.inventory, [&](const auto& one) { return one.identity == held.identity; });
}

Task<> SourceReconciler::act(const runtime::Subject& subject, const runtime::Seen& what, const runtime::Action& action,
                             runtime::Notes& notes) {
  const auto& seen = static_cast<const SourceSeen&>(what);
  auto& memory = memory_[subject.meta().uid];
  if (action.verb == Action::Verb::Delete) {
    for (const auto& held : seen.inventory) co_await prune_one(held, notes, memory);
    co_return;
  }
  if (!memory.inventory) memory.inventory.emplace();
  // What fails and has left the tree is no failure any more.
  std::erase_if(memory.failures, [&](const auto& entry) {
    return std::none_of(seen.tree.manifests.begin(), seen.tree.manifests.end(), [&](const auto& manifest) {
      return manifest.identity.kind == entry.first.kind && manifest.identity.name == entry.first.name;
    });
  });
  const auto& apply = seen.sync.apply;
  for (std::size_t first = 0; first < apply.size();) {
    std::size_t last = first;
    while (last < apply.size() && apply_order(apply[last]->identity) == apply_order(apply[first]->identity)) ++last;
    co_await for_each_at_most(parts_.reactor, kAtOnce, last - first, [&, first](std::size_t i) {
      return apply_one(subject, *apply[first + i], seen.folder, memory);
    });
    first = last;
  }
  for (const auto* held : seen.sync.prune) co_await prune_one(*held, notes, memory);
  if (seen.everything) memory.full_sync = seen.now;
  if (!apply.empty())
    notes.note({.warning = !memory.failures.empty(),
                .reason = "Applied",
                .message = action.reason +
                           (memory.failures.empty() ? "" : "; " + std::to_string(memory.failures.size()) + " failed")});
}

runtime::Report SourceReconciler::report(const runtime::Subject& subject, const runtime::Seen& what,
                                         const runtime::Plan& plan) {
  const auto& seen = static_cast<const SourceSeen&>(what);
  runtime::Report report;
  if (plan.blocked) {
    report.conditions.push_back({"Ready", "False", plan.blocked_reason, plan.blocked_message});
    return report;
  }
  if (subject.meta().deleting) return report;
  json::Array failed;
  for (const auto& broken : seen.failures) {
    if (failed.size() == kFailuresShown) break;
    failed.push_back(json::Object{{"file", broken.file}, {"line", broken.line}, {"message", broken.message}});
  }
  const auto& memory = memory_[subject.meta().uid];
  report.status["revision"] = seen.revision;
  report.status["applied"] = memory.inventory ? memory.inventory->size() : 0;
  report.status["failed"] = std::move(failed);
  std::string text = std::to_string(seen.tree.manifests.size()) + " documents of revision " +
                     seen.revision.substr(0, 12) + " are applied";
  if (!seen.sync.prune_held_back.empty()) text += "; nothing is pruned: " + seen.sync.prune_held_back;
  if (!memory.fetch_problem.empty()) {
    report.conditions.push_back(
        {"Ready", "False", "FetchFailed", memory.fetch_problem + "; what was fetched before stays applied"});
  } else if (!seen.failures.empty()) {
    const auto& first = seen.failures.front();
    report.conditions.push_back({"Ready", "False", "DocumentsFailed",
                                 std::to_string(seen.failures.size()) + " documents failed, first " + first.file + ":" +
                                     std::to_string(first.line) + ": " + first.message});
  } else if (seen.tree.manifests.empty()) {
    report.conditions.push_back({"Ready", "True", "Empty", "the tree holds no manifests; nothing is pruned"});
  } else {
    report.conditions.push_back({"Ready", "True", "Applied", text});
  }
  return report;
}

}  // namespace gantry::reconcilers::source
