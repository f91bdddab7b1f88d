#include "controller/app/deploy.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>
#include <set>

#include "controller/base/digest.hpp"
#include "controller/base/files.hpp"
#include "controller/cli/cli.hpp"
#include "controller/cli/conditions.hpp"
#include "controller/cli/context.hpp"
#include "controller/cli/target.hpp"
#include "providers/source/archive.hpp"

namespace gantry::app {
namespace {

using cli::Context;
using cli::UsageError;

constexpr std::size_t kPiece = 2 << 20;  // below the API's limit for a body
constexpr Duration kGlance = std::chrono::milliseconds(200);

// An archive on disk, removed with this when it was made here.
class Archive {
 public:
  explicit Archive(const std::string& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) throw Error(ErrorCode::NotFound, "there is no folder or archive " + path);
    if (S_ISDIR(found.st_mode)) {
      pack(path);
    } else {
      path_ = path;
    }
    read();
  }
  ~Archive() {
    if (own_) ::unlink(path_.c_str());
    if (file_ >= 0) ::close(file_);
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  const std::string& digest() const { return digest_; }
  std::int64_t size() const { return size_; }
  std::string piece(std::int64_t offset) const {
    std::string bytes(kPiece, '\0');
    const auto got = ::pread(file_, bytes.data(), bytes.size(), offset);
    if (got <= 0) throw Error(ErrorCode::Conflict, path_ + " changed while it was sent");
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }

 private:
  void pack(const std::string& folder) {
    const char* place = std::getenv("TMPDIR");
    path_ = std::string(place && *place ? place : "/tmp") + "/gantry-deploy-XXXXXX";
    const int out = ::mkstemp(path_.data());
    if (out < 0) throw Error(ErrorCode::Unavailable, "cannot write a temporary file " + path_);
    own_ = true;
    providers::source::FolderTar tar(folder, {.gzip = true});
    bool whole = true;
    for (std::string piece = tar.next(); whole && !piece.empty(); piece = tar.next())
      whole = ::write(out, piece.data(), piece.size()) == static_cast<ssize_t>(piece.size());
    ::close(out);
    if (!whole) throw Error(ErrorCode::Unavailable, "cannot write " + path_ + ": is the disk full?");
  }
  void read() {
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0) throw Error(ErrorCode::NotFound, "cannot read " + path_);
    Sha256 digest;
    std::string bytes(256 << 10, '\0');
    for (ssize_t got; (got = ::read(file_, bytes.data(), bytes.size())) > 0; size_ += got)
      digest.add(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)));
    digest_ = digest.hex();
  }

  std::string path_;
  std::string digest_;
  std::int64_t size_ = 0;
  int file_ = -1;
  bool own_ = false;
};

std::string size_text(std::int64_t bytes) {
  if (bytes < 10 << 10) return std::to_string(bytes) + " bytes";
  return bytes < 10 << 20 ? std::to_string(bytes >> 10) + " KiB" : std::to_string(bytes >> 20) + " MiB";
}

class Deploy {
 public:
  explicit Deploy(Context& context)
      : context_(context),
        name_(context.operands()[0]),
        path_("/apis/gantry.dev/v1alpha1/namespaces/" + context.ns() + "/apps"),
        began_(context.clock().now()) {}

  int run() {
    const std::string digest = upload(context_.operands().size() > 1 ? context_.operands()[1] : ".");
    const json::Value app = declare(digest);
    if (context_.flags().on("no-wait")) return cli::kOk;
    const json::Value* generation = app.at({"metadata", "generation"});
    return follow(digest, generation ? generation->as_int() : 0);
  }

 private:
  void say(std::string_view phase, const std::string& text) {
    said_.insert(phase);
    const auto seconds = std::chrono::duration<double>(context_.clock().now() - began_).count();
    char time[32];
    std::snprintf(time, sizeof time, "%6.1fs ", seconds);
    context_.out() << time << context_.style().bold(phase) << ": " << text << "\n" << std::flush;
  }

