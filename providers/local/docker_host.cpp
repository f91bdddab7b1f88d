#include "providers/local/docker_host.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "providers/local/docker_format.hpp"
#include "providers/local/docker_image.hpp"
#include "providers/local/docker_log_reader.hpp"
#include "providers/local/instance_files.hpp"
#include "providers/local/log_cursor.hpp"
#include "providers/local/posix.hpp"

namespace gantry::providers::local {
namespace {

constexpr Duration kStartLimit = std::chrono::minutes(2);
constexpr Duration kLeaveLimit = std::chrono::seconds(10);
constexpr Duration kRetryFirst = std::chrono::milliseconds(250);
constexpr Duration kRetryMost = std::chrono::seconds(15);
constexpr std::int64_t kKeptLogLines = 2000;  // of a removed container
constexpr int kNeverRanExitCode = 127;
constexpr int kUnknownExitCode = 255;

bool mentions(const Error& error, std::string_view text) { return error.message().find(text) != std::string::npos; }

}  // namespace

struct DockerHost::Held {
  Held(Reactor& reactor, Instance it) : instance(std::move(it)), changed(reactor) {}
  Instance instance;
  Signal changed;
  bool starting = false;  // by a start() of ours that is under way
  bool stopping = false;  // a stop request of ours is under way
  bool out_of_memory = false;
  bool leaving = false;  // it has died, and Docker takes its network and its ports apart
  bool exited() const { return instance.state == Instance::State::Exited; }
};

DockerHost::DockerHost(Reactor& reactor, Blocking& blocking, PortBook& ports, Options options)
    : reactor_(reactor),
      blocking_(blocking),
      ports_(ports),
      options_(std::move(options)),
      containers_(options_.folder + "/containers"),
      engine_(reactor, options_.socket_path),
      wake_(reactor),
      gate_(reactor) {}

DockerHost::~DockerHost() = default;

DockerHost::HeldPtr DockerHost::find(const std::string& id) const {
  const auto known = held_.find(id);
  return known == held_.end() ? nullptr : known->second;
}

Task<> DockerHost::open() {
  struct Found {
    bool used = false;
    std::vector<std::string> intents;
    std::set<std::string> stops;
  };
  const Found found = co_await blocking_.run(reactor_, [folder = containers_] {
    Found here;
    here.used = files::exists(folder);
    for (const auto& name : names_in(folder)) {
      if (name.ends_with(".stop")) here.stops.insert(name.substr(0, name.size() - 5));
      if (!name.ends_with(".json")) continue;
      if (auto text = read_small(folder + "/" + name)) here.intents.push_back(std::move(*text));
    }
    return here;
  });
  if (!found.used) co_return;
  unfinished_stops_ = found.stops;
  for (const auto& text : found.intents) {
    try {
      Instance it = decode_intent(text).instance;
      it.runtime = InstanceSpec::Runtime::Docker;
      it.note = "Docker has not said yet what became of it";
      ports_.note(it.id, it.ports);
      const auto held = std::make_shared<Held>(reactor_, std::move(it));
      held_.emplace(held->instance.id, held);
    } catch (const Error& error) {
      log_.error("an intent cannot be read", {{"error", error.what()}});
    }
  }
  std::optional<Error> failure;
  try {
    co_await list_all();
  } catch (const Error& error) {
    failure = error;
  }
  if (failure) {
    was_reachable_ = false;
    log_.warn("Docker does not answer; its containers are as last known until it does", {{"error", failure->what()}});
  }
  use_docker();
}

Task<> DockerHost::close() {
  closing_ = true;
  engine_.close();
  wake_.notify_all();
  for (auto& [id, held] : held_) held->changed.notify_all();
  co_await gate_.close();
}

Task<std::vector<Instance>> DockerHost::list(std::string owner_uid) {
  std::vector<Instance> found;
  for (const auto& [id, held] : held_) {
    if (owner_uid.empty() || held->instance.owner_uid == owner_uid) found.push_back(held->instance);
  }
  co_return found;
}

void DockerHost::tell(const Held& held) {
  const std::string owner = held.instance.owner_uid;
  for (const auto& listener : listeners_) listener(owner);
}

// ---------------------------------------------------------------- following Docker

// From the first use on; a machine without Docker costs nothing.
void DockerHost::use_docker() {
  wake_.notify_all();
  if (std::exchange(used_, true) || closing_) return;
  reactor_.spawn(follow(gate_.enter()));
}

Task<> DockerHost::follow(Gate::Pass) {
  Duration pause = kRetryFirst;
  while (!closing_) {
    std::optional<Error> failure;
    const Instant began = reactor_.now();
    try {
      co_await follow_once();
    } catch (const Error& error) {
      failure = error;
    }
    events_.reset();
    if (closing_) break;
    if (failure && std::exchange(was_reachable_, false))
      log_.warn("Docker's events are interrupted", {{"error", failure->what()}});
    if (reactor_.now() - began > kRetryMost) pause = kRetryFirst;
    co_await wake_.wait_until(reactor_.now() + pause);
    pause = std::min(pause * 2, kRetryMost);
  }
}

Task<> DockerHost::follow_once() {
  events_ = co_await engine_.stream(
      "following Docker's events",
      "/events?filters=" + query_escape(R"({"type":["container"],"label":[")" + std::string(kHostLabel) + "=" +
                                        options_.host_id + R"("]})"));
  // Listed after the events are on, so that nothing falls between the two.
  co_await list_all();
  if (!std::exchange(was_reachable_, true)) log_.info("Docker answers again");
  http::LineSplitter lines;
  while (!closing_) {
    const std::string piece = co_await events_->next();
    if (piece.empty()) throw Error(ErrorCode::Unavailable, "Docker ended the stream of events");
    lines.feed(piece);
    while (const auto line = lines.next()) co_await handle(std::string(*line));
  }
}

