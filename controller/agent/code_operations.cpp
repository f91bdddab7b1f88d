// The operations on code: it comes as an archive or from git, and lies in the host's own store by the digest of its
// content, where instances are started from it.
#include <filesystem>

#include "controller/agent/agent_call.hpp"
#include "controller/agent/upload.hpp"
#include "controller/base/digest.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "controller/base/random.hpp"
#include "providers/local/docker_engine.hpp"
#include "providers/local/posix.hpp"
#include "providers/source/archive.hpp"
#include "providers/source/git_checkout.hpp"

namespace gantry::agent {
namespace {

const log::Logger kLog("agent");

// A folder for a moment; gone with its last user.
struct Draft {
  explicit Draft(std::string where) : path(std::move(where)) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    try {
      providers::local::remove_folder(path);
    } catch (const Error&) {  // tidy: what cannot be removed now is at the next start
    }
  }
  std::string path;
};

// "server/api" of a caller. Throws for one that leads elsewhere.
std::string below(const std::string& path) {
  std::string clean;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (part == "..") throw Error(ErrorCode::BadRequest, "path: \"" + path + "\" leads out of the code");
    if (!part.empty() && part != ".") clean += "/" + part;
    at = end + 1;
  }
  return clean;
}

// The first folder below `above` on the way to `path`; empty when it is not below it.
std::string next_below(const std::string& above, const std::string& path) {
  if (!path.starts_with(above + "/")) return {};
  const std::size_t begin = above.size() + 1;
  return path.substr(begin, path.find('/', begin) - begin);
}

// Where those processes work. Blocks.
std::vector<std::string> working_directories(const std::vector<std::int64_t>& pids) {
  std::vector<std::string> found;
  for (const auto pid : pids) {
    std::error_code gone;
    const auto path = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd", gone);
    if (!gone) found.push_back(path.string());
  }
  return found;
}

}  // namespace

std::shared_ptr<api::BodySink> AgentApi::sink(const api::HttpRequest& request) {
  const bool code = request.method == "PUT" && request.segments.size() == 2 && request.segments[0] == "code";
  const bool upload = request.method == "POST" &&
                      (request.path == "/upload" || request.path == "/upgrade" || request.path == "/images/load");
  if (!code && !upload) return nullptr;
  return std::make_shared<Upload>(parts_.reactor, parts_.blocking, uploads_);
}

Task<api::HttpResponse> AgentApi::find_code(Call call) {
  const std::string folder = parts_.code.staged(call.name);
  co_return answered({{"digest", call.name}, {"present", !folder.empty()}});
}

// PUT /code/DIGEST says what must come; POST /upload is told what came.
Task<api::HttpResponse> AgentApi::upload(Call call) {
  const auto body = std::static_pointer_cast<Upload>(call.request.sink);
  const std::string expected = call.name.empty() ? call.parameter("digest") : call.name;
  if (!expected.empty() && !parts_.code.staged(expected).empty())
    co_return answered({{"digest", expected}, {"present", true}, {"bytes", body->bytes()}});
  const auto draft = std::make_shared<Draft>(files::join(uploads_, system_random().hex(8)));
  co_await parts_.blocking.run(parts_.reactor, [body, draft] { providers::source::unpack(body->path(), draft->path); });
  const std::string digest =
      co_await parts_.blocking.run(parts_.reactor, [draft] { return providers::local::source_digest(draft->path); });
  if (!expected.empty() && digest != expected)
    throw Error(ErrorCode::Invalid, "the content is " + digest + ", and not " + expected + "; nothing was kept");
  co_await parts_.code.stage(draft->path, digest);
  co_await parts_.blocking.run(parts_.reactor, [draft = std::move(draft)]() mutable { draft.reset(); });
  co_return answered({{"digest", digest}, {"present", true}, {"bytes", body->bytes()}});
}

Task<api::HttpResponse> AgentApi::git_clone(Call call) {
  using namespace providers::source;
  const json::Value body = call.body();
  const std::string url = body.string_or("url");
  if (url.empty()) throw Error(ErrorCode::BadRequest, "url: which repository?");
  const std::string ref = body.string_or("ref", body.string_or("branch"));
  const std::string path = below(body.string_or("path"));
  GitCredentials credentials;
  credentials.username = body.string_or("username");
  credentials.password = Secret(body.string_or("password", body.string_or("token")));
  credentials.ssh_private_key = Secret(body.string_or("privateKey"));
  log::redact(credentials.password.reveal());
  // One at a time: a repository's folder is its checkout's alone.
  while (cloning_) co_await cloned_.wait();
  cloning_ = true;
  std::optional<Error> failure;
  std::string commit;
  std::string digest;
  try {
    const std::string folder = files::join(parts_.data_dir, "git/" + sha256_hex(url).substr(0, 16));
    const Checkout checkout = co_await parts_.blocking.run(parts_.reactor, [folder, url, ref, credentials] {
      files::make_directories(folder, 0700);
      return GitCheckout(folder).fetch(url, ref, credentials);
    });
    commit = checkout.commit;
    digest = co_await parts_.code.digest(checkout.folder + path);
    co_await parts_.code.stage(checkout.folder + path, digest);
  } catch (const Error& error) {
    failure = error;
  }
  cloning_ = false;
  cloned_.notify_one();
  if (failure) throw *failure;
  co_return answered({{"commit", commit}, {"digest", digest}});
}

