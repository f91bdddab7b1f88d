#include "providers/agent/remote_host.hpp"

#include <algorithm>

#include "controller/base/percent.hpp"
#include "providers/agent/remote_log.hpp"
#include "providers/agent/wire.hpp"

namespace gantry::providers::agent {
namespace {

constexpr std::size_t kLineMax = 64 << 20;
constexpr int kStartTries = 3;

std::unique_ptr<tls::Context> context_for(const AgentEndpoint& endpoint) {
  if (!endpoint.url.starts_with("https://")) return nullptr;
  return std::make_unique<tls::Context>(tls::Context::Client{.ca = endpoint.ca, .pin = endpoint.pin});
}

bool means_refused(const Error& error) {
  return error.code() == ErrorCode::Unauthorized ||
         error.message().find("certificate verify failed") != std::string::npos;
}

}  // namespace

RemoteHost::RemoteHost(Reactor& reactor, Blocking& blocking, Random& random, std::string server, AgentEndpoint endpoint,
                       Options options)
    : reactor_(reactor),
      blocking_(blocking),
      random_(random),
      server_(std::move(server)),
      endpoint_(std::move(endpoint)),
      options_(options),
      tls_(context_for(endpoint_)),
      pool_(reactor, http::Endpoint::of_url(endpoint_.url), tls_.get()),
      wake_(reactor),
      gate_(reactor) {
  contact_.silent_since = reactor_.now();
  contact_.problem = "it has not been asked yet";
}

RemoteHost::~RemoteHost() { reactor_.clock().cancel(silence_timer_); }

void RemoteHost::open() { reactor_.spawn(follow(shared_from_this(), gate_.enter())); }

Task<> RemoteHost::close() {
  const auto self = shared_from_this();
  closing_ = true;
  reactor_.clock().cancel(silence_timer_);
  if (stream_) stream_->close();
  wake_.notify_all();
  // Calls under way end by themselves; each keeps this alive.
  co_await gate_.close_until(reactor_.now() + options_.close);
}

// ---- Following.

Task<> RemoteHost::follow(std::shared_ptr<RemoteHost> self, Gate::Pass) {
  while (!self->closing_) {
    co_await self->follow_once();
    if (self->closing_) break;
    const Duration most = std::min<Duration>(self->options_.retry_longest,
                                             self->options_.retry_first * (1LL << std::min(self->failures_, 10U)));
    const Duration pause(
        static_cast<std::int64_t>(static_cast<double>(most.count()) * (0.5 + self->random_.unit() / 2)));
    co_await self->wake_.wait_until(self->reactor_.now() + pause);
  }
}

Task<> RemoteHost::follow_once() {
  std::optional<Error> failure;
  try {
    co_await follow_channel();
    failure = Error(ErrorCode::Unavailable, "the agent ended the channel");
  } catch (const Error& error) {  // tidy: however it ends, it is tried again
    failure = error;
  }
  reactor_.clock().cancel(silence_timer_);
  stream_.reset();
  if (closing_) co_return;
  // An agent that does not know the new key yet.
  if (failure->code() == ErrorCode::Unauthorized && !endpoint_.previous_key.empty()) old_key_ = !old_key_;
  if (std::exchange(silence_ended_it_, false)) {
    failure = Error(ErrorCode::Timeout, "nothing was heard of it for " + human_duration(options_.silence));
  }
  ++failures_;
  lose(*failure);
}

Task<> RemoteHost::follow_channel() {
  std::string path = "/events";
  if (!channel_.empty()) path += "?replaces=" + channel_;
  auto stream = co_await http::open_stream(pool_, request("GET", path, options_.connect));
  if (stream->status() != 200) {
    const int status = stream->status();
    open_envelope("the agent", status, co_await stream->rest(64 << 10));
  }
  if (closing_) co_return;
  stream_ = std::move(stream);
  heard_ = reactor_.now();
  watch_silence();
  http::LineSplitter lines(kLineMax);
  while (true) {
    const std::string piece = co_await stream_->next();
    if (piece.empty() || closing_) co_return;
    heard_ = reactor_.now();
    contact_.last_heard = reactor_.clock().wall();
    lines.feed(piece);
    while (const auto line = lines.next()) hear(*line);
    if (old_key_ && contact_.connected) co_await announce_key();
    if (contact_.connected && reactor_.now() >= tunnel_due_) {
      tunnel_due_ = reactor_.now() + options_.tunnel;
      reactor_.spawn(learn_tunnel(shared_from_this(), gate_.enter()));
    }
  }
}

// The machine may have slept, ours or its: a timer that runs late is no silence of the agent's. Its own next words, or
// the next round of this timer, tell.
void RemoteHost::watch_silence() {
  const Instant due = heard_ + options_.silence;
  silence_timer_ = reactor_.clock().call_at(reactor_, due, [this, weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || closing_ || !stream_) return;
    if (reactor_.now() < heard_ + options_.silence) {
      watch_silence();
      return;
    }
    silence_ended_it_ = true;
    stream_->close();
  });
}