  std::string upload(const std::string& path) {
    const Archive archive(path);
    const std::string at = "/uploads/" + archive.digest();
    std::int64_t sent = context_.ask({.path = at}).int_or("received", 0);
    while (sent < archive.size()) {
      const auto answer = context_.server().send({.method = "PUT",
                                                  .path = at + "?offset=" + std::to_string(sent),
                                                  .content_type = "application/octet-stream",
                                                  .body = archive.piece(sent)});
      // Somebody else sends the same: go on where it is by now.
      sent =
          answer.status == 409 ? context_.ask({.path = at}).int_or("received", 0) : answer.json().int_or("received", 0);
    }
    const std::string digest = context_.ask({.method = "POST", .path = at}).string_or("digest");
    say("upload", path + ", " + size_text(archive.size()) + ", " + digest.substr(0, 19));
    return digest;
  }

  json::Value declare(const std::string& digest) {
    const json::Value source = json::Object{{"code", json::Object{{"upload", digest}}}};
    const auto known = context_.server().send({.path = path_ + "/" + name_});
    if (known.status == 404) return create(source);
    // Of a merge patch: null takes away. What was the source before is none any more.
    json::Object code{{"upload", digest}, {"path", json::Value()}};
    json::Object patch{{"code", std::move(code)}, {"git", json::Value()}, {"image", json::Value()}};
    const json::Value before = known.json();
    const json::Value after =
        context_.ask({.method = "PATCH",
                      .path = path_ + "/" + name_ + "?fieldManager=gantry-deploy",
                      .content_type = std::string(cli::kMergePatch),
                      .body = json::dump(json::Object{{"spec", json::Object{{"source", std::move(patch)}}}})});
    return after;
  }

  json::Value create(json::Value source) {
    const auto& flags = context_.flags();
    json::Object spec{{"source", std::move(source)}, {"runtime", flags.choice("runtime", {"docker", "process"})}};
    if (const auto port = flags.number("port"))
      spec.set("ports", json::Array{json::Object{{"name", "http"}, {"port", *port}}});
    if (context_.operands().size() > 2) {
      json::Array command;
      for (std::size_t i = 2; i < context_.operands().size(); ++i) command.emplace_back(context_.operands()[i]);
      spec.set("command", std::move(command));
    }
    json::Object app{{"apiVersion", "gantry.dev/v1alpha1"},
                     {"kind", "App"},
                     {"metadata", json::Object{{"name", name_}, {"namespace", context_.ns()}}},
                     {"spec", std::move(spec)}};
    return context_.ask({.method = "POST",
                         .path = path_ + "?fieldManager=gantry-deploy",
                         .content_type = std::string(cli::kJson),
                         .body = json::dump(json::Value(std::move(app)))});
  }

  int follow(const std::string& digest, std::int64_t generation) {
    const Instant end = began_ + context_.flags().duration("timeout").value_or(std::chrono::minutes(20));
    std::string last;
    while (context_.clock().now() < end) {
      const json::Value app = context_.ask({.path = path_ + "/" + name_});
      const json::Value* status = app.find("status");
      const json::Value* built = cli::find_condition(app, "Built");
      const json::Value* ready = cli::find_condition(app, "Ready");
      if (status && ready && status->int_or("observedGeneration", 0) >= generation) {
        const std::string reason = ready->string_or("reason");
        const std::string message = ready->string_or("message");
        const bool ours = status->string_or("sourceDigest") == digest;
        const json::Value* wanted = app.at({"spec", "replicas"});
        // The release before may take its time to end; the new one serves all the same.
        const bool all = status->int_or("readyReplicas", 0) >= (wanted && wanted->is_int() ? wanted->as_int() : 1) &&
                         ready->string_or("reason") == "RolloutInProgress" && status->int_or("readyReplicas", 0) > 0;
        if (ours && (all || ready->string_or("status") == "True")) return serves(*status, built);
        const std::string_view phase = !ours || (built && built->string_or("status") != "True") ? "build" : "start";
        // While the release before is still what is talked about, it says nothing about this one.
        if (!cli::waiting_helps(reason)) return failed(app, reason, message);
        if (const std::string text = reason + ": " + message; (ours || reason != "AllReplicasReady") && text != last) {
          if (phase == "start") tell_build(built);
          say(phase, message.empty() ? reason : message);
          last = text;
        }
      }
      context_.server().pause(kGlance);
    }
    context_.print(
        Error(ErrorCode::Timeout, "app/" + name_ + " did not become ready in time; it was last said: " + last));
    return cli::kTimedOut;
  }

