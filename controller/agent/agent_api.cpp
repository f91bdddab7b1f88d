#include "controller/agent/agent_api.hpp"

#include <unistd.h>

#include <array>
#include <charconv>

#include "controller/agent/agent_call.hpp"
#include "controller/base/files.hpp"
#include "controller/base/log.hpp"
#include "providers/agent/wire.hpp"
#include "providers/local/posix.hpp"

namespace gantry::agent {
namespace {

const log::Logger kLog("agent");

std::vector<std::string_view> words_of(std::string_view path) {
  std::vector<std::string_view> words;
  while (!path.empty()) {
    path.remove_prefix(1);
    words.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(words.back().size());
  }
  return words;
}

// Whether the path is of that pattern; what stands for its * goes to `name`.
bool matches(std::string_view pattern, const std::vector<std::string>& segments, std::string& name) {
  const auto words = words_of(pattern);
  if (words.size() != segments.size()) return false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "*") {
      name = segments[i];
    } else if (words[i] != segments[i]) {
      return false;
    }
  }
  return true;
}

constexpr std::int64_t kOverlapSeconds = 3600;

}  // namespace

const std::vector<AgentApi::Operation>& AgentApi::operations() {
  static const std::vector<Operation> all{
      {"GET", "/ping", &AgentApi::ping},
      {"GET", "/health", &AgentApi::health},
      {"GET", "/version", &AgentApi::ping},
      {"GET", "/events", &AgentApi::events},
      {"POST", "/key", &AgentApi::rotate_key},
      {"POST", "/awake", &AgentApi::keep_awake},
      {"POST", "/tunnel", &AgentApi::tunnel},
      {"GET", "/containers", &AgentApi::list},
      {"POST", "/containers/run", &AgentApi::run},
      {"GET", "/containers/*", &AgentApi::show},
      {"POST", "/containers/*/stop", &AgentApi::stop},
      {"POST", "/containers/*/restart", &AgentApi::restart},
      {"POST", "/containers/*/remove", &AgentApi::remove},
      {"DELETE", "/containers/*", &AgentApi::remove},
      {"GET", "/containers/*/logs", &AgentApi::logs},
      {"GET", "/containers/*/tail", &AgentApi::log_tail},
      {"GET", "/stats", &AgentApi::stats},
      {"POST", "/probe", &AgentApi::probe},
      {"POST", "/pull", &AgentApi::pull},
      {"POST", "/upload", &AgentApi::upload},
      {"GET", "/code/*", &AgentApi::find_code},
      {"PUT", "/code/*", &AgentApi::upload},
      {"POST", "/git/clone", &AgentApi::git_clone},
      {"POST", "/prune", &AgentApi::prune},
      {"POST", "/upgrade", &AgentApi::upgrade},
      {"POST", "/build", &AgentApi::build},
      {"DELETE", "/build", &AgentApi::end_builds},
      {"GET", "/build/log", &AgentApi::build_log},
      {"GET", "/images", &AgentApi::find_image},
      {"GET", "/images/save", &AgentApi::save_image},
      {"POST", "/images/load", &AgentApi::load_image},
  };
  return all;
}

AgentApi::AgentApi(Parts parts)
    : parts_(std::move(parts)),
      usage_(parts_.data_dir),
      born_(parts_.reactor.now()),
      uploads_(parts_.data_dir + "/uploads"),
      cloned_(parts_.reactor) {
  providers::local::remove_folder(uploads_);  // what came and was not taken when the last process ended
}

api::HttpResponse answered_with(int status, std::string envelope) {
  api::HttpResponse response;
  response.status = status;
  envelope += '\n';
  response.body.emplace_back(std::move(envelope));
  return response;
}

api::HttpResponse answered(json::Object data) { return answered_with(200, providers::agent::success(std::move(data))); }

api::HttpResponse AgentApi::refuse(int status, const Error& error) {
  if (error.code() != ErrorCode::Unauthorized) return answered_with(status, providers::agent::failure(error));
  return answered_with(status, providers::agent::failure(
                                   Error(ErrorCode::Unauthorized, "the header X-API-Key must carry this agent's key")));
}

Task<api::HttpResponse> AgentApi::handle(api::HttpRequest request) {
  const std::string method = request.method;
  const std::string path = request.path;
  std::optional<Error> failure;
  try {
    co_return co_await answer({std::move(request), {}});
  } catch (const Error& error) {  // this door's own catch: an envelope, not a Status
    failure = error;
  }
  if (traits(failure->code()).http_status >= 500)
    kLog.warn("a call failed", {{"method", method}, {"path", path}, {"error", failure->message()}});
  co_return refuse(traits(failure->code()).http_status, *failure);
}

Task<api::HttpResponse> AgentApi::answer(Call call) {
  std::string methods;
  for (const auto& operation : operations()) {
    if (!matches(operation.path, call.request.segments, call.name)) continue;
    if (operation.method == call.request.method) co_return co_await (this->*operation.run)(std::move(call));
    methods += (methods.empty() ? "" : ", ") + std::string(operation.method);
  }
  if (!methods.empty()) throw Error(ErrorCode::MethodNotAllowed, call.request.path + " is asked for with " + methods);
  throw Error(ErrorCode::NotFound, "there is nothing at " + call.request.path + "; docs/agent.md lists the operations");
}

