#include "controller/app/app_logs.hpp"

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>

#include "controller/base/signal.hpp"
#include "reconcilers/app/tasks.hpp"

namespace gantry::app {
namespace {

using providers::Instance;
using providers::LogReader;

struct Wanted {
  providers::LogQuery query;
  std::optional<int> slot;
  std::string instance;
  std::string run;  // of a schedule
  bool previous = false;
  bool build = false;
};

std::optional<std::int64_t> number(const api::SubresourceRequest& request, std::string_view name) {
  const std::string text = request.parameter(name);
  if (text.empty()) return std::nullopt;
  std::int64_t value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value).ptr;
  if (end != text.data() + text.size() || value < 0)
    throw Error(ErrorCode::BadRequest, std::string(name) + "=" + text + " is not a number; expected 0 or more");
  return value;
}

Wanted wanted_of(const api::SubresourceRequest& request, WallTime now) {
  const auto on = [&](std::string_view name) {
    return request.parameter(name) == "true" || request.parameter(name) == "1";
  };
  Wanted wanted;
  wanted.query.tail_lines = number(request, "tailLines");
  if (const auto seconds = number(request, "sinceSeconds"))
    wanted.query.since = now - std::chrono::seconds(std::min<std::int64_t>(*seconds, 100LL * 365 * 86400));
  wanted.query.timestamps = on("timestamps");
  wanted.query.follow = on("follow");
  if (const auto slot = number(request, "slot")) wanted.slot = static_cast<int>(*slot);
  wanted.instance = request.parameter("instance");
  wanted.run = request.parameter("run");
  wanted.previous = on("previous");
  wanted.build = on("build");
  return wanted;
}

// The newest try of each slot, or the one before it; of a schedule, its newest run, or the one before that.
std::vector<Instance> chosen(std::vector<Instance> all, const Wanted& wanted) {
  if (!wanted.instance.empty()) {
    std::erase_if(all, [&](const auto& one) { return one.id != wanted.instance; });
    return all;
  }
  std::erase_if(all, [&](const auto& one) {
    const auto task = reconcilers::app::parse_task_id(one.id);
    return (task ? task->name : std::string()) != wanted.run;
  });
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.started > b.started; });
  std::map<int, std::vector<Instance>> by_slot;
  for (auto& one : all) by_slot[one.slot].push_back(std::move(one));
  std::vector<Instance> out;
  for (auto& [slot, tries] : by_slot) {
    if (wanted.slot && slot != *wanted.slot) continue;
    const std::size_t index = wanted.previous ? 1 : 0;
    if (tries.size() > index) out.push_back(std::move(tries[index]));
  }
  return out;
}

// Several readers on the loop, one stream on the front. Each reader has a coroutine; their lines meet in one bounded
// queue.
class Merged final : public api::BodyStream {
 public:
  Merged(Reactor& front, Reactor& loop) : front_(front), state_(std::make_shared<State>(loop)) {}

  // On the loop.
  void add(std::string prefix, std::unique_ptr<LogReader> reader) {
    auto shared = std::shared_ptr<LogReader>(std::move(reader));
    state_->readers.push_back(shared);
    ++state_->open;
    state_->loop.spawn(pump(state_, std::move(prefix), std::move(shared)));
  }

  Task<std::vector<api::Piece>> next() override {
    auto state = state_;
    std::string text = co_await state->loop.call(front_, [state] { return take(state); });
    std::vector<api::Piece> pieces;
    if (!text.empty()) pieces.emplace_back(std::move(text));
    co_return pieces;
  }

  void close() override {
    state_->loop.post([state = state_] {
      state->closed = true;
      for (const auto& reader : state->readers) reader->close();
      state->news.notify_all();
      state->room.notify_all();
    });
  }

  ~Merged() override { close(); }

 private:
  struct State {
    explicit State(Reactor& reactor) : loop(reactor), news(reactor), room(reactor) {}
    Reactor& loop;
    Signal news;
    Signal room;
    std::string text;
    std::vector<std::shared_ptr<LogReader>> readers;
    std::size_t open = 0;
    bool closed = false;
  };
  static constexpr std::size_t kBuffered = 256 << 10;

  static Task<std::string> take(std::shared_ptr<State> state) {
    while (state->text.empty() && state->open > 0 && !state->closed) co_await state->news.wait();
    if (state->closed) co_return std::string();
    state->room.notify_all();
    co_return std::exchange(state->text, {});
  }

  static Task<> pump(std::shared_ptr<State> state, std::string prefix, std::shared_ptr<LogReader> reader) {
    std::string rest;  // a line is only given a prefix when it is whole
    while (!state->closed) {
      std::string chunk;
      try {
        chunk = co_await reader->next();
      } catch (const Error& error) {  // one instance's log is gone: the others' go on
        chunk.clear();
        state->text += prefix + "(" + error.message() + ")\n";
      }
      if (chunk.empty()) break;
      if (prefix.empty()) {
        state->text += chunk;
      } else {
        rest += chunk;
        for (std::size_t end = 0; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1))
          state->text += prefix + rest.substr(0, end + 1);
      }
      state->news.notify_all();
      while (state->text.size() > kBuffered && !state->closed) co_await state->room.wait();
    }
    if (!rest.empty()) state->text += prefix + rest + "\n";
    --state->open;
    state->news.notify_all();
  }

  Reactor& front_;
  std::shared_ptr<State> state_;
};

Task<std::shared_ptr<Merged>> open_logs(Reactor& front, Reactor& loop, providers::WorkloadHost& host, std::string uid,
                                        std::string name, Wanted wanted) {
  const auto instances = chosen(co_await host.list(uid), wanted);
  if (instances.empty()) {
    throw Error(ErrorCode::NotFound, "App \"" + name + "\" has no " + (wanted.previous ? "earlier " : "") + "instance" +
                                         (wanted.slot ? " of slot " + std::to_string(*wanted.slot) : "") +
                                         " whose log could be shown");
  }
  auto merged = std::make_shared<Merged>(front, loop);
  for (const auto& instance : instances) {
    const std::string prefix =
        instances.size() > 1 ? "[" + name + "/" + std::to_string(instance.slot) + "] " : std::string();
    merged->add(prefix, co_await host.logs(instance.id, wanted.query));
  }
  co_return merged;
}

Task<std::shared_ptr<Merged>> open_build_log(Reactor& front, Reactor& loop, providers::Builder& builder,
                                             std::string uid, bool follow) {
  auto merged = std::make_shared<Merged>(front, loop);
  merged->add("", co_await builder.build_log(std::move(uid), follow));
  co_return merged;
}

struct Shared final : api::BodyStream {
  explicit Shared(std::shared_ptr<Merged> stream) : merged(std::move(stream)) {}
  Task<std::vector<api::Piece>> next() override { return merged->next(); }
  void close() override { merged->close(); }
  std::shared_ptr<Merged> merged;
};

}  // namespace

Task<api::HttpResponse> AppLogs::handle(api::SubresourceRequest request) {
  const Wanted wanted = wanted_of(request, front_.clock().wall());
  const std::string uid = request.object->meta().uid;
  const std::string name = request.object->key().name;
  auto merged = co_await loop_.call(front_, [this, uid, name, wanted] {
    return wanted.build ? open_build_log(front_, loop_, builder_, uid, wanted.query.follow)
                        : open_logs(front_, loop_, host_, uid, name, wanted);
  });
  api::HttpResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.stream = std::make_unique<Shared>(std::move(merged));
  co_return response;
}

}  // namespace gantry::app