void RemoteHost::hear(std::string_view line) {
  if (line.empty()) return;
  const json::Value data = open_envelope("the agent", 200, line);
  const std::string type = data.string_or("type");
  if (type == "snapshot") hear_snapshot(data);
  if (type == "change") hear_change(data);
}

void RemoteHost::replace(std::string_view owner, const json::Value& instances, std::int64_t sequence,
                         std::set<std::string>& told) {
  std::map<std::string, Instance> fresh;
  if (instances.is_array()) {
    for (const auto& each : instances.as_array()) {
      Instance instance = placed(instance_from(each));
      fresh.insert_or_assign(instance.id, std::move(instance));
    }
  }
  std::erase_if(held_, [&](const auto& entry) {
    const auto& [id, held] = entry;
    if ((!owner.empty() && held.instance.owner_uid != owner) || fresh.contains(id) || held.sequence > sequence)
      return false;
    told.insert(held.instance.owner_uid);
    return true;
  });
  for (auto& [id, instance] : fresh) {
    Held& held = held_[id];
    if (held.sequence > sequence) continue;
    told.insert(instance.owner_uid);
    held = {std::move(instance), sequence};
  }
}

void RemoteHost::hear_snapshot(const json::Value& data) {
  channel_ = data.string_or("channel");
  tunnel_due_ = {};  // it may be another agent by now
  // Sequences begin anew with each start of the agent.
  const std::string epoch = data.string_or("epoch");
  for (auto& [id, held] : held_) {
    if (epoch != epoch_) held.sequence = 0;
  }
  epoch_ = epoch;
  std::set<std::string> told;
  // Those that were in doubt are no longer, also where nothing else changed.
  for (const auto& [id, held] : held_) told.insert(held.instance.owner_uid);
  const json::Value* instances = data.find("instances");
  replace("", instances ? *instances : json::Value(), data.int_or("sequence", 0), told);
  failures_ = 0;
  contact_.connected = true;
  contact_.ever = true;
  contact_.refused = false;
  contact_.problem.clear();
  contact_.version = data.string_or("version");
  contact_.last_heard = reactor_.clock().wall();
  log_.info("the agent is reached", {{"server", server_}, {"version", contact_.version}, {"instances", held_.size()}});
  if (on_contact_) on_contact_();
  for (const auto& owner : told) tell(owner);
}

void RemoteHost::hear_change(const json::Value& data) {
  const std::string owner = data.string_or("owner");
  if (owner.empty()) return;
  std::set<std::string> told;
  const json::Value* instances = data.find("instances");
  replace(owner, instances ? *instances : json::Value(), data.int_or("sequence", 0), told);
  for (const auto& each : told) tell(each);
}

void RemoteHost::learn(const json::Value& answer, std::int64_t sequence) {
  Instance instance = placed(instance_from(answer));
  Held& held = held_[instance.id];
  if (held.sequence <= sequence) held = {std::move(instance), sequence};
}

