// gantry delete: asks the server to delete, and waits until the real things are gone too.
#include "controller/cli/commands.hpp"
#include "controller/cli/manifest.hpp"
#include "controller/cli/output.hpp"
#include "controller/cli/target.hpp"
#include "controller/cli/watch.hpp"

namespace gantry::cli {
namespace {

constexpr std::size_t kBatch = 500;

struct Doomed {
  ResourcePtr resource;
  std::string ns;
  std::string name;
  std::string uid;  // as the server answered
  std::string path() const { return resource->path(ns, name); }
};

// In the reverse order of apply: what others use goes last.
int phase_of(const Doomed& one) {
  if (!one.resource->group.empty()) return 0;
  return one.resource->kind == "Namespace" ? 2 : 1;
}

class Delete {
 public:
  explicit Delete(Context& context)
      : context_(context), flags_(context.flags()), dry_run_(flags_.choice("dry-run", {"none", "client", "server"})) {
    const std::string cascade = flags_.choice("cascade", {"background", "foreground", "orphan"});
    propagation_ = cascade == "orphan" ? "Orphan" : cascade == "foreground" ? "Foreground" : "Background";
  }

  int run() {
    const bool from_files = flags_.given("filename");
    if (from_files && !context_.operands().empty()) throw UsageError("name objects or give files, not both");
    std::vector<Doomed> doomed = from_files ? from_manifests() : from_words();
    if (doomed.empty() && !failed_) {
      context_.err() << "No resources found\n";
      return kOk;
    }
    if (flags_.on("all") && dry_run_ == "none") ask_about(doomed);
    for (std::size_t first = 0; first < doomed.size();) {
      std::size_t end = first;  // of the next batch: objects of one phase are deleted side by side
      while (end < doomed.size() && end - first < kBatch && phase_of(doomed[end]) == phase_of(doomed[first])) ++end;
      remove(std::span(doomed).subspan(first, end - first));
      first = end;
    }
    const bool gone = !flags_.on("wait") || dry_run_ != "none" || wait(doomed);
    if (failed_) return done_ ? kPartlyDone : kFailed;
    return gone ? kOk : kTimedOut;
  }

 private:
  std::vector<Doomed> from_manifests() {
    std::vector<Doomed> doomed;
    for (const Manifest& manifest : read_manifests(context_, flags_.all("filename"), flags_.on("recursive"))) {
      if (!manifest.error.empty()) {
        ++failed_;
        context_.print(Error(ErrorCode::BadRequest, manifest.where() + ": " + manifest.error));
        continue;
      }
      doomed.push_back({manifest.resource, manifest.ns, manifest.name, {}});
    }
    std::ranges::reverse(doomed);
    std::ranges::stable_sort(doomed, {}, phase_of);
    return doomed;
  }

  std::vector<Doomed> from_words() {
    const bool selects = flags_.given("selector") || flags_.on("all");
    std::vector<Doomed> doomed;
    for (const Target& target : targets_of(context_, context_.operands())) {
      if (!target.name.empty()) {
        if (selects) throw UsageError("name objects or select them (-l, --all), not both");
        doomed.push_back({target.resource, context_.ns_for(*target.resource), target.name, {}});
        continue;
      }
      if (!selects) throw UsageError("say which of the " + target.resource->plural + ": a name, -l LABELS or --all");
      for (const json::Value& item : list_all(context_, *target.resource, context_.ns_for(*target.resource),
                                              flags_.text("selector"), flags_.text("field-selector"))) {
        doomed.push_back({target.resource, metadata_of(item, "namespace"), metadata_of(item, "name"), {}});
      }
    }
    return doomed;
  }

  void ask_about(const std::vector<Doomed>& doomed) {
    if (!context_.streams().in_is_terminal || flags_.on("yes")) return;
    for (const Doomed& one : doomed) {
      context_.err() << "  " << one.resource->label(one.name) << (one.ns.empty() ? "" : " in " + one.ns) << "\n";
    }
    const std::string word = flags_.on("all-namespaces") ? "all namespaces" : context_.ns();
    context_.confirm(
        "These " + std::to_string(doomed.size()) + " objects and the real things behind them will be deleted.", word);
  }

  void remove(std::span<Doomed> batch) {
    if (dry_run_ == "client") {
      for (const Doomed& one : batch) say(one);
      return;
    }
    json::Value options = json::Object{{"propagationPolicy", propagation_}};
    if (dry_run_ == "server") options["dryRun"] = json::Array{"All"};
    std::vector<Request> requests;
    for (const Doomed& one : batch) {
      requests.push_back(
          {.method = "DELETE", .path = one.path(), .content_type = std::string(kJson), .body = json::dump(options)});
    }
    const std::vector<Response> answers = context_.server().send_all(requests);
    for (std::size_t i = 0; i < batch.size(); ++i) note(batch[i], answers[i]);
    context_.out().flush();
  }