Task<> DockerHost::handle(std::string_view line) {
  if (line.empty()) co_return;
  const json::Value event = json::parse(line);
  const std::string action = event.string_or("Action");
  const json::Value* actor = event.find("Actor");
  if (!actor) co_return;
  const json::Value* attributes = actor->find("Attributes");
  const HeldPtr held = attributes ? find(attributes->string_or(kInstanceLabel)) : nullptr;
  if (action == "oom" && held) held->out_of_memory = true;
  if (action != "start" && action != "die" && action != "destroy" && action != "create") co_return;
  if (action == "die" && held && !held->exited() && !held->starting &&
      held->instance.container_id == actor->string_or("ID")) {
    note_death(held, std::atoi(attributes->string_or("exitCode", "255").c_str()));
    co_return;
  }
  co_await look(actor->string_or("ID"));
}

// Docker says at once that a container has died; then it takes its network apart, and answers no question about it
// until that is done, a quarter of a second later. Its successor is made meanwhile.
void DockerHost::note_death(const HeldPtr& held, int exit_code) {
  Instance& it = held->instance;
  it.state = Instance::State::Exited;
  it.stopping = false;
  it.pid = 0;
  it.finished = reactor_.clock().wall();
  it.exit_code = exit_code;
  it.exit_reason = held->out_of_memory ? "out of memory" : reason_of_exit(exit_code);
  it.note.clear();
  held->leaving = true;
  ports_.release(it.id);
  reactor_.spawn(see_it_leave(held, gate_.enter()));
  held->changed.notify_all();
  tell(*held);
}

Task<> DockerHost::see_it_leave(HeldPtr held, Gate::Pass) {
  try {
    co_await look(held->instance.container_id);
  } catch (const Error& error) {
    log_.debug("an ended container could not be looked at", {{"instance", held->instance.id}, {"error", error.what()}});
  }
  held->leaving = false;
  held->changed.notify_all();
}

std::vector<DockerHost::HeldPtr> DockerHost::leaving(const std::string& owner_uid, int slot) const {
  std::vector<HeldPtr> found;
  for (const auto& [id, held] : held_) {
    if (held->leaving && held->instance.owner_uid == owner_uid && held->instance.slot == slot) found.push_back(held);
  }
  return found;
}

std::string DockerHost::filters(std::string_view key, std::string_view value) const {
  json::Array labels{json::Value(std::string(kHostLabel) + "=" + options_.host_id)};
  if (!key.empty()) labels.push_back(json::Value(std::string(key) + "=" + std::string(value)));
  return "?all=1&filters=" + query_escape(json::dump(json::Object{{"label", std::move(labels)}}));
}

Task<> DockerHost::list_all() {
  const json::Value listed = co_await engine_.call("listing containers", "GET", "/containers/json" + filters("", ""));
  std::set<std::string> there;
  for (const auto& container : listed.as_array()) {
    const std::string id = container.string_or("Id");
    if (const json::Value* labels = container.find("Labels")) there.insert(labels->string_or(kInstanceLabel));
    co_await look(id);
  }
  for (const auto& [id, held] : std::map(held_)) {
    if (!there.contains(id) && !held->starting && !held->exited()) lose(held);
  }
}