  // Each phase is told, also one that was over between two looks.
  void tell_build(const json::Value* built) {
    if (said_.contains("build")) return;
    const bool none = built && built->string_or("reason") == "SourceReady";
    say("build", none ? "nothing to build, the code runs as it is" : "built, or known from an earlier build");
  }

  int serves(const json::Value& status, const json::Value* built) {
    tell_build(built);
    if (!said_.contains("start")) {
      say("start", std::to_string(status.int_or("readyReplicas", 0)) + " of " +
                       std::to_string(status.int_or("desiredReplicas", 0)) + " replicas of " +
                       status.string_or("release") + " are ready");
    }
    std::string where;
    if (const json::Value* urls = status.find("urls"); urls && urls->is_array()) {
      for (const auto& url : urls->as_array()) where += " " + url.as_string();
    }
    say("ready", "release " + status.string_or("release") + " serves" + (where.empty() ? "" : " at" + where));
    return cli::kOk;
  }

  int failed(const json::Value& app, const std::string& reason, const std::string& message) {
    context_.print(Error(ErrorCode::Invalid, "app/" + name_ + ": " + reason + ": " + message));
    if (reason == "RolloutFailed") print_evidence();
    const json::Value* available = cli::find_condition(app, "Available");
    const bool serves = available && available->string_or("status") == "True";
    context_.err() << (serves ? "The release before goes on serving.\n" : "Nothing serves.\n");
    if (reason == "BuildFailed") context_.err() << "The whole log: gantry logs " + name_ + " --build\n";
    return 1;
  }

  void print_evidence() {
    const json::Value list =
        context_.ask({.path = "/apis/gantry.dev/v1alpha1/namespaces/" + context_.ns() + "/releases" +
                              cli::query({{"labelSelector", "gantry.dev/app=" + name_}})});
    const json::Value* newest = nullptr;
    const json::Value* items = list.find("items");
    for (const auto& item : items && items->is_array() ? items->as_array() : json::Array()) {
      const json::Value* revision = item.at({"spec", "revision"});
      const json::Value* best = newest ? newest->at({"spec", "revision"}) : nullptr;
      if (!best || (revision && revision->as_int() > best->as_int())) newest = &item;
    }
    const json::Value* evidence = newest ? newest->at({"status", "evidence"}) : nullptr;
    if (!evidence) return;
    if (const json::Value* code = evidence->find("exitCode")) context_.err() << "exit code: " << code->as_int() << "\n";
    if (const std::string probe = evidence->string_or("probe"); !probe.empty())
      context_.err() << "health check: " << probe << "\n";
    context_.err() << evidence->string_or("log");
  }

  Context& context_;
  std::string name_;
  std::string path_;
  Instant began_;
  std::set<std::string_view> said_;  // phases
};

}  // namespace

cli::Command deploy_command() {
  return {
      .name = "deploy",
      .group = "Change what is",
      .usage = "NAME [PATH] [-- COMMAND...]",
      .summary = "Send code, build it, and follow it until it serves",
      .help =
          "PATH is a folder (what .gantryignore names stays here) or a tar, tar.gz or zip; the working directory if "
          "absent.\n"
          "It is sent to the controller, built there (its Dockerfile, or one that fits), and rolled out; the release "
          "before\n"
          "serves until the new one is ready. An App that does not exist yet is made, with --port and --runtime.\n"
          "Ends with 0 when it serves, 1 with the reason when it does not.\n"
          "\n"
          "Examples:\n"
          "  gantry deploy web\n"
          "  gantry deploy web ./site --port 8080\n"
          "  gantry deploy api ./server --runtime process --port 8000 -- python3 main.py\n"
          "  gantry deploy web release.zip --no-wait\n",
      .flags = {{.name = "port", .value = "PORT", .help = "of a new App: where it listens", .sourced = false},
                {.name = "runtime",
                 .value = "RUNTIME",
                 .help = "of a new App: docker or process",
                 .otherwise = "docker",
                 .sourced = false},
                {.name = "no-wait", .help = "do not follow the rollout", .sourced = false},
                {.name = "timeout", .value = "TIME", .help = "how long to follow it", .otherwise = "20m"}},
      .run = [](Context& context) {
        if (context.operands().empty()) throw UsageError("say which App: gantry deploy web ./site");
        return Deploy(context).run();
      }};
}

}  // namespace gantry::app
