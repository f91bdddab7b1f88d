#include "providers/agent/build_set.hpp"

#include <algorithm>

#include "providers/build/begun.hpp"
#include "providers/build/retry.hpp"

namespace gantry::providers::agent {
namespace {

constexpr std::size_t kAtOnce = 8;  // Servers that code or an image is sent to at the same time
// How long the others may take at least once the first has it. Whoever takes longer than that, and longer than twice
// the first, is left to catch up.
constexpr Duration kPatience = std::chrono::seconds(30);
constexpr Duration kClose = std::chrono::seconds(3);
constexpr Duration kLook = std::chrono::seconds(1);
constexpr Duration kBelieved = std::chrono::seconds(60);  // afterwards each Server is asked again whether it has it
constexpr Duration kFresh = std::chrono::seconds(2);      // what was just seen to be there is there
constexpr Duration kInTheQueue = std::chrono::hours(1);   // that a build may wait there for others to end

std::string id_of(const BuildSpec& spec) {
  std::string id = key_of(spec);
  for (const auto& server : spec.servers) id += "@" + server;
  return id;
}

}  // namespace

struct BuildSet::Job {
  BuildState state;
  std::string owner_uid;
  std::vector<std::string> servers;
  std::string ask;
  bool cancelled = false;
  bool in_folders = false;  // the log lies on the Servers
  Instant ended{};
  build::Retry retry;
  bool running() const { return state.phase == BuildState::Phase::Running; }
};

BuildSet::BuildSet(Reactor& reactor, Builder& here, ImageCarrier& images, HostSet& hosts)
    : reactor_(reactor), here_(here), images_(images), hosts_(hosts), changed_(reactor), gate_(reactor) {
  here_.on_change([this](const std::string&) { changed_.notify_all(); });
  hosts_.on_contact([this](const std::string& server) { retry_on(server); });
}

BuildSet::~BuildSet() = default;

Task<bool> BuildSet::close() {
  closing_ = true;
  changed_.notify_all();
  co_return co_await gate_.close_until(reactor_.now() + kClose);
}

void BuildSet::on_change(OnChange callback) {
  here_.on_change(callback);
  listeners_.push_back(std::move(callback));
}

void BuildSet::tell(const std::string& owner_uid) {
  for (const auto& listener : listeners_) listener(owner_uid);
}

// What failed because the Server was away, or was done without it.
void BuildSet::retry_on(const std::string& server) {
  const auto contact = hosts_.contact(server);
  if (!contact || !contact->connected) return;
  std::vector<std::string> owners;
  for (auto at = jobs_.begin(); at != jobs_.end();) {
    const JobPtr job = at->second;
    const auto entry = at++;
    if (std::ranges::find(job->servers, server) == job->servers.end()) continue;
    if (job->state.phase == BuildState::Phase::Done && job->state.without.contains(server)) {
      jobs_.erase(entry);
    } else if (job->state.phase == BuildState::Phase::Failed && job->retry.passing()) {
      job->retry.at_once(reactor_.now());
    } else {
      continue;
    }
    owners.push_back(job->owner_uid);
  }
  for (const auto& owner : owners) tell(owner);
}

Task<BuildState> BuildSet::look(BuildSpec spec) {
  if (spec.servers.empty()) co_return co_await here_.look(std::move(spec));
  const BuildState absent{.key = key_of(spec)};
  const auto known = jobs_.find(id_of(spec));
  if (known == jobs_.end()) co_return absent;
  const Job& job = *known->second;
  if (job.state.phase == BuildState::Phase::Done && reactor_.now() - job.ended > kBelieved) {
    jobs_.erase(known);
    co_return absent;
  }
  if (job.state.phase != BuildState::Phase::Failed) co_return job.state;
  if (reactor_.now() >= job.retry.at() || job.ask != spec.ask) co_return absent;
  BuildState state = job.state;
  state.retry_in = job.retry.at() - reactor_.now();
  co_return state;
}

Task<> BuildSet::begin(BuildSpec spec) {
  if (spec.servers.empty()) co_return co_await here_.begin(std::move(spec));
  auto pass = gate_.enter();
  JobPtr& job = jobs_[id_of(spec)];
  if (job && (job->running() || job->state.phase == BuildState::Phase::Done)) co_return;
  if (!job) job = std::make_shared<Job>();
  job->owner_uid = spec.owner_uid;
  job->servers = spec.servers;
  job->ask = spec.ask;
  job->cancelled = false;
  job->in_folders = spec.kind == BuildSpec::Kind::Folder;
  job->state = build::begun(spec, reactor_.clock().wall());
  reactor_.spawn(work(job, std::move(spec), std::move(pass)));
}

Task<> BuildSet::work(JobPtr job, BuildSpec spec, Gate::Pass) {
  std::optional<Error> failure;
  try {
    co_await make(job, std::move(spec));
  } catch (const Error& error) {
    failure = error;
  }
  job->state.ended = reactor_.clock().wall();
  job->ended = reactor_.now();
  if (failure) {
    job->state.phase = BuildState::Phase::Failed;
    job->state.message = log::redacted(failure->message());
    job->retry.failed(*failure, reactor_.now());
    if (job->cancelled) job->retry.at_once(reactor_.now());
    if (failure->code() != ErrorCode::Cancelled)
      log_.warn("a build for Servers failed",
                {{"key", job->state.key.substr(0, 12)}, {"error", job->state.message.substr(0, 500)}});
  } else {
    job->state.phase = BuildState::Phase::Done;
    job->state.message.clear();
    job->retry.succeeded();
  }
  if (!closing_) tell(job->owner_uid);
}

Task<> BuildSet::make(JobPtr job, BuildSpec spec) {
  if (spec.kind == BuildSpec::Kind::Pull)  // each gets it from the registry, and nothing passes through here
    co_return co_await on_each(job, spec.servers.size(),
                               [this, job, spec](std::string server) { return pull(job, spec, std::move(server)); });
  if (spec.kind == BuildSpec::Kind::Folder)
    co_return co_await on_each(
        job, kAtOnce, [this, job, spec](std::string server) { return build_there(job, spec, std::move(server)); });
  std::string from;  // empty: this machine
  if (co_await here_.builds_images()) {
    co_await build_here(job, spec);
  } else {
    from = co_await build_on_one(job, spec);
  }
  const std::string image = built_image(spec.owner_namespace, spec.owner_name, job->state.key);
  co_await on_each(job, kAtOnce,
                   [this, job, image, from](std::string server) { return carry(job, image, from, std::move(server)); });
}

struct BuildSet::Round {
  std::function<Task<>(std::string)> call;
  std::size_t next = 0;
  std::map<std::string, std::optional<Error>> ended;  // by Server: absent, it has it
  std::optional<Instant> first;                       // when the first had it
  bool stop = false;                                  // no other is begun
  bool left = false;                                  // nobody waits any more
};

// For each Server of the job. When some have it, those that have failed or are not done in time do without; when none
// has, the first failure is thrown.
Task<> BuildSet::on_each(JobPtr job, std::size_t at_once, std::function<Task<>(std::string)> call) {
  const auto round = std::make_shared<Round>();
  round->call = std::move(call);
  const Instant began = reactor_.now();
  for (std::size_t i = 0; i < std::min(at_once, job->servers.size()); ++i)
    reactor_.spawn(do_next(job, round, gate_.enter()));
  while (round->ended.size() < job->servers.size() && !round->stop) {
    if (round->first && reactor_.now() >= *round->first + std::max<Duration>(kPatience, *round->first - began)) break;
    co_await wait(job);
  }
  round->left = true;
  std::optional<Error> failure;
  for (const auto& server : job->servers) {
    const auto ended = round->ended.find(server);
    if (ended == round->ended.end()) {
      job->state.without[server] = "it is not done yet";
    } else if (ended->second) {
      job->state.without[server] = log::redacted(ended->second->message());
      if (!failure) failure = ended->second;
    }
  }
  if (!round->first && failure) throw *failure;
}

Task<> BuildSet::do_next(JobPtr job, std::shared_ptr<Round> round, Gate::Pass) {
  while (round->next < job->servers.size() && !round->stop && !job->cancelled && !closing_) {
    const std::string server = job->servers[round->next++];
    std::optional<Error> failure;
    try {
      co_await round->call(server);
    } catch (const Error& error) {
      failure = error;
    }
    if (!failure && !round->first) round->first = reactor_.now();
    // What cannot be built on one will hardly be on another.
    if (failure && !failure->retryable() && !round->first) round->stop = true;
    if (failure && failure->code() != ErrorCode::Cancelled)
      log_.warn("a Server does without what was made for it",
                {{"server", server}, {"key", job->state.key.substr(0, 12)}, {"error", failure->message()}});
    if (round->left && !failure) job->state.without.erase(server);
    round->ended.emplace(server, std::move(failure));
    changed_.notify_all();
  }
}

Task<> BuildSet::wait(JobPtr job) {
  co_await changed_.wait_until(reactor_.now() + kLook);
  if (closing_) throw Error(ErrorCode::Cancelled, "shutting down");
  if (job->cancelled) throw Error(ErrorCode::Cancelled, "it is not needed any more");
}

// A tag may move while it is being pulled. What the first Server got is what all run: whoever got another gets that one
// too, by its digest.
Task<> BuildSet::pull(JobPtr job, BuildSpec spec, std::string server) {
  const auto host = hosts_.agent_of(server);
  const std::string digest = co_await host->ensure_image(spec.reference);
  if (digest.find("sha256:") == std::string::npos)
    throw Error(ErrorCode::Unavailable, "Server " + server + " does not say what it pulled");
  if (job->state.image.empty()) job->state.image = digest;
  if (digest == job->state.image) co_return;
  log_.info("a tag has moved while it was pulled",
            {{"image", spec.reference}, {"server", server}, {"has", digest}, {"wanted", job->state.image}});
  const std::string got = co_await host->ensure_image(job->state.image);
  if (got != job->state.image)
    throw Error(ErrorCode::Unavailable, "Server " + server + " was asked for " + job->state.image + ", and has " + got);
}

// On the first that can: one that does not answer is no reason to have none.
Task<std::string> BuildSet::build_on_one(JobPtr job, BuildSpec spec) {
  std::optional<Error> failure;
  for (const auto& server : spec.servers) {
    try {
      co_await build_there(job, spec, server);
      co_return server;
    } catch (const Error& error) {
      if (!error.retryable() || error.code() == ErrorCode::Cancelled) throw;
      if (!failure) failure = error;
    }
  }
  throw *failure;
}

Task<> BuildSet::build_here(JobPtr job, BuildSpec spec) {
  spec.servers.clear();
  while (true) {
    const BuildState state = co_await here_.look(spec);
    if (state.phase == BuildState::Phase::Absent) {
      co_await here_.begin(spec);
      continue;
    }
    if (state.phase == BuildState::Phase::Done) {
      job->state.image = state.image;
      co_return;
    }
    if (state.phase == BuildState::Phase::Failed) {
      Error failure(ErrorCode::Invalid, state.message);
      if (state.retry_in) failure.retry_after = std::chrono::ceil<std::chrono::milliseconds>(*state.retry_in);
      throw failure;
    }
    job->state.message = state.message;
    co_await wait(job);
  }
}

Task<> BuildSet::build_there(JobPtr job, BuildSpec spec, std::string server) {
  const auto host = hosts_.agent_of(server);
  const Instant limit = reactor_.now() + spec.timeout + kInTheQueue;
  while (reactor_.now() < limit) {
    const BuildState state = co_await host->build(spec);
    if (state.phase == BuildState::Phase::Done) {
      job->state.image = state.image;
      co_return;
    }
    job->state.message = "Server " + server + ": " + (state.message.empty() ? "building" : state.message);
    co_await wait(job);
  }
  throw Error(ErrorCode::Timeout, "Server " + server + " does not come to an end with the build");
}

Task<> BuildSet::carry(JobPtr job, std::string image, std::string from, std::string to) {
  if (from == to) co_return;
  const auto target = hosts_.agent_of(to);
  if (co_await target->has_image(image)) co_return;
  job->state.message = "the image is brought to Server " + to;
  std::shared_ptr<RemoteHost> maker;
  if (!from.empty()) maker = hosts_.agent_of(from);
  const std::shared_ptr<LogReader> saved = co_await (maker ? maker->save_image(image) : images_.save_image(image));
  log_.info("an image is carried", {{"image", image}, {"server", to}});
  co_await target->load_image([saved]() -> Task<std::string> { return saved->next(); });
  if (!co_await target->has_image(image))
    throw Error(ErrorCode::Unavailable, "Server " + to + " took the image " + image + ", and does not have it");
}

void BuildSet::keep_only_build(const std::string& owner_uid, const std::string& key) {
  here_.keep_only_build(owner_uid, key);
  for (const auto& [id, job] : jobs_) {
    if (job->owner_uid != owner_uid || job->state.key == key || !job->running() || job->cancelled) continue;
    job->cancelled = true;
    for (const auto& server : job->servers) {
      if (const auto contact = hosts_.contact(server); contact && contact->connected && !gate_.closed())
        reactor_.spawn(end_there(hosts_.agent_of(server), owner_uid, key, gate_.enter()));
    }
  }
  changed_.notify_all();
}

Task<> BuildSet::end_there(std::shared_ptr<RemoteHost> host, std::string owner_uid, std::string key, Gate::Pass) {
  try {
    co_await host->end_builds(owner_uid, key);
  } catch (const Error& error) {  // it ends by itself, at its limit
    log_.warn("a build that is not needed any more could not be ended", {{"error", error.message()}});
  }
}

void BuildSet::forget(const std::string& key) {
  here_.forget(key);
  std::erase_if(jobs_, [&](const auto& entry) {
    const Job& job = *entry.second;
    return job.state.key == key && job.state.phase == BuildState::Phase::Done && reactor_.now() - job.ended > kFresh;
  });
}

Task<std::unique_ptr<LogReader>> BuildSet::build_log(std::string owner_uid, bool follow) {
  JobPtr newest;
  for (const auto& [id, job] : jobs_) {
    if (job->owner_uid == owner_uid && job->in_folders && (!newest || newest->state.began < job->state.began))
      newest = job;
  }
  if (newest) co_return co_await hosts_.agent_of(newest->servers.front())->build_log(owner_uid, follow);
  std::optional<Error> absent;
  try {
    co_return co_await here_.build_log(owner_uid, follow);
  } catch (const Error& error) {
    absent = error;
  }
  // Built on a Server before this process began.
  for (const auto& host : hosts_.connected()) {
    try {
      co_return co_await host->build_log(owner_uid, follow);
    } catch (const Error& error) {  // tidy: not there either
      if (error.code() != ErrorCode::NotFound) absent = error;
    }
  }
  throw *absent;
}

Task<> BuildSet::sweep(Needed needed, Duration younger, Duration unused) {
  std::erase_if(jobs_, [&](const auto& entry) {
    return !entry.second->running() && reactor_.now() - entry.second->ended > younger;
  });
  co_await here_.sweep(std::move(needed), younger, unused);
}

}  // namespace gantry::providers::agent