Task<> DockerHost::look(std::string container_id) {
  std::optional<Error> failure;
  json::Value container;
  try {
    container = co_await engine_.call("inspecting a container", "GET", "/containers/" + container_id + "/json");
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) {
    adopt(container);
    co_return;
  }
  if (failure->code() != ErrorCode::NotFound) throw *failure;
  for (const auto& [id, held] : std::map(held_)) {
    if (held->instance.container_id == container_id && !held->exited()) lose(held);
  }
}

void DockerHost::adopt(const json::Value& container) {
  Instance fresh = instance_of(container);
  if (fresh.id.empty()) return;
  auto& held = held_[fresh.id];
  if (!held) held = std::make_shared<Held>(reactor_, Instance{.id = fresh.id});
  Instance& known = held->instance;
  // A container that was made, and its start cut off by our end: everything needed is in it.
  if (only_created(container) && !held->starting && !closing_) {
    held->starting = true;
    reactor_.spawn(finish_start(held, gate_.enter()));
  }
  const bool changed =
      known.state != fresh.state || known.container_id != fresh.container_id || known.exit_reason != fresh.exit_reason;
  fresh.stopping = held->stopping && fresh.state != Instance::State::Exited;
  known = std::move(fresh);
  if (unfinished_stops_.erase(known.id) > 0 && !held->exited() && !closing_) begin_stop(held);
  if (held->exited()) {
    ports_.release(known.id);
  } else {
    ports_.note(known.id, known.ports);
  }
  if (!changed) return;
  held->changed.notify_all();
  tell(*held);
}

void DockerHost::lose(const HeldPtr& held) {
  Instance& it = held->instance;
  const bool existed = !it.container_id.empty();
  it.state = Instance::State::Exited;
  it.stopping = false;
  it.pid = 0;
  it.finished = reactor_.clock().wall();
  it.exit_code = kUnknownExitCode;
  it.exit_reason = existed ? "its container was removed by somebody else" : "its container is not there";
  it.note.clear();
  ports_.release(it.id);
  held->changed.notify_all();
  tell(*held);
}

// ---------------------------------------------------------------- starting and ending

Task<Instance> DockerHost::start(InstanceSpec spec) {
  const auto pass = gate_.enter();
  check_instance_id(spec.id);
  use_docker();
  if (const HeldPtr known = find(spec.id)) {
    co_await settle(known);
    co_return known->instance;
  }
  std::set<PortKey> free_soon;
  for (const auto& last : leaving(spec.owner_uid, spec.slot)) {
    for (const auto& port : last->instance.ports) free_soon.insert({port.host_port, is_udp(port)});
  }
  PortChoice choice = ports_.claim(spec.id, spec.ports, free_soon);
  if (choice.taken) {
    const std::string holder = ports_.holder({choice.taken->host_port, is_udp(*choice.taken)});
    throw Error(ErrorCode::Conflict, co_await blocking_.run(reactor_, [taken = *choice.taken, holder] {
      return describe_taken(taken, holder);
    }));
  }
  Instance it;
  it.id = spec.id;
  it.owner_uid = spec.owner_uid;
  it.owner_namespace = spec.owner_namespace;
  it.owner_name = spec.owner_name;
  it.release = spec.release;
  it.slot = spec.slot;
  it.config_hash = spec.config_hash;
  it.runtime = InstanceSpec::Runtime::Docker;
  it.started = reactor_.clock().wall();
  it.ports = std::move(choice.ports);
  const auto held = std::make_shared<Held>(reactor_, std::move(it));
  held->starting = true;
  held_.emplace(spec.id, held);
  std::exception_ptr failure;
  try {
    co_await run(held, std::move(spec));
  } catch (const Error&) {
    failure = std::current_exception();
  }
  held->starting = false;
  held->changed.notify_all();
  if (!failure) co_return held->instance;
  // A container that was made after all, although the answer was lost, has its labels: the next list finds it.
  co_await forget(held);
  std::rethrow_exception(failure);
}

Task<> DockerHost::run(HeldPtr held, InstanceSpec spec) {
  Intent intent;
  intent.instance = held->instance;
  const int error =
      co_await blocking_.run(reactor_, [folder = containers_, path = intent_path(spec.id), text = encode(intent)] {
        files::make_directories(folder, 0700);
        return replace_file(path, text, 0600);
      });
  if (error != 0)
    throw Error(ErrorCode::Unavailable, "cannot write " + intent_path(spec.id) + ": " + errno_text(error));

  const json::Value there =
      co_await engine_.call("looking for the container", "GET", "/containers/json" + filters(kInstanceLabel, spec.id));
  if (there.as_array().empty()) {
    co_await make_network(spec);
    co_await make_container(held, spec);
  } else {
    held->instance.container_id = there.as_array()[0].string_or("Id");
    co_await look(held->instance.container_id);
  }
  for (const auto& last : leaving(spec.owner_uid, spec.slot)) {
    const Instant deadline = reactor_.now() + kLeaveLimit;
    while (last->leaving && !closing_ && reactor_.now() < deadline) co_await last->changed.wait_until(deadline);
  }
  if (held->instance.state == Instance::State::Starting) co_await start_container(held);
}