// ---- Reading requests.

json::Value AgentApi::Call::body() const { return request.body.empty() ? json::Value() : json::parse(request.body); }

std::string AgentApi::Call::parameter(std::string_view wanted) const {
  const std::string* found = request.parameter(wanted);
  return found ? *found : std::string();
}

bool AgentApi::Call::on(std::string_view wanted) const {
  const std::string* found = request.parameter(wanted);
  if (!found) return false;
  if (found->empty() || *found == "true" || *found == "1") return true;
  if (*found == "false" || *found == "0") return false;
  throw Error(ErrorCode::BadRequest, std::string(wanted) + "=" + *found + ": true or false is expected");
}

std::optional<std::int64_t> AgentApi::Call::number(std::string_view wanted) const {
  const std::string written = parameter(wanted);
  if (written.empty()) return std::nullopt;
  std::int64_t value = 0;
  const auto end = std::from_chars(written.data(), written.data() + written.size(), value).ptr;
  if (end != written.data() + written.size() || value < 0)
    throw Error(ErrorCode::BadRequest, std::string(wanted) + "=" + written + " is no number; expected 0 or more");
  return value;
}

// ---- About the agent itself.

Task<api::HttpResponse> AgentApi::ping(Call) {
  co_return answered({{"status", "ok"}, {"version", parts_.version}, {"epoch", parts_.channels.epoch()}});
}

Task<api::HttpResponse> AgentApi::health(Call) {
  const auto machine = co_await parts_.blocking.run(parts_.reactor, [this] { return usage_.read(); });
  std::int64_t running = 0;
  std::int64_t exited = 0;
  for (const auto& each : co_await parts_.host.list(""))
    ++(each.state == providers::Instance::State::Exited ? exited : running);
  const json::Value upgrade =
      co_await parts_.blocking.run(parts_.reactor, [path = parts_.data_dir + "/bin/outcome.json"] {
        const auto text = files::read_file_if_exists(path, 1 << 16);
        return text ? json::parse(*text) : json::Value();
      });
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(parts_.reactor.now() - born_).count();
  co_return answered({{"status", "healthy"},
                      {"version", parts_.version},
                      {"epoch", parts_.channels.epoch()},
                      {"hostname", name.data()},
                      {"pid", static_cast<std::int64_t>(::getpid())},
                      {"uptimeSeconds", uptime},
                      {"capacity", json::Object{{"cpuMillis", machine.cpu_millis},
                                                {"memoryBytes", machine.memory_bytes},
                                                {"diskBytes", machine.disk_bytes}}},
                      {"usage", json::Object{{"cpuMillis", machine.cpu_millis_used},
                                             {"memoryBytes", machine.memory_bytes_used},
                                             {"diskBytes", machine.disk_bytes_used}}},
                      {"instances", json::Object{{"running", running}, {"exited", exited}}},
                      {"awake", parts_.awake.about()},
                      {"lastUpgrade", upgrade},
                      {"channels", static_cast<std::int64_t>(parts_.channels.size())},
                      {"keysAccepted", static_cast<std::int64_t>(parts_.keys.accepted())}});
}

Task<api::HttpResponse> AgentApi::events(Call call) {
  api::HttpResponse response;
  response.content_type = "application/x-ndjson";
  response.stream = parts_.channels.open(call.parameter("replaces"));
  co_return response;
}

// The one who asks had a key that opens, so the new one is as good.
Task<api::HttpResponse> AgentApi::rotate_key(Call call) {
  const json::Value body = call.body();
  const std::string key = body.string_or("key");
  const auto overlap =
      std::chrono::seconds(std::clamp<std::int64_t>(body.int_or("overlapSeconds", kOverlapSeconds), 0, 30LL * 86400));
  parts_.keys.rotate(key, overlap);  // on our own thread, so that no call is judged by half a change
  kLog.info("the key was rotated", {{"overlap", human_duration(overlap)}, {"accepted", parts_.keys.accepted()}});
  co_return answered({{"accepted", static_cast<std::int64_t>(parts_.keys.accepted())}});
}

// For as long as something runs here; whoever wants it asks again after a restart of ours.
Task<api::HttpResponse> AgentApi::keep_awake(Call call) {
  const json::Value body = call.body();
  const json::Value* keep = body.find("keep");
  if (!keep || !keep->is_bool()) throw Error(ErrorCode::BadRequest, "keep: true or false is expected");
  co_await parts_.awake.want(keep->as_bool());
  co_return answered({{"awake", parts_.awake.about()}});
}

// Whoever has the key says whose relays may come in.
Task<api::HttpResponse> AgentApi::tunnel(Call call) {
  if (!parts_.tunnel) throw Error(ErrorCode::Conflict, "this agent speaks plain HTTP, and so has no tunnel");
  const std::string authority = call.body().string_or("authority");
  if (authority.empty())
    throw Error(ErrorCode::BadRequest, "authority: the PEM certificate of an authority is expected");
  co_return answered(co_await parts_.tunnel->let_in(authority));
}

}  // namespace gantry::agent
