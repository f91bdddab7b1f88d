#include "providers/local/workshop_job.hpp"

#include <algorithm>
#include <filesystem>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/json.hpp"
#include "providers/build/begun.hpp"
#include "providers/local/docker_image.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

constexpr Duration kBelieved =
    std::chrono::seconds(60);  // what was seen to be there is not asked after again for so long
constexpr Duration kPing = std::chrono::seconds(5);

}  // namespace

Workshop::Workshop(Reactor& reactor, Blocking& blocking, WorkloadHost& host, Options options)
    : reactor_(reactor),
      blocking_(blocking),
      host_(host),
      options_(std::move(options)),
      engine_(reactor, options_.docker_socket),
      ledger_(reactor, blocking, options_.folder + "/images.json"),
      turn_(reactor),
      exits_(reactor),
      gate_(reactor) {
  host_.on_change([this](const std::string& owner) {
    if (owner.starts_with("build:")) exits_.notify_all();
  });
}

Workshop::~Workshop() = default;

Task<> Workshop::open(std::string host_id) {
  options_.host_id = std::move(host_id);
  const std::string builds = options_.folder + "/builds";
  const auto found = co_await blocking_.run(reactor_, [builds] {
    std::vector<std::pair<std::string, std::string>> results;
    files::make_directories(builds, 0755);
    for (const auto& key : names_in(builds)) {
      if (auto text = read_small(builds + "/" + key + "/result.json")) results.emplace_back(key, std::move(*text));
    }
    return results;
  });
  co_await ledger_.open();
  // A build command of an earlier process: nobody waits for it any more.
  for (const auto& one : co_await host_.list("")) {
    if (one.owner_uid.starts_with("build:")) reactor_.spawn(end_leftover(one.owner_uid, one.id, gate_.enter()));
  }
  for (const auto& [key, text] : found) {
    try {
      const json::Value result = json::parse(text);
      auto job = std::make_shared<Job>(reactor_);
      job->kind = result.string_or("kind") == "folder" ? BuildSpec::Kind::Folder : BuildSpec::Kind::Image;
      job->owner_uid = result.string_or("ownerUid");
      job->state = {.phase = BuildState::Phase::Done,
                    .key = key,
                    .image = result.string_or("image"),
                    .folder = job->kind == BuildSpec::Kind::Folder ? place_of(key) + "/tree" : "",
                    .message = {},
                    .began = parse_time(result.string_or("began")),
                    .ended = parse_time(result.string_or("ended")),
                    .retry_in = {}};
      jobs_[key] = job;
    } catch (const Error& error) {
      log_.warn("the result of a build cannot be read; it will be built again",
                {{"key", key}, {"error", error.what()}});
    }
  }
}

Task<> Workshop::end_leftover(std::string owner, std::string id, Gate::Pass) {
  try {
    co_await host_.stop(id);
    while (!closing_) {
      const auto all = co_await host_.list(owner);
      const bool ended = std::ranges::none_of(
          all, [&](const auto& one) { return one.id == id && one.state != Instance::State::Exited; });
      if (ended) break;
      co_await exits_.wait_until(reactor_.now() + std::chrono::seconds(1));
    }
    if (!closing_) co_await host_.remove(id, true);
  } catch (const Error& error) {
    log_.warn("a build command of an earlier start could not be ended", {{"instance", id}, {"error", error.what()}});
  }
}

Task<> Workshop::close() {
  closing_ = true;
  engine_.close();
  for (auto& [key, job] : jobs_) {
    if (job->docker) job->docker->cancel();
    job->changed.notify_all();
  }
  turn_.notify_all();
  exits_.notify_all();
  co_await gate_.close();
}

void Workshop::tell(const std::string& owner_uid) {
  for (const auto& listener : listeners_) listener(owner_uid);
}

// ---------------------------------------------------------------- looking

Task<bool> Workshop::is_there(JobPtr job, const BuildSpec& spec) {
  if (job->seen && reactor_.now() - *job->seen < kBelieved) co_return true;
  if (job->kind == BuildSpec::Kind::Folder) {
    const bool there = co_await blocking_.run(reactor_, [tree = job->state.folder] { return files::exists(tree); });
    if (there) job->seen = reactor_.now();
    co_return there;
  }
  std::string digest;
  try {
    digest = co_await find_image(engine_, spec.kind == BuildSpec::Kind::Pull
                                              ? spec.reference
                                              : built_image(spec.owner_namespace, spec.owner_name, job->state.key));
  } catch (const Error& error) {
    if (job->state.phase == BuildState::Phase::Done) co_return true;  // nobody says that it is gone
    throw;
  }
  if (digest.empty()) co_return false;
  job->seen = reactor_.now();
  job->state.image = digest;
  job->state.phase = BuildState::Phase::Done;
  co_return true;
}

Task<BuildState> Workshop::look(BuildSpec spec) {
  const auto pass = gate_.enter();
  const std::string key = key_of(spec);
  auto known = jobs_.find(key);
  if (known == jobs_.end()) {
    if (spec.kind == BuildSpec::Kind::Folder) co_return BuildState{.key = key};
    // Built before, and not written down: a crash came between.
    auto job = std::make_shared<Job>(reactor_);
    job->kind = spec.kind;
    job->owner_uid = spec.owner_uid;
    job->state.key = key;
    bool there = false;
    try {
      there = co_await is_there(job, spec);
    } catch (const Error&) {  // Docker does not answer: begin() will say so
      there = false;
    }
    if (!there) co_return BuildState{.key = key};
    known = jobs_.emplace(key, job).first;
  }
  const JobPtr job = known->second;
  if (job->state.phase == BuildState::Phase::Done && !co_await is_there(job, spec)) {
    jobs_.erase(key);
    co_return BuildState{.key = key};
  }
  if (job->state.phase != BuildState::Phase::Failed) co_return job->state;
  if (reactor_.now() >= job->retry.at() || job->ask != spec.ask) co_return BuildState{.key = key};
  BuildState state = job->state;
  state.retry_in = job->retry.at() - reactor_.now();
  co_return state;
}