void RemoteHost::lose(const Error& error) {
  const bool was = contact_.connected;
  if (was) contact_.silent_since = heard_;
  const bool news = was || contact_.problem != error.message() || contact_.refused != means_refused(error);
  contact_.connected = false;
  contact_.problem = error.message();
  contact_.refused = means_refused(error);
  if (!news) return;
  log_.warn("the agent is not reached; what runs there goes on, and is left as it is",
            {{"server", server_}, {"error", contact_.problem}});
  if (on_contact_) on_contact_();
  if (was) tell_all();
}

// The agent was reached with the previous key: it is told the new one, and takes both for a while.
Task<> RemoteHost::announce_key() {
  std::optional<Error> failure;
  try {
    const auto overlap = std::chrono::duration_cast<std::chrono::seconds>(options_.key_overlap).count();
    co_await call("POST", "/key", options_.call,
                  json::Object{{"key", endpoint_.key.reveal()}, {"overlapSeconds", overlap}});
    old_key_ = false;
    log_.info("the agent knows the new key", {{"server", server_}});
  } catch (const Error& error) {  // tidy: the old key still opens; tried again after the next heartbeat
    failure = error;
  }
  if (failure) log_.warn("the agent did not take the new key", {{"server", server_}, {"error", failure->message()}});
}

Instance RemoteHost::placed(Instance instance) const {
  instance.server = server_;
  instance.address = endpoint_.address;
  instance.tunnel = tunnel_;
  instance.plain_because = plain_because_;
  return instance;
}

// The agent is told whose relays its tunnel lets in, and says where it ends. While it cannot be asked, what it said
// before holds.
Task<> RemoteHost::learn_tunnel(std::shared_ptr<RemoteHost> self, Gate::Pass) {
  const AgentEndpoint& endpoint = self->endpoint_;
  if (endpoint.relays.empty()) co_return;
  if (!endpoint.url.starts_with("https://")) {
    self->use_tunnel({}, "its agent speaks plain HTTP, and so has no tunnel: start it without --http");
    co_return;
  }
  std::optional<Error> failure;
  json::Value answer;
  try {
    answer = co_await self->call("POST", "/tunnel", self->options_.call, json::Object{{"authority", endpoint.relays}});
  } catch (const Error& error) {  // tidy: an agent without one says so in this way
    failure = error;
  }
  if (failure && failure->code() == ErrorCode::NotFound) {
    self->use_tunnel({}, "its agent " + self->contact_.version + " has no tunnel yet: upgrade it");
  } else if (!failure && answer.int_or("port", 0) > 0) {
    self->use_tunnel(TunnelWay{static_cast<int>(answer.int_or("port", 0)), http::Endpoint::of_url(endpoint.url).host,
                               endpoint.ca, endpoint.pin, answer.bool_or("used", false)},
                     {});
  } else if (!self->tunnel_) {
    self->use_tunnel({}, "its tunnel does not run: " + (failure ? failure->message() : answer.string_or("problem")));
  }
}

void RemoteHost::use_tunnel(std::optional<TunnelWay> way, std::string none_because) {
  if (closing_ || (way == tunnel_ && none_because == plain_because_)) return;
  tunnel_ = std::move(way);
  plain_because_ = std::move(none_because);
  for (auto& [id, held] : held_) held.instance = placed(std::move(held.instance));
  tell_all();
}

void RemoteHost::take_over(const RemoteHost& before) {
  held_ = before.held_;
  tunnel_ = before.tunnel_;
  plain_because_ = before.plain_because_;
  for (auto& [id, held] : held_) held.instance.address = endpoint_.address;
  epoch_ = before.epoch_;
  contact_.ever = before.contact_.ever;
  contact_.last_heard = before.contact_.last_heard;
  contact_.version = before.contact_.version;
}

void RemoteHost::reconnect() {
  failures_ = 0;
  if (stream_) stream_->close();
  wake_.notify_all();
}

