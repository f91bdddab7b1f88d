#include "providers/agent/host_set.hpp"

#include "controller/base/signal.hpp"

namespace gantry::providers::agent {
namespace {

constexpr Duration kMeasureWait = std::chrono::seconds(2);

}  // namespace

HostSet::HostSet(Reactor& reactor, Blocking& blocking, Random& random, WorkloadHost& here, LocalProbe probe,
                 RemoteHost::Options options)
    : reactor_(reactor),
      blocking_(blocking),
      random_(random),
      here_(here),
      probe_(std::move(probe)),
      options_(options) {}

HostSet::~HostSet() = default;

Task<> HostSet::close() {
  for (auto& [name, remote] : std::exchange(remotes_, {})) co_await remote->close();
}

Task<> HostSet::close_quietly(RemotePtr host) { co_await host->close(); }

// ---- The directory.

void HostSet::keep(const std::string& server, const AgentEndpoint& endpoint) {
  const auto known = remotes_.find(server);
  if (known != remotes_.end() && known->second->endpoint() == endpoint) return;
  auto fresh = std::make_shared<RemoteHost>(reactor_, blocking_, random_, server, endpoint, options_);
  fresh->on_contact([this, server] {
    for (const auto& listener : contact_listeners_) listener(server);
  });
  for (const auto& listener : listeners_) fresh->on_change(listener);
  // The same machine under another key or address: what is known of it stays known until it says otherwise.
  if (known != remotes_.end()) {
    fresh->take_over(*known->second);
    reactor_.spawn(close_quietly(known->second));
  }
  remotes_.insert_or_assign(server, fresh);
  fresh->open();
}

bool HostSet::keeps(const std::string& server, const AgentEndpoint& endpoint) const {
  const RemotePtr remote = find(server);
  return remote && remote->endpoint() == endpoint;
}

void HostSet::forget(const std::string& server) {
  const auto known = remotes_.find(server);
  if (known == remotes_.end()) return;
  const RemotePtr gone = known->second;
  remotes_.erase(known);
  gone->tell_all();
  reactor_.spawn(close_quietly(gone));
}

std::optional<AgentContact> HostSet::contact(const std::string& server) const {
  const RemotePtr remote = find(server);
  return remote ? std::optional(remote->contact()) : std::nullopt;
}

std::shared_ptr<WorkloadHost> HostSet::find_host(const std::string& server) const { return find(server); }

Task<json::Value> HostSet::health(std::string server) { co_return co_await get(server)->health(); }

Task<json::Value> HostSet::ask(std::string server, std::string path, json::Value body, Duration limit) {
  co_return co_await get(server)->ask(std::move(path), std::move(body), limit);
}

Task<json::Value> HostSet::keep_awake(std::string server, bool keep) {
  co_return co_await get(server)->keep_awake(keep);
}

void HostSet::on_contact(std::function<void(const std::string&)> callback) {
  contact_listeners_.push_back(std::move(callback));
}

HostSet::RemotePtr HostSet::find(const std::string& server) const {
  const auto known = remotes_.find(server);
  return known == remotes_.end() ? nullptr : known->second;
}

HostSet::RemotePtr HostSet::get(const std::string& server) const {
  if (auto remote = find(server)) return remote;
  throw Error(ErrorCode::Unavailable, "no agent of Server " + server + " is known");
}

HostSet::RemotePtr HostSet::holder_of(const std::string& id) const {
  for (const auto& [name, remote] : remotes_) {
    if (remote->knows(id)) return remote;
  }
  return nullptr;
}

std::vector<HostSet::RemotePtr> HostSet::connected() const {
  std::vector<RemotePtr> found;
  for (const auto& [name, remote] : remotes_) {
    if (remote->contact().connected) found.push_back(remote);
  }
  return found;
}

void HostSet::reconnect() {
  for (const auto& [name, remote] : remotes_) remote->reconnect();
}

// ---- All hosts as one.

Task<std::vector<Instance>> HostSet::list(std::string owner_uid) {
  auto all = co_await here_.list(owner_uid);
  const auto remotes = remotes_;
  for (const auto& [name, remote] : remotes) {
    for (auto& each : co_await remote->list(owner_uid)) all.push_back(std::move(each));
  }
  co_return all;
}

Task<Instance> HostSet::start(InstanceSpec spec) {
  if (spec.server.empty()) co_return co_await here_.start(std::move(spec));
  const RemotePtr remote = get(spec.server);
  std::optional<Error> failure;
  try {
    co_return co_await remote->start(spec);
  } catch (const Error& error) {
    failure = error;
  }
  const bool missing = spec.runtime == InstanceSpec::Runtime::Docker && failure->code() == ErrorCode::NotFound;
  if (!missing || !co_await bring_image(remote, spec.image)) throw *failure;
  co_return co_await remote->start(std::move(spec));
}

// What was built is in no registry, and comes from this machine; everything else is pulled there. False when it is not
// here either: it has to be built again.
Task<bool> HostSet::bring_image(RemotePtr remote, std::string image) {
  if (!workshop_ || !(image.starts_with("gantry.local/") || image.starts_with("sha256:"))) {
    co_await remote->ensure_image(std::move(image));
    co_return true;
  }
  std::shared_ptr<LogReader> saved;
  try {
    saved = co_await workshop_->save_image(image);
  } catch (const Error&) {  // tidy: it was built elsewhere, or pruned, or Docker is not here; the caller says so
    saved = nullptr;
  }
  if (saved) co_await remote->load_image([saved]() -> Task<std::string> { return saved->next(); });
  co_return saved != nullptr;
}

Task<> HostSet::stop(std::string id) {
  const RemotePtr remote = holder_of(id);
  co_await (remote ? remote->stop(id) : here_.stop(id));
}

Task<> HostSet::remove(std::string id, bool logs_too) {
  const RemotePtr remote = holder_of(id);
  co_await (remote ? remote->remove(id, logs_too) : here_.remove(id, logs_too));
}

Task<std::unique_ptr<LogReader>> HostSet::logs(std::string id, LogQuery query) {
  const RemotePtr remote = holder_of(id);
  co_return co_await (remote ? remote->logs(id, query) : here_.logs(id, query));
}

Task<std::string> HostSet::log_tail(std::string id, std::size_t lines) {
  const RemotePtr remote = holder_of(id);
  co_return co_await (remote ? remote->log_tail(id, lines) : here_.log_tail(id, lines));
}

Task<std::string> HostSet::ensure_image(std::string reference) {
  co_return co_await here_.ensure_image(std::move(reference));
}

void HostSet::must_know(const std::string& server) const {
  if (!server.empty()) get(server)->must_know(server);
}

// All at once, and only those where it has something. One that has not answered in time is not measured this time.
Task<std::vector<InstanceUsage>> HostSet::usage(std::string owner_uid) {
  struct Round {
    explicit Round(Reactor& reactor) : changed(reactor) {}
    std::vector<InstanceUsage> all;
    std::size_t open = 0;
    Signal changed;
  };
  const auto round = std::make_shared<Round>(reactor_);
  const auto ask = [](std::shared_ptr<Round> asked, RemotePtr remote, std::string owner) -> Task<> {
    auto answer = co_await remote->usage(std::move(owner));
    asked->all.insert(asked->all.end(), answer.begin(), answer.end());
    --asked->open;
    asked->changed.notify_all();
  };
  for (const auto& [server, remote] : remotes_) {
    if (!remote->holds(owner_uid)) continue;
    ++round->open;
    reactor_.spawn(ask(round, remote, owner_uid));
  }
  auto all = co_await here_.usage(owner_uid);
  const Instant limit = reactor_.now() + kMeasureWait;
  while (round->open > 0 && co_await round->changed.wait_until(limit)) continue;
  all.insert(all.end(), round->all.begin(), round->all.end());
  co_return all;
}

void HostSet::on_change(OnChange callback) {
  here_.on_change(callback);
  for (auto& [name, remote] : remotes_) remote->on_change(callback);
  listeners_.push_back(std::move(callback));
}

Task<ProbeResult> HostSet::probe(ProbeSpec spec) {
  if (spec.server.empty()) co_return co_await probe_(std::move(spec));
  const RemotePtr remote = find(spec.server);
  if (!remote) co_return ProbeResult{.message = "no agent of Server " + spec.server + " is known", .asked = false};
  co_return co_await remote->probe(std::move(spec));
}

}  // namespace gantry::providers::agent