Task<bool> Workshop::builds_images() {
  const auto pass = gate_.enter();
  bool answers = false;
  try {
    co_await engine_.text("asking for Docker", "GET", "/_ping", kPing);
    answers = true;
  } catch (const Error&) {  // then others build
    answers = false;
  }
  co_return answers;
}

void Workshop::forget(const std::string& key) {
  const auto known = jobs_.find(key);
  if (known == jobs_.end() || known->second->running()) return;
  known->second->seen.reset();
}

void Workshop::keep_only_build(const std::string& owner_uid, const std::string& key) {
  for (auto& [other, job] : jobs_) {
    if (job->owner_uid != owner_uid || other == key || !job->running()) continue;
    job->cancelled = true;
    if (job->docker) job->docker->cancel();
    job->changed.notify_all();
    turn_.notify_all();
    exits_.notify_all();
  }
}

// ---------------------------------------------------------------- making

Task<> Workshop::begin(BuildSpec spec) {
  auto pass = gate_.enter();
  const std::string key = key_of(spec);
  auto& job = jobs_[key];
  if (job && (job->running() || job->state.phase == BuildState::Phase::Done)) co_return;
  if (!job) job = std::make_shared<Job>(reactor_);
  job->kind = spec.kind;
  job->owner_uid = spec.owner_uid;
  job->ask = spec.ask;
  job->cancelled = false;
  job->state = build::begun(spec, reactor_.clock().wall());
  reactor_.spawn(work(job, std::move(spec), std::move(pass)));
}

Task<> Workshop::work(JobPtr job, BuildSpec spec, Gate::Pass) {
  // One build at a time: two at once would take from the Apps that serve what they need.
  const bool takes_turn = spec.kind != BuildSpec::Kind::Pull;
  if (takes_turn) {
    if (building_) job->state.message = "waiting for another build to end";
    while (building_ && !job->cancelled && !closing_) co_await turn_.wait();
    job->state.message = "building";
  }
  const bool mine = takes_turn && !job->cancelled && !closing_;
  if (mine) building_ = true;
  std::optional<Error> failure;
  try {
    if (job->cancelled || closing_) throw Error(ErrorCode::Cancelled, "it is not needed any more");
    co_await make(job, spec);
  } catch (const Error& error) {
    failure = error;
  }
  if (mine) building_ = false;
  turn_.notify_all();
  job->docker = nullptr;
  job->state.ended = reactor_.clock().wall();
  if (failure) {
    fail(job, *failure);
  } else {
    job->retry.succeeded();
    job->seen = reactor_.now();
    job->state.message.clear();
    job->state.phase = BuildState::Phase::Done;
    log_.info("built", {{"namespace", spec.owner_namespace},
                        {"app", spec.owner_name},
                        {"key", job->state.key.substr(0, 12)},
                        {"took", human_duration(job->state.ended - job->state.began)}});
  }
  job->changed.notify_all();
  tell(job->owner_uid);
}

void Workshop::fail(const JobPtr& job, const Error& error) {
  job->state.phase = BuildState::Phase::Failed;
  job->state.message = log::redacted(error.message());
  job->retry.failed(error, reactor_.now());
  if (job->cancelled) job->retry.at_once(reactor_.now());
  if (error.code() != ErrorCode::Cancelled)
    log_.warn("a build failed", {{"key", job->state.key.substr(0, 12)}, {"error", job->state.message.substr(0, 500)}});
}

Task<> Workshop::make(JobPtr job, const BuildSpec& spec) {
  if (spec.kind == BuildSpec::Kind::Pull) {
    job->state.image = co_await pull_image(spec.reference);
    co_return;
  }
  co_await blocking_.run(reactor_, [place = place_of(job->state.key)] {
    remove_folder(place);
    files::make_directories(place, 0755);
  });
  if (spec.kind == BuildSpec::Kind::Folder) {
    co_await make_folder(job, spec);
  } else {
    BuildLog log(reactor_, blocking_, place_of(job->state.key) + "/log");
    co_await remove_leftovers();
    DockerBuild docker(reactor_, blocking_, engine_, log);
    job->docker = &docker;
    std::exception_ptr failure;
    try {
      job->state.image = co_await docker.run(spec, job->state.key, options_.host_id);
    } catch (const Error& error) {
      log.add(error.message() + "\n");
      failure = std::current_exception();
    }
    job->docker = nullptr;
    co_await log.flush();
    if (failure) {
      leftovers_.push_back({docker.traces(), job->state.began});
      if (!closing_) co_await remove_leftovers();
      co_await keep_account(docker.traces().layers, job->state.began);
      std::rethrow_exception(failure);
    }
  }
  co_await write_down(job);
}

Task<> Workshop::write_down(JobPtr job) {
  const json::Value result = json::Object{{"kind", job->kind == BuildSpec::Kind::Folder ? "folder" : "image"},
                                          {"ownerUid", job->owner_uid},
                                          {"image", job->state.image},
                                          {"began", format_time(job->state.began)},
                                          {"ended", format_time(reactor_.clock().wall())}};
  co_await blocking_.run(reactor_, [path = place_of(job->state.key) + "/result.json", text = json::dump(result)] {
    files::write_file_atomically(path, text, 0644);
  });
}

}  // namespace gantry::providers::local