void RemoteHost::tell_all() {
  std::set<std::string> owners;
  for (const auto& [id, held] : held_) owners.insert(held.instance.owner_uid);
  for (const auto& owner : owners) tell(owner);
}

void RemoteHost::tell(const std::string& owner) {
  for (const auto& listener : listeners_) listener(owner);
}

// ---- Asking.

http::Request RemoteHost::request(std::string method, std::string path, Duration timeout, std::string body) const {
  http::Request made;
  made.method = std::move(method);
  made.url = std::move(path);
  made.timeout = timeout;
  made.body = std::move(body);
  made.headers.emplace_back("X-API-Key", (old_key_ ? endpoint_.previous_key : endpoint_.key).reveal());
  if (!made.body.empty()) made.headers.emplace_back("Content-Type", "application/json");
  return made;
}

Task<http::Response> RemoteHost::send(std::string method, std::string path, Duration timeout, json::Value body) {
  const auto self = shared_from_this();
  const auto pass = gate_.enter();
  http::Request question =
      request(std::move(method), std::move(path), timeout, body.is_null() ? std::string() : json::dump(body));
  if (question.method != "GET" && !channel_.empty()) question.headers.emplace_back("X-Gantry-Channel", channel_);
  try {
    co_return co_await pool_.send(std::move(question));
  } catch (Error& error) {
    throw error.while_("Server " + server_);
  }
}

Task<json::Value> RemoteHost::call(std::string method, std::string path, Duration timeout, json::Value body) {
  co_return open_envelope("Server " + server_,
                          co_await send(std::move(method), std::move(path), timeout, std::move(body)));
}

Error RemoteHost::unreachable() const {
  return Error(ErrorCode::Unavailable, "the agent of Server " + server_ + " is not reached (" + contact_.problem + ")");
}

void RemoteHost::must_be_connected() const {
  if (!contact_.connected) throw unreachable();
}

void RemoteHost::must_know(const std::string&) const {
  if (!contact_.ever) throw unreachable();
}

Task<json::Value> RemoteHost::health() {
  must_be_connected();
  co_return co_await call("GET", "/health", options_.call);
}

Task<json::Value> RemoteHost::ask(std::string path, json::Value body, Duration limit) {
  must_be_connected();
  co_return co_await call("POST", std::move(path), limit, std::move(body));
}

Task<json::Value> RemoteHost::keep_awake(bool keep) {
  must_be_connected();
  const json::Value answer = co_await call("POST", "/awake", options_.call, json::Object{{"keep", keep}});
  const json::Value* awake = answer.find("awake");
  co_return awake ? *awake : json::Value();
}

Task<ProbeResult> RemoteHost::probe(ProbeSpec spec) {
  std::string problem = contact_.problem;
  if (contact_.connected) {
    try {
      const json::Value answer = co_await call("POST", "/probe", spec.timeout + std::chrono::seconds(5), to_json(spec));
      const json::Value* result = answer.find("probe");
      co_return probe_result_from(result ? *result : json::Value());
    } catch (const Error& error) {  // tidy: an answer is promised, whatever happens
      problem = error.message();
    }
  }
  co_return ProbeResult{.message = problem, .asked = false};
}

bool RemoteHost::holds(const std::string& owner_uid) const {
  return std::ranges::any_of(held_, [&](const auto& one) { return one.second.instance.owner_uid == owner_uid; });
}

Task<std::vector<Instance>> RemoteHost::list(std::string owner_uid) {
  std::vector<Instance> found;
  for (const auto& [id, held] : held_) {
    if (!owner_uid.empty() && held.instance.owner_uid != owner_uid) continue;
    found.push_back(held.instance);
    if (!contact_.connected) found.back().in_doubt = unreachable().message();
  }
  co_return found;
}