  void note(Doomed& one, const Response& answer) {
    context_.print_warnings(answer);
    if (answer.status == 404 && flags_.on("ignore-not-found")) return;
    if (!answer.ok()) {
      ++failed_;
      return context_.print(answer.error());
    }
    const json::Value body = answer.json();
    const json::Value* details = body.find("details");
    one.uid = details ? details->string_or("uid") : metadata_of(body, "uid");
    say(one);
  }

  void say(const Doomed& one) {
    ++done_;
    if (flags_.text("output") == "name") {
      context_.out() << one.resource->label(one.name) << "\n";
    } else {
      context_.out() << one.resource->label() << " \"" << one.name << "\" deleted"
                     << (dry_run_ == "client"   ? " (dry run)"
                         : dry_run_ == "server" ? " (server dry run)"
                                                : "")
                     << "\n";
    }
  }

  // Most are gone at once: one look at all of them, then only the others are watched.
  std::vector<Doomed> still_there(const std::vector<Doomed>& doomed) {
    std::vector<Request> reads;
    for (const Doomed& one : doomed) reads.push_back({.path = one.path()});
    const std::vector<Response> answers = context_.server().send_all(reads);
    std::vector<Doomed> left;
    for (std::size_t i = 0; i < doomed.size(); ++i) {
      if (answers[i].status != 404 && !doomed[i].uid.empty()) left.push_back(doomed[i]);
    }
    return left;
  }

  // Gone, or replaced by another object of the same name.
  bool wait(const std::vector<Doomed>& doomed) {
    const Instant end = context_.clock().now() + flags_.duration("timeout").value_or(std::chrono::minutes(5));
    bool all = true;
    for (const Doomed& one : still_there(doomed)) {
      std::string holding;
      const Duration left = std::max(Duration(end - context_.clock().now()), Duration::zero());
      const bool gone = wait_until(context_, *one.resource, one.ns, one.name, left, [&](const json::Value* object) {
        if (!object || metadata_of(*object, "uid") != one.uid) return true;
        const json::Value* finalizers = object->at({"metadata", "finalizers"});
        holding = finalizers ? text_of(*finalizers) : "nothing that is known";
        return false;
      });
      all &= gone;
      if (!gone) {
        context_.print(Error(ErrorCode::Timeout, one.resource->label(one.name) + " is still there, held by " + holding +
                                                     "; gantry describe says why"));
      }
    }
    return all;
  }

  Context& context_;
  const Flags& flags_;
  std::string dry_run_;
  std::string propagation_;
  std::size_t done_ = 0;
  std::size_t failed_ = 0;
};

}  // namespace

Command delete_command() {
  return {
      .name = "delete",
      .group = "Change what is",
      .usage = "TYPE NAME... | TYPE/NAME... | TYPE (-l LABELS | --all) | -f FILE",
      .summary = "Delete objects, and with them the real things that they stand for",
      .help =
          "Waits until everything is really gone (--wait=false does not). What carries the annotation\n"
          "gantry.dev/deletion-policy: Retain leaves its real thing behind.\n"
          "\n"
          "Examples:\n"
          "  gantry delete app web\n"
          "  gantry delete -f manifests/\n"
          "  gantry delete apps -l team=shop --dry-run=server   # what would go\n"
          "  gantry delete apps --all                           # asks first, on a terminal\n",
      .flags =
          {kFilenameFlag,
           kRecursiveFlag,
           {.name = "selector", .letter = 'l', .value = "LABELS", .help = "those with these labels", .sourced = false},
           {.name = "field-selector", .value = "FIELDS", .help = "those where these fields match", .sourced = false},
           {.name = "all", .help = "all of the type", .sourced = false},
           {.name = "all-namespaces", .letter = 'A', .help = "in every namespace", .sourced = false},
           {.name = "yes", .letter = 'y', .help = "do not ask"},
           {.name = "wait", .help = "return when they are gone", .otherwise = "true"},
           {.name = "timeout", .value = "TIME", .help = "how long to wait", .otherwise = "5m"},
           {.name = "cascade",
            .value = "HOW",
            .help = "background, foreground, or orphan: leave dependents alone",
            .otherwise = "background"},
           {.name = "ignore-not-found", .help = "what is absent is no error"},
           {.name = "dry-run", .value = "HOW", .help = "none, client or server", .otherwise = "none"},
           {.name = "output", .letter = 'o', .value = "FORM", .help = "name: print type/name only"}},
      .run = [](Context& context) { return Delete(context).run(); },
  };
}

}  // namespace gantry::cli
