// The operations on instances: each says what it wants of the host, and how the answer is worded.
#include "controller/agent/agent_call.hpp"
#include "providers/agent/wire.hpp"
#include "providers/local/instance_files.hpp"
#include "providers/local/probe.hpp"

namespace gantry::agent {
namespace {

using providers::Instance;
using providers::agent::to_json;

constexpr std::size_t kLogBytes = 8 << 20;  // of an answer that is whole
constexpr Duration kEndLimit = std::chrono::seconds(60);
constexpr Duration kLook = std::chrono::milliseconds(50);

class LogStream final : public api::BodyStream {
 public:
  explicit LogStream(std::unique_ptr<providers::LogReader> reader) : reader_(std::move(reader)) {}
  Task<std::vector<api::Piece>> next() override {
    std::vector<api::Piece> pieces;
    std::string text = co_await reader_->next();
    if (!text.empty()) pieces.emplace_back(std::move(text));
    co_return pieces;
  }
  void close() override { reader_->close(); }

 private:
  std::unique_ptr<providers::LogReader> reader_;
};

}  // namespace

// A caller that has lost its channel has given up what it sent before.
void AgentApi::check_channel(const Call& call) const {
  const std::string* channel = call.request.header("x-gantry-channel");
  if (channel && !parts_.channels.is_open(*channel))
    throw Error(ErrorCode::Expired, "the channel " + *channel + " is not open any more; ask again on the new one");
}

Task<Instance> AgentApi::find(std::string id) {
  providers::local::check_instance_id(id);
  for (auto& each : co_await parts_.host.list("")) {
    if (each.id == id) co_return each;
  }
  throw Error(ErrorCode::NotFound, "there is no instance \"" + id + "\" on this host");
}

Task<api::HttpResponse> AgentApi::list(Call call) {
  json::Array instances;
  for (const auto& each : co_await parts_.host.list(call.parameter("owner"))) instances.push_back(to_json(each));
  co_return answered({{"instances", std::move(instances)}});
}

Task<api::HttpResponse> AgentApi::show(Call call) {
  co_return answered({{"instance", to_json(co_await find(call.name))}});
}

Task<api::HttpResponse> AgentApi::run(Call call) {
  check_channel(call);
  auto spec = providers::agent::spec_from(call.body());
  place_code(spec);
  const auto instance = co_await parts_.host.start(std::move(spec));
  co_return answered({{"instance", to_json(instance)}, {"sequence", parts_.channels.sequence()}});
}

Task<api::HttpResponse> AgentApi::stop(Call call) {
  check_channel(call);
  co_await find(call.name);
  co_await parts_.host.stop(call.name);
  const auto instance = co_await find(call.name);
  co_return answered({{"instance", to_json(instance)}, {"sequence", parts_.channels.sequence()}});
}

// An instance never runs twice, so what is started again is its successor, with an id of its own.
Task<api::HttpResponse> AgentApi::restart(Call call) {
  check_channel(call);
  const json::Value body = call.body();
  if (body.is_null()) {
    throw Error(ErrorCode::BadRequest,
                "restart: the body must be the spec of the successor, as for /containers/run, with an id of its own");
  }
  auto successor = providers::agent::spec_from(body);
  if (successor.id == call.name)
    throw Error(ErrorCode::BadRequest, "id: the successor of " + call.name + " needs an id of its own");
  place_code(successor);
  Instance before = co_await find(call.name);
  co_await parts_.host.stop(call.name);
  const Instant deadline = parts_.reactor.now() + successor.stop_grace + kEndLimit;
  while (before.state != Instance::State::Exited) {
    if (parts_.reactor.now() > deadline)
      throw Error(ErrorCode::Timeout, call.name + " was asked to end and has not; nothing was started");
    co_await sleep_for(parts_.reactor, kLook);
    before = co_await find(call.name);
  }
  const auto instance = co_await parts_.host.start(std::move(successor));
  co_return answered({{"before", to_json(before)}, {"instance", to_json(instance)}});
}

Task<api::HttpResponse> AgentApi::remove(Call call) {
  check_channel(call);
  providers::local::check_instance_id(call.name);
  co_await parts_.host.remove(call.name, call.on("logs"));
  co_return answered({{"removed", call.name}});
}

Task<api::HttpResponse> AgentApi::logs(Call call) {
  providers::LogQuery query;
  query.tail_lines = call.number("tail");
  query.timestamps = call.on("timestamps");
  query.follow = call.on("follow");
  if (const std::string since = call.parameter("since"); !since.empty()) query.since = parse_time(since);
  if (const auto seconds = call.number("sinceSeconds"))
    query.since = parts_.reactor.clock().wall() - std::chrono::seconds(std::min<std::int64_t>(*seconds, 1LL << 31));
  auto reader = co_await parts_.host.logs(call.name, query);
  if (query.follow || call.on("stream")) {
    api::HttpResponse response;
    response.content_type = "text/plain; charset=utf-8";
    response.stream = std::make_unique<LogStream>(std::move(reader));
    co_return response;
  }
  std::string text;
  for (std::string piece = co_await reader->next(); !piece.empty(); piece = co_await reader->next()) {
    text += piece;
    if (text.size() > kLogBytes) {
      reader->close();
      throw Error(ErrorCode::TooLarge, "the log is larger than " + std::to_string(kLogBytes >> 20) +
                                           " MiB; ask for its end with ?tail=1000, or for all of it with ?stream=true");
    }
  }
  co_return answered({{"logs", std::move(text)}});
}

Task<api::HttpResponse> AgentApi::log_tail(Call call) {
  const auto lines = std::min<std::int64_t>(call.number("lines").value_or(200), 10'000);
  co_return answered({{"logs", co_await parts_.host.log_tail(call.name, static_cast<std::size_t>(lines))}});
}

Task<api::HttpResponse> AgentApi::stats(Call call) {
  const std::string owner = call.parameter("owner");
  if (owner.empty()) throw Error(ErrorCode::BadRequest, "owner: of which App? its uid is expected");
  json::Array all;
  for (const auto& one : co_await parts_.host.usage(owner)) all.push_back(to_json(one));
  co_return answered({{"stats", std::move(all)}});
}

Task<api::HttpResponse> AgentApi::probe(Call call) {
  const auto spec = providers::agent::probe_from(call.body());
  co_return answered({{"probe", to_json(co_await providers::local::probe(parts_.reactor, spec))}});
}

Task<api::HttpResponse> AgentApi::pull(Call call) {
  const std::string image = call.body().string_or("image");
  if (image.empty()) throw Error(ErrorCode::BadRequest, "image: which one? {\"image\": \"nginx:1.27\"}");
  co_return answered({{"image", image}, {"digest", co_await parts_.images.pull_image(image)}});
}

}  // namespace gantry::agent