Task<> DockerHost::make_container(HeldPtr held, const InstanceSpec& spec) {
  const std::string doing = "making the container of " + spec.owner_namespace + "/" + spec.owner_name;
  const json::Value made =
      co_await engine_.call(doing, "POST", "/containers/create?name=" + query_escape(container_name(spec)),
                            create_body(spec, held->instance.ports, options_.host_id, options_.reachable), kStartLimit);
  held->instance.container_id = made.string_or("Id");
}

Task<> DockerHost::start_container(HeldPtr held) {
  const std::string container = held->instance.container_id;
  std::optional<Error> failure;
  try {
    co_await engine_.call("starting the container", "POST", "/containers/" + container + "/start", {}, kStartLimit);
  } catch (const Error& error) {
    failure = error;
  }
  if (!failure) {
    co_await look(container);
    co_return;
  }
  if (mentions(*failure, "port is already allocated") || mentions(*failure, "address already in use")) {
    throw Error(ErrorCode::Conflict, failure->message());
  }
  // Docker has one number for its own troubles and for what can never work, such as a command that is not in the image.
  throw Error(failure->code() == ErrorCode::Internal ? ErrorCode::Invalid : failure->code(), failure->message());
}

// For a container whose start was cut off by our end.
Task<> DockerHost::finish_start(HeldPtr held, Gate::Pass) {
  std::optional<Error> failure;
  try {
    co_await start_container(held);
  } catch (const Error& error) {
    failure = error;
  }
  held->starting = false;
  held->changed.notify_all();
  if (!failure || closing_ || failure->code() == ErrorCode::NotFound) co_return;
  Instance& it = held->instance;
  it.state = Instance::State::Exited;
  it.finished = reactor_.clock().wall();
  it.exit_code = kNeverRanExitCode;
  it.exit_reason = failure->message();
  ports_.release(it.id);
  tell(*held);
}

Task<> DockerHost::settle(HeldPtr held) {
  const Instant deadline = reactor_.now() + kStartLimit;
  while (held->starting && !closing_) {
    if (!co_await held->changed.wait_until(deadline)) co_return;
  }
}

Task<> DockerHost::forget(HeldPtr held) {
  Instance& it = held->instance;
  if (!it.container_id.empty()) {
    try {
      co_await engine_.call("removing the container", "DELETE", "/containers/" + it.container_id + "?force=1&v=1");
    } catch (const Error& error) {
      log_.warn("a container that never ran could not be removed",
                {{"container", it.container_id}, {"error", error.what()}});
    }
  }
  co_await blocking_.run(reactor_, [path = intent_path(it.id)] { ::unlink(path.c_str()); });
  ports_.release(it.id);
  if (find(it.id) == held) held_.erase(it.id);
  held->changed.notify_all();
}

Task<> DockerHost::stop(std::string id) {
  const HeldPtr held = find(id);
  if (!held || held->exited() || held->stopping || closing_) co_return;
  if (held->instance.container_id.empty()) co_return;  // being made; who asked will ask again
  use_docker();
  held->stopping = true;
  held->instance.stopping = true;
  co_await blocking_.run(reactor_, [path = stop_path(id)] { replace_file(path, "", 0600); });
  if (closing_) co_return;
  begin_stop(held);
}

void DockerHost::begin_stop(const HeldPtr& held) {
  held->stopping = true;
  held->instance.stopping = true;
  // Docker answers when the container has ended; whoever asked hears of that as a change.
  reactor_.spawn(stop_container(held, gate_.enter()));
}

Task<> DockerHost::stop_container(HeldPtr held, Gate::Pass) {
  std::optional<Error> failure;
  try {
    // Without t, Docker takes the grace that was given when the container was made.
    co_await engine_.call("stopping the container", "POST", "/containers/" + held->instance.container_id + "/stop", {},
                          std::chrono::hours(1));
  } catch (const Error& error) {
    failure = error;
  }
  if (closing_) co_return;  // the next controller goes on with it
  held->stopping = false;
  co_await blocking_.run(reactor_, [path = stop_path(held->instance.id)] { ::unlink(path.c_str()); });
  if (!failure) co_return;
  if (failure->code() == ErrorCode::NotFound) co_return;  // gone meanwhile: an event says so
  held->instance.stopping = false;
  log_.warn("a container could not be stopped; it will be asked again",
            {{"instance", held->instance.id}, {"error", failure->what()}});
  tell(*held);
}