// What the caller does not name and is older than they say: code, builds, and images that were brought for Apps.
// Besides, for people: images that no container uses, whoever brought them.
Task<api::HttpResponse> AgentApi::prune(Call call) {
  const json::Value body = call.body();
  json::Object done;
  const auto names = [&](std::string_view field) {
    std::set<std::string> kept;
    const json::Value* list = body.find(field);
    for (const auto& each : list ? list->as_array() : json::Array()) kept.insert(each.as_string());
    return kept;
  };
  const auto seconds = [&](std::string_view field) {
    return std::chrono::seconds(std::max<std::int64_t>(0, body.int_or(field, 0)));
  };
  // Whoever started it, what runs keeps what it runs from.
  std::vector<std::int64_t> pids;
  for (const auto& one : co_await parts_.host.list("")) {
    if (one.pid > 0) pids.push_back(one.pid);
  }
  std::set<std::string> code_in_use;
  std::set<std::string> builds_in_use;
  const auto paths = co_await parts_.blocking.run(parts_.reactor, [pids] { return working_directories(pids); });
  const std::string root = co_await parts_.blocking.run(
      parts_.reactor, [folder = parts_.data_dir] { return std::filesystem::weakly_canonical(folder).string(); });
  for (const auto& path : paths) {
    if (const auto code = next_below(root + "/releases", path); !code.empty()) code_in_use.insert("sha256:" + code);
    if (const auto key = next_below(root + "/builds", path); !key.empty()) builds_in_use.insert(key);
  }
  if (body.find("keepCode")) {
    auto kept = names("keepCode");
    kept.merge(code_in_use);
    done.set("code", "all but " + std::to_string(kept.size()));
    co_await parts_.code.keep_only(kept, seconds("youngerSeconds"));
  }
  if (body.find("keepBuilds")) {
    providers::Needed needed{names("keepBuilds"), names("keepImages")};
    needed.keys.merge(builds_in_use);
    done.set("builds", "all but " + std::to_string(needed.keys.size()));
    co_await parts_.builder.sweep(needed, seconds("youngerSeconds"), seconds("unusedSeconds"));
  }
  if (const std::string images = body.string_or("images"); !images.empty()) {
    if (images != "dangling" && images != "unused")
      throw Error(ErrorCode::BadRequest, "images: dangling (without a name) or unused (by any container) is expected");
    providers::local::DockerEngine engine(parts_.reactor, parts_.docker_socket);
    const std::string filter = images == "dangling" ? "true" : "false";
    const json::Value answer = co_await engine.call(
        "pruning images", "POST", "/images/prune?filters=%7B%22dangling%22%3A%5B%22" + filter + "%22%5D%7D", {},
        std::chrono::minutes(10));
    done.set("imageBytes", answer.int_or("SpaceReclaimed", 0));
  }
  if (done.empty())
    throw Error(ErrorCode::BadRequest,
                R"(what should go? {"images": "dangling"}, {"keepCode": ["sha256:..."]}, {"keepBuilds": []})");
  kLog.info("pruned", {{"done", json::dump(json::Value(done))}});
  co_return answered(std::move(done));
}

// What a spec runs, on this host: code that was sent, or what was built of it. Throws Error(NotFound) when it is not
// here.
void AgentApi::place_code(providers::InstanceSpec& spec) const {
  std::string folder;
  if (!spec.build_key.empty()) {
    const std::string& key = spec.build_key;
    if (key.find_first_not_of("0123456789abcdef") != std::string::npos)
      throw Error(ErrorCode::BadRequest, "buildKey: \"" + key + "\" is none; POST /build says it");
    folder = parts_.builder.built_folder(key);
    if (!files::exists(folder)) {
      parts_.builder.forget(key);
      throw Error(ErrorCode::NotFound, "what was built under " + key + " is not on this host; POST /build makes it");
    }
  } else if (!spec.code_digest.empty()) {
    folder = spec.code_folder = parts_.code.staged(spec.code_digest);
    if (folder.empty())
      throw Error(ErrorCode::NotFound,
                  "the code " + spec.code_digest + " is not on this host; PUT /code/DIGEST brings it");
  }
  if (!folder.empty() && !spec.working_directory.starts_with('/'))
    spec.working_directory = folder + below(spec.working_directory);
}

}  // namespace gantry::agent