Task<Instance> RemoteHost::start(InstanceSpec spec) {
  const std::string id = spec.id;
  const json::Value body = to_json(spec);
  if (!spec.code_digest.empty()) co_await bring_code(spec.code_folder, spec.code_digest, spec.owner_name);
  const json::Value answer = open_envelope("Server " + server_, co_await send_start(body));
  const json::Value* instance = answer.find("instance");
  if (!instance || instance->string_or("id") != id)
    throw Error(ErrorCode::Unavailable, "Server " + server_ + " does not say what it started");
  learn(*instance, answer.int_or("sequence", 0));
  co_return held_.at(id).instance;
}

// The same id again starts nothing twice, so a lost answer is simply asked for again.
Task<http::Response> RemoteHost::send_start(const json::Value& spec) {
  for (int left = kStartTries; true; --left) {
    must_be_connected();
    std::optional<Error> lost;
    try {
      co_return co_await send("POST", "/containers/run", options_.start, spec);
    } catch (const Error& error) {
      lost = error;
    }
    // Given up, so it must not happen later: without this channel the agent refuses it.
    if (lost->code() == ErrorCode::Timeout && stream_) stream_->close();
    if (lost->code() != ErrorCode::Unavailable || left <= 1) throw *lost;
  }
}

Task<> RemoteHost::stop(std::string id) {
  const auto known = held_.find(id);
  if (known == held_.end() || known->second.instance.state == Instance::State::Exited) co_return;
  must_be_connected();
  std::optional<Error> failure;
  try {
    const json::Value answer = co_await call("POST", "/containers/" + percent_encode(id) + "/stop", options_.call);
    if (const json::Value* instance = answer.find("instance")) learn(*instance, answer.int_or("sequence", 0));
  } catch (const Error& error) {  // tidy: gone already is as good
    failure = error;
  }
  if (failure && failure->code() != ErrorCode::NotFound) throw *failure;
}

Task<> RemoteHost::remove(std::string id, bool logs_too) {
  must_be_connected();
  co_await call("DELETE", "/containers/" + percent_encode(id) + (logs_too ? "?logs" : ""), options_.call);
  const auto known = held_.find(id);
  if (known == held_.end()) co_return;
  const std::string owner = known->second.instance.owner_uid;
  held_.erase(known);
  tell(owner);
}

Task<std::unique_ptr<LogReader>> RemoteHost::logs(std::string id, LogQuery query) {
  must_be_connected();
  std::string path = "/containers/" + percent_encode(id) + "/logs?stream";
  if (query.follow) path += "&follow";
  if (query.timestamps) path += "&timestamps";
  if (query.tail_lines) path += "&tail=" + std::to_string(*query.tail_lines);
  if (query.since) path += "&since=" + percent_encode(format_micro_time(*query.since));
  co_return co_await open_log(std::move(path));
}

// What comes as plain text or bytes, and not in an envelope.
Task<std::unique_ptr<LogReader>> RemoteHost::open_log(std::string path) {
  auto stream = co_await http::open_stream(pool_, request("GET", std::move(path), options_.call));
  if (stream->status() != 200) {
    const int status = stream->status();
    open_envelope("Server " + server_, status, co_await stream->rest(64 << 10));
  }
  co_return std::make_unique<RemoteLog>(std::move(stream));
}

Task<std::string> RemoteHost::log_tail(std::string id, std::size_t lines) {
  must_be_connected();
  const json::Value answer =
      co_await call("GET", "/containers/" + percent_encode(id) + "/tail?lines=" + std::to_string(lines), options_.call);
  co_return answer.string_or("logs");
}

Task<std::vector<InstanceUsage>> RemoteHost::usage(std::string owner_uid) {
  std::vector<InstanceUsage> all;
  const auto self = shared_from_this();
  try {
    must_be_connected();
    const json::Value answer = co_await call("GET", "/stats?owner=" + percent_encode(owner_uid), options_.call);
    if (const json::Value* stats = answer.find("stats"); stats && stats->is_array()) {
      for (const auto& one : stats->as_array()) all.push_back(usage_from(one));
    }
  } catch (const Error&) {  // the health checks say so already; the scaler waits
    all.clear();
  }
  co_return all;
}

}  // namespace gantry::providers::agent