Task<> DockerHost::remove(std::string id, bool logs_too) {
  const auto pass = gate_.enter();
  check_instance_id(id);
  const HeldPtr held = find(id);
  if (held && !held->exited()) throw Error(ErrorCode::Conflict, "instance " + id + " still runs; stop it first");
  if (held && !held->instance.container_id.empty()) {
    if (!logs_too) co_await keep_logs(held);
    std::optional<Error> failure;
    try {
      co_await engine_.call("removing the container", "DELETE", "/containers/" + held->instance.container_id + "?v=1");
    } catch (const Error& error) {
      failure = error;
    }
    // Absent is fine, and so is one whose removal is under way.
    if (failure && failure->code() != ErrorCode::NotFound && failure->code() != ErrorCode::Conflict) throw *failure;
  }
  co_await blocking_.run(reactor_, [path = intent_path(id), stop = stop_path(id), logs = logs_folder(id), logs_too] {
    if (logs_too) remove_folder(logs);
    ::unlink(path.c_str());
    ::unlink(stop.c_str());
  });
  if (!held) co_return;
  held_.erase(id);
  co_await remove_network(held->instance.owner_uid);
  tell(*held);
}

Task<std::string> DockerHost::ensure_image(std::string reference) {
  const auto pass = gate_.enter();
  use_docker();
  co_return co_await local::ensure_image(engine_, std::move(reference));
}

Task<std::vector<InstanceUsage>> DockerHost::usage(std::string owner_uid) {
  const auto pass = gate_.enter();
  std::vector<std::pair<std::string, std::string>> running;
  for (const auto& [id, held] : held_) {
    const Instance& it = held->instance;
    if (it.owner_uid == owner_uid && it.state == Instance::State::Running && !it.container_id.empty())
      running.emplace_back(id, it.container_id);
  }
  std::vector<InstanceUsage> used;
  for (const auto& [id, container] : running) {
    try {
      used.push_back(usage_of_stats(co_await engine_.call("measuring the container", "GET",
                                                          "/containers/" + container + "/stats?stream=0&one-shot=1")));
      used.back().id = id;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::NotFound && error.code() != ErrorCode::Conflict) throw;  // it has just ended
    }
  }
  co_return used;
}

// ---------------------------------------------------------------- logs

Task<std::unique_ptr<LogReader>> DockerHost::logs(std::string id, LogQuery query) {
  const HeldPtr held = find(id);
  if (!held || held->instance.container_id.empty()) {
    throw Error(ErrorCode::NotFound, "no logs of instance " + id + " are kept");
  }
  auto stream = co_await engine_.stream(
      "reading the logs of " + id, "/containers/" + held->instance.container_id + "/logs" + docker_logs_query(query));
  co_return std::make_unique<DockerLogReader>(std::move(stream));
}

Task<std::string> DockerHost::log_tail(std::string id, std::size_t lines) {
  check_instance_id(id);
  const HeldPtr held = find(id);
  if (!held)
    co_return co_await blocking_.run(reactor_, [folder = logs_folder(id), lines] { return last_lines(folder, lines); });
  const auto reader = co_await logs(id, {.tail_lines = static_cast<std::int64_t>(lines)});
  std::string all;
  for (std::string piece = co_await reader->next(); !piece.empty(); piece = co_await reader->next()) all += piece;
  co_return all;
}

// Docker keeps no log without its container: its last lines go to a file in the format that LogCursor reads.
Task<> DockerHost::keep_logs(const HeldPtr& held) {
  std::string records;
  try {
    const auto reader = co_await logs(held->instance.id, {.tail_lines = kKeptLogLines, .timestamps = true});
    std::string text;
    for (std::string piece = co_await reader->next(); !piece.empty(); piece = co_await reader->next()) text += piece;
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      const auto space = line.find(' ');
      if (space != std::string_view::npos)
        records.append(line.substr(0, space)).append(" stdout F").append(line.substr(space)).push_back('\n');
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  } catch (const Error& error) {
    log_.warn("the logs of a container could not be kept", {{"instance", held->instance.id}, {"error", error.what()}});
  }
  co_await blocking_.run(reactor_, [folder = logs_folder(held->instance.id), records] {
    files::make_directories(folder, 0700);
    replace_file(folder + "/log", records, 0600);
  });
}

}  // namespace gantry::providers::local
