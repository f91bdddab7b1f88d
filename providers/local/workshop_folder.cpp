// Folders: the code after its build command, for runtime process.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/build/preset.hpp"
#include "providers/local/code.hpp"
#include "providers/local/posix.hpp"
#include "providers/local/workshop_job.hpp"

namespace gantry::providers::local {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMessageLines = 20;
constexpr std::size_t kLogLines = 100'000;

// Dependencies that were installed for one lock file, kept from build to build.
struct Cache {
  std::string folder;
  bool hit = false;
};

Cache open_cache(const std::string& caches, const BuildSpec& spec) {
  Cache cache;
  const std::string lock = build::lockfile_of(spec.folder);
  if (lock.empty()) return cache;
  const std::string text = read_small(spec.folder + "/" + lock, 64 << 20).value_or("");
  cache.folder = caches + "/" + spec.owner_uid + "/" +
                 sha256_hex(lock + "\n" + spec.command + "\n" + spec.preset + "\n" + text).substr(0, 32);
  cache.hit = files::exists(cache.folder + "/complete");
  if (!cache.hit) remove_folder(cache.folder);
  files::make_directories(cache.folder, 0755);
  return cache;
}

void link_all(const std::string& from, const std::string& to) {
  fs::copy(from, to,
           fs::copy_options::recursive | fs::copy_options::copy_symlinks | fs::copy_options::create_hard_links);
}

// Python's environments hold their own path, so they stay where they are; Node's modules are found beside the code.
void use_cache(const Cache& cache, const std::string& tree) {
  if (cache.folder.empty()) return;
  if (!files::exists(tree + "/.venv")) fs::create_directory_symlink(cache.folder + "/venv", tree + "/.venv");
  files::make_directories(cache.folder + "/venv", 0755);
  if (cache.hit && files::exists(cache.folder + "/node_modules") && !files::exists(tree + "/node_modules"))
    link_all(cache.folder + "/node_modules", tree + "/node_modules");
}

void fill_cache(const Cache& cache, const std::string& tree) {
  if (cache.folder.empty() || cache.hit) return;
  if (fs::is_directory(fs::symlink_status(tree + "/node_modules")))
    link_all(tree + "/node_modules", cache.folder + "/node_modules");
  files::write_file_atomically(cache.folder + "/complete", "", 0644);
}

}  // namespace

Task<> Workshop::make_folder(JobPtr job, const BuildSpec& spec) {
  const std::string place = place_of(job->state.key);
  const std::string tree = place + "/tree";
  const std::string draft = place + "/tree";
  std::string command = spec.command;
  if (command.empty()) command = co_await blocking_.run(reactor_, [spec] { return build::default_command(spec); });
  const Cache cache = co_await blocking_.run(reactor_, [caches = options_.folder + "/caches", spec, draft] {
    copy_code(spec.folder, draft);
    try {
      Cache opened = open_cache(caches, spec);
      use_cache(opened, draft);
      return opened;
    } catch (const fs::filesystem_error& error) {
      throw Error(ErrorCode::Unavailable, std::string("the build cache cannot be used: ") + error.what());
    }
  });

  InstanceSpec instance;
  instance.id = "build-" + job->state.key.substr(0, 24) + "-" +
                std::to_string(reactor_.clock().wall().time_since_epoch().count() / 1'000'000);
  instance.owner_uid = "build:" + spec.owner_uid;
  instance.owner_namespace = spec.owner_namespace;
  instance.owner_name = spec.owner_name;
  instance.release = "build";
  instance.command = {"/bin/sh", "-c", command};
  instance.working_directory = draft;
  instance.env = spec.env;
  instance.env.emplace_back("CI", Secret("true"));
  if (!cache.folder.empty()) instance.env.emplace_back("GANTRY_CACHE", Secret(cache.folder));
  if (cache.hit) instance.env.emplace_back("GANTRY_CACHE_HIT", Secret("1"));
  instance.memory_bytes = spec.memory_bytes;
  instance.stop_grace = std::chrono::seconds(2);
  job->instance = instance.id;
  const std::string id = instance.id;
  const std::string owner = instance.owner_uid;
  const Instant deadline = reactor_.now() + spec.timeout;
  const std::string doing = "building " + spec.owner_namespace + "/" + spec.owner_name;
  std::optional<Error> failure;
  try {
    co_await host_.start(std::move(instance));
    const Instance ended = co_await wait_for(owner, id, deadline, job);
    const std::string log = co_await host_.log_tail(id, kLogLines);
    co_await blocking_.run(
        reactor_, [path = place + "/log", log] { [[maybe_unused]] const int ignored = replace_file(path, log, 0600); });
    if (job->cancelled) throw Error(ErrorCode::Cancelled, doing + ": ended, since it is not needed any more");
    const std::string tail = "; the last lines:\n" + co_await host_.log_tail(id, kMessageLines);
    if (reactor_.now() >= deadline)
      throw Error(ErrorCode::Timeout,
                  doing + ": it did not end within " + human_duration(spec.timeout) + " and was cut off" + tail);
    if (ended.exit_code != 0) throw Error(ErrorCode::Invalid, doing + ": the command " + ended.exit_reason + tail);
  } catch (const Error& error) {
    failure = error;
  }
  job->instance.clear();
  if (closing_) throw Error(ErrorCode::Cancelled, "shutting down");
  try {
    co_await host_.remove(id, true);
  } catch (const Error& error) {
    log_.warn("the record of a build command could not be removed", {{"instance", id}, {"error", error.what()}});
  }
  if (failure) {
    co_await blocking_.run(reactor_, [tree] { remove_folder(tree); });
    throw *failure;
  }
  co_await blocking_.run(reactor_, [cache, tree] {
    try {
      fill_cache(cache, tree);
    } catch (const std::exception&) {  // without it the next build takes longer
      remove_folder(cache.folder);
    }
  });
  job->state.folder = tree;
}

// Until it has exited. At the deadline, or when it is not wanted any more, it is stopped.
Task<Instance> Workshop::wait_for(std::string owner, std::string id, Instant deadline, JobPtr job) {
  bool stopped = false;
  while (!closing_) {
    for (auto& one : co_await host_.list(owner)) {
      if (one.id == id && one.state == Instance::State::Exited) co_return one;
    }
    if (!stopped && (job->cancelled || reactor_.now() >= deadline)) {
      stopped = true;
      co_await host_.stop(id);
    }
    co_await exits_.wait_until(stopped ? reactor_.now() + std::chrono::seconds(1) : deadline);
  }
  throw Error(ErrorCode::Cancelled, "shutting down");
}

}  // namespace gantry::providers::local
